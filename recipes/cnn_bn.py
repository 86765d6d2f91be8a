"""Does batch normalization help a convolutional net, and does it matter where the pixels are?

Claim: convolution, batch normalization and ReLU, in this order, learn faster than convolution and
ReLU (Deep Learning Specialization, course 2 week 3, notes). Convolutions suit images better than
dense layers (CS231n, Convolutional Neural Networks), because they assume that neighbouring pixels
belong together; where all pixels are permuted, this assumption is wrong and they are of no use,
while a dense net learns as before (Goodfellow et al. 2016, 9.4).
Look for: in the figure, which curve rises first; in figure-pixels, which nets lose by shuffled
pixels; in TensorBoard, under activations, h1 beside h1_bn.
Why: a convolution looks at neighbours, with the same weights everywhere. A unit of a dense layer
has a weight of its own for every pixel: reorder these as the pixels, and it is the same unit.
Karpathy asks of every new data set whether spatial position matters (A Recipe for Training Neural
Networks); to shuffle the pixels of all images alike is a way to ask it.
Use: Conv2D, BatchNormalization and ReLU. On small images try a dense net of equal cost as well.
Symptoms: training is slow
Topic: Batch normalization
"""

import keras


def build_model(
    input_shape=(8, 8, 1),
    num_classes=10,
    *,
    convolution=True,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of images: two convolutions, or dense layers, and a softmax.

    Args:
        input_shape: shape of one example, (height, width, channels).
        num_classes: number of classes; labels are integers from 0.
        convolution: whether the hidden layers convolve; else they are dense.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout before the softmax.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    if not convolution:
        model.add(keras.layers.Flatten(name="flatten"))
    for n in (1, 2):
        if convolution:
            hidden = keras.layers.Conv2D(
                16 * n, 3, padding="same", kernel_initializer="he_normal", name=f"h{n}"
            )
        else:
            # About as many multiplications as the convolutions take on 8 x 8 pixels.
            hidden = keras.layers.Dense(250, kernel_initializer="he_normal", name=f"h{n}")
        model.add(hidden)
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
        if convolution:
            model.add(keras.layers.MaxPooling2D(padding="same", name=f"h{n}_pool"))
    if convolution:
        model.add(keras.layers.Flatten(name="flatten"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(8, 8, 1), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


NOTES = "Deep Learning Specialization, course 2 week 3, notes"
GOODFELLOW = "Goodfellow et al. 2016, Deep Learning, 9.4"
PLACED, SHUFFLED = "pixels in place", "pixels shuffled"
WITHOUT, WITH, DENSE = "convolutions", "convolutions with BN", "dense with BN"
# Candidates for the learning rate.
RATES = {WITHOUT: (0.1, 0.3, 1.0), WITH: (0.1, 0.3, 1.0), DENSE: (0.3, 1.0, 3.0)}
VARIANTS = {
    (WITHOUT, PLACED): {"batch_norm": False},
    (WITH, PLACED): {},
    (WITH, SHUFFLED): {},
    (DENSE, PLACED): {"convolution": False},
    (DENSE, SHUFFLED): {"convolution": False},
}


def shuffle_pixels(dataset, random):
    """Return the data with the pixels of all images in one new order; channels stay together."""
    height, width, channels = dataset.input_shape
    order = random.permutation(height * width)

    def shuffle(x):
        return x.reshape(-1, height * width, channels)[:, order].reshape(x.shape)

    return dataset.map_inputs(shuffle)


def run(lab):
    """Train each net at its best rate, with pixels in place and shuffled: about half a minute."""
    images = lab.data(images=True, examples=1000)
    data = {PLACED: images, SHUFFLED: images.map(shuffle_pixels)}
    tuned = lab.tune(build_model, VARIANTS, data, epochs=12, batch_size=50, learning_rate=RATES)
    results = lab.train(build_model, tuned, data, epochs=12, batch_size=50)
    speed = results.mean_over_epochs("train_accuracy")  # the sooner, the higher
    test = results.final("test_accuracy")
    cost = {net: test[net, PLACED] - test[net, SHUFFLED] for net in (WITH, DENSE)}

    lab.claim(
        "with BN the convolutions learn faster than without, each at its best learning rate",
        source=NOTES,
        that=speed[WITH, PLACED] > speed[WITHOUT, PLACED],
    )
    lab.claim(
        "with BN the convolutions are more accurate on test than the dense net, pixels in place",
        source="CS231n, Convolutional Neural Networks",
        that=test[WITH, PLACED] > test[DENSE, PLACED],
    )
    lab.claim(
        "shuffled pixels cost the convolutions more test accuracy than the dense net",
        source=GOODFELLOW,
        that=cost[WITH] > cost[DENSE],
    )
    lab.claim(
        "on shuffled pixels the convolutions are no more accurate on test than the dense net",
        source=GOODFELLOW,
        that=test[WITH, SHUFFLED] <= test[DENSE, SHUFFLED],
    )
    lab.figure(lab.panels(results, "train_accuracy", each=[PLACED], lines=(WITHOUT, WITH)))
    lab.figure(lab.dots(test, each=(PLACED, SHUFFLED)), name="pixels")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
