"""Can the probabilities of a network be trusted?

Claim: modern networks are more sure than they are right, and become so where the loss is overfitted
while accuracy is not; one temperature, fitted on validation, mends it (Guo et al. 2017). Label
smoothing improves calibration (Müller et al. 2019, abstract), and so does mixup (Thulasidasan et
al. 2019, abstract).
Look for: in the figure, whether confidence lies above accuracy or below; in figure-error and
figure-brier, which remedy brings both down: the calibration error does not see a loss of accuracy,
and the Brier score does; in TensorBoard, the validation loss that rises while accuracy stays.
Why: once all training examples are right, the loss still falls if their probabilities go on towards
1, and so do those of new examples, right or wrong. To divide the logits by a temperature takes this
back after training, and changes no answer. Smoothed labels, and mixed ones, never ask for a
probability of 1; how much less they ask for is fixed beforehand, and may be more or less than the
network is wrong.
Use: early stopping on the validation loss, or a temperature fitted on validation data, if
probabilities are needed.
Symptoms: the probabilities are too sure; validation loss rises
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


GUO, MULLER = "Guo et al. 2017", "Müller et al. 2019, abstract"
THULASIDASAN = "Thulasidasan et al. 2019, abstract"
NOTHING, EARLY, TEMPERATURE = "nothing", "early stopping", "temperature"
SMOOTHING, MIXUP = "label smoothing", "mixup"
PLAIN = {"batch_norm": False, "dropout": 0.0}  # both would be remedies of their own
VARIANTS = {
    NOTHING: PLAIN,
    EARLY: PLAIN,
    (SMOOTHING, 0.03): PLAIN | {"label_smoothing": 0.03},
    (SMOOTHING, 0.1): PLAIN | {"label_smoothing": 0.1},
    (MIXUP, 0.1): PLAIN,  # by the parameter of the distribution of shares
    (MIXUP, 0.4): PLAIN,
}
FEW = 300  # training examples
COPIES = 10  # of each example, mixed with others; a tenth of the epochs have as many steps
EPOCHS = {NOTHING: 60, EARLY: 60, SMOOTHING: 60, MIXUP: 6}
BATCHES = {NOTHING: 20, EARLY: 20, SMOOTHING: 20, MIXUP: 40}  # two rows a mixed example
PATIENCES = {NOTHING: None, EARLY: 10, SMOOTHING: None, MIXUP: None}  # epochs
EVERY = {NOTHING: 5, EARLY: 1, SMOOTHING: 5, MIXUP: 1}  # epochs from one evaluation to the next
TEMPERATURES = np.geomspace(0.25, 16, 401)  # 1 % from one to the next
TENTHS = range(1, 11)


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


def with_temperature(probabilities, temperatures):
    """Return the probabilities, (seeds, examples, classes), of logits divided by a number a seed.

    Args:
        probabilities: likewise; their logarithms are the logits, up to a constant.
        temperatures: (seeds,).
    """
    logits = np.log(np.maximum(probabilities, 1e-38)) / np.reshape(temperatures, (-1, 1, 1))
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def fitted_temperatures(probabilities, y):
    """Return the temperatures of lowest loss, (seeds,).

    Args:
        probabilities: of validation examples, (seeds, examples, classes).
        y: their labels, (seeds, examples).
    """
    losses = []
    for temperature in TEMPERATURES:
        changed = with_temperature(probabilities, np.full(len(y), temperature))
        of_label = np.take_along_axis(changed, y[..., np.newaxis], axis=-1)
        losses.append(-np.log(np.maximum(of_label, 1e-38)).mean(axis=(1, 2)))
    return TEMPERATURES[np.argmin(losses, axis=0)]


def by_tenths(probabilities, y):
    """Return mean confidence and accuracy (%) of tenths of the examples, least sure first.

    Args:
        probabilities: (seeds, examples, classes).
        y: labels, (seeds, examples).

    Returns:
        Two arrays, (10, seeds) each.
    """
    confidence = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == y
    order = confidence.argsort(axis=1)
    return [
        [
            100 * part.mean(axis=1)
            for part in np.array_split(np.take_along_axis(of, order, 1), 10, 1)
        ]
        for of in (confidence, right)
    ]


def run(lab):
    """Train on 300 examples until all are right, with each remedy."""
    # Of larger data, too: the mixed examples have to fit into memory.
    data = lab.data().map(lambda dataset, random: dataset.first(FEW, 1000))
    x, y = data.test.x, data.test.y
    datasets = {NOTHING: data, EARLY: data, SMOOTHING: data}
    datasets |= {(MIXUP, parameter): data.map(mixed(parameter)) for parameter in (0.1, 0.4)}
    results = lab.train(
        build_model,
        VARIANTS,
        datasets,
        epochs=EPOCHS,
        batch_size=BATCHES,
        patience=PATIENCES,
        evaluate_every=EVERY,
    )
    keys = {
        remedy: results.best(remedy, by="val_expected_calibration_error")
        for remedy in (NOTHING, EARLY, SMOOTHING, MIXUP)
    }
    probabilities = {remedy: results.models(key).predict(x) for remedy, key in keys.items()}
    on_validation = results.models(NOTHING).predict(data.validation.x)
    temperatures = fitted_temperatures(on_validation, data.validation.y)
    keys[TEMPERATURE] = keys[NOTHING]
    probabilities[TEMPERATURE] = with_temperature(probabilities[NOTHING], temperatures)
    errors, scores, tenths = {}, {}, {"confidence": {}, "accuracy": {}}
    for remedy, of in probabilities.items():
        key = keys[remedy]
        errors[remedy] = results.score("test_expected_calibration_error", {key: of}).array()
        scores[remedy] = results.score("test_brier_score", {key: of}).array()
        for name, means in zip(tenths, by_tenths(of, y), strict=True):
            tenths[name] |= {(remedy, n): mean for n, mean in zip(TENTHS, means, strict=True)}
    error = lab.measure(errors, "%", "test expected calibration error, 15 bins")
    brier = lab.measure(scores)
    tenths = {name: lab.measure(means, "%") for name, means in tenths.items()}
    confidence = tenths["confidence"][NOTHING].mean()

    lab.claim(
        "after 900 steps the mean confidence of answers on test is above their accuracy",
        source=GUO,
        that=confidence > tenths["accuracy"][NOTHING].mean(),
    )
    lab.claim(
        "the expected calibration error is higher then than at the lowest validation loss",
        source=f"{GUO}, 3",
        that=error[NOTHING] > error[EARLY],
    )
    lab.claim(
        "a temperature fitted on validation lowers the expected calibration error",
        source=GUO,
        that=error[TEMPERATURE] < error[NOTHING],
    )
    lab.claim(
        "label smoothing, as much as is best on validation, lowers the expected calibration error",
        source=MULLER,
        that=error[SMOOTHING] < error[NOTHING],
    )
    lab.claim(
        "mixup, as much as is best on validation, lowers the expected calibration error",
        source=THULASIDASAN,
        that=error[MIXUP] < error[NOTHING],
    )
    axes = {"x_label": "tenth of the test examples, least sure first", "y_label": "mean (%)"}
    lab.figure(lab.lines(tenths, along=TENTHS, each=probabilities, **axes))
    lab.figure(lab.dots(error), name="error")
    lab.figure(lab.dots(brier, x_label="test Brier score"), name="brier")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
