"""What does averaging models buy?

Claim: the mean of several models' predictions is a few percent more accurate than one model; more
models gain more, but less and less. Models from other initial values vary more, and gain more, than
checkpoints of one run; the mean of a run's weights is worth a percent or two (CS231n, Neural
Networks Part 3, Model Ensembles).
Look for: in the figure, how soon each line flattens, with a weak network and with a strong one; in
figure-epochs, what is left if epochs of one run are averaged, or their weights; in TensorBoard,
under epoch_accuracy, how the weak network's curve jumps.
Why: averaging takes out what each member gets wrong in its own way, and nothing that all get wrong.
So it pays where a network comes out differently each time. Checkpoints differ only while a run is
still moving about. The networks have no batch normalization here: of averaged weights, its moving
averages would have to be measured again.
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
LAST, PREDICTIONS, WEIGHTS = "last epoch", "mean of 5 epochs", "mean weights of 5 epochs"


def accuracy(probabilities, labels):
    """Return the accuracy (%) of probabilities, (..., seeds, examples, classes), by seed."""
    return 100 * np.mean(np.argmax(probabilities, axis=-1) == labels, axis=-1)


def average_models(results, network, test):
    """Return the accuracy (%) of the mean of 1, 2, ... models, `{(network, count): (seeds,)}`."""
    members = [results.models((network, member)).predict(test.x) for member in MEMBERS]
    found = {
        (network, count): accuracy(np.mean(members[:count], axis=0), test.y) for count in COUNTS
    }
    found[network, 1] = accuracy(members, test.y).mean(axis=0)  # of any one, not of the first
    return found


def average_epochs(results, network, test):
    """Return the accuracy (%) of one run's last epoch and of its last five, averaged in two ways.

    `{LAST, PREDICTIONS or WEIGHTS: (seeds,)}`, each the mean over ten runs.
    """
    found = {LAST: [], PREDICTIONS: [], WEIGHTS: []}
    for member in MEMBERS:
        key = network, member
        models = [results.models(key, epoch) for epoch in results.recorded(key)[-5:]]
        predictions = [model.predict(test.x) for model in models]
        averaged = models[0]
        for name in averaged.weights:
            averaged.weights[name] = np.mean([model.weights[name] for model in models], axis=0)
        found[LAST].append(accuracy(predictions[-1], test.y))
        found[PREDICTIONS].append(accuracy(np.mean(predictions, axis=0), test.y))
        found[WEIGHTS].append(accuracy(averaged.predict(test.x), test.y))
    return {kind: np.mean(values, axis=0) for kind, values in found.items()}


def run(lab):
    """Train ten members of a weak and of a strong network; average predictions and weights."""
    data = {WEAK: lab.data(examples=300), STRONG: lab.data(examples=1000)}
    last = lab.epochs(40)  # a quick run has fewer
    results = lab.train(
        build_model,
        VARIANTS,
        data,
        epochs={WEAK: 40, STRONG: 20},
        batch_size={WEAK: 20, STRONG: 100},
        copy=COPIES,
        record={WEAK: range(max(1, last - 4), last + 1), STRONG: ()},
    )
    by_count = {}
    for network in NETWORKS:
        by_count |= average_models(results, network, data[network].test)
    ensemble = lab.measure(by_count, unit="%", label="test accuracy")
    by_kind = average_epochs(results, WEAK, data[WEAK].test)
    one_run = lab.measure(by_kind, unit="%", label="test accuracy")
    gain = ensemble[WEAK, 5] - ensemble[WEAK, 1]
    further_gain = ensemble[WEAK, 10] - ensemble[WEAK, 5]

    for network in NETWORKS:
        lab.claim(
            f"10 models are over 2 percentage points more accurate on test than one, {network}",
            source=NOTES,
            that=ensemble[network, 10] - ensemble[network, 1] > 2,
        )
    lab.claim(
        f"the first 5 models gain more test accuracy over one than 5 more add to them, {WEAK}",
        source=NOTES,
        that=gain > further_gain,
    )
    lab.claim(
        f"5 models gain more test accuracy than the last 5 epochs of one run, {WEAK}",
        source=NOTES,
        that=gain > one_run[PREDICTIONS] - one_run[LAST],
    )
    lab.claim(
        f"the mean of 5 epochs' weights gains over 1 percentage point of test accuracy, {WEAK}",
        source=NOTES,
        that=one_run[WEIGHTS] - one_run[LAST] > 1,
    )
    lab.table({network: (network, "member 1") for network in NETWORKS})
    lab.figure(lab.lines(ensemble, along=COUNTS, lines=NETWORKS, x_label="models averaged"))
    lab.figure(lab.dots(one_run), name="epochs")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
