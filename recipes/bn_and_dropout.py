"""Does batch normalization make Dropout unnecessary, and which of them comes first?

Claim: batch normalization suppresses overfitting and reduces the need for Dropout (Deep Learning
from Scratch, 6.3.1); but its regularizing effect is slight, so that Dropout stays useful (Deep
Learning Specialization, course 2 week 3). Dropout right before a normalization does harm (Li et al.
2019).
Look for: in the figure, how far training and test are apart without and with BN, and which network
gains by Dropout; in TensorBoard, under distributions, the moving variances of h1_bn.
Why: BN's noise regularizes: an example is normalized by the batch that it happens to be in, the
more differently the smaller the batch. Dropout makes the variance of what follows larger in
training than in inference, and a normalization right behind it goes on dividing by the larger one.
Every variant has the learning rate that is best for it on validation data, which is why a run takes
almost half a minute.
Use: BatchNormalization before the activation and Dropout behind it, at a rate that validation data
choose, 0 among the candidates.
Symptoms: validation is far below training
Topic: Batch normalization
"""

import keras


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.2,
    dropout_first=False,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: three hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout in each hidden layer.
        dropout_first: whether Dropout comes before the normalization, not after the activation.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 4):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if dropout_first:
            model.add(keras.layers.Dropout(dropout, name=f"h{n}_dropout"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
        if not dropout_first:
            model.add(keras.layers.Dropout(dropout, name=f"h{n}_dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
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


BOOK = "Deep Learning from Scratch, 6.3.1"
COURSE = "Deep Learning Specialization, course 2 week 3"
WITHOUT, WITH, BEHIND = "without BN", "with BN", "BN behind Dropout"
SMALL, LARGE = "batches of 20", "batches of 100"
SIZES = {SMALL: 20, LARGE: 100}
EPOCHS = {SMALL: 30, LARGE: 150}  # 450 steps of either size
# Candidates for the learning rate.
RATES = {SMALL: (0.03, 0.1, 0.3, 1.0, 3.0), LARGE: (0.1, 0.3, 1.0, 3.0, 10.0)}
NONE, HALF = "no Dropout", "Dropout 0.5"
DROPOUTS = {NONE: 0.0, "Dropout 0.2": 0.2, HALF: 0.5}
VARIANTS = {
    (arm, SMALL, name): {"batch_norm": arm == WITH, "dropout": rate}
    for arm in (WITHOUT, WITH)
    for name, rate in DROPOUTS.items()
}
VARIANTS |= {
    (BEHIND, SMALL, HALF): {"batch_norm": True, "dropout": 0.5, "dropout_first": True},
    (WITHOUT, LARGE, NONE): {"batch_norm": False, "dropout": 0.0},
    (WITH, LARGE, NONE): {"batch_norm": True, "dropout": 0.0},
}


def run(lab):
    """Overfit 300 examples in 450 steps, each variant at its best learning rate."""
    data = lab.data(examples=300)  # as many as the book overfits
    tuned = lab.tune(
        build_model, VARIANTS, data, epochs=EPOCHS, batch_size=SIZES, learning_rate=RATES
    )
    results = lab.train(
        build_model, tuned, data, epochs=EPOCHS, batch_size=SIZES, evaluate_every=5, watch=[HALF]
    )
    train, test = results.final("train_accuracy"), results.final("test_accuracy")
    gap = train - test
    chosen = {arm: test[results.best(arm, SMALL)] for arm in (WITHOUT, WITH)}
    gain = {arm: chosen[arm] - test[arm, SMALL, NONE] for arm in (WITHOUT, WITH)}

    for batch in (SMALL, LARGE):
        lab.claim(
            f"without Dropout, training minus test accuracy is smaller with BN, {batch}",
            source=BOOK,
            that=gap[WITH, batch, NONE] < gap[WITHOUT, batch, NONE],
        )
    lab.claim(
        f"Dropout at the best rate gains less test accuracy with BN than without, {SMALL}",
        source=BOOK,
        that=gain[WITH] < gain[WITHOUT],
    )
    lab.claim(
        f"with BN, Dropout at the best rate still raises test accuracy, {SMALL}",
        source=COURSE,
        that=gain[WITH] > 0,
    )
    lab.claim(
        f"with BN, Dropout of 0.5 gives less test accuracy before BN than behind it, {SMALL}",
        source="Li et al. 2019",
        that=test[BEHIND, SMALL, HALF] < test[WITH, SMALL, HALF],
    )
    lab.figure(lab.dots({"training": train, "test": test}, x_label="accuracy (%)"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
