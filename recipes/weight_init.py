"""From which initial weights does a deep network learn?

Claim: from a standard deviation of .01 a network of four hidden ReLU layers does not learn; from
Xavier's and He's initial weights it does, from He's faster (Deep Learning from Scratch, 6.2.4).
With tanh Xavier's are the right ones (6.2.3).
Look for: in the figure, what the book's learning rate and 2000 steps come to; in
figure-first-steps, the first 100 steps at the best learning rates; in TensorBoard, the gradients of
"ReLU, lr .01, std .01", all of them near 0.
Why: on the way back each layer multiplies the gradient by its weights and by the slopes of its
activation. Xavier's scale keeps the size of the gradient where slopes are 1; tanh has that slope at
0 alone. A ReLU's is 0 for half of its inputs, for which He's scale makes up.
Use: he_normal, with ReLU and with tanh.
Symptoms: the loss does not move; a deep network does not learn
Topic: Initial values and activations
"""

import keras


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    activation="relu",
    init="he_normal",
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: four hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        activation: Keras's name of the hidden layers' activation.
        init: Keras's name of the kernels' initializer, or a standard deviation.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """

    def initializer():  # one for each layer; shared, it would repeat itself
        return init if isinstance(init, str) else keras.initializers.RandomNormal(stddev=init)

    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 5):
        model.add(keras.layers.Dense(100, kernel_initializer=initializer(), name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation(activation, name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    softmax = keras.layers.Dense(
        num_classes, "softmax", kernel_initializer=initializer(), name="softmax"
    )
    model.add(softmax)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    init = hp.Choice("init", ["lecun_normal", "glorot_normal", "he_normal"])
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, init=init, dropout=dropout, learning_rate=rate)


BOOK, RULES = "Deep Learning from Scratch, 6.2.4", "Deep Learning from Scratch, 6.2.3"
SMALL, XAVIER, HE = "std .01", "Xavier", "He"
# The book's Xavier, a standard deviation of 1 / sqrt(inputs), is what Keras calls LeCun's.
INITS = {SMALL: 0.01, XAVIER: "lecun_normal", HE: "he_normal"}
BOOKS, RELU, TANH = "ReLU, lr .01", "ReLU", "tanh"
PLAIN = {"batch_norm": False, "dropout": 0.0}  # as in the book
AT_BOOK_RATE = {
    (BOOKS, name): PLAIN | {"init": init, "learning_rate": 0.01} for name, init in INITS.items()
}
VARIANTS = {  # whose learning rates are tuned
    (function, name): PLAIN | {"activation": function.lower(), "init": INITS[name]}
    for function in (RELU, TANH)
    for name in (XAVIER, HE)
}
RATES = (0.03, 0.1, 0.3, 1.0)  # candidates for the learning rate


def run(lab):
    """Train at the book's learning rate, then at the one that is best for each variant."""
    data = lab.data(examples=1000)  # ten steps an epoch
    as_book = lab.train(build_model, AT_BOOK_RATE, data, epochs=200, evaluate_every=10)
    tuned = lab.tune(build_model, VARIANTS, data, epochs=10, learning_rate=RATES)
    at_best_rates = lab.train(build_model, tuned, data, epochs=10)
    speed = as_book.mean_over_epochs("train_accuracy")
    train = at_best_rates.final("train_accuracy")

    lab.claim(
        "ReLU, std .01, learning rate .01: after 2000 steps within 2 percentage points of chance",
        source=BOOK,
        that=as_book.above_chance("train_accuracy")[BOOKS, SMALL].within(2),
    )
    lab.claim(
        "ReLU, learning rate .01: the network learns faster from He's weights than from Xavier's",
        source=BOOK,
        that=speed[BOOKS, HE] > speed[BOOKS, XAVIER],
    )
    lab.claim(
        "ReLU, best rates: higher training accuracy after 100 steps with He's than Xavier's",
        source=RULES,
        that=train[RELU, HE] > train[RELU, XAVIER],
    )
    lab.claim(
        "tanh, best rates: higher training accuracy after 100 steps with Xavier's than He's",
        source=RULES,
        that=train[TANH, XAVIER] > train[TANH, HE],
    )
    lab.figure(lab.panels(as_book, each=(BOOKS,)))
    lab.figure(lab.panels(at_best_rates, each=(RELU, TANH)), name="first-steps")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
