"""Can the probabilities of a network be trusted?

Claim: modern networks are more sure than they are right, and become so where the loss is overfitted
while accuracy is not; one temperature, fitted on validation, mends it (Guo et al. 2017).
Look for: in the figure, whether confidence lies above accuracy or below; in figure-error, which
remedy brings them together; in TensorBoard, the validation loss that rises while accuracy stays.
Why: once all training examples are right, the loss still falls if their probabilities go on towards
1, and so do those of new examples, right or wrong. To divide the logits by a temperature takes this
back after training, and changes no answer.
Use: measure the calibration error on validation data first. Where it is large, fit a temperature
there, or stop early.
Symptoms: the probabilities are too sure; validation loss rises
Topic: Softmax
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.1, learning_rate=0.001
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
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
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


GUO = "Guo et al. 2017"
NOTHING, EARLY, TEMPERATURE = "nothing", "early stopping", "temperature"
# Dropout would be a remedy of its own, and BN changes calibration, too (Guo et al. 2017, 3).
PLAIN = {"batch_norm": False, "dropout": 0.0}
VARIANTS = {NOTHING: PLAIN, EARLY: PLAIN}
PATIENCE = {NOTHING: None, EARLY: 10}  # epochs
TEMPERATURES = np.geomspace(0.25, 16, 401)  # 1 % from one to the next
TENTHS = range(1, 11)


def with_temperature(probabilities, temperature):
    """Return probabilities, (seeds, examples, classes), with their logits divided by a number.

    The temperature is one number, or one a seed, (seeds,). Logarithms are logits up to a constant.
    """
    logits = np.log(np.maximum(probabilities, 1e-38)) / np.reshape(temperature, (-1, 1, 1))
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def fitted_temperatures(probabilities, y):
    """Return the temperatures of lowest loss, (seeds,), of validation examples and their labels."""
    losses = []
    for temperature in TEMPERATURES:
        changed = with_temperature(probabilities, temperature)
        of_label = np.take_along_axis(changed, y[..., np.newaxis], axis=-1)
        losses.append(-np.log(np.maximum(of_label, 1e-38)).mean(axis=(1, 2)))
    return TEMPERATURES[np.argmin(losses, axis=0)]


def by_tenths(probabilities, y):
    """Return mean confidence and accuracy (%) of tenths of the examples, least sure first.

    Each is a list of ten arrays, (seeds,).
    """
    confidence = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == y
    tenths = np.array_split(confidence.argsort(axis=1), 10, axis=1)
    confidences = [100 * np.take_along_axis(confidence, rows, 1).mean(axis=1) for rows in tenths]
    accuracies = [100 * np.take_along_axis(right, rows, 1).mean(axis=1) for rows in tenths]
    return confidences, accuracies


def run(lab):
    """Train on 300 examples until all are right, stop early, or fit a temperature afterwards."""
    # Of larger data, too, it is 300: the claims are about 900 steps.
    data = lab.data().map(lambda dataset, random: dataset.first(300, 1000))
    results = lab.train(build_model, VARIANTS, data, epochs=60, batch_size=20, patience=PATIENCE)
    probabilities = {remedy: results.models(remedy).predict(data.test.x) for remedy in VARIANTS}
    on_validation = results.models(NOTHING).predict(data.validation.x)
    temperatures = fitted_temperatures(on_validation, data.validation.y)
    adjusted = with_temperature(probabilities[NOTHING], temperatures)
    probabilities[TEMPERATURE] = adjusted
    confidences, accuracies = {}, {}
    for remedy, predicted in probabilities.items():
        tenths = by_tenths(predicted, data.test.y)
        for tenth, mean_confidence, mean_accuracy in zip(TENTHS, *tenths, strict=True):
            confidences[remedy, tenth] = mean_confidence
            accuracies[remedy, tenth] = mean_accuracy
    confidence = lab.measure(confidences, "%")
    accuracy = lab.measure(accuracies, "%")
    error = results.final("test_expected_calibration_error")
    error_adjusted = results.score("test_expected_calibration_error", {NOTHING: adjusted})

    lab.claim(
        "after 900 steps the mean confidence of answers on test is above their accuracy",
        source=GUO,
        that=confidence[NOTHING].mean() > accuracy[NOTHING].mean(),
    )
    lab.claim(
        "after 900 steps the expected calibration error on test is higher than at the lowest "
        "validation loss",
        source=f"{GUO}, 3",
        that=error[NOTHING] > error[EARLY],
    )
    lab.claim(
        "after 900 steps a temperature fitted on validation lowers the expected calibration error "
        "on test",
        source=GUO,
        that=error_adjusted < error[NOTHING],
    )
    axes = {"x_label": "tenth of the test examples, least sure first", "y_label": "mean (%)"}
    means = {"confidence": confidence, "accuracy": accuracy}
    lab.figure(lab.lines(means, along=TENTHS, each=probabilities, **axes))
    errors = {remedy: error[remedy].array() for remedy in VARIANTS}
    errors[TEMPERATURE] = error_adjusted.array()
    lab.figure(lab.dots(lab.measure(errors, "%", f"{error.label}, 15 bins")), name="error")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
