"""When does learning rate decay help?

Claim: with a constant learning rate the noise of mini-batches keeps the weights wandering around a
minimum; with one that falls they come to rest closer to it, so large steps at first and small ones
later learn well (Deep Learning Specialization, course 2 week 2).
Look for: in the figure, which curves are higher and calmer at the end; in figure-high, which gets
along with an initial rate of 1; in TensorBoard, the same under accuracy.
Why: a falling rate that is too high at first is right some time later. When a network fits all its
examples, its gradients vanish, and their noise with them: nothing is left to calm. With wrong
labels, which it cannot fit so soon, the noise stays.
Use: a constant learning rate, tuned; decay where some labels are wrong, with its strength tuned as
well.
Symptoms: the loss swings up and down
Topic: Optimization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    decades=0.0,
    steps=600,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        decades: factors of ten by which the learning rate falls, as 1 / (1 + time); 0 for none.
        steps: steps of the training, at the end of which the learning rate is lowest.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: initial learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    decay = keras.optimizers.schedules.InverseTimeDecay(learning_rate, steps, 10**decades - 1)
    model.compile(
        optimizer=keras.optimizers.SGD(decay),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10, *, epochs=20, steps_per_epoch=20):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    return build_model(
        input_shape,
        num_classes,
        decades=hp.Float("decades", 0.0, 3.0),  # 0 is a constant learning rate
        steps=epochs * steps_per_epoch,
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 3.0, sampling="log"),
    )


COURSE = "Deep Learning Specialization, course 2 week 2"
RIGHT, WRONG = "best rates, right labels", "best rates, 20 % wrong labels"
HIGH = "initial rate of 1"
CONSTANT, DECAY = "constant", "inverse time decay"
EPOCHS, BATCH_SIZE = 30, 50
PLAIN = {"batch_norm": False, "dropout": 0.0}  # both would add noise of their own
ARMS = {CONSTANT: PLAIN | {"decades": 0.0}, DECAY: PLAIN | {"decades": 1.0}}
TO_TUNE = {
    (setting, arm): arguments for setting in (RIGHT, WRONG) for arm, arguments in ARMS.items()
}
AT_HIGH_RATE = {(HIGH, arm): arguments | {"learning_rate": 1.0} for arm, arguments in ARMS.items()}
VARIANTS = TO_TUNE | AT_HIGH_RATE
RATES, DECADES = (0.03, 0.1, 0.3, 1.0), (0.5, 1.0, 2.0)  # candidates


def unrest(curves):
    """Return the mean change from epoch to epoch, over the last quarter, of curves by seed."""
    changes = np.abs(np.diff(curves, axis=1))
    return changes[:, -max(1, changes.shape[1] // 4) :].mean(axis=1)


def run(lab):
    """Tune the initial rate, then the strength of the decay, and train; also from a rate of 1."""
    data = lab.data(examples=1000)
    wrong = data.map(lambda dataset, random: dataset.with_wrong_labels(0.2, random))
    examples = {RIGHT: data, WRONG: wrong, HIGH: data}
    plan = {"data": examples, "epochs": EPOCHS, "batch_size": BATCH_SIZE}
    steps = lab.epochs(EPOCHS) * (data.train.x.shape[1] // BATCH_SIZE)
    variants = {key: arguments | {"steps": steps} for key, arguments in VARIANTS.items()}
    to_tune = {key: variants[key] for key in TO_TUNE}
    variants |= lab.tune(build_model, to_tune, learning_rate=RATES, **plan)
    decaying = {key: variants[key] for key in VARIANTS if DECAY in key}
    variants |= lab.tune(build_model, decaying, decades=DECADES, **plan)
    results = lab.train(build_model, variants, **plan)
    test = results.final("test_accuracy")
    changes = {key: unrest(results.curve("val_accuracy", key)) for key in variants}
    change = results.measure(changes, unit="percentage points")

    lab.claim(
        "best rates: inverse time decay gives more test accuracy than a constant rate",
        source=COURSE,
        that=test[RIGHT, DECAY] > test[RIGHT, CONSTANT],
    )
    lab.claim(
        "inverse time decay from a rate of 1 gives more test accuracy than constantly 1",
        source=COURSE,
        that=test[HIGH, DECAY] > test[HIGH, CONSTANT],
    )
    lab.claim(
        "best rates: validation accuracy changes less from epoch to epoch at the end with inverse "
        "time decay than with a constant rate",
        source=COURSE,
        that=change[RIGHT, DECAY] < change[RIGHT, CONSTANT],
        matters=0.1,
    )
    lab.claim(
        "best rates, 20 % wrong labels: inverse time decay gives more test accuracy than a "
        "constant rate",
        that=test[WRONG, DECAY] > test[WRONG, CONSTANT],
    )
    lab.figure(lab.panels(results, "val_accuracy", each=(RIGHT, WRONG), limits=(75, 101)))
    lab.figure(lab.panels(results, "val_accuracy", each=(HIGH,)), name="high")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
