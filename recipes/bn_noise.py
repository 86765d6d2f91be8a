"""Does the noise of batch normalization regularize?

Claim: the statistics of a batch are noisy, which has a slight regularizing effect, less with larger
batches (Deep Learning Specialization, course 2 week 3). Large batches generalize better if they are
normalized in small parts, ghost batches (Hoffer et al. 2017).
Look for: in the figure, at which learning rates the noise of small ghost batches lowers the test
loss; in TensorBoard, under loss, train beside validation for both sizes.
Why: the same example comes with other companions each time, and is shifted and scaled by their mean
and spread, much as Dropout multiplies it. A smaller batch also means more steps, so the noise is
judged with ghost batches: each step follows the mean gradient of 128 examples, which are normalized
in batches of 8 or all together.
Use: batches as large as suit training; don't make them smaller for the sake of their noise.
Symptoms: validation is far below training
Topic: Batch normalization
"""

import keras


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    bn_momentum=0.9,
    dropout=0.1,
    batches_per_step=1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        bn_momentum: momentum of the moving averages that inference uses.
        dropout: rate of Dropout after the last hidden layer.
        batches_per_step: number of batches whose mean gradient a step follows.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 3):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(
            keras.layers.BatchNormalization(momentum=bn_momentum, epsilon=1e-5, name=f"h{n}_bn")
        )
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    accumulated = batches_per_step if batches_per_step > 1 else None
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, gradient_accumulation_steps=accumulated),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


COURSE, HOFFER = "Deep Learning Specialization, course 2 week 3", "Hoffer et al. 2017"
EXAMPLES = 512  # for training
NOISY, QUIET = "ghost batches of 8", "ghost batches of 128"
SIZES = {NOISY: 8, QUIET: 128}
RATES = (0.1, 0.3, 1.0, 3.0)  # learning rates
# Whatever the size of a batch, the moving averages reach back over one epoch.
VARIANTS = {
    (name, rate): {
        "bn_momentum": 1 - size / EXAMPLES,
        "dropout": 0.0,
        "batches_per_step": 128 // size,
        "learning_rate": rate,
    }
    for name, size in SIZES.items()
    for rate in RATES
}


def run(lab):
    """Train with steps of 128 examples, which BN normalizes in small batches or all together."""
    results = lab.train(
        build_model,
        VARIANTS,
        lab.data(examples=EXAMPLES),
        epochs=40,
        batch_size=SIZES,
        evaluate_every=10,
    )
    accuracy, loss = results.final("test_accuracy"), results.final("test_loss")
    gap = loss - results.final("train_loss")
    # Chosen on validation, by what is compared.
    noisy, quiet = (results.best(size, by="val_loss") for size in SIZES)
    most_accurate = {size: accuracy[results.best(size)] for size in SIZES}

    lab.claim(
        "test minus training loss is smaller in ghost batches of 8 than of 128, each at its best "
        "rate",
        source=COURSE,
        that=gap[noisy] < gap[quiet],
    )
    lab.claim(
        "test accuracy is higher in ghost batches of 8 than of 128, each at its best rate",
        source=HOFFER,
        that=most_accurate[NOISY] > most_accurate[QUIET],
    )
    lab.claim(
        "test loss is lower in ghost batches of 8 than of 128, each at its best rate",
        that=loss[noisy] < loss[quiet],
    )
    lab.table([noisy, quiet])
    lab.figure(lab.lines(loss, along=RATES, lines=SIZES, x_label="learning rate", x_scale="log"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
