"""Should the softmax be in the model, or should the loss get logits?

Claim: the loss that gets logits is the stable one; a softmax followed by the negative likelihood,
without the logarithm, trains as well (notes on the Deep Learning Specialization, course 2 week 3).
Look for: in the figure, up to which logit each way corrects a wrong answer (where a line ends, the
gradient is NaN); in figure-training, how well the likelihood trains; in TensorBoard,
epoch_accuracy.
Why: from logits z the loss is ln(sum exp z) - z of the right class, which can be computed without
overflow. In two steps the softmax of a low logit rounds to 0, whose logarithm is infinite. Keras
clips probabilities at 1e-7 before that, so that the worst mistakes have a gradient of 0. But a
compiled Keras model hands the logits of its softmax layer on to the loss. Without the logarithm an
example's gradient is that of the cross-entropy times the probability of its class: the worst
mistakes change the weights least.
Use: a softmax layer and "sparse_categorical_crossentropy" in a compiled model; from_logits=True
where the softmax and the loss are two operations of your own.
Symptoms: the loss is NaN after a few steps; the loss does not move
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
LOSSES = {CROSS_ENTROPY: {}, LIKELIHOOD: {"loss": "likelihood"}}
VARIANTS = {
    (loss, norm): arguments | {"batch_norm": norm == WITH, "dropout": 0.0}
    for loss, arguments in LOSSES.items()
    for norm in (WITH, WITHOUT)
}
EPOCHS = {WITH: 20, WITHOUT: 40}
RATES = (0.1, 0.3, 1.0, 3.0, 10.0)  # at first gradients without the log are ten times smaller


def two_steps(labels, logits):
    """Return Keras's cross-entropy of probabilities, without the logits behind them."""
    probabilities = 1.0 * keras.ops.softmax(logits)  # a product, so Keras finds no softmax
    return keras.losses.sparse_categorical_crossentropy(labels, probabilities)


def by_hand(labels, logits):
    """Return minus the logarithm of the probability of the label, which here is always 0."""
    return -keras.ops.log(keras.ops.softmax(logits)[:, 0])


FUSED, COMPILED = "logits in the loss", "softmax layer, compiled"
TWO_STEPS, BY_HAND = "softmax, then Keras's loss", "softmax, then -log"
WAYS = {  # activation of the last layer, and the loss
    FUSED: ("linear", keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
    COMPILED: ("softmax", "sparse_categorical_crossentropy"),
    TWO_STEPS: ("linear", two_steps),
    BY_HAND: ("linear", by_hand),
}
LOGITS = np.geomspace(1, 200, 24)  # of the wrong one of two classes; that of the right one is 0


def gradients(activation, loss):
    """Return the gradient by the right class's logit, 0, where the wrong one's is one of LOGITS."""
    last = keras.layers.Dense(2, activation, use_bias=False)
    model = keras.Sequential([keras.Input((1,)), last])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=loss)
    found = []
    for logit in LOGITS:
        last.set_weights([np.array([[0, logit]])])  # the input is 1, so these are the logits
        model.train_on_batch(np.ones((1, 1)), np.zeros(1))
        found.append(-last.get_weights()[0][0, 0])
    return np.array(found)


def run(lab):
    """Compute the gradient of one wrong answer in four ways; train with and without the log."""
    gradient = {way: gradients(*WAYS[way]) for way in WAYS}
    exact = 1 / (1 + np.exp(LOGITS)) - 1
    data = lab.data(examples=1000)
    tuned = lab.tune(build_model, VARIANTS, data, epochs=EPOCHS, learning_rate=RATES)
    results = lab.train(build_model, tuned, data, epochs=EPOCHS)
    test = results.final("test_accuracy")

    lab.claim(
        "logits in the loss: the gradient of a wrong answer is right up to a logit of 200",
        source=NOTES,
        that=lab.exact(gradient[FUSED] - exact, 1e-6),
        any_data=True,
    )
    lab.claim(
        "a compiled softmax layer: the gradient of a wrong answer is right up to a logit of 200",
        that=lab.exact(gradient[COMPILED] - exact, 1e-6),
        any_data=True,
    )
    lab.claim(
        "a softmax, then Keras's loss: the gradient of a wrong answer is 0 beyond a logit of 17",
        that=lab.exact(gradient[TWO_STEPS][LOGITS > 17], 1e-6),
        any_data=True,
    )
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
    drawn = {}
    for way, values in gradient.items():
        for logit, value in zip(LOGITS, values, strict=True):
            drawn[way, logit] = [value]
    axes = {"x_label": "logit of the wrong class", "y_label": "gradient by the right class's logit"}
    lab.figure(lab.lines(lab.measure(drawn), along=LOGITS, each=WAYS, **axes, x_scale="log"))
    lab.figure(lab.panels(results, each=(WITH, WITHOUT), lines=LOSSES), name="training")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
