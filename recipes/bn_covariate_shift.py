"""Does batch normalization reduce covariate shift?

Claim: batch normalization limits how far the distributions inside a network move while it learns
(internal covariate shift), and makes the network more robust to a shift of its inputs (Deep
Learning Specialization, course 2 week 3). Santurkar et al. 2018 object that the former is not why
it helps: it does so even if noise behind it moves the distributions more than before.

Look for: in the figure, how far the curves are apart, and where the one with noise lies; in
figure-shifted-inputs, how far each kind of network falls; in TensorBoard, how the distribution of
h3's outputs changes from epoch to epoch.

Why a shift of the inputs is another matter: after training, batch normalization is a fixed map
with averages of the training inputs. It does not notice that the inputs have changed, and goes on
dividing by numbers that no longer fit. Averages of the new inputs help where all examples shift
alike, as with brightness; noise is different in each.

Use: BatchNormalization to learn faster; where inputs shift, renew its averages on the new ones.
Symptoms: worse on new data than in validation
Topic: Batch normalization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 5
UNITS = 100


class ShiftingNoise(keras.layers.GaussianNoise):
    """In each training step, move each unit by a random number, the same for all examples."""

    def call(self, x, training=False):
        """Return x with one row of noise added to all of its rows, if training."""
        noise = keras.random.normal((1, x.shape[-1]), stddev=self.stddev, seed=self.seed_generator)
        return x + noise if training else x


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    normalization="batch",
    noise=0.0,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        normalization: before each activation: "batch", "layer" or None.
        noise: standard deviation of the ShiftingNoise before each activation; 0 for none.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"))
        if normalization == "batch":
            batch_normalization = keras.layers.BatchNormalization
            layers.append(batch_normalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        elif normalization == "layer":
            layers.append(keras.layers.LayerNormalization(epsilon=1e-5, name=f"h{n}_ln"))
        if noise:
            layers.append(ShiftingNoise(noise, name=f"h{n}_noise"))
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    layers.append(keras.layers.Dropout(dropout, name="dropout"))
    layers.append(keras.layers.Dense(num_classes, activation="softmax", name="softmax"))
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, the rate on a logarithmic scale."""
    return build_model(
        input_shape,
        num_classes,
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-2, 1.0, sampling="log"),
    )


WITHOUT, WITH, LAYER = "without BN", "with BN", "with LayerNorm"
FAST, NOISY, ADAPTED = "with BN, lr 1", "BN, then noise", "BN, new statistics"
# The rate of .1 suits them all; since BN would rather learn faster, it gets another one as well.
ARMS = {WITHOUT: {"normalization": None}, WITH: {}, LAYER: {"normalization": "layer"}}
ARMS |= {FAST: {"learning_rate": 1.0}}
VARIANTS = ARMS | {NOISY: {"noise": 0.5}}  # what BN returns has a standard deviation of 1 at first
RECORD = (0, 1, 2, 4, 5, 9, 10, 14, 15, 19, 20)  # before and after each epoch that is looked at
UNCHANGED = "unchanged"


def distance(before, after):
    """Return the mean Wasserstein distance of units' values, (examples, units), over the units.

    It is the mean distance of the sorted values, here in standard deviations of each unit. What is
    constant or not finite has not moved.
    """
    both = np.stack([before, after]).astype(float)
    both = np.sort(np.where(np.isfinite(both), both, 0), axis=1)
    spread = np.sqrt(both.var(axis=1).mean(axis=0))
    moved = np.abs(both[1] - both[0]).mean(axis=0)
    return np.mean(np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 1e-9))


def drift(histories, variant, x):
    """Return epochs, and how far h3's outputs for x moved in each of them, (seeds, epochs).

    These are the values before any normalization, which by itself would hold them in place.
    """
    recorded, moved = histories.recorded(variant), []
    ends = [epoch for epoch in recorded if epoch - 1 in recorded]
    for seed in histories.seeds(variant):
        keras.utils.set_random_seed(seed)  # for the shifting noise
        model, values = histories.model(variant, seed), {}
        look = keras.Model(model.inputs[0], model.get_layer("h3").output)
        for epoch in recorded:
            model.set_weights(histories.results[variant, seed].snapshots[epoch])
            values[epoch] = look(x, training=True).numpy()
        moved.append([distance(values[end - 1], values[end]) for end in ends])
    return ends, np.array(moved)


def shifted(x, spread, images):
    """Return `{kind: inputs}`, shifted in proportion to the spread of the data."""
    noise = np.random.default_rng(0).normal(0, spread, x.shape)
    kinds = {"brighter": x + 1.5 * spread, "fainter": x / 4, "noisy": x + noise}
    if images is not None:  # to the right by an eighth; what leaves there comes in on the left
        right = np.roll(images, max(1, images.shape[2] // 8), axis=2)
        kinds["moved sideways"] = right.reshape(x.shape)
    return kinds


def adapt(models, x):
    """Replace the moving statistics of models with BN by those of x; return the models."""
    outputs = models.outputs(x, training=True)  # dropout comes after the last normalization
    for n in range(1, HIDDEN_LAYERS + 1):
        models.weights[f"h{n}_bn/moving_mean"] = outputs[f"h{n}"].mean(axis=1)
        models.weights[f"h{n}_bn/moving_variance"] = outputs[f"h{n}"].var(axis=1)
    return models


def run(lab):
    """Follow one layer through the training, then shift the inputs of the trained networks."""
    from recipes._lab.errors import UserError

    course, objection = "Deep Learning Specialization, course 2 week 3", "Santurkar et al. 2018"
    data = lab.data(examples=1000)
    histories = lab.train(build_model, VARIANTS, data, epochs=20, record=RECORD)
    drifts = {variant: drift(histories, variant, data.train.x[:300]) for variant in VARIANTS}
    for text, source, more, less in (
        ("with BN layer 3 drifts less in each epoch than without, lr 0.1", course, WITHOUT, WITH),
        ("with BN at lr 1 it drifts less than without BN at 0.1", "this recipe", WITHOUT, FAST),
        ("with noise after BN it drifts more than without BN, lr 0.1", objection, NOISY, WITHOUT),
    ):
        difference = (drifts[more][1] - drifts[less][1]).mean(axis=1)
        lab.claim(text, source, difference, unit="standard deviations")
    speed = {v: 100 * histories.mean_over_epochs("accuracy", v) for v in VARIANTS}
    text = "with noise after BN the network learns"
    words, gain = f"{text} faster than without BN, lr 0.1", speed[NOISY] - speed[WITHOUT]
    lab.claim(words, objection, gain, unit="points")
    words, gain = f"{text} about as fast as with BN alone, lr 0.1", speed[NOISY] - speed[WITH]
    lab.claim(words, objection, gain, within=5, unit="points")

    try:
        images = lab.data(images=True).test.x
    except UserError:  # vectors can't be moved sideways
        images = None
    kinds, accuracy = shifted(data.test.x, data.train.x.std(), images), {}
    for kind, x in ({UNCHANGED: data.test.x} | kinds).items():
        split, models = type(data.test)(x, data.test.y), {a: histories.models(a) for a in ARMS}
        models[ADAPTED] = adapt(histories.models(WITH), x[:1000])
        accuracy[kind] = {name: 100 * of.accuracy(split) for name, of in models.items()}

    def saved(name, kind):
        """Return how many points less a shift costs than without BN, (seeds,)."""
        clean, of = accuracy[UNCHANGED], accuracy[kind]
        return (clean[WITHOUT] - of[WITHOUT]) - (clean[name] - of[name])

    for kind in kinds:
        text = f"with BN less test accuracy is lost than without when inputs are {kind}, lr 0.1"
        lab.claim(text, course, saved(WITH, kind), unit="points")
    text = "with BN at lr 1 less is lost than without BN at 0.1, in most kinds of shift"
    shifts = {kind: saved(FAST, kind) for kind in kinds}
    lab.claim(text, course, shifts, at_least=len(kinds) // 2 + 1, unit="shifts")
    text = "with BN statistics of the brighter or fainter inputs less is lost than without BN"
    shifts = {kind: saved(ADAPTED, kind) for kind in ("brighter", "fainter")}
    lab.claim(text, "this recipe", shifts, at_least=2, unit="shifts")

    title, label = "lr 0.1 where no other is given", "drift in an epoch (standard deviations)"
    lab.figure(lab.lines({title: drifts}, x_label="epoch", y_label=label, y_scale="log"))
    lab.figure(lab.dots({title: accuracy}, x_label="test accuracy (%)"), "shifted-inputs")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
