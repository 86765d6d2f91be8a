"""Does cross-validation pick better settings than one validation set?

Claim: to pick hyperparameters with, a single validation set of respectable size will do, without
cross-validation (CS231n, Neural Networks Part 3).
Look for: in the figure, what 40 trainings buy as 40 settings on one fold, or as 10 settings on each
of four; in TensorBoard, under accuracy, one setting on all folds.
Why: the best score belongs to a setting that is good and was lucky with these few examples. In a
mean over folds the luck of each counts less, so that the mean says better how good a setting is.
But each fold costs a training, for which one could have tried another setting.
Use: one validation set to pick by, and other settings for the trainings that folds would cost.
Symptoms: worse on new data than in validation
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
        learning_rate: learning rate of SGD.
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


CS231N = "CS231n, Neural Networks Part 3"
FOLDS = ("fold 1", "fold 2", "fold 3", "fold 4")  # all but the test data, in four parts
FEW, MANY = 10, 40  # settings: four folds train 10 with the compute of 40 on one fold
ONE_FEW, ONE_MANY = "one fold, 10 settings", "one fold, 40 settings"
FOUR_FEW = "four folds, 10 settings"
RANDOM = np.random.default_rng(0)
SETTINGS = {  # drawn at random from the ranges of build_tunable
    f"setting {n}": {
        "dropout": RANDOM.uniform(0, 0.5),
        "learning_rate": 10 ** RANDOM.uniform(-3, 0),
    }
    for n in range(MANY)
}
VARIANTS = {(fold, name): SETTINGS[name] for fold in FOLDS for name in SETTINGS}


def picked(validation, other):
    """Return another accuracy of the setting that is best on validation, (seeds,).

    Args:
        validation: (settings, seeds).
        other: (settings, seeds).
    """
    return other[validation.argmax(axis=0), np.arange(validation.shape[1])]


def run(lab):
    """Train 40 random settings on four folds of the data; each seed has its own ten of them."""
    data = lab.data()

    def fold(number):
        return data.map(lambda dataset, random: dataset.fold(number, len(FOLDS)).first(400))

    folds = {name: fold(n) for n, name in enumerate(FOLDS)}
    results = lab.train(
        build_model, VARIANTS, folds, epochs=10, evaluate_every=10, watch=["setting 0"]
    )
    validation, test = results.final("val_accuracy"), results.final("test_accuracy")
    # (folds, settings, seeds); what a setting is worth is its mean over folds on test data.
    many = np.array([validation[name].array() for name in FOLDS])
    many_worth = np.mean([test[name].array() for name in FOLDS], axis=0)
    ten = np.transpose([np.random.default_rng(s).permutation(MANY)[:FEW] for s in lab.seeds])
    few = np.take_along_axis(many, ten[np.newaxis], axis=1)
    few_worth = np.take_along_axis(many_worth, ten, axis=0)
    accuracies = {
        ONE_FEW: np.mean([picked(of_fold, few_worth) for of_fold in few], axis=0),
        ONE_MANY: np.mean([picked(of_fold, many_worth) for of_fold in many], axis=0),
        FOUR_FEW: picked(few.mean(axis=0), few_worth),
    }
    accuracy = lab.measure(accuracies, "%", "test accuracy of the setting that is picked")
    scores = {
        ONE_FEW: few.max(axis=1).mean(axis=0),
        FOUR_FEW: few.mean(axis=0).max(axis=0),
    }
    score = lab.measure(scores, "%")  # the validation accuracy for which it is picked

    lab.claim(
        "of 10 settings, one validation set picks one as accurate on test as four folds do, within "
        "1 percentage point",
        source=CS231N,
        that=accuracy[ONE_FEW].within(1, of=accuracy[FOUR_FEW]),
    )
    lab.claim(
        "40 trainings find a more accurate setting as 10 settings on four folds than as 40 on one",
        that=accuracy[FOUR_FEW] > accuracy[ONE_MANY],
    )
    lab.claim(
        "the score on one validation set is further above test accuracy than that on four folds",
        that=score[ONE_FEW] - accuracy[ONE_FEW] > score[FOUR_FEW] - accuracy[FOUR_FEW],
    )
    lab.table({f"best on {name}": results.best(name) for name in FOLDS})
    lab.figure(lab.dots(accuracy))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
