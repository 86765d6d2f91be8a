"""How deep can a network be before it stops learning, with residual connections and without?

Claim: a deeper plain network reaches a lower training accuracy than a shallower one; with residual
connections it does not (He et al. 2016a, "Deep Residual Learning for Image Recognition"). Blocks
that normalize first and leave the sum as it is, pre-activation, are easier to train and more
accurate than those with a ReLU after the sum (He et al. 2016b, "Identity Mappings in Deep Residual
Networks").
Look for: in the figure, the curves of 8 blocks: how far plain ones stay behind that of one; in
TensorBoard, under gradients, that those of the first of 8 plain blocks do not vanish.
Why: each plain block must hand on what the next ones need, and learn to change nothing where that
is best. A residual block adds to its input: with small weights it changes little by itself. That
gradients vanish is no reason: batch normalization keeps their size (He et al. 2016a, 4.1).
Use: one block where that is as accurate, and pre-activation where a network must be deeper.
Symptoms: a deep network does not learn; a deeper network is worse
Topic: Initial values and activations
"""

import keras


class Block(keras.layers.Layer):
    """Two dense layers with batch normalization, whose output may be added to the input.

    Args:
        units: units of both layers, and of the input.
        kind: "plain", "post-activation" with a ReLU after the sum, or "pre-activation".
    """

    def __init__(self, units, kind, **kwargs):
        super().__init__(**kwargs)
        self.units, self.kind = units, kind
        self.dense = [keras.layers.Dense(units, kernel_initializer="he_normal") for _ in range(2)]
        self.norms = [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5) for _ in range(2)]

    def build(self, input_shape):
        """Make the weights."""
        for layer in (*self.dense, *self.norms):
            layer.build(input_shape)

    def compute_output_shape(self, input_shape):
        """Return the shape of the output, which Keras would have to trace `call` for."""
        return input_shape

    def call(self, x, training=False):
        """Return the output, (examples, units)."""
        if self.kind == "pre-activation":
            y = self.dense[0](keras.ops.relu(self.norms[0](x, training=training)))
            return x + self.dense[1](keras.ops.relu(self.norms[1](y, training=training)))
        y = keras.ops.relu(self.norms[0](self.dense[0](x), training=training))
        y = self.norms[1](self.dense[1](y), training=training)
        return keras.ops.relu(y if self.kind == "plain" else x + y)


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    kind="pre-activation",
    blocks=2,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: a dense layer, blocks of two, and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        kind: of the blocks: "plain", "post-activation" or "pre-activation".
        blocks: number of blocks, two dense layers each.
        dropout: rate of Dropout before the softmax.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    model.add(keras.layers.Dense(32, kernel_initializer="he_normal", name="h1"))
    for n in range(1, blocks + 1):
        model.add(Block(32, kind, name=f"block{n}"))
    model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="last_bn"))
    model.add(keras.layers.Activation("relu", name="last_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    blocks = hp.Int("blocks", 1, 16, sampling="log")
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    return build_model(
        input_shape, num_classes, blocks=blocks, dropout=dropout, learning_rate=learning_rate
    )


RESNET, IDENTITY = "He et al. 2016a", "He et al. 2016b"
PLAIN, POST, PRE = "plain", "post-activation", "pre-activation"
SHALLOW, DEEP = "1 block", "8 blocks"
BLOCKS = {SHALLOW: 1, DEEP: 8}
VARIANTS = {
    (kind, depth): {"kind": kind, "blocks": blocks, "dropout": 0.0}
    for kind in (PLAIN, POST, PRE)
    for depth, blocks in BLOCKS.items()
}


def run(lab):
    """Train each kind of block once and eight times over, at the papers' learning rate of .1."""
    data = lab.data(examples=1000)
    results = lab.train(
        build_model, VARIANTS, data, epochs=20, evaluate_every=2, watch=[(PLAIN, DEEP)]
    )
    speed = results.mean_over_epochs("train_accuracy")
    test = results.final("test_accuracy")

    lab.claim(
        "plain: with 8 blocks mean training accuracy over 20 epochs is lower than with 1",
        source=f"{RESNET}, 1",
        that=speed[PLAIN, DEEP] < speed[PLAIN, SHALLOW],
    )
    lab.claim(
        "8 blocks: residual ones (post-activation) learn faster than plain ones",
        source=f"{RESNET}, 4.2",
        that=speed[POST, DEEP] > speed[PLAIN, DEEP],
    )
    lab.claim(
        "residual (post-activation): 8 blocks are more accurate on test than 1",
        source=f"{RESNET}, 4.2",
        that=test[POST, DEEP] > test[POST, SHALLOW],
    )
    lab.claim(
        "8 blocks: pre-activation learns faster than post-activation",
        source=f"{IDENTITY}, 4",
        that=speed[PRE, DEEP] > speed[POST, DEEP],
    )
    lab.claim(
        "8 blocks: pre-activation is more accurate on test than post-activation",
        source=f"{IDENTITY}, 4",
        that=test[PRE, DEEP] > test[POST, DEEP],
    )
    lab.figure(lab.panels(results, "train_accuracy", each=BLOCKS, lines=(PLAIN, POST, PRE)))
    lab.figure(lab.dots(test), name="test")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
