"""How many seeds does it take to tell which of two networks is better?

Claim: one run of each is a bad judge; means of several runs are better ones, and pairs of runs on
the same split and seed need fewer (Bouthillier et al. 2021, "Accounting for Variance in Machine
Learning Benchmarks", 4 and appendix C).
Look for: in the figure, how often the wrong network wins, by the number of runs.
Why: the accuracy of a run is that of its network and the luck of its split and seed, which on 100
test examples may be more than what is between two networks. On the same split they share most of
this luck, and it cancels in their difference; what is left shrinks with the square root of the
number of runs.
Use: several runs of each, another split and seed for every run but the same for both networks, and
the mean of the differences.
Symptoms: results change from run to run
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(input_shape=(64,), num_classes=10, *, dropout=0.1, learning_rate=0.1):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD with a momentum of 0.9.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(50, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=rate)


PAPER = "Bouthillier et al. 2021"
RUNS = 20  # of each network
FEWER, MORE = "250 examples", "300 examples"  # so that it is known which network should win
TRAIN = {FEWER: 250, MORE: 300}
TEST = 100  # examples
PAIRED, UNPAIRED = "pairs on the same split and seed", "each on its own"
COUNTS = (1, 2, 3, 5, 10)  # runs of each that are compared
VARIANTS = {(network, run): {} for network in TRAIN for run in range(RUNS)}


def dealt(data, network, run):
    """Return a network's data of one run: all examples dealt anew, the same way for both."""

    def change(dataset, random):
        deal = random.spawn(RUNS)[run]
        return dataset.dealt_anew(deal).first(TRAIN[network], test=TEST)

    return data.map(change)


def wrong_winners(differences, count):
    """Return how often (%) the better network does not win, by seed; a tie is half a win.

    Args:
        differences: (runs, seeds), accuracy of the better network minus that of the other.
        count: runs in a row whose mean decides; each run begins one, the first follows the last.
    """
    first = np.arange(len(differences))[:, np.newaxis]
    groups = differences[(first + np.arange(count)) % len(differences)]
    # Accuracies are multiples of a hundredth of a percentage point or more: what is less is a tie.
    wins = np.heaviside(groups.mean(axis=1).round(6), 0.5)
    return 100 * (1 - wins.mean(axis=0))


def run(lab):
    """Train both networks 20 times, each time on another split and from another seed."""
    data = lab.data()
    datasets = {(network, number): dealt(data, network, number) for network, number in VARIANTS}
    copies = {number: number for number in range(RUNS)}  # the same weights for both networks
    results = lab.train(build_model, VARIANTS, datasets, epochs=20, evaluate_every=20, copy=copies)
    accuracy = results.final("test_accuracy")
    fewer, more = accuracy[FEWER].array(), accuracy[MORE].array()  # (runs, seeds)
    # Half of the runs further on, so that groups of ten share no split.
    differences = {PAIRED: more - fewer, UNPAIRED: np.roll(more, RUNS // 2, axis=0) - fewer}
    deviations, wrong_shares = {}, {}
    for way, difference in differences.items():
        deviations[way] = difference.std(axis=0, ddof=1)
        for count in COUNTS:
            wrong_shares[way, count] = wrong_winners(difference, count)
    deviation = lab.measure(deviations, "%")
    wrong = lab.measure(wrong_shares, "%", "the worse network wins")

    lab.claim(
        "means of 10 pairs of runs name the wrong winner less often than single pairs, "
        f"{TEST} test examples",
        source=f"{PAPER}, 4",
        that=wrong[PAIRED, 10] < wrong[PAIRED, 1],
    )
    lab.claim(
        "the difference of two networks has a smaller standard deviation if both runs have the "
        f"same split and seed, {TEST} test examples",
        source=f"{PAPER}, appendix C",
        that=deviation[PAIRED] < deviation[UNPAIRED],
        matters=0.1,
    )
    lab.claim(
        "single pairs of runs name the wrong winner in more than 10 % of comparisons, "
        f"{TEST} test examples",
        that=wrong[PAIRED, 1] > 10,
    )
    lab.table({network: (network, 0) for network in TRAIN})
    axes = {"x_label": "runs of each network", "limits": (0, 60)}
    lab.figure(lab.lines(wrong, along=COUNTS, lines=(PAIRED, UNPAIRED), **axes))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
