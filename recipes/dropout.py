"""How much Dropout is right?

Claim: Dropout narrows the gap between training and test accuracy, and training accuracy no longer
reaches 100 % (Deep Learning from Scratch, 6.4.3). It raises test accuracy if the layers are wide
enough: n units become n / share kept, with high momentum (Srivastava et al. 2014, appendix A).
Look for: in the figure, how far validation stays below training, and how much longer learning takes
with Dropout; in TensorBoard, under epoch_loss, train beside validation.
Why: every step trains another thinned network, so that no unit can rely on another one alone; and
thinning asks for more units and for longer training. The book stops after 300 epochs at a learning
rate of .01, while its network with Dropout still learns; here each variant has its own rate, and
all are trained out.
Use: the rate that is best on validation data, none among them, in layers that are wide enough.
Symptoms: validation far below training; validation loss rises
Topic: Regularization
"""

import keras


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.2,
    hidden_layers=3,
    units=200,
    momentum=0.95,
    learning_rate=0.03,
):
    """Return a compiled classifier of vectors: some hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: share of each hidden layer's units that training drops.
        hidden_layers: how many.
        units: of each hidden layer.
        momentum: share of the last step that the next one keeps.
        learning_rate: of gradient descent.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, hidden_layers + 1):
        model.add(keras.layers.Dense(units, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
        model.add(keras.layers.Dropout(dropout, name=f"h{n}_dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=momentum),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, the learning rate on a logarithmic scale."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 0.3, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


BOOK = "Deep Learning from Scratch, 6.4.3"
PAPER = "Srivastava et al. 2014, appendix A"
NARROW, WIDE = "6 layers of 100 units", "3 layers of 200 units"
NETWORKS = {
    NARROW: {"batch_norm": False, "hidden_layers": 6, "units": 100, "momentum": 0.0},
    WIDE: {"batch_norm": False, "hidden_layers": 3, "units": 200, "momentum": 0.95},
}
RATES = {NARROW: (0.0, 0.2), WIDE: (0.0, 0.5)}  # of Dropout
LEARNING_RATES = {NARROW: (0.03, 0.1, 0.3), WIDE: (0.003, 0.01, 0.03)}  # to choose from
VARIANTS = {
    (network, rate): arguments | {"dropout": rate}
    for network, arguments in NETWORKS.items()
    for rate in RATES[network]
}


def run(lab):
    """Train on 300 examples, as the book does, until no curve rises any more."""
    data = lab.data(examples=300)
    tuned = lab.tune(build_model, VARIANTS, data, values=LEARNING_RATES, epochs=120)
    results = lab.train(build_model, tuned, data, epochs=120)
    test = results.final("test_accuracy")
    gap = results.final("accuracy") - test

    lab.claim(
        f"training minus test accuracy is smaller with Dropout of 0.2, {NARROW}",
        source=BOOK,
        that=gap[NARROW, 0.2] < gap[NARROW, 0.0],
    )
    lab.claim(
        f"with Dropout of 0.2 training accuracy stays below 99.5 %, {NARROW}",
        source=BOOK,
        that=results.highest("accuracy")[NARROW, 0.2] < 99.5,
    )
    lab.claim(
        f"Dropout of 0.5 raises test accuracy, {WIDE}",
        source=PAPER,
        that=test[WIDE, 0.5] > test[WIDE, 0.0],
    )
    both = {"training": "accuracy", "validation": "val_accuracy"}
    lab.figure(lab.panels(results, both, each=VARIANTS))
    lab.figure(lab.dots(test), "test")


if __name__ == "__main__":
    from recipes import main

    main(__name__)
