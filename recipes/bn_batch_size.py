"""What happens to batch normalization with small batches, and to layer normalization?

Claim: batch normalization works badly with batches of 2 (Wu and He 2018, 4.1); layer normalization
is robust to their size (Ba et al. 2016, 6.6).
Look for: in the figure, how far BN stays below LayerNorm in batches of 2, and that both lines meet
in larger ones; in TensorBoard, under activations, h2_bn beside h2_ln for batches of 2.
Why: of two values one is as far above their mean as the other is below it, so training sees each
unit at 1 or -1, whatever the values; inference normalizes by moving averages, and meets values that
training never saw. Layer normalization looks at one example at a time.
Use: LayerNormalization where a batch can't hold more than a few examples.
Symptoms: batches have to be small; training learns, validation stays at chance
Topic: Batch normalization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    normalization="batch",
    bn_momentum=0.9,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        normalization: what normalizes before each activation, "batch" or "layer".
        bn_momentum: momentum of the moving averages that inference uses.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 3):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if normalization == "batch":
            model.add(
                keras.layers.BatchNormalization(momentum=bn_momentum, epsilon=1e-5, name=f"h{n}_bn")
            )
        else:
            model.add(keras.layers.LayerNormalization(epsilon=1e-5, name=f"h{n}_ln"))
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
    normalization = hp.Choice("normalization", ["batch", "layer"])
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(
        input_shape, num_classes, normalization=normalization, dropout=dropout, learning_rate=rate
    )


WU_HE, BA = "Wu and He 2018, 4.1", "Ba et al. 2016, 6.6"
EXAMPLES = 512  # for training
TWO, SIXTEEN, MANY = "batches of 2", "batches of 16", "batches of 128"
SIZES = {TWO: 2, SIXTEEN: 16, MANY: 128}
EPOCHS = {TWO: 6, SIXTEEN: 15, MANY: 40}  # an epoch of larger batches has fewer steps
BN, LN = "BN", "LayerNorm"
RATES = np.logspace(-2.5, 0.5, 7)  # learning rates
# Whatever the size of a batch, the moving averages reach back over one epoch.
VARIANTS = {
    (kind, name, rate): {
        "normalization": "batch" if kind == BN else "layer",
        "bn_momentum": 1 - size / EXAMPLES,
        "dropout": 0.0,
        "learning_rate": rate,
    }
    for kind in (BN, LN)
    for name, size in SIZES.items()
    for rate in RATES
}


def run(lab):
    """Train both normalizations with three batch sizes, each at seven learning rates."""
    results = lab.train(
        build_model,
        VARIANTS,
        lab.data(examples=EXAMPLES),
        epochs=EPOCHS,
        batch_size=SIZES,
        evaluate_every=10,
    )
    accuracy = results.final("test_accuracy")
    bn = {size: accuracy[results.best(BN, size)] for size in SIZES}
    ln = {size: accuracy[results.best(LN, size)] for size in SIZES}

    lab.claim(
        "with BN test accuracy is lower in batches of 2 than of 128, each at its best rate",
        source=WU_HE,
        that=bn[TWO] < bn[MANY],
    )
    lab.claim(
        "with LayerNorm test accuracy in batches of 2 is within 1 percentage point of that in "
        "batches of 128, each at its best rate",
        source=BA,
        that=ln[TWO].within(1, of=ln[MANY]),
    )
    lab.claim(
        "with BN test accuracy in batches of 16 is within 1 percentage point of that in batches of "
        "128, each at its best rate",
        that=bn[SIXTEEN].within(1, of=bn[MANY]),
    )
    lab.table([results.best(kind, size) for kind in (BN, LN) for size in SIZES])
    lab.figure(
        lab.lines(
            accuracy,
            along=RATES,
            each=SIZES,
            lines=(BN, LN),
            limits=(0, 103),
            x_label="learning rate",
            x_scale="log",
        )
    )


if __name__ == "__main__":
    from recipes import main

    main(__file__)
