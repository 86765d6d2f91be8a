"""Does batch normalization belong before or after the activation?

Claim: before the activation is the usual place and the default to try; it makes the bias of the
layer before it redundant (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, at which learning rates each place does well; in TensorBoard, under
gradients_log10, h1/bias beside h1/kernel.
Why: a bias shifts a unit's output for all examples alike, and a normalization that follows takes
the shift out again, so that the bias has no gradient. With an activation in between, a bias decides
at which inputs a unit switches on, and has one.
Use: Dense(use_bias=False), BatchNormalization, Activation, in this order.
Symptoms: training is slow
Topic: Batch normalization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    placement="before",
    use_bias=False,
    dropout=0.1,
    learning_rate=0.3,
):
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        placement: whether to normalize "before" or "after" each activation.
        use_bias: whether the hidden layers have a bias.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 6):
        model.add(
            keras.layers.Dense(100, use_bias=use_bias, kernel_initializer="he_normal", name=f"h{n}")
        )
        norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn")
        act = keras.layers.Activation("relu", name=f"h{n}_act")
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
BEFORE, AFTER = "before", "after"
VARIANTS = {
    (place, rate): {"placement": place, "use_bias": True, "dropout": 0.0, "learning_rate": rate}
    for place in (BEFORE, AFTER)
    for rate in RATES
}


def largest_bias(models):
    """Return how far any bias of the hidden layers is from its initial 0, (models,)."""
    biases = [models.weights[f"h{n}/bias"] for n in range(1, 6)]
    return np.nan_to_num(np.abs(biases).max(axis=(0, 2)), nan=1)  # 1 where training diverged


def run(lab):
    """Train with BN in both places at six learning rates; look at the biases afterwards."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=15, evaluate_every=5)
    accuracy = results.final("test_accuracy")
    before, after = results.best(BEFORE), results.best(AFTER)
    moved = results.measure({key: largest_bias(results.models(key)) for key in (before, after)})

    lab.claim(
        "BN before the activation is at most 1 percentage point less accurate on test than after, "
        "each at its best rate",
        source=COURSE,
        that=accuracy[before] - accuracy[after] > -1,
    )
    lab.claim(
        "with BN before, every bias of a hidden layer stays at its initial 0, up to 1e-6",
        source=COURSE,
        that=lab.exact(moved[before].array(), 1e-6),
    )
    lab.claim(
        "with BN after, a bias of a hidden layer moves by more than 0.01",
        that=moved[after] > 0.01,
    )
    lab.table([before, after])
    lab.figure(
        lab.lines(
            accuracy,
            along=RATES,
            lines=(BEFORE, AFTER),
            limits=(0, 103),
            x_label="learning rate",
            x_scale="log",
        )
    )


if __name__ == "__main__":
    from recipes import main

    main(__file__)
