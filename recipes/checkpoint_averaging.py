"""Do the last epochs of one run stand in for several models?

Claim: checkpoints of one run vary less than models from other initial values, so their mean gains
less, but costs no further training (CS231n, Neural Networks Part 3, Model Ensembles, which also
finds the mean of a run's weights, over its last steps, worth a percent or two).
Look for: in the figure, how much of what five models gain is left for five epochs of one run, and
whether their weights may be averaged instead of their predictions; in TensorBoard, under
accuracy, how the curves jump from epoch to epoch.
Why: averaging takes out what each member gets wrong in its own way. Epochs of one run differ only
as long as the run is still moving about, and have most of their mistakes in common. Their weights
lie close enough together for a mean of weights to be a network of its own, at the cost of a single
model. There is no batch normalization here: after its weights are averaged, its moving averages
have to be measured again.
Use: the mean of several runs where validation jumps from epoch to epoch; epochs of one run don't
stand in for them.
Symptoms: the loss swings up and down; worse on new data than in validation
Topic: Regularization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: six hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 7):
        model.add(keras.layers.Dense(20, kernel_initializer="he_normal", name=f"h{n}"))
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
RUNS = [f"run {n}" for n in range(1, 6)]
VARIANTS = {run: {"batch_norm": False, "dropout": 0.0} for run in RUNS}
COPIES = {run: n for n, run in enumerate(RUNS, 1)}  # each with initial values of its own
LAST, MODELS = "last epoch of one run", "mean of 5 runs"
PREDICTIONS, WEIGHTS = "mean of 5 epochs", "mean weights of 5 epochs"


def average_weights(epochs):
    """Return models whose weights are the means of their weights after several epochs."""
    averaged = epochs[-1]
    for name in averaged.weights:
        averaged.weights[name] = np.mean([models.weights[name] for models in epochs], axis=0)
    return averaged


def percent_right(probabilities, y):
    """Return the accuracy (%) of probabilities, (seeds, examples, classes), by seed."""
    return 100 * np.mean(np.argmax(probabilities, axis=-1) == y, axis=-1)


def run(lab):
    """Train five runs on 300 examples, and average their last five epochs in two ways."""
    data = lab.data(examples=300)
    x, y = data.test.x, data.test.y
    last = lab.epochs(40)  # a quick run has fewer
    results = lab.train(
        build_model,
        VARIANTS,
        data,
        epochs=40,
        batch_size=20,
        copy=COPIES,
        record=range(max(1, last - 4), last + 1),
    )
    right = {LAST: [], PREDICTIONS: [], WEIGHTS: []}
    final = []
    for run in RUNS:
        epochs = [results.models(run, epoch) for epoch in results.recorded(run)]
        predictions = [models.predict(x) for models in epochs]
        final.append(predictions[-1])
        right[LAST].append(percent_right(predictions[-1], y))
        right[PREDICTIONS].append(percent_right(np.mean(predictions, axis=0), y))
        right[WEIGHTS].append(percent_right(average_weights(epochs).predict(x), y))
    accuracies = {kind: np.mean(of_runs, axis=0) for kind, of_runs in right.items()}
    accuracies[MODELS] = percent_right(np.mean(final, axis=0), y)
    accuracy = lab.measure(accuracies, unit="%", label="test accuracy")

    lab.claim(
        "the last 5 epochs of one run gain less test accuracy than 5 runs",
        source=NOTES,
        that=accuracy[PREDICTIONS] < accuracy[MODELS],
    )
    lab.claim(
        "the mean of 5 epochs' predictions is more accurate on test than the last epoch alone",
        source=NOTES,
        that=accuracy[PREDICTIONS] > accuracy[LAST],
    )
    lab.claim(
        "the mean of 5 epochs' weights is over 1 percentage point more accurate on test than the "
        "last epoch",
        that=accuracy[WEIGHTS] - accuracy[LAST] > 1,
    )
    lab.claim(
        "the mean of 5 epochs' weights is within 1 percentage point of the mean of their "
        "predictions",
        that=accuracy[WEIGHTS].within(1, of=accuracy[PREDICTIONS]),
    )
    lab.table({"one run": "run 1"})
    lab.figure(lab.dots(accuracy))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
