"""Does batch normalization reduce covariate shift?

Claim: batch normalization limits how far the distributions inside a network move while it learns,
and makes it more robust to a shift of its inputs (Deep Learning Specialization, course 2 week 3).
Less movement is not why it helps: with noise behind BN, distributions move more than without BN,
and training is about as fast as with BN alone (Santurkar et al. 2018, 2.1).
Look for: in the figure, how far the curves are apart, and where the one with noise lies; in
figure-inputs, how much accuracy each network loses; in TensorBoard, under activations, how the
outputs of h3 change from epoch to epoch.
Why: after training, batch normalization subtracts and divides by fixed averages over the training
inputs. It does not notice that the inputs have changed. Averages of the new inputs help where all
examples shift alike, as with brightness; noise is different in each.
Use: BatchNormalization, but not for robustness. Where all inputs become brighter or fainter,
measure its averages anew on them.
Symptoms: worse on new data than in validation
Topic: Batch normalization
"""

import keras
import numpy as np


class ShiftingNoise(keras.layers.GaussianNoise):
    """In each training step, shift each unit by a random number, the same for all examples."""

    def call(self, x, training=False):
        """Return x with one row of noise added to all of its rows, if training."""
        noise = keras.random.normal((1, x.shape[-1]), stddev=self.stddev, seed=self.seed_generator)
        return x + noise if training else x


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    noise=0.0,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        noise: standard deviation of the ShiftingNoise before each activation; 0 for none.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 6):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        if noise:
            model.add(ShiftingNoise(noise, name=f"h{n}_noise"))
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
OBJECTION = "Santurkar et al. 2018, 2.1"
WITHOUT, WITH, NOISY = "without BN", "with BN", "BN, then noise"
VARIANTS = {
    WITHOUT: {"batch_norm": False},
    WITH: {"batch_norm": True},
    NOISY: {"batch_norm": True, "noise": 0.5},  # what BN returns has a spread of 1 at first
}
EPOCHS = (2, 10, 20)  # in which the drift of h3's outputs is measured
RECORD = (1, 2, 9, 10, 19, 20)  # the ends of these epochs, and of those before them
RENEWED = "BN, renewed averages"
SHIFTS = ("brighter", "fainter", "noisy")  # of the inputs


def distance(before, after):
    """Return the mean Wasserstein distance of units' values, (examples, units), over the units.

    It is the mean distance of the sorted values, here in standard deviations of each unit. A dead
    unit, whose values are all the same, has not moved.
    """
    both = np.sort(np.stack([before, after]).astype(float), axis=1)
    spread = np.sqrt(both.var(axis=1).mean(axis=0))
    moved = np.abs(both[1] - both[0]).mean(axis=0)
    return np.mean(np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 1e-9))


def outputs_of_h3(results, variant, epoch, x):
    """Return what h3 returns after an epoch of training, before its BN: one array a seed."""
    found = []
    for seed, inputs in zip(results.seeds(variant), x, strict=True):
        model = results.model(variant, seed, epoch)
        h3 = keras.Model(model.inputs[0], model.get_layer("h3").output)
        found.append(h3(inputs, training=True).numpy())
    return found


def drift_of_h3(results, x, epochs):
    """Return how far the outputs of h3 move in an epoch, `{(variant, epoch): (seeds,)}`."""
    found = {}
    for variant in VARIANTS:
        for epoch in epochs:
            before = outputs_of_h3(results, variant, epoch - 1, x)
            after = outputs_of_h3(results, variant, epoch, x)
            found[variant, epoch] = list(map(distance, before, after))
    return found


def shifted(x, spread):
    """Return shifted inputs by kind; spread is the standard deviation of the training inputs."""
    noise = np.random.default_rng(0).normal(0, spread, x.shape)
    return {
        "unchanged": x,
        "brighter": x + 1.5 * spread,
        "fainter": x / 4,
        "noisy": x + noise,
    }


def renew_averages(models, x):
    """Replace the moving averages of models with BN by statistics of x; return the models."""
    outputs = models.outputs(x, training=True)
    for n in range(1, 6):
        models.weights[f"h{n}_bn/moving_mean"] = outputs[f"h{n}"].mean(axis=1)
        models.weights[f"h{n}_bn/moving_variance"] = outputs[f"h{n}"].var(axis=1)
    return models


def accuracy_on_shifted_inputs(results, data):
    """Return the test accuracy (%), `{(network, kind of shift): (seeds,)}`."""
    found = {}
    for kind, x in shifted(data.test.x, data.train.x.std()).items():
        networks = {
            WITHOUT: results.models(WITHOUT),
            WITH: results.models(WITH),
            RENEWED: renew_averages(results.models(WITH), x),
        }
        for network, models in networks.items():
            guesses = models.predict(x).argmax(axis=-1)
            found[network, kind] = 100 * np.mean(guesses == data.test.y, axis=1)
    return found


def run(lab):
    """Follow h3 through training at a learning rate of 0.1, then shift the inputs."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=20, record=RECORD)
    speed = results.mean_over_epochs("train_accuracy")  # the sooner, the higher
    epochs = [epoch for epoch in EPOCHS if epoch <= lab.epochs(20)]  # a quick run has fewer
    moved = drift_of_h3(results, data.train.x[:, :300], epochs)
    drift = lab.measure(moved, unit="standard deviations", label="drift in an epoch")
    correct = accuracy_on_shifted_inputs(results, data)
    accuracy = lab.measure(correct, unit="%", label="test accuracy")
    lost = {kind: accuracy["unchanged"] - accuracy[kind] for kind in SHIFTS}

    lab.claim(
        "with BN the outputs of h3 drift less in an epoch than without",
        source=COURSE,
        that=drift[WITH].mean() < drift[WITHOUT].mean(),
    )
    lab.claim(
        "with noise behind BN the outputs of h3 drift more in an epoch than without BN",
        source=OBJECTION,
        that=drift[NOISY].mean() > drift[WITHOUT].mean(),
    )
    lab.claim(
        "noise behind BN takes less than a quarter of the speed that BN gains",
        source=OBJECTION,
        that=speed[WITH] - speed[NOISY] < (speed[WITH] - speed[WITHOUT]) / 4,
    )
    lab.claim(
        "with BN less test accuracy is lost than without, at 2 of 3 shifts of the inputs",
        source=COURSE,
        that=lab.at_least(2, [lost[k][WITH] < lost[k][WITHOUT] for k in SHIFTS], unit="shifts"),
    )
    lab.claim(
        "with renewed averages less test accuracy is lost than without BN, inputs brighter or "
        "fainter",
        that=lab.every([lost[k][RENEWED] < lost[k][WITHOUT] for k in ("brighter", "fainter")]),
    )
    lab.figure(lab.lines(drift, along=epochs, lines=VARIANTS, x_label="epoch"))
    by_network = {name: accuracy[name] for name in (WITHOUT, WITH, RENEWED)}
    lab.figure(lab.dots(by_network), name="inputs")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
