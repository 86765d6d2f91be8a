"""Does batch normalization make training robust to the scale of the initial weights?

Claim: with batch normalization a deep network learns faster at nearly every one of 16 initial
scales, and without it a badly chosen scale does not learn at all (Deep Learning from Scratch,
section 6.3.2, after Ioffe and Szegedy 2015).

Look for: in the figure, at how many scales each curve leaves chance; in TensorBoard, under
epoch_accuracy, train beside validation for "BN, Keras's defaults".

Why the defaults hide the effect: at a small scale the inputs of a normalization have a variance
far below Keras's epsilon of 1e-3, which is then all that they are divided by. And its momentum of
.99 needs hundreds of steps until the moving averages, which inference uses, forget their initial
values: 200 steps of training are too few. A smaller epsilon and momentum bring the effect back.

Use: BatchNormalization(momentum=0.9, epsilon=1e-5) before each activation if training is short.
Symptoms: the loss does not move; training learns, validation stays at chance; a deep net does not
learn
Topic: Batch normalization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 5
UNITS = 100


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    init_std=0.01,
    momentum=0.9,
    epsilon=1e-5,
    dropout=0.1,
    learning_rate=0.05,
):
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        init_std: standard deviation of the initial weights.
        momentum: of the moving averages that inference uses.
        epsilon: added to each variance.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        init = keras.initializers.RandomNormal(stddev=init_std)
        layers.append(keras.layers.Dense(UNITS, kernel_initializer=init, name=f"h{n}"))
        if batch_norm:
            normalization = keras.layers.BatchNormalization(
                momentum=momentum, epsilon=epsilon, name=f"h{n}_bn"
            )
            layers.append(normalization)
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    init = keras.initializers.RandomNormal(stddev=init_std)
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(
            num_classes, activation="softmax", kernel_initializer=init, name="softmax"
        ),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search on logarithmic scales."""
    return build_model(
        input_shape,
        num_classes,
        init_std=hp.Float("init_std", 1e-4, 1.0, sampling="log"),
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


SCALES = np.logspace(0, -4, 16)  # of the initial weights, as in the book
WITHOUT, WITH, DEFAULTS = "without BN", "with BN", "BN, Keras's defaults"
ARMS = {
    WITHOUT: {"batch_norm": False},
    WITH: {},
    DEFAULTS: {"momentum": 0.99, "epsilon": 1e-3},
}
# The book's learning rate, and one at which the effect shows better.
BOOK_RATE, RATE = 0.01, 0.05
RUNS = [(BOOK_RATE, WITHOUT), (BOOK_RATE, WITH), (RATE, WITHOUT), (RATE, WITH), (RATE, DEFAULTS)]


def at(rate, arm, scale):
    """Name the variant of one arm, learning rate and scale."""
    return f"{arm}, lr {rate:g}, std {scale:.2g}"


VARIANTS = {
    at(rate, arm, scale): ARMS[arm] | {"learning_rate": rate, "init_std": scale}
    for rate, arm in RUNS
    for scale in SCALES
}


def run(lab):
    """Train 80 variants, count the scales that learn, compare at the best scale."""
    book, after = "Deep Learning from Scratch, 6.3.2", "after Deep Learning from Scratch, 6.3.2"
    data = lab.data(examples=1000)  # as many as in the book
    watch = [at(rate, arm, scale) for rate, arm in RUNS for scale in SCALES[::5]]
    histories = lab.train(build_model, VARIANTS, data, epochs=20, watch=watch)

    def scales_learned(rate, arm):
        """Count the scales that reach 90 % training accuracy, for each seed."""
        reached = [histories.epochs_to(0.9, at(rate, arm, scale)) for scale in SCALES]
        return np.isfinite(reached).sum(axis=0)

    def faster(rate):
        """Compare the mean training accuracy over all epochs, scale by scale."""
        speed = histories.mean_over_epochs
        return {
            f"std {scale:.2g}": speed("accuracy", at(rate, WITH, scale))
            - speed("accuracy", at(rate, WITHOUT, scale))
            for scale in SCALES
        }

    def best(rate, arm):
        return histories.best([at(rate, arm, scale) for scale in SCALES])

    for rate in (BOOK_RATE, RATE):
        lab.claim(
            f"with BN the network learns faster at 14 of 16 initial scales, lr {rate:g}",
            book if rate == BOOK_RATE else after,
            faster(rate),
            at_least=14,
            unit="scales",
        )
    for rate in (BOOK_RATE, RATE):
        source = book if rate == BOOK_RATE else after
        lab.claim(
            f"with BN more of the 16 scales reach 90 % training accuracy, lr {rate:g}",
            source,
            scales_learned(rate, WITH) - scales_learned(rate, WITHOUT),
            unit="scales",
        )
        lab.claim(
            f"without BN the smallest scale stays within 2 points of chance, lr {rate:g}",
            source,
            100 * (histories.final("accuracy", at(rate, WITHOUT, SCALES[-1])) - data.chance),
            within=2,
            unit="points",
        )
        for metric, name in (("val_accuracy", "validation"), ("test_accuracy", "test")):
            lab.claim(
                f"with BN {name} accuracy is higher, each at its best scale, lr {rate:g}",
                source,
                histories.difference(metric, best(rate, WITH), best(rate, WITHOUT), scale=100),
                unit="points",
            )
    lab.claim(
        f"Keras's default momentum and epsilon hide scales that learn, lr {RATE:g}",
        "this recipe",
        scales_learned(RATE, WITH) - scales_learned(RATE, DEFAULTS),
        unit="scales",
    )
    # One row an arm, at the scale that is best on validation.
    lab.table({f"{arm}, lr {rate:g} (best)": best(rate, arm) for rate, arm in RUNS})
    for rate, name in ((RATE, None), (BOOK_RATE, "book-rate")):
        arms = [arm for of, arm in RUNS if of == rate]
        layout = {f"std {s:.2g}": {arm: at(rate, arm, s) for arm in arms} for s in SCALES}
        lab.figure(lab.panels(histories, layout), name)


if __name__ == "__main__":
    from recipes._lab.cli import main

    main(__name__)
