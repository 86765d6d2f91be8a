"""Why is there a logarithm in the loss?

Claim: the likelihood, the probability of the right class, does as well without its logarithm: a
softmax followed by minus that trains (notes on the Deep Learning Specialization, course 2 week 3).
Look for: in the figure, how well the likelihood trains, at its own learning rate; in
figure-gradient, what is left of a mistake's gradient without the logarithm; in TensorBoard,
accuracy.
Why: the product of all examples' probabilities has the sum of their logarithms as its logarithm;
a sum of probabilities is something else. The gradient of -log p by the right class's logit is p -
1, that of -p is p times as large: nearly nothing where the probability p of the right class is
nearly 0. The worst mistakes change the weights least, and an example, or a class, that was once
given up is hardly ever learned.
Use: the cross-entropy, which has the logarithm, above all without batch normalization.
Symptoms: the loss does not move; training is slow
Topic: Softmax
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    loss="sparse_categorical_crossentropy",
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        loss: Keras's name of a loss; or "likelihood" for one minus the probability of the label.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    if loss == "likelihood":
        # It is (1 - p ** q) / q, which at q = 1 is 1 - p, but Keras wants q below 1.
        loss = keras.losses.CategoricalGeneralizedCrossEntropy(q=0.999)
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(optimizer=keras.optimizers.SGD(learning_rate), loss=loss, metrics=["accuracy"])
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


NOTES = "notes on the Deep Learning Specialization, course 2 week 3"
CROSS_ENTROPY, LIKELIHOOD = "cross-entropy", "likelihood without log"
WITH, WITHOUT = "with BN", "without BN"
LOSSES = {
    CROSS_ENTROPY: {"loss": "sparse_categorical_crossentropy"},
    LIKELIHOOD: {"loss": "likelihood"},
}
VARIANTS = {
    (loss, norm): arguments | {"batch_norm": norm == WITH, "dropout": 0.0}
    for loss, arguments in LOSSES.items()
    for norm in (WITH, WITHOUT)
}
EPOCHS = {WITH: 20, WITHOUT: 40}
RATES = (0.1, 0.3, 1.0, 3.0, 10.0)  # at first gradients without the log are ten times smaller
PROBABILITIES = np.linspace(0.01, 0.99, 50)  # of the right class


def gradients(loss):
    """Return the gradient of a loss by the right class's logit at each of PROBABILITIES."""
    model = build_model((1,), 2, loss=loss, batch_norm=False, dropout=0.0, learning_rate=1.0)
    last = model.get_layer("softmax")
    found = []
    for probability in PROBABILITIES:
        odds = np.log(probability / (1 - probability))
        last.set_weights([np.zeros((100, 2)), np.array([odds, 0])])
        model.train_on_batch(np.zeros((1, 1)), np.zeros(1))
        found.append(odds - last.bias.numpy()[0])  # at a rate of 1 a step subtracts the gradient
    return np.array(found)


def run(lab):
    """Compute the gradients of both losses; train with each at its best rate."""
    with_log, without = gradients(**LOSSES[CROSS_ENTROPY]), gradients(**LOSSES[LIKELIHOOD])
    data = lab.data(examples=1000)
    tuned = lab.tune(build_model, VARIANTS, data, epochs=EPOCHS, learning_rate=RATES)
    results = lab.train(build_model, tuned, data, epochs=EPOCHS)
    test, speed = results.final("test_accuracy"), results.mean_over_epochs("train_accuracy")

    lab.claim(
        "with BN test accuracy without the log ends within 1 percentage point, best rates",
        source=NOTES,
        that=test[LIKELIHOOD, WITH].within(1, of=test[CROSS_ENTROPY, WITH]),
    )
    lab.claim(
        "without BN test accuracy without the log ends within 1 percentage point, best rates",
        source=NOTES,
        that=test[LIKELIHOOD, WITHOUT].within(1, of=test[CROSS_ENTROPY, WITHOUT]),
    )
    lab.claim(
        "without BN the network learns more slowly without the log, best rates",
        that=speed[LIKELIHOOD, WITHOUT] < speed[CROSS_ENTROPY, WITHOUT],
    )
    lab.claim(
        "without the log the gradient is that of the cross-entropy times the probability of the "
        "right class, up to 0.001",
        that=lab.exact(without - PROBABILITIES * with_log, 1e-3),
        any_data=True,
    )
    drawn = {}
    for n, probability in enumerate(PROBABILITIES):
        drawn[CROSS_ENTROPY, probability] = [with_log[n]]
        drawn[LIKELIHOOD, probability] = [without[n]]
    axes = {"x_label": "probability of the right class", "y_label": "gradient by its logit"}
    by_probability = lab.lines(lab.measure(drawn), along=PROBABILITIES, lines=LOSSES, **axes)
    lab.figure(lab.panels(results, each=(WITH, WITHOUT), lines=LOSSES))
    lab.figure(by_probability, name="gradient")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
