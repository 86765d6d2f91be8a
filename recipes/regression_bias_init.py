"""Should the last bias of a regression start at the mean of the targets?

Claim: where the values to predict have a mean of 50, the last bias should start at 50. This speeds
up convergence, as the first steps no longer go into learning the bias (Karpathy 2019, A Recipe for
Training Neural Networks).
Look for: in the figure, where each line starts, and after how many epochs it falls below 100 %, the
error of always predicting the mean.
Why: a step of Adam changes each weight by about the learning rate, however large the error is. To
reach targets around 150 from 0 the last layer takes many steps, and the layers before it learn
little else meanwhile. Standardized targets have a mean of 0, where the bias starts anyway.
Use: target_mean=y.mean(), of the training part: it costs one argument, and speeds up training even
where the learning rate is tuned. Standardized targets do without it.
Symptoms: the first loss is far from that of guessing; training is slow; a regression predicts far
too small values
Topic: Initial values and activations
"""

import keras
import numpy as np


def build_model(
    input_shape=(10,), num_outputs=1, *, target_mean=0.0, dropout=0.1, learning_rate=0.01
):
    """Return a compiled regression on vectors: two hidden layers and a linear output.

    Args:
        input_shape: shape of one example, (features,).
        num_outputs: how many numbers to predict for each example.
        target_mean: mean of the training targets, at which the last bias starts.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of Adam.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(50, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    bias = keras.initializers.Constant(float(target_mean))
    model.add(keras.layers.Dense(num_outputs, bias_initializer=bias, name="output"))
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="mean_squared_error")
    return model


def build_tunable(hp, input_shape=(10,), num_outputs=1):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-4, 1.0, sampling="log")
    return build_model(input_shape, num_outputs, dropout=dropout, learning_rate=learning_rate)


KARPATHY = "Karpathy 2019, A Recipe for Training Neural Networks"
ZERO, MEAN, STANDARDIZED = "bias 0", "bias at the mean", "targets standardized"
ARMS = (ZERO, MEAN, STANDARDIZED)
RATES = {f"learning rate {rate:g}": rate for rate in (0.001, 0.01, 0.1, 1.0)}
VARIANTS = {(arm, name): {"learning_rate": of} for arm in ARMS for name, of in RATES.items()}
EPOCHS, BATCH_SIZE = 25, 50


def diabetes(seed):
    """Return parts for training, validation and test, (x, y) each, in an order drawn by a seed.

    Of 442 patients: ten inputs, standardized by the training part, and how far the disease has
    progressed after a year, a number of 152 on average.
    """
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True, scaled=False)
    order = np.random.default_rng(seed).permutation(len(x))
    train, *others = np.split(order, [242, 342])
    x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    return [(x[part], y[part]) for part in (train, *others)]


def changing(model):
    """Return all variables that training changes: of the layers, Dropout's seed, the optimizer."""
    model.optimizer.build(model.trainable_variables)
    return model.variables + model.optimizer.variables


def fit_batches(model, x, y, epochs):
    """Train, and yield before it and after every epoch.

    On so few batches `fit` takes longer to begin and end an epoch than to train.
    """
    random = np.random.default_rng(0)  # the examples are in random order as they are
    yield
    for _ in range(epochs):
        order = random.permutation(len(x))
        for start in range(0, len(x), BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            model.train_on_batch(x[batch], y[batch])
        yield


def learning_curves(model, parts, epochs, standardize):
    """Train, and return errors before and after each epoch, (validation and test, epochs + 1).

    An error is the root mean square in % of that of always predicting the training part's mean.
    """
    (x, y), *others = parts
    mean, deviation = (y.mean(), y.std()) if standardize else (0.0, 1.0)
    errors = []
    for _ in fit_batches(model, x, (y - mean) / deviation, epochs):
        for inputs, targets in others:
            predicted = mean + deviation * model.predict_on_batch(inputs)[:, 0]
            squares = (predicted - targets) ** 2
            errors.append(100 * np.sqrt(squares.mean() / np.mean((y.mean() - targets) ** 2)))
    return np.reshape(errors, (epochs + 1, 2)).T


def start_anew(model, values, last_bias, learning_rate):
    """Set a trained model back to initial values; it keeps what Keras compiled for it."""
    for variable, value in zip(changing(model), values, strict=True):
        variable.assign(value)
    model.get_layer("output").bias.assign([last_bias])
    model.optimizer.learning_rate = learning_rate


def run(lab):
    """Train one model from each start at each learning rate, again and again from new weights."""
    model, epochs, initial = build_model(), lab.epochs(EPOCHS), {}
    for seed in lab.seeds:  # before any training: TensorFlow compiles anew after a seed is set
        keras.utils.set_random_seed(seed)
        initial[seed] = [variable.numpy() for variable in changing(build_model())]
    first, average, on_validation, curves = {}, {}, {}, {}
    for (arm, rate), arguments in VARIANTS.items():
        runs = []
        for seed in lab.seeds:
            parts = diabetes(seed)
            _, y = parts[0]
            start_anew(model, initial[seed], y.mean() if arm == MEAN else 0.0, **arguments)
            runs.append(learning_curves(model, parts, epochs, standardize=arm == STANDARDIZED))
        validation, test = np.swapaxes(runs, 0, 1)  # (seeds, epochs + 1) each
        on_validation[arm, rate] = validation[:, 1:].mean()
        first[arm, rate], average[arm, rate] = test[:, 0], test[:, 1:].mean(axis=1)
        curves |= {(arm, rate, epoch): test[:, epoch] for epoch in range(epochs + 1)}
    first, average = lab.measure(first, unit="%"), lab.measure(average, unit="%")
    best = {arm: (arm, min(RATES, key=lambda rate: on_validation[arm, rate])) for arm in ARMS}

    lab.claim(
        "with the last bias at the mean, test error averaged over 25 epochs is lower at each of 4 "
        "learning rates",
        source=KARPATHY,
        that=lab.every([average[MEAN, of] < average[ZERO, of] for of in RATES], "learning rates"),
        any_data=True,
    )
    lab.claim(
        "with the last bias at the mean, test error before training is lower",
        source=KARPATHY,
        that=first[best[MEAN]] < first[best[ZERO]],
        any_data=True,
    )
    lab.claim(
        "at each start's best learning rate, that bias lowers the average by 2 percentage points",
        that=average[best[MEAN]] < average[best[ZERO]] - 2,
        any_data=True,
    )
    lab.claim(
        "at the best rates, standardized targets are within 2 percentage points of that bias",
        that=average[best[STANDARDIZED]].within(2, of=average[best[MEAN]]),
        any_data=True,
    )
    lab.figure(
        lab.lines(
            lab.measure(curves),
            each=RATES,
            lines=ARMS,
            along=range(epochs + 1),
            x_label="epoch (0 = before training)",
            y_label="test error (% of that of the mean)",
            limits=(60, 240),
        )
    )


if __name__ == "__main__":
    from recipes import main

    main(__file__)
