"""When should training stop?

Claim: where a network overfits, its weights from the epoch of lowest validation error are better on
test than its last ones (Goodfellow et al. 2016, 7.8). Stopping later costs about four times as much
training for a little less test error (Prechelt 1998, abstract). The loss rises again while accuracy
still grows (Guo et al. 2017, 3).
Look for: in the figure, what each rule gains over training to the end, by patience; in
figure-epochs, how long training takes; in TensorBoard, under loss, where validation turns.
Why: a network first learns what its examples have in common, and then memorizes each of them, with
its label even if that is wrong: validation gets worse. Where labels are right only the loss does,
which counts how sure wrong answers are. A short patience takes the first bump of a curve for the
turn; of accuracy, where a tie is no improvement, also the first plateau.
Use: keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True) where labels are right: it
trains less than half as long as a patience of 16. Restore the best weights where labels are wrong.
Symptoms: validation loss rises; validation is far below training
Topic: Regularization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.1, learning_rate=0.001
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of Adam.
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
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


BOOK, GUO = "Goodfellow et al. 2016, 7.8", "Guo et al. 2017, 3"
PRECHELT = "Prechelt 1998, abstract"
RIGHT, WRONG = "right labels", "20 % wrong training labels"
PLAIN = {"batch_norm": False, "dropout": 0.0}  # both would be remedies of their own
VARIANTS = {RIGHT: PLAIN, WRONG: PLAIN}
EPOCHS = 100
PATIENCES = (1, 2, 4, 8, 16, 32)  # epochs
FAST, SLOW = 2, 16  # those that are judged
# What is watched on validation; the weights of the best epoch are restored, or not.
LOSS, LAST, ACCURACY = "lowest loss", "lowest loss, not restored", "highest accuracy"


def early_stopping(curve, patience):
    """Return the best epoch and the last one, by the rule of keras.callbacks.EarlyStopping.

    Args:
        curve: what is watched, lower is better, by epoch, (epochs + 1,); 0 is before training.
        patience: training stops after so many epochs without a new lowest value.
    """
    best = 1
    for epoch in range(2, len(curve)):
        if curve[epoch] < curve[best]:
            best = epoch
        elif epoch - best >= patience:
            return best, epoch
    return best, len(curve) - 1


def run(lab):
    """Train for 100 epochs, and ask where each rule would have stopped."""
    few = lab.data(examples=300)
    wrong = few.map(lambda dataset, random: dataset.with_wrong_labels(0.2, random))
    data = {RIGHT: few, WRONG: wrong}
    every_epoch = range(lab.epochs(EPOCHS) + 1)
    results = lab.train(
        build_model, VARIANTS, data, epochs=EPOCHS, batch_size=20, record=every_epoch
    )
    gains, lengths = {}, {}
    seeds = np.arange(len(lab.seeds))
    for labels in VARIANTS:
        by_epoch = [results.models(labels, epoch) for epoch in results.recorded(labels)]
        test = np.stack([100 * models.accuracy(data[labels].test) for models in by_epoch], axis=1)
        gained = test - test[:, -1:]  # (seeds, epochs + 1)
        loss = results.curve("val_loss", labels)
        accuracy = results.curve("val_accuracy", labels)
        for patience in PATIENCES:
            best, last = np.transpose([early_stopping(curve, patience) for curve in loss])
            gains[labels, LOSS, patience] = gained[seeds, best]
            gains[labels, LAST, patience] = gained[seeds, last]
            lengths[labels, patience] = last
            best, _ = np.transpose([early_stopping(curve, patience) for curve in -accuracy])
            gains[labels, ACCURACY, patience] = gained[seeds, best]
    gain = lab.measure(gains, "percentage points", "test accuracy gained")
    length = lab.measure(lengths, "epochs", "training")

    lab.claim(
        f"{WRONG}, patience {SLOW}: the weights of the lowest validation loss are more accurate on "
        f"test than those after {EPOCHS} epochs",
        source=BOOK,
        that=gain[WRONG, LOSS, SLOW] > 0,
    )
    lab.claim(
        f"{WRONG}, patience {SLOW}: the weights of the lowest validation loss are more accurate on "
        "test than those at which training stops",
        source=BOOK,
        that=gain[WRONG, LOSS, SLOW] > gain[WRONG, LAST, SLOW],
    )
    lab.claim(
        f"{RIGHT}: test accuracy is higher with patience {SLOW} than with {FAST}",
        source=PRECHELT,
        that=gain[RIGHT, LOSS, SLOW] > gain[RIGHT, LOSS, FAST],
    )
    lab.claim(
        f"{RIGHT}: training takes 3 to 5 times as long with patience {SLOW} as with {FAST}",
        source=PRECHELT,
        that=(length[RIGHT, SLOW] / length[RIGHT, FAST]).within(1, of=4),
    )
    lab.claim(
        f"{RIGHT}, patience {SLOW}: the weights of the highest validation accuracy are more "
        "accurate on test than those of the lowest loss",
        source=GUO,
        that=gain[RIGHT, ACCURACY, SLOW] > gain[RIGHT, LOSS, SLOW],
    )
    axes = {"each": VARIANTS, "along": PATIENCES, "x_label": "patience (epochs)"}
    lab.figure(lab.lines(gain, lines=(LOSS, LAST, ACCURACY), **axes))
    lab.figure(lab.lines(length, **axes), name="epochs")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
