"""For two classes, one sigmoid unit or two softmax units?

Claim: with two classes softmax regression reduces to logistic regression (Deep Learning
Specialization, course 2 week 3). The steps are the same, we add, if the sigmoid unit has twice the
learning rate.
Look for: in the figure, which losses lie on top of each other; in TensorBoard, loss.
Why: a softmax of two depends only on the difference of its logits, and is the sigmoid of that. The
two units have opposite gradients, each as large as that of a sigmoid unit, so in a step their
difference changes twice as much. With Adam opposite gradients make opposite steps as well. But the
gradients that reach hidden layers are the same for both outputs, and twice the rate doubles their
steps.
Use: either; where one sigmoid unit replaces two softmax units, tune the learning rate anew.
Symptoms: training is slow
Topic: Softmax
"""

import keras


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    output="softmax",
    last_init="glorot_uniform",
    hidden_layers=2,
    dropout=0.1,
    optimizer="SGD",
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: hidden layers, and a softmax or a sigmoid.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        output: "softmax" for a unit a class; or, for two classes, "sigmoid" for one unit that gives
            the probability of class 1.
        last_init: Keras's name of the last kernel's initializer.
        hidden_layers: number of hidden layers; 0 is softmax or logistic regression.
        dropout: rate of Dropout before the last layer.
        optimizer: "SGD" or "Adam".
        learning_rate: learning rate of the optimizer.
    """
    if output == "sigmoid" and num_classes != 2:
        raise ValueError(f"one sigmoid unit tells 2 classes apart, not {num_classes}")
    units, loss = num_classes, "sparse_categorical_crossentropy"
    if output == "sigmoid":
        units, loss = 1, "binary_crossentropy"
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, hidden_layers + 1):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(units, output, kernel_initializer=last_init, name=output))
    optimizers = {
        "SGD": keras.optimizers.SGD(learning_rate),
        "Adam": keras.optimizers.Adam(learning_rate),
    }
    model.compile(optimizer=optimizers[optimizer], loss=loss, metrics=["accuracy"])
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    output = hp.Choice("output", ["softmax", "sigmoid"]) if num_classes == 2 else "softmax"
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, output=output, dropout=dropout, learning_rate=rate)


COURSE = "Deep Learning Specialization, course 2 week 3"
TWO, ONE = "two softmax units", "one sigmoid unit"
FLAT, FLAT_ADAM = "no hidden layer, SGD", "no hidden layer, Adam"
DEEP, BEST = "two hidden layers, SGD", "two hidden layers, best lr"
ALIKE = {"last_init": "zeros"}  # the difference of two zeros is zero: both outputs start alike
LINEAR = ALIKE | {"hidden_layers": 0, "dropout": 0.0}
NETWORKS = {
    FLAT: LINEAR | {"learning_rate": 0.05},
    FLAT_ADAM: LINEAR | {"optimizer": "Adam", "learning_rate": 0.005},
    DEEP: ALIKE | {"learning_rate": 0.05},
}
SOFTMAX = {(network, TWO): arguments for network, arguments in NETWORKS.items()}
SIGMOID = {
    (network, ONE): arguments
    | {"output": "sigmoid", "learning_rate": 2 * arguments["learning_rate"]}
    for network, arguments in NETWORKS.items()
}
TO_TUNE = {(BEST, TWO): {}, (BEST, ONE): {"output": "sigmoid"}}
VARIANTS = SOFTMAX | SIGMOID | TO_TUNE
TOLERANCE = 1e-3  # nats: far more than rounding, far less than anybody sees


def two_classes(dataset, random):
    """Return the data with the first half of the classes as class 0, the rest as class 1."""
    half = dataset.num_classes // 2
    names = (f"the first {half} classes", "the others")
    return dataset.map_labels(lambda y: y >= half, names)


def run(lab):
    """Train one unit at twice the rate of two, from the same start; then each at its best rate."""
    data, epochs = lab.data(examples=1000).map(two_classes), 20
    tuned = lab.tune(build_model, TO_TUNE, data, epochs=epochs, learning_rate=(0.03, 0.1, 0.3))
    results = lab.train(build_model, SOFTMAX | SIGMOID | tuned, data, epochs=epochs)
    test = results.final("test_accuracy")
    apart = {
        network: results.curve("train_loss", (network, ONE))
        - results.curve("train_loss", (network, TWO))
        for network in NETWORKS
    }

    lab.claim(
        "no hidden layer, SGD: one unit at twice the rate has the training loss of two units",
        source=COURSE,
        that=lab.exact(apart[FLAT], TOLERANCE, unit="nats"),
        any_data=True,
    )
    lab.claim(
        "no hidden layer, Adam: one unit at twice the rate has the training loss of two units",
        that=lab.exact(apart[FLAT_ADAM], TOLERANCE, unit="nats"),
    )
    lab.claim(
        "two hidden layers, SGD: one unit at twice the rate has the training loss of two units",
        that=lab.exact(apart[DEEP], TOLERANCE, unit="nats"),
    )
    lab.claim(
        "two hidden layers, best rates: test accuracy is the same within 1 percentage point",
        source=COURSE,
        that=test[BEST, ONE].within(1, of=test[BEST, TWO]),
    )
    lab.figure(lab.panels(results, "train_loss", each=NETWORKS, lines=(TWO, ONE)))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
