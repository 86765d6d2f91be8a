"""Do label smoothing and mixup make probabilities more trustworthy?

Claim: label smoothing improves generalization, and calibration, too (Müller et al. 2019, abstract);
networks trained with mixup are better calibrated (Thulasidasan et al. 2019, abstract).
Look for: in the figure, the calibration error of each strength beside that of nothing; in
figure-brier, what is left of a gain: the calibration error does not see a loss of accuracy, and the
Brier score does.
Why: on hard labels the loss falls as long as probabilities go on towards 1, and so do those of new
examples, right or wrong. Smoothed labels never ask for a probability of 1, mixed ones less often.
How much less they ask for is fixed beforehand, and may be more or less than the network is wrong:
one that was hardly too sure becomes too unsure.
Use: neither by habit, but where it lowers the calibration error on validation data.
Symptoms: the probabilities are too sure
Topic: Softmax
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.1,
    label_smoothing=0.0,
    learning_rate=0.001,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0, one-hot for label smoothing.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        label_smoothing: share of each label that is spread over all classes.
        learning_rate: learning rate of Adam.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    loss = "sparse_categorical_crossentropy"
    if label_smoothing:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=loss,
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


MULLER = "Müller et al. 2019, abstract"
THULASIDASAN = "Thulasidasan et al. 2019, abstract"
NOTHING, SMOOTHING, MIXUP = "nothing", "label smoothing", "mixup"
PLAIN = {"batch_norm": False, "dropout": 0.0}  # both would be remedies of their own
AMOUNTS = (0.003, 0.01, 0.03, 0.1)  # of smoothing
PARAMETERS = (0.03, 0.1, 0.4)  # of the distribution of the shares of mixed examples
VARIANTS = {NOTHING: PLAIN}
VARIANTS |= {(SMOOTHING, amount): PLAIN | {"label_smoothing": amount} for amount in AMOUNTS}
VARIANTS |= {(MIXUP, parameter): PLAIN for parameter in PARAMETERS}
COPIES = 10  # of each example, mixed with others; a tenth of the epochs have as many steps
EPOCHS = {NOTHING: 60, SMOOTHING: 60, MIXUP: 6}
BATCH_SIZE = {NOTHING: 20, SMOOTHING: 20, MIXUP: 40}  # two rows a mixed example


def mixed(parameter):
    """Return a change of data to means of two training examples, with shares that are Beta drawn.

    A mean stands there twice, with either label, and weights that are twice the shares. So the loss
    is that of a mixed label.
    """

    def change(dataset, random):
        x, y = dataset.train.x, dataset.train.y
        first = np.tile(np.arange(len(y)), COPIES)
        second = random.permutation(first)
        share = random.beta(parameter, parameter, len(first))[:, np.newaxis]
        means = share * x[first] + (1 - share) * x[second]
        weights = 2 * np.concatenate([share, 1 - share])[:, 0]
        return dataset.with_train(np.tile(means, (2, 1)), np.append(y[first], y[second]), weights)

    return change


def run(lab):
    """Train for 900 steps on 300 examples, with hard labels, with smoothed and with mixed ones."""
    # Of larger data, too, it is 300: the mixed examples have to fit into memory.
    data = lab.data().map(lambda dataset, random: dataset.first(300, 1000))
    datasets = {NOTHING: data, SMOOTHING: data}
    datasets |= {(MIXUP, parameter): data.map(mixed(parameter)) for parameter in PARAMETERS}
    results = lab.train(
        build_model,
        VARIANTS,
        datasets,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        evaluate_every=2,
    )
    error = results.final("test_expected_calibration_error")
    brier = results.final("test_brier_score")
    accuracy = results.final("test_accuracy")
    smoothing = results.best(SMOOTHING, by="val_expected_calibration_error")
    mixup = results.best(MIXUP, by="val_expected_calibration_error")

    lab.claim(
        "label smoothing, as much as is best on validation, lowers the expected calibration error",
        source=MULLER,
        that=error[smoothing] < error[NOTHING],
    )
    lab.claim(
        "label smoothing, as much as calibrates best on validation, raises accuracy on test",
        source=MULLER,
        that=accuracy[smoothing] > accuracy[NOTHING],
    )
    lab.claim(
        "mixup, as much as is best on validation, lowers the expected calibration error",
        source=THULASIDASAN,
        that=error[mixup] < error[NOTHING],
    )
    lab.figure(lab.dots(error, x_label="test expected calibration error, 15 bins (%)"))
    lab.figure(lab.dots(brier, x_label="test Brier score"), name="brier")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
