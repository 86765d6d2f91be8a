"""Is the test accuracy too good to be true?

Claim: near duplicates across the parts flatter a model (Barz and Denzler 2020, "Do We Train on Test
Data?"); so do columns that tell the class and will not be there, or mean something else, when it is
used (Kaufman et al. 2012, "Leakage in Data Mining").
Look for: in the figure, how far the accuracy that would be reported is above that on new data.
Why: a copy of a test example in the training part is memorized, not predicted. A row number tells
the class where the file is sorted by class, and a column that is filled in after the outcome is the
target in disguise; the network takes this easiest way, and leaves the others unlearned. Statistics
for scaling know no labels, and hardly depend on the examples that they come from.
Use: keep near copies in one part, and ask of each column whether it will be known in time, and mean
the same; make inspect names those that tell the class alone.
Symptoms: the test accuracy is too good to be true; worse on new data than in validation
Topic: Data and sanity
"""

import keras
import numpy as np


def build_model(input_shape=(64,), num_classes=10, *, dropout=0.1, learning_rate=0.1):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
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


BARZ, KAUFMAN = "Barz and Denzler 2020", "Kaufman et al. 2012"
HONEST, COPIES, SCALING = "no leak", "near copies", "scaled by all data"
ROW, TARGET = "row number", "target in disguise"
VARIANTS = {name: {} for name in (HONEST, COPIES, ROW, TARGET, SCALING)}

# The validation part plays the test that is reported; the test part plays new data, in use.


def with_column(dataset, random):
    """Append a column of noise from 0 to 1, whose place a leak may take."""
    return dataset.map_inputs(lambda x: np.column_stack([x, random.random(len(x))]))


def near_copies(dataset, random):
    """Replace training examples by copies of reported ones, with noise of a tenth of their spread.

    A third of the training examples at the most, and a quarter of those reported.
    """
    count = min(len(dataset.validation) // 4, len(dataset.train) // 3)
    x, y = dataset.train.x.copy(), dataset.train.y.copy()
    noise = 0.1 * x.std() * random.standard_normal(x[:count].shape)
    x[:count] = dataset.validation.x[:count] + noise
    y[:count] = dataset.validation.y[:count]
    return dataset.with_train(x, y)


def row_number(dataset, random):
    """Number the rows of a file that is sorted by class, from 0 to 1; new rows, at random."""
    leaky = dataset.map_inputs(np.copy)
    for part in (leaky.train, leaky.validation):
        part.x[:, -1] = (part.y + random.random(len(part))) / dataset.num_classes
    return leaky


def target_in_disguise(dataset, random):
    """Give the class in 7 of 10 rows, else a random one; new rows have no outcome yet, and 0."""
    leaky = dataset.map_inputs(np.copy)
    for part in (leaky.train, leaky.validation):
        other = random.integers(dataset.num_classes, size=len(part))
        part.x[:, -1] = np.where(random.random(len(part)) < 0.7, part.y, other)
    leaky.test.x[:, -1] = 0
    return leaky


def standardized(dataset, random, parts=1):
    """Give columns a mean of 0 and a standard deviation of 1, by so many of the three parts."""
    seen = np.concatenate([part.x for part in dataset.parts[:parts]])
    mean, deviation = seen.mean(axis=0), seen.std(axis=0)
    deviation[deviation == 0] = np.inf
    return dataset.map_inputs(lambda x: (x - mean) / deviation)


def run(lab):
    """Plant each leak, and compare the accuracy that would be reported with that on new data."""
    honest = lab.data(examples=300).map(with_column)
    data = {
        HONEST: honest.map(standardized),
        COPIES: honest.map(near_copies).map(standardized),
        ROW: honest.map(row_number).map(standardized),
        TARGET: honest.map(target_in_disguise).map(standardized),
        SCALING: honest.map(lambda dataset, random: standardized(dataset, random, parts=2)),
    }
    results = lab.train(build_model, VARIANTS, data, epochs=40, batch_size=50)
    reported, new = results.final("val_accuracy"), results.final("test_accuracy")
    flattery = reported - new

    lab.claim(
        "near copies of test examples in the training part flatter a model",
        source=BARZ,
        that=flattery[COPIES] > flattery[HONEST],
    )
    lab.claim(
        "columns that tell the class flatter a model: a row number, and a target in disguise",
        source=KAUFMAN,
        that=lab.every(
            [flattery[ROW] > flattery[HONEST], flattery[TARGET] > flattery[HONEST]], unit="columns"
        ),
    )
    lab.claim(
        "scaling by reported data, too, changes how far a model is flattered by less than 1 "
        "percentage point",
        that=flattery[SCALING].within(1, of=flattery[HONEST]),
    )
    lab.figure(lab.dots({"reported": reported, "on new data": new}, x_label="accuracy (%)"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
