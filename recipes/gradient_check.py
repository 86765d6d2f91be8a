"""Do analytic and numeric gradients agree?

Claim: by a centred difference in float64 with a step of 1e-5 they agree up to a relative error of
1e-7; float32, one-sided differences, smaller steps, kinks and changing masks spoil the comparison
of right gradients (CS231n, "Gradient checks"; Deep Learning from Scratch, section 4.3.1).

Look for: in the figure, how deep each valley is and at which step; in TensorBoard, under
epoch_accuracy, both networks learning; at the start and the end their gradients are compared.

Two errors make a valley. The centred difference, (f(w + h) - f(w - h)) / 2h, neglects terms of the
order of h², the one-sided of h: on the right, curves fall with the step. And f is rounded, to a
precision eps of 1e-16 in float64 and 1e-7 in float32, which the division makes eps / h: on the
left, they rise again. The best step, if centred, is about the cube root of eps. ReLU has kinks: no
difference across one is a gradient. A mistake in one layer's backward pass reaches that layer and
those before it, never those behind it: the last layer that disagrees holds the mistake.

Use: float64, a centred difference, a step of 1e-5, a fixed batch and a fixed mask.
Symptoms: the loss does not move; nobody knows whether the code is right
Topic: Data and sanity
"""

import keras
import numpy as np

HIDDEN_LAYERS = 3
UNITS = 20


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    activation="tanh",
    dropout=0.1,
    learning_rate=0.1,
    dtype="float32",
):
    """Return a compiled classifier of vectors: three small hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        activation: of the hidden layers.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
        dtype: of weights and outputs: "float32", or "float64" to check gradients.
    """
    layers = [keras.Input(input_shape, dtype=dtype)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers += [
            # Normalization takes any bias out again: its gradient would be nothing but rounding.
            keras.layers.Dense(UNITS, use_bias=False, name=f"h{n}", dtype=dtype),
            keras.layers.BatchNormalization(momentum=0.9, name=f"h{n}_bn", dtype=dtype),
            keras.layers.Activation(activation, name=f"h{n}_act", dtype=dtype),
        ]
    layers += [
        keras.layers.Dropout(dropout, name="dropout", dtype=dtype),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax", dtype=dtype),
    ]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.SGD(learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, the rate on a logarithmic scale."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-2, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=rate)


VARIANTS = {"tanh": {"activation": "tanh"}, "ReLU": {"activation": "relu"}}
TANH, RELU = VARIANTS
AFTER, MASKS, MISTAKE, BEHIND = "after training", "another mask", "wrong slope", "behind it"
DTYPES = FLOAT64, FLOAT32 = "float64", "float32"
RULES = CENTRED, ONE_SIDED = "centred", "one-sided"
POWERS = range(1, 13)
STEPS = [float(f"1e-{n}") for n in POWERS]
EXAMPLES, NUMBERS = 20, 200  # of a batch; of the weights, at which gradients are compared


@keras.ops.custom_gradient
def wrong_tanh(x):
    """Return tanh(x), whose backward pass has a slope of 1 - y for 1 - y²."""
    y = keras.ops.tanh(x)
    return y, lambda upstream: upstream * (1 - y)


def differentiators(model):
    """Return two functions of all weights in a row, a mask and a batch, for the training loss.

    One gives its gradient, the other difference quotients at places, `{rule: (steps, places)}`.
    """
    import tensorflow as tf

    def loss(row, mask, x, y):
        shapes = [variable.shape for variable in model.trainable_variables]
        parts = tf.split(row, [shape.num_elements() for shape in shapes])
        weights = [tf.reshape(of, shape) for of, shape in zip(parts, shapes, strict=True)]
        state = [mask if "seed" in v.name else v for v in model.non_trainable_variables]
        outputs, _ = model.stateless_call(weights, state, x, training=True)
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, outputs))

    losses = tf.function(lambda rows, *of: tf.vectorized_map(lambda row: loss(row, *of), rows))

    def analytic(row, *given):
        row = tf.constant(row)
        with tf.GradientTape() as tape:
            tape.watch(row)
            value = loss(row, *given)
        return tape.gradient(value, row).numpy()

    def numeric(places, row, mask, x, y, other=0):
        def f(h, mask):
            rows = np.repeat(row[None], len(places), axis=0)
            rows[range(len(places)), places] += h
            return losses(rows, mask, x, y).numpy().astype(float)

        here, up = f(0, mask), np.array([f(h, mask) for h in STEPS])
        down, h = np.array([f(-h, mask + other) for h in STEPS]), np.array(STEPS)[:, None]
        return {CENTRED: (up - down) / (2 * h), ONE_SIDED: (up - here) / h}

    return analytic, numeric


def relative_error(a, b):
    """Return |a - b| / max(|a|, |b|), as CS231n defines it; NaN where both are zero."""
    with np.errstate(invalid="ignore"):
        return abs(a - b) / np.maximum(abs(a), abs(b))


def setting(data, weights, seed, dtype):
    """Return places, about as many in each weight, and what a loss depends on: row, mask, batch."""
    random, sizes = np.random.default_rng(seed), [weight.size for weight in weights]
    shares = np.repeat([1 / len(sizes) / size for size in sizes], sizes)
    places = random.choice(len(shares), min(NUMBERS, len(shares)), replace=False, p=shares)
    row = np.concatenate([weight.ravel() for weight in weights]).astype(dtype)
    rows = random.permutation(len(data.train))[:EXAMPLES]
    return places, row, np.array([seed, 0]), data.train.x[rows].astype(dtype), data.train.y[rows]


def run(lab):
    """Compare gradients before and after training, at all steps; then plant a mistake."""
    data, errors = lab.data(examples=1000), {}
    histories = lab.train(build_model, VARIANTS, data, epochs=10, record=(0,))
    for variant, dtype in [(variant, dtype) for variant in VARIANTS for dtype in DTYPES]:
        model = build_model(data.input_shape, data.num_classes, dtype=dtype, **VARIANTS[variant])
        analytic, numeric = differentiators(model)
        most = (variant, dtype) == (TANH, FLOAT64)
        for kind in (variant, AFTER, MASKS, MISTAKE, BEHIND) if most else (variant,):
            if kind == MISTAKE:
                model.get_layer("h2_act").activation = wrong_tanh
            weights = histories.models(variant, None if kind == AFTER else 0).weights.items()
            weights = [of for name, of in weights if "moving" not in name]
            third = sum(of[0].size for of in weights[:6])  # kernel, gamma and beta of two layers
            for n, seed in enumerate(lab.seeds):
                places, *given = setting(data, [of[n] for of in weights], seed, dtype)
                for rule, quotients in numeric(places, *given, other=kind == MASKS).items():
                    found = relative_error(analytic(*given)[places], quotients)
                    found[:, (kind == BEHIND) & (places < third)] = np.nan
                    errors.setdefault((kind, dtype, rule), []).append(found)

    def error(n=5, kind=TANH, dtype=FLOAT64, rule=CENTRED, of=np.nanmedian):
        return np.log10(of(np.array(errors[kind, dtype, rule])[:, n - 1], axis=1))

    def claim(text, powers, source="CS231n", **bound):
        lab.claim(text, source, powers, unit="powers of ten", **bound)

    at = "centred, h 1e-5, tanh"
    for words, of, power in ("median", np.nanmedian, -7), ("largest", np.nanmax, -4):
        text = f"before and after training the {words} error is below 1e{power}, float64, {at}"
        claim(text, power - np.maximum(error(of=of), error(kind=AFTER, of=of)))
    text = "the largest error of a right gradient is above 1e-2, float32, centred, best h, tanh"
    claim(text, 2 + np.min([error(n, dtype=FLOAT32, of=np.nanmax) for n in POWERS], axis=0))
    text = f"float64 makes the median error six powers of ten smaller than float32, {at}"
    claim(text, error(dtype=FLOAT32) - error(), at_least=6)
    for rule, a, b, p in (CENTRED, 2, 3, 0.01), (ONE_SIDED, 2, 3, 0.1), (CENTRED, 7, 10, 1000):
        text = f"the median error at h 1e-{b} is {p:g} times that at 1e-{a}, float64, {rule}, tanh"
        claim(text, error(b, rule=rule) - error(a, rule=rule) - np.log10(p), within=0.1 * (b - a))
    kinks, smooth = (error(3, kind, of=np.nanmax) for kind in (RELU, TANH))
    claim("the largest error is larger with ReLU than with tanh, float64, h 1e-3", kinks - smooth)
    text = f"if w - h gets another mask than w + h the largest is above 1e-2, float64, {at}"
    claim(text, error(kind=MASKS, of=np.nanmax) + 2)
    text = f"if one slope is wrong it is above 1e-2, but below 1e-4 behind that, float64, {at}"
    wrong, behind = (error(kind=kind, of=np.nanmax) for kind in (MISTAKE, BEHIND))
    claim(text, np.minimum(wrong + 2, -4 - behind), "this recipe")
    layout, label = {}, "median relative error (power of ten)"
    for kind in VARIANTS:
        lines = {f"{d}, {r}": [error(n, kind, d, r) for n in POWERS] for d in DTYPES for r in RULES}
        lines["~ h² (neglected terms)"] = [[error(3).mean() + 5.5 - 2 * n] for n in POWERS]
        lines["~ eps / h (rounding)"] = [[error(8).mean() - 8.5 + n] for n in POWERS]
        layout[kind] = {name: (STEPS, np.transpose(of)) for name, of in lines.items()}
    lab.figure(lab.lines(layout, x_label="step h", y_label=label, x_scale="log", limits=(-11, 0.5)))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
