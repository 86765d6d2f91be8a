"""Does batch normalization belong before the activation, and does it need bias, gamma and beta?

Claim: before the activation is the usual place and the default to try; it makes the bias of the
layer before it redundant; without gamma and beta a sigmoid stays in its linear part, and the
network makes little use of its layers (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, at which learning rates each place does well; in figure-gamma, how far the
network without gamma and beta stays below the other; in TensorBoard, under weights, how wide
h1_bn/gamma becomes in "sigmoid, gamma and beta".
Why: a bias shifts a unit's output for all examples alike, and a normalization that follows takes
the shift out again, so that the bias has no gradient; with an activation in between it has one. A
sigmoid is almost straight where normalized inputs lie, between -2 and 2. Gamma stretches them and
beta moves them, so that each unit bends as much as it needs. Straight layers, however many, are
together a linear model.
Use: Dense(use_bias=False), BatchNormalization, Activation, in this order, with gamma and beta.
Symptoms: training is slow; a deep net is no better than a linear model
Topic: Batch normalization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    activation="relu",
    placement="before",
    use_bias=False,
    gamma_and_beta=True,
    dropout=0.1,
    learning_rate=0.3,
):
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        activation: activation of the hidden layers, such as "relu".
        placement: whether to normalize "before" or "after" each activation.
        use_bias: whether the hidden layers have a bias.
        gamma_and_beta: whether normalization learns a factor and a shift for each unit.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 6):
        model.add(
            keras.layers.Dense(100, use_bias=use_bias, kernel_initializer="he_normal", name=f"h{n}")
        )
        norm = keras.layers.BatchNormalization(
            scale=gamma_and_beta,
            center=gamma_and_beta,
            momentum=0.9,
            epsilon=1e-5,
            name=f"h{n}_bn",
        )
        act = keras.layers.Activation(activation, name=f"h{n}_act")
        model.add(norm if placement == "before" else act)
        model.add(act if placement == "before" else norm)
    model.add(keras.layers.Dropout(dropout, name="dropout"))
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
    learning_rate = hp.Float("learning_rate", 1e-2, 10.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


COURSE = "Deep Learning Specialization, course 2 week 3"
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # learning rates
RELU, SIGMOID = "ReLU", "sigmoid"
BEFORE, AFTER = "before", "after"
LEARNED, NEITHER = "gamma and beta", "neither"
ARMS = {
    (RELU, BEFORE): {"activation": "relu"},
    (RELU, AFTER): {"activation": "relu", "placement": "after"},
    (SIGMOID, LEARNED): {"activation": "sigmoid"},
    (SIGMOID, NEITHER): {"activation": "sigmoid", "gamma_and_beta": False},
}
VARIANTS = {
    (*arm, rate): arguments | {"use_bias": True, "dropout": 0.0, "learning_rate": rate}
    for arm, arguments in ARMS.items()
    for rate in RATES
}


def spirals(y, random):
    """Return points of a plane and their labels: three arms of a spiral, as in CS231n's notes.

    Args:
        y: labels, (examples,); modulo 3 they say which arm a point lies on.
        random: a NumPy Generator.
    """
    radius = random.uniform(0, 1, len(y))
    angle = 2 * np.pi * y / 3 + 4 * radius + random.normal(0, 0.2, len(y))
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), y % 3


def largest_bias(models):
    """Return how far any bias of the hidden layers is from its initial 0, (models,)."""
    biases = [models.weights[f"h{n}/bias"] for n in range(1, 6)]
    return np.nan_to_num(np.abs(biases).max(axis=(0, 2)), nan=1)  # 1 where training diverged


def straightness(models, x):
    """Return how much of the variance of hidden units straight lines explain, (models,), in %.

    Each unit has its own line, from what goes into its activation to what comes out.

    Args:
        models: from `results.models`; BN comes before the activation.
        x: inputs, (models, examples, features).
    """
    outputs = models.outputs(x)
    shares = []
    for n in range(1, 6):
        before, after = outputs[f"h{n}_bn"], outputs[f"h{n}_act"]
        products = np.mean(before, axis=1) * np.mean(after, axis=1)
        covariance = np.mean(before * after, axis=1) - products
        variances = np.var(before, axis=1) * np.var(after, axis=1)
        shares.append(covariance**2 / np.maximum(variances, 1e-12))
    return np.nan_to_num(100 * np.mean(shares, axis=(0, 2)))


def run(lab):
    """Train each arm at six learning rates, ReLU on the data and sigmoids on spirals."""
    data = lab.data(examples=1000)
    plane = data.map(lambda dataset, random: dataset.map_examples(lambda x, y: spirals(y, random)))
    results = lab.train(
        build_model,
        VARIANTS,
        {RELU: data, SIGMOID: plane},
        epochs={RELU: 15, SIGMOID: 40},
        evaluate_every=5,
        watch=[(LEARNED, 1.0)],
    )
    accuracy = results.final("test_accuracy")
    before, after = results.best(RELU, BEFORE), results.best(RELU, AFTER)
    learned, neither = results.best(SIGMOID, LEARNED), results.best(SIGMOID, NEITHER)
    shares = {key: straightness(results.models(key), plane.test.x) for key in (learned, neither)}
    straight = results.measure(shares, unit="%")

    lab.claim(
        "ReLU: BN before is at most 1 percentage point less accurate on test than after, each at "
        "its best rate",
        source=COURSE,
        that=accuracy[before] - accuracy[after] > -1,
    )
    lab.claim(
        "ReLU: with BN before, every bias of a hidden layer stays at its initial 0, up to 1e-6",
        source=COURSE,
        that=lab.exact(largest_bias(results.models(before)), 1e-6),
    )
    lab.claim(
        "on spirals, without gamma and beta, lines explain over 95 % of the sigmoids' variance",
        source=COURSE,
        that=straight[neither] > 95,
        any_data=True,
    )
    lab.claim(
        "on spirals, with gamma and beta, lines explain under 95 % of the sigmoids' variance",
        source=COURSE,
        that=straight[learned] < 95,
        any_data=True,
    )
    lab.claim(
        "on spirals, sigmoid: without gamma and beta test accuracy is lower, each at its best rate",
        source=COURSE,
        that=accuracy[neither] < accuracy[learned],
        any_data=True,
    )
    lab.table([before, after, learned, neither])
    relu, sigmoid = accuracy[RELU], accuracy[SIGMOID]
    axis = {"x_label": "learning rate", "x_scale": "log", "limits": (0, 103)}
    lab.figure(lab.lines(relu, along=RATES, lines=(BEFORE, AFTER), **axis))
    lab.figure(lab.lines(sigmoid, along=RATES, lines=(LEARNED, NEITHER), **axis), name="gamma")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
