"""Is my training loop right?

Claim: before training, the loss is ln C, that of guessing among C classes; 20 examples can be
memorized; a learning rate that is too high ends at a higher loss (CS231n, Neural Networks Part 3).
Look for: in the figure, where each loss starts, and which fault shows in training, which only in
validation; in TensorBoard, under loss, the same curves.
Why: the checks stand in order of their price. The initial loss takes no step, and sees inputs,
initial weights and the loss function. 20 examples take seconds: without Dropout and penalties
their loss must fall to zero. Labels that belong to other examples would pass both checks, as they
can be memorized, given time: only validation sees them.
Use: the checks in this order for each new loop: the initial loss, 20 examples, then a short
training with its validation loss beside it.
Symptoms: the loss does not move; the first loss is far from that of guessing; is my code right?
Topic: Data and sanity
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    init = keras.initializers.RandomNormal(stddev=0.01)
    model.add(keras.layers.Dense(num_classes, "softmax", kernel_initializer=init, name="softmax"))
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


CS231N = "CS231n, Neural Networks Part 3"
RIGHT, FEW, UNSCALED, SHUFFLED = "right loop", "20 examples", "inputs times 255", "labels shuffled"
LOW, HIGH = "learning rate / 100", "learning rate x 10"
# Without what could hide a fault.
PLAIN = {"batch_norm": False, "dropout": 0.0, "learning_rate": 0.1}
VARIANTS = dict.fromkeys((RIGHT, LOW, HIGH, FEW, UNSCALED, SHUFFLED), PLAIN)
TO_TUNE = {RIGHT: PLAIN, FEW: PLAIN}  # the others follow the right loop


def unscaled(dataset, random):
    """Forget to divide pixels by 255."""
    return dataset.map_inputs(lambda x: 255 * x)


def shuffled(dataset, random):
    """Shuffle the training labels, but not the examples that they belong to."""
    return dataset.with_train(y=random.permutation(dataset.train.y))


def run(lab):
    """Train a right loop, 20 examples and faulty loops, at their best learning rate or far off."""
    data = lab.data(examples=1000)
    datasets = dict.fromkeys(VARIANTS, data) | {
        FEW: lab.data(examples=20),
        UNSCALED: data.map(unscaled),
        SHUFFLED: data.map(shuffled),
    }
    batch_sizes = dict.fromkeys(VARIANTS, 100) | {FEW: 2}  # ten an epoch
    plan = {"epochs": 40, "batch_size": batch_sizes}
    tuned = lab.tune(build_model, TO_TUNE, datasets, learning_rate=(0.03, 0.1, 0.3), **plan)
    best = tuned[RIGHT,]["learning_rate"]
    variants = dict.fromkeys(VARIANTS, tuned[RIGHT,]) | {
        FEW: tuned[FEW,],
        LOW: PLAIN | {"learning_rate": best / 100},
        HIGH: PLAIN | {"learning_rate": best * 10},
    }
    results = lab.train(build_model, variants, datasets, **plan)
    first = {name: results.curve("train_loss", name)[:, 0] for name in VARIANTS}
    start = results.measure(first, "nats")
    end = results.final("train_loss")
    guessing = np.log(data.num_classes)

    lab.claim(
        "before training the loss is ln C, within 0.05 nats",
        source=CS231N,
        that=start[RIGHT].within(0.05, of=guessing),
    )
    lab.claim(
        "20 examples are memorized in 400 steps: their loss falls below 0.01 nats",
        source=CS231N,
        that=end[FEW] < 0.01,
    )
    lab.claim(
        "at ten times the best learning rate the training loss ends higher",
        source=CS231N,
        that=end[HIGH] > end[RIGHT],
    )
    lab.claim(
        "inputs times 255 show before training: a loss of more than ln C + 0.5 nats",
        that=start[UNSCALED] > guessing + 0.5,
    )
    lab.claim(
        "shuffled labels leave validation within 5 percentage points of chance",
        that=results.above_chance("val_accuracy")[SHUFFLED].within(5),
    )
    curves = {"training": "train_loss", "validation": "val_loss"}
    lab.figure(lab.panels(results, curves, each=VARIANTS, limits=(0, 2 * guessing)))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
