"""Is a moving average of the weights better than the last weights?

Claim: an exponential moving average of the weights takes out noise. It generalizes better than the
last weights, suffers less from wrong labels and is better calibrated (Morales-Brotons et al. 2024,
"Exponential Moving Average of Weights in Deep Learning", abstract).
Look for: in the figure, how far apart last and averaged weights are, beside what each differs from
seed to seed; in figure-calibration, how far probabilities are from how often they come true.
Why: at a constant learning rate SGD does not settle, but goes on jumping about a minimum. The mean
of the last hundred steps, with an ema_momentum of .99, lies nearer to it than any of them, as if
the learning rate had been lowered at the end. There is no batch normalization here: its moving
averages belong to the last weights.
Use: not by habit. With SGD(use_ema=True, ema_momentum=0.99) tune the learning rate anew, since
averages may take a larger one, and compare on validation data. The metrics that fit shows are of
the weights that are not averaged.
Symptoms: the loss swings up and down; worse on new data than in validation
Topic: Regularization
"""

import keras


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    ema_momentum=0.99,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.03,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        ema_momentum: share that each step keeps of the average of the weights, with which training
            ends; 0 for the last weights.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD with a momentum of 0.9.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    optimizer = keras.optimizers.SGD(
        learning_rate, momentum=0.9, use_ema=True, ema_momentum=ema_momentum
    )
    model.compile(
        optimizer=optimizer,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


PAPER = "Morales-Brotons et al. 2024, abstract"
RIGHT, WRONG = "right labels", "20 % wrong labels"
LAST, AVERAGED = "last weights", "averaged weights"
PLAIN = {"batch_norm": False, "dropout": 0.0}
VARIANTS = {
    (labels, weights): PLAIN | {"ema_momentum": ema_momentum}
    for labels in (RIGHT, WRONG)
    for weights, ema_momentum in ((LAST, 0.0), (AVERAGED, 0.99))
}
RATES = (0.003, 0.01, 0.03, 0.1)  # learning rates to choose from


def run(lab):
    """Train with right and with wrong labels, each arm at its best constant learning rate."""
    few = lab.data(examples=500)
    wrong = few.map(lambda dataset, random: dataset.with_wrong_labels(0.2, random))
    data = {RIGHT: few, WRONG: wrong}
    plan = {"epochs": 20, "batch_size": 20}
    # Balanced accuracy is of the weights with which training ends, and so of their average.
    by = "val_balanced_accuracy"
    tuned = lab.tune(build_model, VARIANTS, data, by=by, learning_rate=RATES, **plan)
    results = lab.train(build_model, tuned, data, evaluate_every=5, **plan)
    accuracy = results.final("test_accuracy")
    error = results.final("test_expected_calibration_error")

    lab.claim(
        "right labels: averaged weights are more accurate on test than the last ones",
        source=PAPER,
        that=accuracy[RIGHT, AVERAGED] > accuracy[RIGHT, LAST],
    )
    lab.claim(
        "20 % wrong labels: averaged weights are more accurate on test than the last ones",
        source=PAPER,
        that=accuracy[WRONG, AVERAGED] > accuracy[WRONG, LAST],
    )
    lab.claim(
        "right labels: averaged weights have a smaller expected calibration error on test",
        source=PAPER,
        that=error[RIGHT, AVERAGED] < error[RIGHT, LAST],
    )
    lab.figure(lab.dots(accuracy))
    lab.figure(lab.dots(error), name="calibration")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
