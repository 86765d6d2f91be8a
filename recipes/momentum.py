"""How many gradients should momentum average?

Claim: v = β v + (1 - β) g averages about the last 1/(1 - β) gradients, and the ten of β = .9 are a
good default (Deep Learning Specialization, course 2 week 2). What matters is 1 - β: from .9 to
.9005 nothing changes, from .999 to .9995 a lot (course 2 week 3).
Look for: in the figure, how close the lines of all β are where each is best; in TensorBoard, under
loss, β of .9 and .9005 beside .999 and .9995.
Why: older gradients fade by β in each step, so that those before the last 1/(1 - β) have a share
of 1/e. Keras leaves the factor 1 - β out: SGD(learning_rate=lr, momentum=β) takes steps as long as
those of plain SGD at lr / (1 - β), the effective rate. A new β at the same learning rate is a new
effective rate as well; here β are compared at equal effective rates.
Use: momentum of .9, with the learning rate tuned; with another β, tune it anew.
Symptoms: the loss swings up and down; training is slow
Topic: Optimization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    momentum=0.9,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.03,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        momentum: β, which averages about the last 1 / (1 - β) gradients; 0 for plain SGD.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD; the effective one is 1 / (1 - β) times as large.
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
        optimizer=keras.optimizers.SGD(learning_rate, momentum=momentum),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    # Evenly by the number of gradients averaged: 1 - β is log-uniform, and so is the rate.
    averaged = hp.Float("gradients_averaged", 2, 100, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-4, 1.0, sampling="log")
    return build_model(
        input_shape, num_classes, momentum=1 - 1 / averaged, dropout=dropout, learning_rate=rate
    )


AVERAGES = "Deep Learning Specialization, course 2 week 2"
SCALE = "Deep Learning Specialization, course 2 week 3"
BETAS = {f"β {beta:g}": beta for beta in (0.0, 0.9, 0.9005, 0.99, 0.999, 0.9995)}
RATES = np.logspace(-1, 1.5, 6)  # effective learning rates, two to a factor of ten
PLAIN = {"batch_norm": False, "dropout": 0.0}
VARIANTS = {
    (name, rate): PLAIN | {"momentum": beta, "learning_rate": rate * (1 - beta)}
    for name, beta in BETAS.items()
    for rate in RATES
}


def weight_of_older(beta, count):
    """Return what the gradients before the newest `count` weigh in a step of Keras's SGD."""
    optimizer = keras.optimizers.SGD(1 - beta, momentum=beta)
    weight = keras.Variable(0.0)
    for _ in range(count):
        before = float(weight.numpy())
        optimizer.apply([keras.ops.ones(())], [weight])
    newest = before - float(weight.numpy())  # of all gradients alike a step takes the average, 1
    return 1 - newest


def run(lab):
    """See what steps of Keras's SGD average; then train with six β at six effective rates."""
    older_than_ten, older_than_fifty = weight_of_older(0.9, 10), weight_of_older(0.98, 50)
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=30, batch_size=50, watch=[1.0])
    speed, test = results.mean_over_epochs("train_accuracy"), results.final("test_accuracy")
    best = {name: test[results.best(name)] for name in BETAS}  # the best rate on validation
    _, rate = results.best("β 0.9")
    _, long_rate = results.best("β 0.999")

    lab.claim(
        "in a step of Keras's SGD the gradients before the last 1/(1 - β) together weigh 1/e, up "
        "to 0.02, for β .9 and .98",
        source=AVERAGES,
        that=lab.exact([older_than_ten - 1 / np.e, older_than_fifty - 1 / np.e], 0.02),
        any_data=True,
    )
    lab.claim(
        "β .9 is a good default: none of 0, .99 and .999 gives 1 percentage point more test "
        "accuracy, each at its best effective rate",
        source=AVERAGES,
        that=lab.every(
            [best[other] < best["β 0.9"] + 1 for other in ("β 0", "β 0.99", "β 0.999")],
            unit="values of β",
        ),
    )
    lab.claim(
        "from β .9 to .9005, at the best effective rate of .9, mean training accuracy over the "
        "epochs stays within 1 percentage point",
        source=SCALE,
        that=speed["β 0.9005", rate].within(1, of=speed["β 0.9", rate]),
    )
    lab.claim(
        "from β .999 to .9995, at the best effective rate of .999, mean training accuracy over the "
        "epochs falls by more than 1 percentage point",
        source=SCALE,
        that=speed["β 0.999", long_rate] > speed["β 0.9995", long_rate] + 1,
    )
    lab.figure(
        lab.lines(
            test,
            lines=("β 0", "β 0.9", "β 0.99", "β 0.999"),
            along=RATES,
            x_label="effective learning rate, lr / (1 - β)",
            x_scale="log",
            limits=(0, 103),
        )
    )


if __name__ == "__main__":
    from recipes import main

    main(__file__)
