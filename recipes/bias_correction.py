"""What does bias correction change?

Claim: the average v = β v + (1 - β) g starts at 0, and is too low until it is divided by 1 - β^t
(Deep Learning Specialization, course 2 week 2). Adam without the correction is unstable where β2 is
close to 1 (Kingma and Ba, 2015, 6.4).
Look for: in the figure, how long the average takes to come up from 0; in figure-training, how both
lines have the same shape, but at other learning rates; in TensorBoard, under loss, the first epochs
at a rate of .01.
Why: after t steps the weights of an average sum to 1 - β^t; with β = .9 a third is missing after
ten. Adam divides an average of gradients by the root of one of squares. Both start too low, but the
one with β1 = .9 is up after tens of steps, that with β2 = .9999 after tens of thousands. Until then
steps are up to 20 times too long without correction: leaving it out is warming up backwards.
Use: Adam as Keras has it. Corrected, it learns faster at a given learning rate; at each one's best
rate correction is no advantage.
Symptoms: the loss rises in the first steps
Topic: Optimization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    beta_2=0.999,
    bias_correction=True,
    steps=200,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.003,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        beta_2: share that Adam keeps of its average of squares in each step.
        bias_correction: whether its averages are corrected for their start at 0.
        steps: of the training, needed only without correction.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of Adam.
    """
    if not bias_correction:
        # Keras's Adam corrects both averages by a factor of the rate, which this takes back.
        t = np.arange(1, steps + 1)
        rates = learning_rate * (1 - 0.9**t) / np.sqrt(1 - beta_2**t)
        learning_rate = keras.optimizers.schedules.PiecewiseConstantDecay(
            list(range(steps - 1)), rates.tolist()
        )
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate, beta_2=beta_2),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-4, 3e-2, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


WITH, WITHOUT = "corrected", "not corrected"
RATES = np.logspace(-4, -1, 7)
PLAIN = {"batch_norm": False, "dropout": 0.0, "beta_2": 0.9999}
VARIANTS = {
    (arm, rate): PLAIN | {"bias_correction": arm == WITH, "learning_rate": rate}
    for arm in (WITH, WITHOUT)
    for rate in RATES
}


def moves(optimizer, gradients):
    """Return how far an optimizer of Keras moves weights at each of the gradients."""
    weights = keras.Variable(np.zeros_like(gradients[0]), dtype="float32")
    path = [weights.numpy()]
    for gradient in gradients:
        optimizer.apply([gradient.astype("float32")], [weights])
        path.append(weights.numpy())
    return np.diff(path, axis=0)


def run(lab):
    """See what Keras's SGD and Adam average; then train with Adam, corrected and not."""
    draws = [np.random.default_rng(seed).uniform(0.5, 1.5, size=100) for seed in lab.seeds]
    values = np.stack(draws, axis=1)  # (steps, seeds)
    averages = -moves(keras.optimizers.SGD(1 - 0.9, momentum=0.9), values)
    # Without an average of squares Adam divides each average by the newest gradient.
    corrected = -moves(keras.optimizers.Adam(1.0, beta_1=0.9, beta_2=0.0), values) * values
    steps = np.arange(1, 101)
    by_hand = averages / (1 - 0.9 ** steps[:, np.newaxis])
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=20, watch=[0.01])  # ten steps each
    speed = results.mean_over_epochs("train_accuracy")

    lab.claim(
        "the average of Keras's Adam is that of its SGD with momentum, divided by 1 - β^t, up to "
        "0.0001",
        source="Deep Learning Specialization, course 2 week 2",
        that=lab.exact(corrected - by_hand, 1e-4),
        any_data=True,
    )
    lab.claim(
        "Adam with β2 .9999 and a learning rate of .01 learns faster corrected than not",
        source="Kingma and Ba 2015, 6.4",
        that=speed[WITH, 0.01] > speed[WITHOUT, 0.01],
    )
    lab.claim(
        "Adam with β2 .9999 learns faster corrected than not, each at its best learning rate",
        that=speed[results.best(WITH)] > speed[results.best(WITHOUT)],
    )
    lab.table([results.best(WITH), results.best(WITHOUT)])
    drawn = {
        "as it is": lab.measure(dict(zip(steps, averages, strict=True))),
        "bias corrected": lab.measure(dict(zip(steps, corrected, strict=True))),
    }
    axes = {"x_label": "values so far, around 1", "y_label": "their average, β .9"}
    lab.figure(lab.lines(drawn, along=steps, **axes))
    axes = {"x_label": "learning rate of Adam", "x_scale": "log", "limits": (0, 103)}
    lab.figure(lab.lines(speed, lines=(WITH, WITHOUT), along=RATES, **axes), name="training")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
