"""Should the last bias of a regression start at the mean of the targets?

Claim: where the values to predict have a mean of 50, the last bias should start at 50. This speeds
up convergence, as the first steps no longer go into learning the bias (Karpathy 2019, A Recipe for
Training Neural Networks).
Look for: in the figure, where each line starts, and after how many epochs it falls below 100 %, the
error of always predicting the mean of the training targets.
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
VARIANTS = {(arm, name): {"learning_rate": rate} for arm in ARMS for name, rate in RATES.items()}
EPOCHS, BATCH_SIZE = 20, 50
TRAIN, VALIDATION, TEST = slice(0, 242), slice(242, 342), slice(342, 442)  # of the patients


def diabetes(seed):
    """Return x and y of 442 patients, in an order drawn by a seed.

    Ten inputs each, standardized by the training part, and how far the disease has progressed after
    a year, a number of 152 on average.
    """
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True, scaled=False)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    return (x - x[TRAIN].mean(axis=0)) / x[TRAIN].std(axis=0), y


def learn(model, x, y, epochs):
    """Train, and return what a model predicts before and after each epoch, (epochs + 1, patients).

    By `train_on_batch`, as `fit` takes longer to begin an epoch than these few batches.
    """
    random = np.random.default_rng(0)  # the patients are in random order as they are
    predicted = [model.predict_on_batch(x)[:, 0]]
    for _ in range(epochs):
        order = random.permutation(len(x[TRAIN]))
        for start in range(0, len(order), BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            model.train_on_batch(x[TRAIN][batch], y[TRAIN][batch])
        predicted.append(model.predict_on_batch(x)[:, 0])
    return np.stack(predicted)


def relative_error(predicted, y, part):
    """Return the root mean square error by epoch, in % of that of always predicting the mean."""
    squares = np.mean((predicted[:, part] - y[part]) ** 2, axis=1)
    return 100 * np.sqrt(squares / np.mean((y[TRAIN].mean() - y[part]) ** 2))


def run(lab):
    """Train one model a seed from each start at each learning rate, again and again."""
    epochs = lab.epochs(EPOCHS)
    errors = {key: [] for key in VARIANTS}
    for seed in lab.seeds:
        x, y = diabetes(seed)
        keras.utils.set_random_seed(seed)
        model = build_model()  # once, as compiling takes longest
        model.optimizer.build(model.trainable_variables)
        initial = model.get_state_tree(value_format="numpy_array")  # the optimizer's, too
        for (arm, rate), arguments in VARIANTS.items():
            model.set_state_tree(initial)
            model.optimizer.learning_rate = arguments["learning_rate"]
            if arm == MEAN:
                model.get_layer("output").bias.assign([y[TRAIN].mean()])
            targets = (y - y[TRAIN].mean()) / y[TRAIN].std() if arm == STANDARDIZED else y
            predicted = learn(model, x, targets, epochs)
            both = [relative_error(predicted, targets, part) for part in (VALIDATION, TEST)]
            errors[arm, rate].append(both)
    on_validation, average, by_epoch = {}, {}, {}
    for key in VARIANTS:
        validation, test = np.moveaxis(errors[key], 0, -1)  # (epochs + 1, seeds) each
        on_validation[key] = validation[1:].mean()
        average[key] = test[1:].mean(axis=0)
        by_epoch |= {(*key, epoch): test[epoch] for epoch in range(epochs + 1)}
    average = lab.measure(average, unit="%")
    best = {arm: (arm, min(RATES, key=lambda rate: on_validation[arm, rate])) for arm in ARMS}

    lab.claim(
        "with the last bias at the mean, test error averaged over 20 epochs is lower at each of 4 "
        "learning rates",
        source=KARPATHY,
        that=lab.every(average[MEAN] < average[ZERO], unit="learning rates"),
        any_data=True,
    )
    lab.claim(
        "at each start's best learning rate, a last bias at the mean lowers test error averaged "
        "over 20 epochs by over 2 percentage points",
        that=average[best[MEAN]] < average[best[ZERO]] - 2,
        any_data=True,
    )
    lab.claim(
        "at each start's best learning rate, that error is with standardized targets within 2 "
        "percentage points of that with the last bias at the mean",
        that=average[best[STANDARDIZED]].within(2, of=average[best[MEAN]]),
        any_data=True,
    )
    axes = {"x_label": "epoch", "y_label": "test error (% of that of the mean)"}
    along = range(epochs + 1)  # from before training
    error = lab.measure(by_epoch)
    lab.figure(lab.lines(error, each=RATES, lines=ARMS, along=along, limits=(60, 240), **axes))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
