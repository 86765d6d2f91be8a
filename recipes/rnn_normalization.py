"""Batch normalization or layer normalization in a recurrent net?

Claim: batch normalization does not suit recurrent nets, layer normalization does (Deep Learning
Specialization, course 2 week 3, notes). Inside the recurrence, BN needs statistics for each step,
and has none for sequences longer than any in training; layer normalization treats all steps alike
and shortens training (Ba, Kiros and Hinton 2016).
Look for: in the figure, which curve rises first; in figure-whole, what becomes of each net where
images don't end early; in TensorBoard, under activations, what the layer rnn returns.
Why: an image is read row by row, and in training it ends early, after a random number of rows. BN
divides by the spread of a unit over the batch, which differs from step to step and is measured at
each; where training has no examples left, it measures a spread of 0. Layer normalization divides
by the spread over the units of the same example and step.
Use: in a simple recurrent layer batch normalization with statistics for each step rather than layer
normalization.
Symptoms: training is slow; worse on new data than in validation
Topic: Batch normalization

It takes about half a minute: a custom recurrent layer is applied to one model after another.
"""

import keras
import numpy as np


class NormalizedRNN(keras.layers.Layer):
    """A simple recurrent layer that normalizes what goes into the activation of each step.

    Masked steps leave the state as it is and count in no statistics.

    Args:
        units: units of the state, which is returned after the last step.
        normalization: "batch", with statistics for each step, "layer" or None.
    """

    def __init__(self, units, normalization=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.normalization = units, normalization
        self.supports_masking = True

    def build(self, input_shape):
        """Make the layers of which it consists."""
        self.from_input = keras.layers.Dense(self.units)
        self.from_state = keras.layers.Dense(self.units, kernel_initializer="orthogonal")
        if self.normalization == "batch":
            # A gamma of 1 would saturate tanh (Cooijmans et al. 2017, section 4). LayerNorm has
            # its paper's 1: from .1 it learns more slowly than no normalization.
            gamma = keras.initializers.Constant(0.1)
            self.norms = []
            for _ in range(input_shape[1]):
                norm = keras.layers.BatchNormalization(
                    momentum=0.9, epsilon=1e-5, gamma_initializer=gamma
                )
                self.norms.append(norm)
        elif self.normalization == "layer":
            self.norm = keras.layers.LayerNormalization(epsilon=1e-5)

    def call(self, x, training=False, mask=None):
        """Return the state after the last step, (examples, units)."""
        sums = self.from_input(x)
        state = keras.ops.zeros_like(sums[:, 0])
        for step in range(x.shape[1]):
            new = sums[:, step] + self.from_state(state)
            if self.normalization == "batch":
                new = self.norms[step](new, training=training, mask=mask[:, step])
            elif self.normalization == "layer":
                new = self.norm(new)
            state = keras.ops.where(mask[:, step, None], keras.ops.tanh(new), state)
        return state

    def compute_mask(self, x, previous_mask):
        """Return no mask: what `call` returns has no steps."""


def build_model(
    input_shape=(8, 8, 1),
    num_classes=10,
    *,
    normalization="batch",
    hidden_layers=1,
    dropout=0.1,
    learning_rate=0.01,
):
    """Return a compiled classifier that reads images row by row; blank rows are masked.

    Args:
        input_shape: shape of one example, (rows, columns, channels); each row is a step.
        num_classes: number of classes; labels are integers from 0.
        normalization: inside the recurrent layer: "batch", "layer" or None.
        hidden_layers: number of normalized dense layers behind the recurrent one.
        dropout: rate of Dropout before the softmax.
        learning_rate: learning rate of Adam.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    model.add(keras.layers.Reshape((input_shape[0], -1), name="rows"))
    model.add(keras.layers.Masking(name="mask"))
    model.add(NormalizedRNN(64, normalization, name="rnn"))
    for n in range(1, hidden_layers + 1):
        model.add(keras.layers.Dense(64, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(8, 8, 1), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


NOTES = "Deep Learning Specialization, course 2 week 3, notes"
PAPER = "Ba, Kiros and Hinton 2016"
NONE, BATCH, LAYER = "no normalization", "BN", "LayerNorm"
PLAIN = {"hidden_layers": 0, "dropout": 0.0}
VARIANTS = {
    NONE: PLAIN | {"normalization": None},
    BATCH: PLAIN | {"normalization": "batch"},
    LAYER: PLAIN | {"normalization": "layer"},
}


def shorten(dataset, random):
    """Return the data with every image cut after a random number of rows, 2/8 to 6/8 of them."""
    rows = dataset.input_shape[0]

    def cut(x):
        lengths = random.integers(2 * rows // 8, 6 * rows // 8, len(x), endpoint=True)
        kept = np.arange(rows) < lengths[:, np.newaxis]
        return x * kept[:, :, np.newaxis, np.newaxis]

    return dataset.map_inputs(cut)


def run(lab):
    """Train with Adam at 0.01 on images that end early; then let the networks read whole ones."""
    images = lab.data(images=True, examples=1000)
    results = lab.train(build_model, VARIANTS, images.map(shorten), epochs=30)
    speed = results.mean_over_epochs("train_accuracy")  # the sooner, the higher
    test = results.final("test_accuracy")
    on_whole_images = {}
    for variant in VARIANTS:
        on_whole_images[variant] = 100 * results.models(variant).accuracy(images.test)
    whole = results.measure(on_whole_images, unit="%", label="test accuracy")

    lab.claim(
        "LayerNorm is more accurate on test than BN, images as long as in training, lr 0.01",
        source=NOTES,
        that=test[LAYER] > test[BATCH],
    )
    lab.claim(
        "LayerNorm is more accurate on test than BN, images longer than any in training, lr 0.01",
        source=f"{PAPER}, 3.1",
        that=whole[LAYER] > whole[BATCH],
    )
    lab.claim(
        "with LayerNorm mean training accuracy over the epochs is higher than without, lr 0.01",
        source=f"{PAPER}, 1",
        that=speed[LAYER] > speed[NONE],
    )
    lab.figure(lab.panels(results, "val_accuracy", lines=VARIANTS))
    lengths = {"as long as in training": test, "whole images": whole}
    lab.figure(lab.dots(lengths), name="whole")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
