"""Does batch normalization help a convolutional net, and does it matter where the pixels are?

Claim: convolution, batch normalization and ReLU, in this order, learn faster than convolution and
ReLU alone (Deep Learning Specialization, course 2 week 3, notes). And: ask whether spatial position
matters before choosing a model (Karpathy, A Recipe for Training Neural Networks). It decides for a
convolution: on images whose pixels are all shuffled in the same way, the convolution loses its
advantage over a dense net with about as many weights, and the dense net doesn't care.

Look for: in the figure, which curve rises first; in figure-pixels, which net loses by shuffled
pixels; in TensorBoard, under distributions, the feature maps conv1 and conv2 with and without BN.

Why the dense net doesn't care: each of its units has a weight of its own for every pixel, and no
notion of neighbours. Reorder these weights as the pixels, and it is the same net. A convolution
looks at neighbours, with the same weights everywhere, which pays where neighbours belong together.
On large images a dense net with so few weights is left a handful of units, and the convolution can
stay ahead on shuffled pixels too, if by less.

Use: Conv2D(use_bias=False), BatchNormalization, ReLU on images; where neighbours mean nothing, try
a dense net as well.
Symptoms: training is slow
Topic: Batch normalization
"""

import keras
import numpy as np

FILTERS = (8, 16)  # few, as convolutions take long


def build_model(
    input_shape=(8, 8, 1),
    num_classes=10,
    *,
    convolution=True,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of images: two convolutions or dense layers and a softmax.

    Args:
        input_shape: of one example, (height, width, channels).
        num_classes: units of the softmax; labels are integers from 0.
        convolution: whether to convolve, or else to have dense layers with about as many weights.
        batch_norm: whether to normalize before each activation. Whatever bias came before it would
            be subtracted again with the mean, so there is none.
        dropout: share of the softmax's inputs that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    if not convolution:
        layers.append(keras.layers.Flatten(name="flatten"))
    for n, filters in enumerate(FILTERS, 1):
        name = f"conv{n}" if convolution else f"h{n}"
        options = {"use_bias": not batch_norm, "kernel_initializer": "he_normal", "name": name}
        if convolution:
            layers.append(keras.layers.Conv2D(filters, 3, padding="same", **options))
        else:
            layers.append(keras.layers.Dense(units_for(input_shape, num_classes), **options))
        if batch_norm:
            # One mean and variance a filter, over all examples and positions.
            normalization = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, name=f"{name}_bn"
            )
            layers.append(normalization)
        layers.append(keras.layers.Activation("relu", name=f"{name}_act"))
        if convolution:
            layers.append(keras.layers.MaxPooling2D(padding="same", name=f"{name}_pool"))
    if convolution:
        layers.append(keras.layers.Flatten(name="flatten"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def units_for(input_shape, num_classes):
    """Return the units of two dense layers with about as many weights as the convolutions."""
    height, width, channels = input_shape
    left = -(-height // 4) * -(-width // 4)  # positions after both poolings
    first, second = FILTERS
    weights = 9 * channels * first + 9 * first * second + left * second * num_classes
    # Two layers of u units and the softmax have u² + (inputs + classes) u weights.
    half = (height * width * channels + num_classes) / 2
    return max(1, round(np.sqrt(half**2 + weights) - half))


def build_tunable(hp, input_shape=(8, 8, 1), num_classes=10):
    """The same model for keras-tuner: random search, the learning rate on a logarithmic scale."""
    return build_model(
        input_shape,
        num_classes,
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


RATE = 0.1  # for both, among those tried
WITHOUT, WITH = f"without BN, lr {RATE:g}", f"with BN, lr {RATE:g}"
WITHOUT_BEST, WITH_BEST = "without BN, best lr", "with BN, best lr"
SHUFFLED = "with BN, shuffled pixels"
DENSE, DENSE_SHUFFLED = "dense with BN", "dense with BN, shuffled pixels"
VARIANTS = {
    WITHOUT: {"batch_norm": False, "learning_rate": RATE},
    WITH: {"learning_rate": RATE},
    WITHOUT_BEST: {"batch_norm": False},
    WITH_BEST: {},
    SHUFFLED: {},
    DENSE: {"convolution": False},
    DENSE_SHUFFLED: {"convolution": False},
}


def shuffle(data):
    """Return the data with the pixels of all images in one new order; channels stay together."""
    import dataclasses

    height, width, _ = data.input_shape
    order = np.random.default_rng(0).permutation(height * width)

    def of(split):
        pixels = split.x.reshape(len(split), height * width, -1)
        return dataclasses.replace(split, x=pixels[:, order].reshape(split.x.shape))

    parts = ("train", "validation", "test")
    return dataclasses.replace(data, **{part: of(getattr(data, part)) for part in parts})


def run(lab):
    """Compare with and without BN, at one rate and at each one's best; then shuffle the pixels."""
    notes = "Deep Learning Specialization, course 2 week 3"
    recipe = "Karpathy, A Recipe for Training Neural Networks"
    data = lab.data(images=True, examples=1000)
    shuffled = {"fit": {"data": shuffle(data)}}
    variants = VARIANTS | {name: VARIANTS[name] | shuffled for name in (SHUFFLED, DENSE_SHUFFLED)}
    fixed = {name: variants.pop(name) for name in (WITHOUT, WITH)}
    rates = (0.03, 0.1, 0.3, 1.0)  # and more beyond an end if the best of them lies there
    variants = fixed | lab.tune(build_model, variants, data, epochs=20, values=rates)
    watch = [WITHOUT, WITH, SHUFFLED]
    histories = lab.train(build_model, variants, data, epochs=20, watch=watch)

    def accuracy(first, second):
        return histories.difference("test_accuracy", first, second, scale=100)

    def speed(first, second):
        mean = histories.mean_over_epochs
        return 100 * (mean("accuracy", first) - mean("accuracy", second))

    faster = "with BN the convolution's training accuracy, mean over epochs, is higher"
    better = "with BN the convolution's test accuracy is higher, each at its best lr"
    beats = "a convolution's test accuracy is higher than that of a dense net of its size"
    costs = "shuffled pixels cost the convolution more test accuracy than the dense net"
    lost, also = accuracy(WITH_BEST, SHUFFLED), accuracy(DENSE, DENSE_SHUFFLED)
    more = lost._replace(
        values=lost.values - also.values,
        collapsed=lost.collapsed + also.collapsed,
        runs=lost.runs + also.runs,
    )
    for text, source, differences in (
        (f"{faster}, lr {RATE:g}", notes, speed(WITH, WITHOUT)),
        (f"{faster}, each at its best lr", notes, speed(WITH_BEST, WITHOUT_BEST)),
        (better, "this recipe", accuracy(WITH_BEST, WITHOUT_BEST)),
        (beats, recipe, accuracy(WITH_BEST, DENSE)),
        (costs, recipe, more),
    ):
        lab.claim(text, source, differences, unit="points")
    lab.claim(
        "on shuffled pixels the convolution is less than 1 point better than the dense net",
        recipe,
        accuracy(DENSE_SHUFFLED, SHUFFLED),
        at_least=-1,
        unit="points",
    )
    lab.claim(
        "the dense net's test accuracy on shuffled pixels is the same within 2 points",
        recipe,
        also,
        within=2,
        unit="points",
    )
    layout = {
        f"both at learning rate {RATE:g}": {"without BN": WITHOUT, "with BN": WITH},
        "each at its best learning rate": {"without BN": WITHOUT_BEST, "with BN": WITH_BEST},
    }
    lab.figure(lab.panels(histories, layout))
    final = {name: 100 * histories.final("test_accuracy", name) for name in histories.variants}
    layout = {
        "pixels in place": {"convolution": final[WITH_BEST], "dense": final[DENSE]},
        "pixels shuffled": {"convolution": final[SHUFFLED], "dense": final[DENSE_SHUFFLED]},
    }
    lab.figure(lab.dots(layout, x_label="test accuracy (%)"), "pixels")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
