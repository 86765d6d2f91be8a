"""Does batch normalization make training robust to the scale of the initial weights?

Claim: with batch normalization a deep network learns faster at nearly every one of 16 initial
scales; without it, a badly chosen scale does not learn (Deep Learning from Scratch, 6.3.2).
Look for: in the figure, at how many scales each curve leaves chance; in TensorBoard, under
epoch_accuracy, train beside validation for "BN, Keras's defaults".
Why: normalization divides by whatever scale the weights have. Keras's defaults hide it twice: at
small scales the variance lies far below their epsilon of 1e-3, and at momentum .99 the moving
averages that inference uses need more than these 200 steps.
Use: BatchNormalization(momentum=0.9, epsilon=1e-5) before each activation if training is short.
Symptoms: the loss does not move; a deep net does not learn; training learns, validation does not
Topic: Batch normalization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    init_std=None,
    momentum=0.9,
    epsilon=1e-5,
    dropout=0.1,
    learning_rate=0.01,
):
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        init_std: standard deviation of the initial weights; None for He's.
        momentum: of the moving averages that inference uses.
        epsilon: added to each variance.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    init = keras.initializers.RandomNormal(stddev=init_std) if init_std else "he_normal"
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 6):
        model.add(keras.layers.Dense(100, kernel_initializer=init, name=f"h{n}"))
        if batch_norm:
            model.add(
                keras.layers.BatchNormalization(momentum=momentum, epsilon=epsilon, name=f"h{n}_bn")
            )
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", kernel_initializer=init, name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search on logarithmic scales."""
    init_std = hp.Float("init_std", 1e-4, 1.0, sampling="log")
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, init_std=init_std, learning_rate=learning_rate)


BOOK = "Deep Learning from Scratch, 6.3.2"
SCALES = np.logspace(0, -4, 16)  # standard deviations of the initial weights, as in the book
WITHOUT, WITH, DEFAULTS = "without BN", "with BN", "BN, Keras's defaults"
ARMS = {WITHOUT: {"batch_norm": False}, WITH: {}, DEFAULTS: {"momentum": 0.99, "epsilon": 1e-3}}
VARIANTS = {
    (arm, scale): arguments | {"init_std": scale}
    for arm, arguments in ARMS.items()
    for scale in SCALES
}


def run(lab):
    """Train on 1000 examples, as the book does, from 16 initial scales."""
    results = lab.train(build_model, VARIANTS, lab.data(examples=1000), epochs=20)
    speed = results.mean_over_epochs("accuracy")
    learned = results.reached("accuracy", 90)  # 1 or 0 for every variant and seed

    lab.claim(
        "with BN the network learns faster at 14 of 16 initial scales",
        source=BOOK,
        that=lab.at_least(14, speed[WITH] > speed[WITHOUT], unit="scales"),
    )
    lab.claim(
        "with BN more of the 16 scales reach 90 % training accuracy",
        source=BOOK,
        that=learned[WITH].sum() > learned[WITHOUT].sum(),
    )
    lab.claim(
        "without BN the smallest scale stays within 2 percentage points of chance",
        source=BOOK,
        that=results.above_chance()[WITHOUT, SCALES[-1]].within(2),
    )
    lab.claim(
        "Keras's default momentum and epsilon hide scales that learn",
        that=learned[WITH].sum() > learned[DEFAULTS].sum(),
    )
    lab.table({f"{arm}, best scale": results.best(arm) for arm in ARMS})
    lab.figure(lab.panels(results, "accuracy", each=SCALES, lines=ARMS))


if __name__ == "__main__":
    from recipes import main

    main(__name__)
