"""Does batch normalization reduce internal covariate shift, and is that why it helps?

Claim: batch normalization limits how far the distributions inside a network move while it learns
(Deep Learning Specialization, course 2 week 3). Less movement is not why it helps: with noise
behind BN, distributions move more than without BN, and training is about as fast as with BN alone
(Santurkar et al. 2018, 2.1).
Look for: in the figure, how far the curves are apart, and where the one with noise lies; in
TensorBoard, under activations, how the outputs of h3 change from epoch to epoch.
Why: each layer learns from the outputs of the layers before it, which learn as well. BN gives what
comes out of them a fixed mean and spread. The noise shifts it again, differently in each step; if a
network needed distributions that stay where they are, it should learn more slowly. Here it does,
but the noise also disturbs each step.
Use: BatchNormalization, for the speed that it brings.
Symptoms: training is slow
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


def drift_of_h3(results, variant, epoch, x):
    """Return how far the outputs of h3 move in an epoch, at inputs (seeds, examples, features).

    Unit by unit it is the Wasserstein distance, the mean distance of the sorted values, in
    standard deviations: (seeds,). A unit whose values are all the same has not moved.
    """
    before = results.models(variant, epoch - 1).outputs(x, training=True, draw=epoch - 1)
    after = results.models(variant, epoch).outputs(x, training=True, draw=epoch)
    both = np.sort(np.stack([before["h3"], after["h3"]]).astype(float), axis=2)
    spread = np.sqrt(both.var(axis=2).mean(axis=0))  # (seeds, units)
    moved = np.abs(both[1] - both[0]).mean(axis=1)
    return np.nan_to_num(moved / np.maximum(spread, 1e-9)).mean(axis=1)  # 0 if training diverged


def run(lab):
    """Train at a learning rate of 0.1, and measure how far h3 moves in three of the epochs."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=20, record=RECORD)
    speed = results.mean_over_epochs("train_accuracy")  # the sooner, the higher
    epochs = [epoch for epoch in EPOCHS if epoch <= lab.epochs(20)]  # a quick run has fewer
    moved = {}
    for variant in VARIANTS:
        for epoch in epochs:
            moved[variant, epoch] = drift_of_h3(results, variant, epoch, data.train.x[:, :300])
    drift = lab.measure(moved, unit="standard deviations", label="drift in an epoch")

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
    lab.figure(lab.lines(drift, along=epochs, lines=VARIANTS, x_label="epoch"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
