"""Does batch normalization make a network robust to shifted inputs?

Claim: batch normalization makes a network more robust to a shift of its inputs; a common reading of
the covariate shift with which its use is explained (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, how much accuracy each network loses by each shift, and what renewed
averages give back; in TensorBoard, under weights, the moving averages of h1_bn.
Why: after training, batch normalization subtracts and divides by fixed averages over the training
inputs. It does not notice that the inputs have changed. Averages of the new inputs help where all
examples shift alike, as with brightness; noise is different in each.
Use: BatchNormalization, but not for robustness. Where all inputs become brighter or fainter,
measure its averages anew on them; labels are not needed.
Symptoms: worse on new data than in validation
Topic: Batch normalization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 6):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
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
    learning_rate = hp.Float("learning_rate", 1e-2, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


COURSE = "Deep Learning Specialization, course 2 week 3"
WITHOUT, WITH, RENEWED = "without BN", "with BN", "BN, renewed averages"
VARIANTS = {WITHOUT: {"batch_norm": False}, WITH: {"batch_norm": True}}
UNCHANGED, BRIGHTER, FAINTER, NOISY = "unchanged", "brighter", "fainter", "noisy"  # inputs


def shifted(x, spread):
    """Return inputs by kind of shift; spread is the standard deviation of the training inputs."""
    noise = np.random.default_rng(0).normal(0, spread, x.shape)
    return {UNCHANGED: x, BRIGHTER: x + 1.5 * spread, FAINTER: x / 4, NOISY: x + noise}


def renew_averages(models, x):
    """Replace the moving averages of models with BN by statistics of x; return the models."""
    outputs = models.outputs(x, training=True)
    for n in range(1, 6):
        models.weights[f"h{n}_bn/moving_mean"] = outputs[f"h{n}"].mean(axis=1)
        models.weights[f"h{n}_bn/moving_variance"] = outputs[f"h{n}"].var(axis=1)
    return models


def percent_right(models, x, y):
    """Return in % how many inputs each model gets right, (seeds,)."""
    return 100 * np.mean(models.predict(x).argmax(axis=-1) == y, axis=1)


def run(lab):
    """Train with and without BN at a learning rate of 0.1, then shift the test inputs."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=20)
    accuracies = {}
    for kind, x in shifted(data.test.x, data.train.x.std()).items():
        renewed = renew_averages(results.models(WITH), x)
        accuracies[WITHOUT, kind] = percent_right(results.models(WITHOUT), x, data.test.y)
        accuracies[WITH, kind] = percent_right(results.models(WITH), x, data.test.y)
        accuracies[RENEWED, kind] = percent_right(renewed, x, data.test.y)
    accuracy = lab.measure(accuracies, unit="%", label="test accuracy")
    lost = {kind: accuracy[UNCHANGED] - accuracy[kind] for kind in (BRIGHTER, FAINTER, NOISY)}

    lab.claim(
        "with BN less test accuracy is lost than without, at 2 of 3 shifts of the inputs",
        source=COURSE,
        that=lab.at_least(2, [loss[WITH] < loss[WITHOUT] for loss in lost.values()], "shifts"),
    )
    lab.claim(
        "with renewed averages less test accuracy is lost than without BN, inputs brighter or "
        "fainter",
        that=lab.every([lost[kind][RENEWED] < lost[kind][WITHOUT] for kind in (BRIGHTER, FAINTER)]),
    )
    lab.claim(
        "with renewed averages less than 1 percentage point is lost, inputs brighter or fainter",
        that=lab.every([lost[kind][RENEWED] < 1 for kind in (BRIGHTER, FAINTER)]),
    )
    networks = (WITHOUT, WITH, RENEWED)
    lab.figure(lab.dots({network: accuracy[network] for network in networks}))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
