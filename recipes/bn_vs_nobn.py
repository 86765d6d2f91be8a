"""Does batch normalization make training robust to the scale of the initial weights?

Claim: with batch normalization a deep network learns faster at nearly every one of 16 standard
deviations of the initial weights; without, it does not learn at all if they are far too small (Deep
Learning from Scratch, 6.3.2).
Look for: in the figure, at which of four scales each line rises, and in figure-all-scales, in how
many of 16 panels it reaches 90 %; in TensorBoard, under accuracy, train beside validation for "BN,
Keras's defaults".
Why: normalization cancels the scale of the hidden layers' weights, as long as the variance is well
above epsilon; at small scales it is far below Keras's 1e-3. And the moving variance that inference
uses starts at 1: at momentum .99 an eighth of that is left after these 200 steps.
Use: BatchNormalization(momentum=0.9, epsilon=1e-5) where training takes only a few hundred steps
and the initial weights may be badly scaled.
Symptoms: the loss does not move; a deep network does not learn; training learns, validation stays
at chance
Topic: Batch normalization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    init_std=0.14,
    bn_momentum=0.9,
    bn_epsilon=1e-5,
    dropout=0.1,
    learning_rate=0.01,
):
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        init_std: standard deviation of the initial weights; He's is 0.14 for 100 units.
        bn_momentum: momentum of the moving averages that inference uses.
        bn_epsilon: added to each variance.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 6):
        init = keras.initializers.RandomNormal(stddev=init_std)  # shared, it would repeat itself
        model.add(keras.layers.Dense(100, kernel_initializer=init, name=f"h{n}"))
        if batch_norm:
            model.add(
                keras.layers.BatchNormalization(
                    momentum=bn_momentum, epsilon=bn_epsilon, name=f"h{n}_bn"
                )
            )
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    init = keras.initializers.RandomNormal(stddev=init_std)
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


BOOK = "Deep Learning from Scratch, 6.3.2"
SCALES = np.logspace(0, -4, 16)  # standard deviations of the initial weights, as in the book
WITHOUT, WITH, DEFAULTS = "without BN", "with BN", "BN, Keras's defaults"
ARMS = {
    WITHOUT: {"batch_norm": False},
    WITH: {"bn_momentum": 0.9, "bn_epsilon": 1e-5},
    DEFAULTS: {"bn_momentum": 0.99, "bn_epsilon": 1e-3},
}
VARIANTS = {
    (arm, scale): arguments | {"init_std": scale, "dropout": 0.0}
    for arm, arguments in ARMS.items()
    for scale in SCALES
}


def run(lab):
    """Train each arm from 16 scales on 1000 examples, as in the book: about half a minute."""
    results = lab.train(build_model, VARIANTS, lab.data(examples=1000), epochs=20)
    speed = results.mean_over_epochs("train_accuracy")  # the sooner, the higher
    reached = results.reached("train_accuracy", 90)  # 1 or 0: in some epoch

    lab.claim(
        "with BN the network learns faster at 14 of 16 scales",
        source=BOOK,
        that=lab.at_least(14, speed[WITH] > speed[WITHOUT], unit="scales"),
    )
    lab.claim(
        "with BN more of the 16 scales reach 90 % training accuracy",
        source=BOOK,
        that=reached[WITH].sum() > reached[WITHOUT].sum(),
    )
    lab.claim(
        "without BN the smallest scale ends within 2 percentage points of chance",
        source=BOOK,
        that=results.above_chance("train_accuracy")[WITHOUT, SCALES[-1]].within(2),
    )
    lab.claim(
        "with Keras's default momentum and epsilon fewer scales reach 90 % in inference than with "
        ".9 and 1e-5",
        that=reached[DEFAULTS].sum() < reached[WITH].sum(),
    )
    lab.table({f"{arm}, best scale": results.best(arm, by="val_accuracy") for arm in ARMS})
    # Four panels can be read on a phone.
    lab.figure(lab.panels(results, "train_accuracy", each=SCALES[::5], lines=ARMS))
    lab.figure(lab.panels(results, "train_accuracy", each=SCALES, lines=ARMS), name="all-scales")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
