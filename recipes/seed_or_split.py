"""Does an accuracy depend more on the seed or on the split of the data?

Claim: on the split, about as much as the size of the test set says (Bouthillier et al. 2021,
"Accounting for Variance in Machine Learning Benchmarks", 2.2 and Figure 2).
Look for: in the figure, what moves the accuracy of one and the same network, and how much.
Why: n test examples that a network answers right with probability p are n throws of a coin: their
share of right answers has a standard deviation of sqrt(p * (1 - p) / n), 1.3 percentage points at
95 % of 300. Another seed gives other initial weights and batch orders, but the same examples, and
most of them are easy or hard for every network.
Use: another split for every run, not only another seed, to see how far a result can be trusted.
Symptoms: worse on new data than in validation; results change from run to run
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
RUNS = 20
SEEDS, SPLITS = "another seed, 300 test examples", "another split, 300 test examples"
FEW = "another split, 75 test examples"
TEST = {SEEDS: 300, SPLITS: 300, FEW: 75}
COINS = "throws of 300 coins (binomial)"
VARIANTS = {(varied, run): {} for varied in TEST for run in range(RUNS)}


def dealt(data, run, test):
    """Return the data of one run: all examples dealt anew, 500 of them to train on."""

    def change(dataset, random):
        deal = random.spawn(RUNS)[run]
        return dataset.dealt_anew(deal).first(500, test=test)

    return data.map(change)


def run(lab):
    """Train one network 20 times from other seeds, and 20 times on other splits."""
    data = lab.data()
    datasets, copies = {}, {}
    for varied, number in VARIANTS:
        key = varied, number
        datasets[key] = dealt(data, 0 if varied == SEEDS else number, TEST[varied])
        copies[key] = number if varied == SEEDS else 0
    results = lab.train(build_model, VARIANTS, datasets, epochs=20, evaluate_every=20, copy=copies)
    accuracy = results.final("test_accuracy")
    deviations = {}
    for varied in TEST:
        deviations[varied] = accuracy[varied].array().std(axis=0, ddof=1)  # over the runs
    share = accuracy[SPLITS].mean().array() / 100
    examples = datasets[SPLITS, 0].test.y.shape[1]
    deviations[COINS] = 100 * np.sqrt(share * (1 - share) / examples)
    deviation = lab.measure(deviations, "%", "standard deviation of the accuracy")

    lab.claim(
        "the standard deviation of the accuracy, 300 test examples, is larger over splits than "
        "over initial weights and batch orders",
        source=f"{PAPER}, 2.2 and Figure 1",
        that=deviation[SPLITS] > deviation[SEEDS],
        matters=0.1,
    )
    lab.claim(
        "the standard deviation of the accuracy over splits is within 0.3 percentage points of the "
        "binomial one, 300 test examples",
        source=f"{PAPER}, Figure 2",
        that=deviation[SPLITS].within(0.3, of=deviation[COINS]),
    )
    lab.claim(
        "the standard deviation of the accuracy over splits is larger with 75 test examples than "
        "with 300",
        source=f"{PAPER}, Figure 2",
        that=deviation[FEW] > deviation[SPLITS],
        matters=0.1,
    )
    lab.table({varied: (varied, 0) for varied in TEST})
    lab.figure(lab.dots(deviation, limits=(0, None)))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
