"""What helps a class that is rare?

Claim: oversampling does (Buda et al. 2018, abstract). Accuracy deceives (He and Garcia 2009). Class
weights matter early in training and less and less later (Byrd and Lipton 2019, abstract). Outputs
adjusted by the class frequencies after training lower the balanced error (Menon et al. 2021).
Look for: in the figure, which methods raise balanced accuracy at first, and which still do at the
end.
Why: a network learns probabilities, and where one example in a hundred is rare it answers that
class only if the inputs speak for it a hundred times as much. Dividing by the frequencies of the
classes takes that back. Weights and oversampling do so in training, as long as examples are not
fitted yet; later every gradient is small, and a hundred times little is little.
Use: model.layers[-1].bias.assign_sub(np.log(frequencies)) after training on the data as they are,
where every class matters equally, however rare; and balanced accuracy to compare models.
Symptoms: rare classes are never predicted; accuracy is high, but the model is useless
Topic: Data and sanity
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
    learning_rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


MOST = 800  # examples, in training and in validation
NOTHING, WEIGHTS, OVER = "nothing", "class weights", "oversampling"
EPOCHS = (1, 2, 4, 8, 16, 32)  # of 16 steps; each is a training of its own
EARLY, LATE = EPOCHS[1], EPOCHS[-1]
# Adam's steps don't depend on the scale of a loss, so all methods have the same learning rate.
VARIANTS = {
    (method, epochs): {"batch_norm": False, "dropout": 0.0}
    for method in (NOTHING, WEIGHTS, OVER)
    for epochs in EPOCHS
}


def thinned(part):
    """Return a part of the data with one rare example, of label 1, for each hundred others."""
    others, rare = (np.flatnonzero(part.y == label) for label in (0, 1))
    total = min(MOST, 3 * len(part) // 4)  # the same at every seed
    count = max(1, total // 101)
    # Where there are too few examples, some are repeated.
    return part.rows(np.append(np.resize(others, total - count), np.resize(rare, count)))


def one_in_a_hundred(dataset, random):
    """Return data of the last class, which becomes rare, against all others.

    Training has each example twice, as oversampling needs so many: then all methods take the same
    number of steps. The test part keeps all of its examples.
    """
    import dataclasses  # above, it would be part of the template

    last = dataset.num_classes - 1
    dataset = dataset.map_labels(lambda y: y == last, ("others", dataset.class_names[last]))
    train, validation = map(thinned, (dataset.train, dataset.validation))
    return dataclasses.replace(dataset, train=train.followed_by(train), validation=validation)


def weighted(dataset, random):
    """Weigh examples so that each class counts as much, and an example 1 on average."""
    weights = 1 / np.bincount(dataset.train.y)[dataset.train.y]
    return dataset.with_train(weights=weights / weights.mean())


def oversampled(dataset, random):
    """Replace the second copies by rare examples, until they are as many as the others."""
    half = len(dataset.train) // 2
    others, rare = (np.flatnonzero(dataset.train.y[:half] == label) for label in (0, 1))
    rows = np.append(np.resize(others, half), np.resize(rare, half))
    return dataset.with_train(dataset.train.x[rows], dataset.train.y[rows])


def run(lab):
    """Train with each method, for 1 to 32 epochs, where one example in a hundred is rare."""
    imbalanced = lab.data().map(one_in_a_hundred)
    data = {
        NOTHING: imbalanced,
        WEIGHTS: imbalanced.map(weighted),
        OVER: imbalanced.map(oversampled),
    }
    lengths = {epochs: epochs for epochs in EPOCHS}
    results = lab.train(build_model, VARIANTS, data, epochs=lengths, evaluate_every=LATE)
    accuracy = results.final("val_accuracy")  # validation has the imbalance of training
    balanced = results.final("test_balanced_accuracy")
    gained = balanced[WEIGHTS] - balanced[NOTHING]
    frequencies = np.bincount(imbalanced.train.y.ravel()) / imbalanced.train.y.size
    quotients = {}
    for epochs in EPOCHS:
        probabilities = results.models((NOTHING, epochs)).predict(imbalanced.test.x)
        quotients[NOTHING, epochs] = probabilities / frequencies  # the largest is the answer
    divided = results.score("test_balanced_accuracy", quotients)[NOTHING]

    lab.claim(
        f"oversampling raises balanced accuracy on test after {LATE} epochs",
        source="Buda et al. 2018, abstract",
        that=balanced[OVER, LATE] > balanced[NOTHING, LATE],
    )
    lab.claim(
        f"after {LATE} epochs accuracy on data like those of training is over 10 percentage points "
        "above balanced accuracy on test",
        source="He and Garcia 2009",
        that=accuracy[NOTHING, LATE] > balanced[NOTHING, LATE] + 10,
    )
    lab.claim(
        f"class weights gain more balanced accuracy after {EARLY} epochs than after {LATE}",
        source="Byrd and Lipton 2019, abstract",
        that=gained[EARLY] > gained[LATE],
    )
    lab.claim(
        f"dividing probabilities by class frequencies raises balanced accuracy after {LATE} epochs",
        source="Menon et al. 2021",
        that=divided[LATE] > balanced[NOTHING, LATE],
    )
    lab.table({method: (method, LATE) for method in data})
    lines = {method: balanced[method] for method in data} | {"divided by frequencies": divided}
    lab.figure(lab.lines(lines, along=EPOCHS, x_label="epochs", x_scale="log"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
