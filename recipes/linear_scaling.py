"""How should the learning rate grow with the batch?

Claim: a batch k times as large takes k times the learning rate, and then trains as well in as many
epochs, if the rate is warmed up (Goyal et al. 2017, 2.1 and 2.2).
Look for: in the figure, how far the large batch at the small one's rate stays behind, and how its
first epochs go with and without a warm-up; in TensorBoard, the same under accuracy.
Why: where gradients hardly change in k steps, k small steps lead as far as one on all of their
examples at k times the rate. At the start gradients change fast; therefore the rate grows to the
whole in the first epochs.
Use: k times the learning rate as a first guess for a batch k times as large.
Symptoms: training is slow
Topic: Optimization
"""

import keras


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.1,
    warmup_steps=0,
    learning_rate=0.3,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        warmup_steps: steps in which the learning rate grows from a sixteenth; 0 for none.
        learning_rate: learning rate of SGD, for batches of 128.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    if warmup_steps:
        learning_rate = keras.optimizers.schedules.PolynomialDecay(
            learning_rate / 16, warmup_steps, end_learning_rate=learning_rate
        )
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 3.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


GOYAL = "Goyal et al. 2017"
EXAMPLES = 512
SMALL, LARGE, K = 8, 128, 16  # examples in a batch, and how many times as large it is
RATE = 0.03  # of the small batch, far below the largest that learns
WARMUP = 5 * EXAMPLES // LARGE  # steps of five epochs, as in the paper
PLAIN = {"batch_norm": False, "dropout": 0.0}  # both would add noise of their own
BASE, SAME = "batch 8", "batch 128, same rate"
SCALED, WARMED = "batch 128, 16 times the rate", "batch 128, 16 times the rate, warmed up"
VARIANTS = {
    BASE: PLAIN | {"learning_rate": RATE},
    SAME: PLAIN | {"learning_rate": RATE},
    SCALED: PLAIN | {"learning_rate": K * RATE},
    WARMED: PLAIN | {"learning_rate": K * RATE, "warmup_steps": WARMUP},
}
SIZES = {BASE: SMALL, SAME: LARGE, SCALED: LARGE, WARMED: LARGE}


def run(lab):
    """Train with batches of 8 and of 128 for 30 epochs, the learning rate scaled or not."""
    data = lab.data(examples=EXAMPLES)
    results = lab.train(build_model, VARIANTS, data, epochs=30, batch_size=SIZES)
    test = results.final("test_accuracy")
    speed = results.mean_over_epochs("train_accuracy")

    lab.claim(
        "at equal epochs test accuracy with batch 128 and 16 times the learning rate, warmed up, "
        f"is within 1 percentage point of that with batch 8 at {RATE}",
        source=f"{GOYAL}, 2.1",
        that=test[WARMED].within(1, of=test[BASE]),
    )
    lab.claim(
        "at the same rate batch 128 learns more slowly than batch 8: mean training accuracy over "
        "the epochs is lower",
        that=speed[SAME] < speed[BASE],
    )
    lab.claim(
        "at 16 times the rate test accuracy is higher with a warm-up than without",
        source=f"{GOYAL}, 2.2",
        that=test[WARMED] > test[SCALED],
    )
    lab.figure(lab.panels(results, "train_accuracy", lines=VARIANTS))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
