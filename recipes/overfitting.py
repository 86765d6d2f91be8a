"""What helps against overfitting?

Claim: a network overfits where it has few examples (Deep Learning from Scratch, 6.4.1). More of
them are by far the best remedy, changed copies of those at hand the next best (Karpathy 2019, "A
Recipe for Training Neural Networks"); weight decay and Dropout are better than a smaller network
(CS231n, Neural Networks Part 1).
Look for: in the figure, which remedies lower the test error; in TensorBoard, under loss,
where validation rises again while training still falls.
Why: once a network has memorized its examples, the gap between training and test accuracy is the
test error, and a smaller network memorizes 300 of them, too. Weight decay and Dropout only choose
among the functions that fit the same examples. New examples rule some of these out, and so do
shifted copies, as far as a shift leaves the class as it is.
Use: more data, and not a smaller network; let validation choose among shifted copies, weight decay
and Dropout.
Symptoms: validation is far below training; validation loss rises
Topic: Regularization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    units=100,
    weight_decay=0.1,
    dropout=0.1,
    learning_rate=0.003,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        units: units of each hidden layer.
        weight_decay: each step shrinks the weights by so much times the learning rate.
        dropout: rate of Dropout after each hidden layer.
        learning_rate: learning rate of Adam.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(units, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
        model.add(keras.layers.Dropout(dropout, name=f"h{n}_dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate, weight_decay=weight_decay),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    decay = hp.Float("weight_decay", 1e-3, 1.0, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    return build_model(
        input_shape, num_classes, weight_decay=decay, dropout=dropout, learning_rate=rate
    )


BOOK, CS231N = "Deep Learning from Scratch, 6.4.1", "CS231n, Neural Networks Part 1"
KARPATHY = "Karpathy 2019, A Recipe for Training Neural Networks"
FEW, COPIES, MORE = "300 examples", "300 and shifted copies", "1000 examples"
LARGE, SMALL = "2 x 100 units", "2 x 20 units"
DECAY, DROPOUT = f"{LARGE}, weight decay", f"{LARGE}, Dropout"
PLAIN = {"batch_norm": False, "weight_decay": 0.0, "dropout": 0.0}
VARIANTS = {
    (LARGE, FEW): PLAIN,
    (DECAY, FEW): PLAIN,  # with the strength that `run` chooses
    (DROPOUT, FEW): PLAIN,  # and the rate
    (SMALL, FEW): PLAIN | {"units": 20},
    (LARGE, COPIES): PLAIN,
    (LARGE, MORE): PLAIN,
}
# Candidates for the strength of weight decay, the rate of Dropout, and the learning rate.
DECAYS = (0.3, 1.0, 3.0)
DROPOUTS = (0.1, 0.2, 0.4)
RATES = (0.001, 0.003, 0.01)
EPOCHS = {FEW: 70, COPIES: 14, MORE: 21}  # 420 steps of 50 examples each
EVALUATE_EVERY = {FEW: 5, COPIES: 1, MORE: 1}  # 30, 30 and 20 steps
# Where a window starts in an image with a frame of one pixel: the image itself, and four shifts.
WINDOWS = ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))


def with_shifted_copies(dataset, random):
    """Return images as vectors, the training images also shifted by a pixel to every side."""
    height, width, _ = dataset.input_shape
    framed = np.pad(dataset.train.x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    copies = [framed[:, top : top + height, left : left + width] for top, left in WINDOWS]
    labels = np.tile(dataset.train.y, len(copies))
    return dataset.with_train(np.concatenate(copies), labels).flat()


def run(lab):
    """Give each remedy its best strength and learning rate, and train for 420 steps."""
    data = {
        FEW: lab.data(examples=300),
        COPIES: lab.data(images=True, examples=300).map(with_shifted_copies),
        MORE: lab.data(examples=1000),
    }
    plan = {"epochs": EPOCHS, "batch_size": 50}
    decay, dropout = {(DECAY, FEW): PLAIN}, {(DROPOUT, FEW): PLAIN}
    decay = lab.tune(build_model, decay, data, weight_decay=DECAYS, **plan)
    dropout = lab.tune(build_model, dropout, data, dropout=DROPOUTS, **plan)
    variants = VARIANTS | decay | dropout
    tuned = lab.tune(build_model, variants, data, learning_rate=RATES, **plan)
    results = lab.train(build_model, tuned, data, evaluate_every=EVALUATE_EVERY, **plan)
    test = results.final("test_accuracy")
    gap = results.final("train_accuracy") - test
    best = results.best(FEW)  # of those without new examples, on validation

    lab.claim(
        "training minus test accuracy is smaller with 1000 examples than with 300",
        source=BOOK,
        that=gap[LARGE, MORE] < gap[LARGE, FEW],
    )
    lab.claim(
        "100 units a layer with weight decay are more accurate on test than 20 without",
        source=CS231N,
        that=test[DECAY, FEW] > test[SMALL, FEW],
    )
    lab.claim(
        "shifted copies raise test accuracy more than the best remedy without new examples",
        source=KARPATHY,
        that=test[LARGE, COPIES] > test[best],
    )
    lab.claim(
        "1000 examples raise test accuracy more than shifted copies of 300",
        source=KARPATHY,
        that=test[LARGE, MORE] > test[LARGE, COPIES],
    )
    measures = {"test error": 100 - test, "training minus test accuracy": gap}
    lab.figure(lab.dots(measures, x_label="percentage points"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
