"""Which hyperparameters matter most?

Claim: first the learning rate; then momentum, units and batch size; then layers and the decay of
the learning rate; Adam's beta_1, beta_2 and epsilon need no tuning (Deep Learning Specialization,
course 2 week 3, "Tuning process").
Look for: in the figure, whether the rows come in the course's order; in TensorBoard, under HPARAMS,
the trials of one search with each optimizer.
Why: an importance is how much worse a random forest guesses the accuracy of trials once a
hyperparameter is shuffled among them: 0 if it tells nothing, 1 or more if it decides alone. It
belongs to ranges. These are the course's, where it names some: its learning rates span four
decades, from those that learn nothing to those that destroy the network, and beside that all else
is small. The batch size matters as far as the epochs are few, since small batches
make more steps of them. In a narrow range of good learning rates the order may be another.
Use: search the learning rate first, over several decades; leave beta_1, beta_2 and epsilon of Adam
at their defaults.
Symptoms: each trial is expensive
Topic: Hyperparameters
"""

import keras


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    optimizer="SGD",
    batch_norm=True,
    hidden_layers=2,
    units=100,
    dropout=0.1,
    learning_rate=0.1,
    decay_steps=1000,
    momentum=0.9,
    beta_2=0.999,
    epsilon=1e-7,
):
    """Return a compiled classifier of vectors: `hidden_layers` hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        optimizer: "SGD" or "Adam".
        batch_norm: whether to normalize before each activation.
        hidden_layers: number of hidden layers.
        units: units of each hidden layer.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of the optimizer, at the start.
        decay_steps: steps after which the learning rate is halved: it falls with 1 / (1 + step /
            decay_steps).
        momentum: momentum of SGD, beta_1 of Adam.
        beta_2: beta_2 of Adam.
        epsilon: epsilon of Adam.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, hidden_layers + 1):
        model.add(keras.layers.Dense(units, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    rate = keras.optimizers.schedules.InverseTimeDecay(learning_rate, decay_steps, 1.0)
    if optimizer == "SGD":
        updates = keras.optimizers.SGD(rate, momentum=momentum)
    else:
        updates = keras.optimizers.Adam(rate, beta_1=momentum, beta_2=beta_2, epsilon=epsilon)
    model.compile(optimizer=updates, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10, *, optimizer="SGD", batch_norm=True):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    arguments = {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1.0, sampling="log"),
        "momentum": 1 - hp.Float("one_minus_momentum", 1e-3, 0.1, sampling="log"),
        "decay_steps": hp.Float("decay_steps", 10, 1000, sampling="log"),
    }
    if optimizer == "SGD":
        # Only two values of each: every combination has to be compiled.
        arguments["units"] = hp.Int("units", 50, 100, step=50)
        arguments["hidden_layers"] = hp.Int("hidden_layers", 2, 4, step=2)
        hp.Int("batch_size", 32, 128, step=4, sampling="log")  # for the training, 32 or 128
    else:
        arguments["beta_2"] = 1 - hp.Float("one_minus_beta_2", 1e-4, 1e-2, sampling="log")
        arguments["epsilon"] = hp.Float("epsilon", 1e-10, 1e-6, sampling="log")
    arguments |= {"optimizer": optimizer, "batch_norm": batch_norm}
    return build_model(input_shape, num_classes, **arguments)


COURSE = "Deep Learning Specialization, course 2 week 3"
SGD, ADAM = "SGD", "Adam"
# The course gives its order before it introduces batch normalization.
VARIANTS = {name: {"optimizer": name, "batch_norm": False} for name in (SGD, ADAM)}
SECOND = ("one_minus_momentum", "units", "batch_size")
THIRD = ("hidden_layers", "decay_steps")
NEVER = ("one_minus_momentum", "one_minus_beta_2", "epsilon")  # of Adam, whose momentum is beta_1


def run(lab):
    """Search six times with each optimizer, and ask what the trials' accuracy depends on."""
    data = lab.data(examples=500)
    searches = lab.search(build_tunable, VARIANTS, data, trials=20, epochs=10, repetitions=6)
    importance = searches.importances()
    sgd, adam = importance[SGD], importance[ADAM]

    lab.claim(
        "SGD: the learning rate matters more than each other hyperparameter",
        source=COURSE,
        that=lab.every([sgd["learning_rate"] > sgd[name] for name in SECOND + THIRD]),
    )
    lab.claim(
        "SGD: momentum, units and batch size each matter more than layers and than decay",
        source=COURSE,
        that=lab.every([sgd[a] > sgd[b] for a in SECOND for b in THIRD], unit="pairs"),
    )
    lab.claim(
        "Adam: the learning rate matters more than its decay, beta_1, beta_2 and epsilon",
        source=COURSE,
        that=lab.every([adam["learning_rate"] > adam[name] for name in ("decay_steps", *NEVER)]),
    )
    lab.claim(
        "Adam: beta_1, beta_2 and epsilon each have an importance below .05",
        source=COURSE,
        that=lab.every([adam[name] < 0.05 for name in NEVER]),
    )
    lab.figure(lab.dots(importance, each=(SGD, ADAM)))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
