"""What helps a class that is rare?

Claim: oversampling does (Buda et al. 2018, abstract). Accuracy deceives (He and Garcia 2009). Class
weights matter early in training and less and less later (Byrd and Lipton 2019, abstract). Outputs
adjusted by the class frequencies after training lower the balanced error (Menon et al. 2021). The
focal loss raises average precision (Lin et al. 2017).
Look for: in the figure, which methods raise balanced accuracy at first, and which still do at the
end; in figure-precision, that none of them ranks the rare examples better.
Why: a network learns probabilities, and where one example in a hundred is rare it answers that
class only if the inputs speak for it a hundred times as much. To divide by the frequencies of the
classes takes that back. Weights and oversampling do so in training, as long as examples are not
fitted yet; later every gradient is small, and a hundred times little is little. None of this tells
the network more about the rare class.
Use: model.layers[-1].bias.assign_sub(np.log(frequencies)) after training on the data as they are,
if a class that is missed counts the same, however rare; and balanced accuracy or average precision
to compare models.
Symptoms: rare classes are never predicted; accuracy is high, and the model is of no use
Topic: Data and sanity
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.1,
    focal=False,
    learning_rate=0.001,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0, one-hot for the focal loss.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        focal: whether to train with the focal loss, gamma 2; of two classes the second, the rare
            one, has the paper's alpha of .25, and the other .75.
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
    loss = "sparse_categorical_crossentropy"
    if focal:
        alpha = [0.75, 0.25] if num_classes == 2 else 0.25
        loss = keras.losses.CategoricalFocalCrossentropy(alpha=alpha, gamma=2.0)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=loss,
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


BUDA, HE = "Buda et al. 2018, abstract", "He and Garcia 2009"
MENON, LIN = "Menon et al. 2021", "Lin et al. 2017"
BYRD = "Byrd and Lipton 2019, abstract"
TENTH, HUNDREDTH = "1 to 10", "1 to 100"
RATIOS = {TENTH: 10, HUNDREDTH: 100}
MOST = 800  # examples, in training and in validation
NOTHING, WEIGHTS = "nothing", "class weights"
OVER, FOCAL = "oversampling", "focal loss"
DIVIDED = "divided by frequencies"  # the probabilities of the network with nothing
# Adam's steps don't depend on the scale of a loss, so all methods have the same learning rate.
PLAIN = {"batch_norm": False, "dropout": 0.0}
ARMS = {NOTHING: PLAIN, WEIGHTS: PLAIN, OVER: PLAIN, FOCAL: PLAIN | {"focal": True}}
VARIANTS = {(ratio, arm): arguments for ratio in RATIOS for arm, arguments in ARMS.items()}
EPOCHS = (1, 2, 4, 8, 16, 32)  # of 16 steps


def thinned(part, ratio):
    """Return a part of the data with one rare example, of label 1, for each `ratio` others."""
    others, rare = (np.flatnonzero(part.y == label) for label in (0, 1))
    total = min(MOST, 3 * len(part) // 4)  # the same at every ratio and seed
    count = max(1, total // (ratio + 1))
    # Where there are too few examples, some are repeated.
    return part.rows(np.append(np.resize(others, total - count), np.resize(rare, count)))


def with_imbalance(ratio):
    """Return a change of data to the last class, rare, against all others, `ratio` times as many.

    The test part keeps all of its examples.
    """
    import dataclasses  # above, it would be part of the template

    def change(dataset, random):
        last = dataset.num_classes - 1
        dataset = dataset.map_labels(lambda y: y == last, ("others", dataset.class_names[last]))
        train, validation = thinned(dataset.train, ratio), thinned(dataset.validation, ratio)
        return dataclasses.replace(dataset, train=train, validation=validation)

    return change


def drawn(dataset, rows):
    """Return the data with these rows for training, repeated until there are twice as many as were.

    Oversampling needs so many; and so all methods take the same number of steps.
    """
    rows = np.resize(rows, 2 * len(dataset.train))
    return dataset.with_train(dataset.train.x[rows], dataset.train.y[rows])


def as_they_are(dataset, random):
    """Return the data, each example twice."""
    return drawn(dataset, np.arange(len(dataset.train)))


def weighted(dataset, random):
    """Weigh examples so that each class counts as much, and an example 1 on average."""
    dataset = as_they_are(dataset, random)
    weights = 1 / np.bincount(dataset.train.y)[dataset.train.y]
    return dataset.with_train(weights=weights / weights.mean())


def oversampled(dataset, random):
    """Return the data with rare examples repeated until there are as many as of the others."""
    others, rare = (np.flatnonzero(dataset.train.y == label) for label in (0, 1))
    return drawn(dataset, random.permutation(np.append(others, np.resize(rare, len(others)))))


CHANGES = {NOTHING: as_they_are, WEIGHTS: weighted, OVER: oversampled, FOCAL: as_they_are}


def balanced_accuracy(results, data, epochs):
    """Return the balanced accuracy (%) on test, `{(ratio, method, epoch): (seeds,)}`.

    One more method divides probabilities by the frequencies of the classes in training. In Keras
    `model.layers[-1].bias.assign_sub(np.log(frequencies))` does it, once and for all.
    """
    values = {}
    for key in VARIANTS:
        ratio, arm = key
        y = data[key].train.y
        for epoch in epochs:
            probabilities = {arm: results.models(key, epoch).predict(data[key].test.x)}
            if arm == NOTHING:  # their sum is no longer 1, which changes no answer
                probabilities[DIVIDED] = probabilities[arm] / (np.bincount(y.ravel()) / y.size)
            for method, predicted in probabilities.items():
                score = results.score("test_balanced_accuracy", {key: predicted})
                values[ratio, method, epoch] = score.array()
    return values


def run(lab):
    """Train with each method where one example in ten or in a hundred is rare."""
    whole = lab.data()
    data = {
        (ratio, arm): whole.map(with_imbalance(others)).map(change)
        for ratio, others in RATIOS.items()
        for arm, change in CHANGES.items()
    }
    epochs = [epoch for epoch in EPOCHS if epoch <= lab.epochs(EPOCHS[-1])]
    early = epochs[:2][-1]  # the second, unless a run has only one
    last = epochs[-1]
    results = lab.train(
        build_model, VARIANTS, data, epochs=EPOCHS[-1], evaluate_every=4, record=epochs
    )
    accuracy = results.final("val_accuracy")  # validation has the imbalance of training
    precision = results.final("test_average_precision")
    balanced = lab.measure(balanced_accuracy(results, data, epochs), "%", "test balanced accuracy")
    gained = balanced[HUNDREDTH, WEIGHTS] - balanced[HUNDREDTH, NOTHING]

    lab.claim(
        f"{HUNDREDTH}: oversampling raises balanced accuracy on test",
        source=BUDA,
        that=balanced[HUNDREDTH, OVER, last] > balanced[HUNDREDTH, NOTHING, last],
    )
    lab.claim(
        f"{HUNDREDTH} instead of {TENTH}: accuracy on data like those of training is higher, "
        "balanced accuracy lower",
        source=HE,
        that=lab.every(
            [
                accuracy[HUNDREDTH, NOTHING] > accuracy[TENTH, NOTHING],
                balanced[HUNDREDTH, NOTHING, last] < balanced[TENTH, NOTHING, last],
            ],
            unit="measures",
        ),
    )
    lab.claim(
        f"{HUNDREDTH}: class weights gain more balanced accuracy after {EPOCHS[1]} epochs than "
        f"after {EPOCHS[-1]}",
        source=BYRD,
        that=gained[early] > gained[last],
    )
    lab.claim(
        f"{HUNDREDTH}: to divide the probabilities by the class frequencies raises balanced "
        "accuracy on test",
        source=MENON,
        that=balanced[HUNDREDTH, DIVIDED, last] > balanced[HUNDREDTH, NOTHING, last],
    )
    lab.claim(
        f"{HUNDREDTH}: the focal loss raises average precision on test",
        source=LIN,
        that=precision[HUNDREDTH, FOCAL] > precision[HUNDREDTH, NOTHING],
    )
    axes = {"along": epochs, "x_label": "epochs", "x_scale": "log"}
    lab.figure(lab.lines(balanced, each=RATIOS, lines=(*ARMS, DIVIDED), **axes))
    lab.figure(lab.dots(precision, each=RATIOS), name="precision")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
