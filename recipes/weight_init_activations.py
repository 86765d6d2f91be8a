"""How does the initial scale of the weights shape the activations?

Claim: at a standard deviation of 1 sigmoid and tanh saturate, and their gradients vanish; at .01
all outputs collapse; Xavier's scale keeps their spread through the layers for sigmoid and tanh,
He's for ReLU; from zeros all units of a layer stay equal forever (Deep Learning from Scratch,
sections 6.2.1 to 6.2.3, after Glorot and Bengio 2010 and He et al. 2015).

Look for: in the figure, the rows that keep their width from layer 1 to layer 5, and in the second
one, the lines that stay level; in TensorBoard, saturated_fraction and the histograms at step 0.

A histogram shows the outputs of all units to all examples. Where a sigmoid's looks as it should,
its width is between the units: each unit of a deep layer gives nearly the same output to all
examples, and there the gradients do vanish. Saturated layers need not lose them: slopes are small,
but weights of 1 are large, and the product counts. And zeros are a trap only while nothing else
tells the units of a layer apart; Dropout does, in the layer before it.

Use: he_normal with ReLU, Glorot's with tanh, zeros for biases only.
Symptoms: the loss does not move; many units are always zero
Topic: Initial values and activations
"""

import keras
import numpy as np

HIDDEN_LAYERS = 5
UNITS = 100


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
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        activation: of the hidden layers.
        init: standard deviation of the initial weights, or Keras's name of an initializer. What
            the book calls Xavier, 1/sqrt(inputs), is "lecun_normal"; He's is "he_normal".
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """

    def initializer():
        return init if isinstance(init, str) else keras.initializers.RandomNormal(stddev=init)

    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer=initializer(), name=f"h{n}"))
        if batch_norm:
            layers.append(keras.layers.BatchNormalization(momentum=0.9, name=f"h{n}_bn"))
        layers.append(keras.layers.Activation(activation, name=f"h{n}_act"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(
            num_classes, activation="softmax", kernel_initializer=initializer(), name="softmax"
        ),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: standard deviation and rate on logarithmic scales."""
    return build_model(
        input_shape,
        num_classes,
        init=hp.Float("init_std", 1e-3, 1.0, sampling="log"),
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


ONE, SMALL, XAVIER, HE, ZEROS = "std 1", "std .01", "Xavier", "He", "zeros"
INITS = {ONE: 1.0, SMALL: 0.01, XAVIER: "lecun_normal", HE: "he_normal", ZEROS: "zeros"}
FITTING = {"sigmoid": XAVIER, "tanh": XAVIER, "relu": HE}
BARE = {"batch_norm": False, "dropout": 0.0}  # as in the book: nothing mends what the scale does
VARIANTS = {
    f"{function}, {name}": BARE | {"activation": function, "init": init}
    for function in FITTING
    for name, init in INITS.items()
}
DROPOUT = "sigmoid, zeros, Dropout"
VARIANTS[DROPOUT] = VARIANTS[f"sigmoid, {ZEROS}"] | {"dropout": 0.5}
FED_NOISE, ON_DATA = ", random input", ", data"
LIMITS = {"sigmoid": (0.03, 0.97), "tanh": (-0.97, 0.97)}  # of TensorBoard's saturated_fraction
RANGES = {"sigmoid": (0, 1), "tanh": (-1, 1), "relu": (0, 3)}  # of the figure
LAYERS = range(1, HIDDEN_LAYERS + 1)
TINY = 1e-30  # stands for what has vanished entirely


def spread(layers, over=(1, 2)):
    """Return the standard deviation of values (seeds, examples, units), (layers, seeds).

    Over examples and units it is what a histogram shows; over one of them, the other's mean.
    """
    deviations = [values.std(axis=over, dtype=float) for values in layers]
    return np.array([of.reshape(len(of), -1).mean(axis=1) for of in deviations])


def fall(sizes):
    """Return how many times smaller the last of (layers, seeds) is than the first, (seeds,)."""
    first, *_, last = np.maximum(sizes, TINY)
    return first / last


def run(lab):
    """Look into untrained models, fed with random input and with data; train those from zeros."""
    from recipes._lab import evidence
    from recipes._lab.data import Dataset, Split

    book, own = "Deep Learning from Scratch, 6.2.", "this recipe"
    data = lab.data(examples=1000)
    x = np.random.default_rng(0).standard_normal((1000, 100), np.float32)
    noise = Split(x, np.arange(1000, dtype=np.int32) % 2)  # labels that mean nothing
    fit = {"data": Dataset("random", ("0", "1"), noise, noise, noise), "epochs": 0}
    noisy = {v + FED_NOISE: a | {"fit": fit} for v, a in VARIANTS.items() if ZEROS not in v}
    watch = [f"{f}, {init}" for f in ("sigmoid", "relu") for init in (ONE, SMALL, XAVIER)]
    variants = VARIANTS | noisy
    histories = lab.train(build_model, variants, data, epochs=10, record=[0], watch=watch)

    def outputs(variant):
        """Return the outputs (seeds, examples, units) of each hidden layer before training."""
        x = noise.x if variant in noisy else data.train.x
        of_all = histories.models(variant, 0).outputs(x)
        return [of_all[f"h{n}_act"] for n in LAYERS]

    def gradients(variant):
        """Return the gradients (seeds, inputs, units) of each hidden kernel before training."""
        of_all = histories.models(variant, 0).gradients(data.train)
        return [of_all[f"h{n}/kernel"] for n in LAYERS]

    for end in (FED_NOISE, ""):
        for function, (low, high) in LIMITS.items():
            last = outputs(f"{function}, {ONE}{end}")[-1]
            shares = 100 * ((last < low) | (last > high)).mean(axis=(1, 2))
            text = f"at std 1 most outputs of the last layer are saturated, {function}"
            lab.claim(text + (end or ON_DATA), book + "2", shares, at_least=50, unit="%")
        for function, init in FITTING.items():
            source = book + ("3" if function == "relu" else "2")
            std = spread(outputs(f"{function}, {SMALL}{end}"))[-1]
            text = f"at std .01 the outputs of the last layer have a std below .05, {function}"
            powers = np.log10(0.05 / np.maximum(std, TINY))
            lab.claim(text + (end or ON_DATA), source, powers, unit="powers of ten below")
            halvings = np.log2(fall(spread(outputs(f"{function}, {init}{end}"))))
            text = f"{init} keeps the std within a factor of 2, first to last layer, {function}"
            lab.claim(text + (end or ON_DATA), source, halvings, within=1, unit="halvings")
    xavier = f"sigmoid, {XAVIER}"
    for variant in (f"sigmoid, {ONE}", f"tanh, {ONE}", xavier):
        text = f"the gradient's norm falls to a tenth from last layer to first, {variant}"
        source = own if variant == xavier else book + "2"
        norms = [np.linalg.norm(gradient, axis=(1, 2)) for gradient in gradients(variant)]
        lab.claim(text + ON_DATA, source, fall(norms[::-1]), at_least=10, unit="times smaller")
    text = f"the std over examples falls to a tenth from first layer to last, {xavier}"
    shrunk = fall(spread(outputs(xavier), over=1))
    lab.claim(text + ON_DATA, own, shrunk, at_least=10, unit="times smaller")

    zeros = [f"{f}, {ZEROS}" for f in FITTING]
    start = [abs(g).max(axis=(1, 2)) for variant in zeros for g in gradients(variant)]
    text = "from zeros all gradients of hidden weights are 0, all functions"
    lab.claim(text, book + "1", evidence.judge_exact(np.max(start, axis=0), 0))
    for source, which, where in ((book + "1", zeros, "all functions"), (own, [DROPOUT], DROPOUT)):
        weights = [histories.models(variant).weights for variant in which]
        kernels = [of_all[f"h{n}/kernel"] for of_all in weights for n in LAYERS]
        largest = np.max([np.ptp(kernel, axis=2).max(axis=1) for kernel in kernels], axis=0)
        text = f"from zeros the units of a layer stay equal in training, {where}"
        lab.claim(text, source, evidence.judge_exact(largest, 1e-6))

    rows = [(f, i) for f in LIMITS for i in (ONE, SMALL, XAVIER)]
    rows += [("relu", i) for i in (SMALL, XAVIER, HE)]
    grid = {}
    for function, init in rows:
        layers = outputs(f"{function}, {init}{FED_NOISE}")
        # Half of ReLU's outputs are 0: in the histogram they would hide the others.
        shown = {f"layer {n}": np.where(o == 0, np.nan, o) for n, o in enumerate(layers, 1)}
        grid[f"{function}\n{init}"] = shown
    limits = {f"{function}\n{init}": RANGES[function] for function, init in rows}
    label = "output of a unit to random input, all seeds (relu: without zeros)"
    lab.figure(lab.histograms(grid, x_label=label, limits=limits))
    inits = (ONE, SMALL, XAVIER, HE)
    lines = {f: {i: (LAYERS, spread(outputs(f"{f}, {i}"), 1).T) for i in inits} for f in FITTING}
    labels = {"x_label": "hidden layer, fed with the data", "y_label": "std over examples"}
    lab.figure(lab.lines(lines, **labels, y_scale="log", limits=(1e-7, 1e4)), "over-examples")
    lab.table([*zeros, DROPOUT])


if __name__ == "__main__":
    from recipes import main

    main(__file__)
