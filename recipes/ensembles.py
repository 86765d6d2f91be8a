"""What does averaging models buy?

Claim: the mean of several models' predictions is a few percent more accurate than one model; more
models gain more, but less and less (CS231n, Neural Networks Part 3, Model Ensembles).
Look for: in the figure, how soon each line flattens, with a weak network and with a strong one; in
TensorBoard, under accuracy, how the weak network's curve jumps.
Why: averaging takes out what each model gets wrong in its own way, and nothing that all get wrong.
So it pays where a network comes out differently each time.
Use: the mean of five models from other initial values, if one alone comes out differently each time
and inference may take five times as long.
Symptoms: worse on new data than in validation; the loss swings up and down
Topic: Regularization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    hidden_layers=2,
    units=100,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: `hidden_layers` hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        hidden_layers: number of hidden layers.
        units: units of each hidden layer.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, hidden_layers + 1):
        model.add(keras.layers.Dense(units, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


NOTES = "CS231n, Neural Networks Part 3, Model Ensembles"
WEAK, STRONG = "6 x 20 units, 300 examples", "2 x 100 units, 1000 examples"
NETWORKS = {
    WEAK: {"hidden_layers": 6, "units": 20, "batch_norm": False, "dropout": 0.0},
    STRONG: {"hidden_layers": 2, "units": 100, "batch_norm": False, "dropout": 0.0},
}
MEMBERS = [f"member {n}" for n in range(1, 11)]
COPIES = {member: n for n, member in enumerate(MEMBERS, 1)}  # each with initial values of its own
VARIANTS = {(network, member): NETWORKS[network] for network in NETWORKS for member in MEMBERS}
COUNTS = (1, 2, 3, 5, 10)  # models that are averaged


def percent_right(probabilities, y):
    """Return the accuracy (%) of probabilities, (seeds, examples, classes), by seed."""
    return 100 * np.mean(np.argmax(probabilities, axis=-1) == y, axis=-1)


def run(lab):
    """Train ten members of a weak and of a strong network; average their predictions."""
    data = {WEAK: lab.data(examples=300), STRONG: lab.data(examples=1000)}
    results = lab.train(
        build_model,
        VARIANTS,
        data,
        epochs={WEAK: 40, STRONG: 20},
        batch_size={WEAK: 20, STRONG: 100},
        copy=COPIES,
    )
    accuracies = {}
    for network in NETWORKS:
        test = data[network].test
        predictions = [results.models((network, member)).predict(test.x) for member in MEMBERS]
        # One model is any of the ten, not the first.
        alone = [percent_right(prediction, test.y) for prediction in predictions]
        accuracies[network, 1] = np.mean(alone, axis=0)
        for count in COUNTS[1:]:
            mean = np.mean(predictions[:count], axis=0)
            accuracies[network, count] = percent_right(mean, test.y)
    accuracy = lab.measure(accuracies, unit="%", label="test accuracy")
    one, five, ten = accuracy[WEAK, 1], accuracy[WEAK, 5], accuracy[WEAK, 10]

    lab.claim(
        f"10 models are over 2 percentage points more accurate on test than one, {WEAK}",
        source=NOTES,
        that=ten - one > 2,
    )
    lab.claim(
        f"10 models are over 2 percentage points more accurate on test than one, {STRONG}",
        source=NOTES,
        that=accuracy[STRONG, 10] - accuracy[STRONG, 1] > 2,
    )
    lab.claim(
        f"the first 5 models gain more test accuracy over one than 5 more add to them, {WEAK}",
        source=NOTES,
        that=five - one > ten - five,
    )
    lab.table({network: (network, "member 1") for network in NETWORKS})
    lab.figure(lab.lines(accuracy, along=COUNTS, lines=NETWORKS, x_label="models averaged"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
