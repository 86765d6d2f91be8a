"""Weight decay as L2 in the loss, or as decay in the update?

Claim: L2 in the loss and decay in the update are the same with plain SGD, but not with Adam, where
decay generalizes better (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization").
Look for: in the figure, how far validation stays below training with Adam, each way at its best; in
TensorBoard, under histograms, how narrow the kernels become.
Why: a step of SGD with decay λ leads to w - learning_rate * (gradient + λ * w). Keras's L2(l) adds
l * sum(w**2) to the loss, whose gradient is 2 * l * w, so l = λ / 2 does the same. Adam divides
each gradient by its usual size, and that of a penalty with it: weights with large gradients hardly
shrink, and those without any by the learning rate at each step, however small λ. Decay in the
update takes the same share of all.
Use: weight_decay=λ in the optimizer. With SGD keras.regularizers.L2(λ / 2) does the same; with Adam
it asks for another λ.
Symptoms: validation is far below training; validation loss rises
Topic: Regularization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.1,
    optimizer="Adam",
    decay=0.1,
    in_loss=False,
    learning_rate=0.001,
):
    """Return a compiled classifier of vectors: six hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        optimizer: "SGD" or "Adam".
        decay: weight decay λ of kernels and biases; in the update, of gamma and beta, too.
        in_loss: whether it is a penalty in the loss, not a decay in the update.
        learning_rate: learning rate of the optimizer.
    """
    penalty = keras.regularizers.L2(decay / 2 if in_loss else 0.0)
    penalties = {"kernel_regularizer": penalty, "bias_regularizer": penalty}
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 7):
        model.add(
            keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}", **penalties)
        )
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax", **penalties))
    optimizers = {"SGD": keras.optimizers.SGD, "Adam": keras.optimizers.Adam}
    model.compile(
        optimizer=optimizers[optimizer](learning_rate, weight_decay=0.0 if in_loss else decay),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    decay = hp.Float("decay", 1e-2, 10.0, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    return build_model(input_shape, num_classes, decay=decay, dropout=dropout, learning_rate=rate)


PAPER = "Loshchilov and Hutter 2019"
SGD, ADAM, L2, DECAY = "SGD", "Adam", "L2", "decay"
SHORT, BEST = "λ 0.1, one epoch", "best λ"
PLAIN = {"batch_norm": False, "dropout": 0.0}
SAME_DECAY = {
    (SGD, L2, SHORT): PLAIN | {"optimizer": SGD, "learning_rate": 0.01, "in_loss": True},
    (SGD, DECAY, SHORT): PLAIN | {"optimizer": SGD, "learning_rate": 0.01},
    (ADAM, L2, SHORT): PLAIN | {"in_loss": True},
    (ADAM, DECAY, SHORT): PLAIN,
}
TO_TUNE = {(ADAM, L2, BEST): PLAIN | {"in_loss": True}, (ADAM, DECAY, BEST): PLAIN}
VARIANTS = SAME_DECAY | TO_TUNE
EPOCHS = {SHORT: 1, BEST: 50}
# Candidates for λ, and for the learning rate at the best λ.
DECAYS = {L2: (0.001, 0.003, 0.01, 0.03), DECAY: (0.3, 1.0, 3.0, 10.0)}
RATES = (0.001, 0.003, 0.01)


def kernels(models):
    """Return all kernels of each model as one vector, (models, weights)."""
    vectors = [
        weights.reshape(len(weights), -1)
        for name, weights in models.weights.items()
        if name.endswith("kernel")
    ]
    return np.concatenate(vectors, axis=1)


def difference(results, optimizer):
    """Return how far L2 and decay are apart after an epoch, in % of the kernels' norm, (seeds,)."""
    in_loss = kernels(results.models((optimizer, L2, SHORT)))
    in_update = kernels(results.models((optimizer, DECAY, SHORT)))
    return 100 * np.linalg.norm(in_loss - in_update, axis=1) / np.linalg.norm(in_loss, axis=1)


def run(lab):
    """Train for an epoch with both at the same λ, then overfit with Adam at the best of each."""
    data = lab.data(examples=300)
    tuned = lab.tune(build_model, TO_TUNE, data, epochs=EPOCHS, decay=DECAYS)
    tuned = lab.tune(build_model, tuned, data, epochs=EPOCHS, learning_rate=RATES)
    results = lab.train(build_model, SAME_DECAY | tuned, data, epochs=EPOCHS)
    test = results.final("test_accuracy")
    apart = lab.measure(difference(results, ADAM), unit="%")

    lab.claim(
        "Adam: decay gives more test accuracy than L2, each at its best λ and learning rate",
        source=PAPER,
        that=test[ADAM, DECAY, BEST] > test[ADAM, L2, BEST],
    )
    lab.claim(
        "SGD: L2 and decay of λ 0.1 lead to the same weights after an epoch, up to 0.01 %",
        source=PAPER,
        that=lab.exact(difference(results, SGD), 0.01, unit="%"),
    )
    lab.claim(
        "Adam: L2 and decay of λ 0.1 lead to weights after an epoch that are over 0.01 % apart",
        source=PAPER,
        that=apart > 0.01,
    )
    lab.table(list(TO_TUNE))
    curves = {"training": "train_accuracy", "validation": "val_accuracy"}
    lab.figure(lab.panels(results, curves, each=TO_TUNE))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
