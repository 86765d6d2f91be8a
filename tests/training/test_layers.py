"""The stacked layers give each member what Keras's layers give it, forward and backward."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes._lab.training import architecture, layers, looping
from recipes._lab.training.architecture import NotStackableError, read
from recipes._lab.training.connections import connections

MEMBERS, BATCH = 3, 4
L = keras.layers

# Layer and the shape of one example.
STACKED = {
    "dense": (lambda: L.Dense(5, activation="tanh"), (6,)),
    "dense_without_bias": (lambda: L.Dense(5, use_bias=False), (6,)),
    "dense_after_time": (lambda: L.Dense(5, activation="relu"), (3, 6)),
    "dense_in_a_grid": (lambda: L.Dense(5), (3, 2, 6)),
    "dense_frozen": (lambda: L.Dense(5, trainable=False), (6,)),
    "batch_normalization": (L.BatchNormalization, (6,)),
    "batch_normalization_rank_3": (L.BatchNormalization, (3, 6)),
    "batch_normalization_rank_4": (L.BatchNormalization, (3, 2, 6)),
    "batch_normalization_without_center": (lambda: L.BatchNormalization(center=False), (6,)),
    "batch_normalization_without_scale": (lambda: L.BatchNormalization(scale=False), (6,)),
    "batch_normalization_bare": (lambda: L.BatchNormalization(center=False, scale=False), (6,)),
    "batch_normalization_frozen": (lambda: L.BatchNormalization(trainable=False), (6,)),
    "layer_normalization": (L.LayerNormalization, (6,)),
    "layer_normalization_rank_4": (L.LayerNormalization, (3, 2, 6)),
    "layer_normalization_without_center": (lambda: L.LayerNormalization(center=False), (6,)),
    "layer_normalization_without_scale": (lambda: L.LayerNormalization(scale=False), (6,)),
    "dropout_of_nothing": (lambda: L.Dropout(0.0), (6,)),
    "noise_of_nothing": (lambda: L.GaussianNoise(0.0), (6,)),
    "activation": (lambda: L.Activation("softplus"), (6,)),
    "softmax_activation": (lambda: L.Activation("softmax"), (3, 6)),
    "relu": (lambda: L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2), (6,)),
    "leaky_relu": (lambda: L.LeakyReLU(negative_slope=0.2), (6,)),
    "elu": (lambda: L.ELU(alpha=0.5), (6,)),
    "softmax": (L.Softmax, (6,)),
    "activation_layer_in_dense": (lambda: L.Dense(5, activation=L.LeakyReLU()), (6,)),
    "flatten": (L.Flatten, (3, 2, 6)),
    "reshape": (lambda: L.Reshape((2, -1)), (4, 6)),
    "rescaling": (lambda: L.Rescaling(0.5, offset=1.0), (6,)),
    "rescaling_by_column": (lambda: L.Rescaling([0.5, 2.0, 3.0], offset=[1.0, 0.0, 2.0]), (3,)),
    "conv_1d": (lambda: L.Conv1D(3, 2, strides=2, activation="relu"), (6, 2)),
    "conv_2d": (lambda: L.Conv2D(3, 2, padding="same", activation="relu"), (4, 5, 2)),
    "conv_2d_without_bias": (lambda: L.Conv2D(3, 2, use_bias=False), (4, 5, 2)),
    "conv_2d_frozen": (lambda: L.Conv2D(3, 2, trainable=False), (4, 5, 2)),
    "depthwise_conv_2d": (lambda: L.DepthwiseConv2D(2, depth_multiplier=2), (4, 5, 2)),
    "separable_conv_2d": (lambda: L.SeparableConv2D(3, 2, activation="tanh"), (4, 5, 2)),
    "simple_rnn": (lambda: L.SimpleRNN(3), (4, 2)),
    "simple_rnn_sequences": (lambda: L.SimpleRNN(3, return_sequences=True, unroll=True), (4, 2)),
    "max_pooling_1d": (lambda: L.MaxPooling1D(2), (6, 2)),
    "average_pooling_1d": (lambda: L.AveragePooling1D(2), (6, 2)),
    "global_max_pooling_1d": (L.GlobalMaxPooling1D, (6, 2)),
    "global_average_pooling_1d": (L.GlobalAveragePooling1D, (6, 2)),
    "max_pooling_2d": (lambda: L.MaxPooling2D(2), (4, 6, 2)),
    "average_pooling_2d": (lambda: L.AveragePooling2D((2, 3), padding="same"), (5, 6, 2)),
    "global_max_pooling_2d": (L.GlobalMaxPooling2D, (4, 6, 2)),
    "global_average_pooling_2d": (lambda: L.GlobalAveragePooling2D(keepdims=True), (4, 6, 2)),
    "zero_padding_2d": (lambda: L.ZeroPadding2D(((1, 0), (2, 1))), (4, 6, 2)),
    "average_pooling_3d": (lambda: L.AveragePooling3D(2), (4, 4, 4, 2)),
    "max_pooling_3d": (L.MaxPooling3D, (4, 4, 4, 2)),
    "global_average_pooling_3d": (L.GlobalAveragePooling3D, (4, 4, 4, 2)),
    "global_max_pooling_3d": (L.GlobalMaxPooling3D, (4, 4, 4, 2)),
    "zero_padding_1d": (L.ZeroPadding1D, (6, 2)),
    "zero_padding_3d": (L.ZeroPadding3D, (2, 2, 2, 2)),
    "cropping_1d": (L.Cropping1D, (6, 2)),
    "cropping_2d": (lambda: L.Cropping2D(1), (4, 6, 2)),
    "cropping_3d": (L.Cropping3D, (4, 4, 4, 2)),
    "up_sampling_1d": (L.UpSampling1D, (6, 2)),
    "up_sampling_2d": (L.UpSampling2D, (4, 6, 2)),
    "identity": (L.Identity, (6,)),
    "permute": (lambda: L.Permute((2, 1)), (6, 2)),
    "repeat_vector": (lambda: L.RepeatVector(2), (6,)),
}
GRID, STEPS, VOLUME, IMAGE = (4, 6, 2), (6, 3), (4, 4, 4, 2), (8, 8, 3)
# Applied to one member after another: name of the class, and as above.
LOOPED = {
    "ActivityRegularization": (lambda: L.ActivityRegularization(l2=0.1), (6,)),
    "AdaptiveAveragePooling1D": (lambda: L.AdaptiveAveragePooling1D(2), STEPS),
    "AdaptiveAveragePooling2D": (lambda: L.AdaptiveAveragePooling2D(2), GRID),
    "AdaptiveAveragePooling3D": (lambda: L.AdaptiveAveragePooling3D(2), VOLUME),
    "AdaptiveMaxPooling1D": (lambda: L.AdaptiveMaxPooling1D(2), STEPS),
    "AdaptiveMaxPooling2D": (lambda: L.AdaptiveMaxPooling2D(2), GRID),
    "AdaptiveMaxPooling3D": (lambda: L.AdaptiveMaxPooling3D(2), VOLUME),
    "AlphaDropout": (lambda: L.AlphaDropout(0.3), (6,)),
    "AutoContrast": (L.AutoContrast, IMAGE),
    "Bidirectional": (lambda: L.Bidirectional(L.GRU(2)), STEPS),
    "CategoryEncoding": (lambda: L.CategoryEncoding(7, output_mode="count"), (6,)),
    "CenterCrop": (lambda: L.CenterCrop(4, 4), IMAGE),
    "ContrastLimitedAdaptiveHistogramEqualization": (
        L.ContrastLimitedAdaptiveHistogramEqualization,
        IMAGE,
    ),
    "Conv1DTranspose": (lambda: L.Conv1DTranspose(2, 2), STEPS),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(2, 2), GRID),
    "Conv3D": (lambda: L.Conv3D(2, 2), VOLUME),
    "Conv3DTranspose": (lambda: L.Conv3DTranspose(2, 2), VOLUME),
    "ConvLSTM1D": (lambda: L.ConvLSTM1D(2, 2), GRID),
    "ConvLSTM2D": (lambda: L.ConvLSTM2D(2, 2), VOLUME),
    "ConvLSTM3D": (lambda: L.ConvLSTM3D(2, 2), (2, 3, 3, 3, 1)),
    "CutMix": (L.CutMix, IMAGE),
    "DepthwiseConv1D": (lambda: L.DepthwiseConv1D(2), STEPS),
    "EinsumDense": (lambda: L.EinsumDense("abc,cd->abd", (6, 5), bias_axes="d"), STEPS),
    "Embedding": (lambda: L.Embedding(7, 3), (6,)),
    "GRU": (lambda: L.GRU(3), STEPS),
    "GaussianDropout": (lambda: L.GaussianDropout(0.3), (6,)),
    "GroupNormalization": (lambda: L.GroupNormalization(2), GRID),
    "LSTM": (lambda: L.LSTM(3), STEPS),
    "MaxNumBoundingBoxes": (lambda: L.MaxNumBoundingBoxes(3), IMAGE),
    "MelSpectrogram": (
        lambda: L.MelSpectrogram(fft_length=16, sequence_stride=8, num_mel_bins=4),
        (64,),
    ),
    "MixUp": (L.MixUp, IMAGE),
    "PReLU": (L.PReLU, (6,)),
    "Pipeline": (lambda: L.Pipeline([L.Rescaling(2.0)]), (6,)),
    "RMSNormalization": (L.RMSNormalization, (6,)),
    "RNN": (lambda: L.RNN(L.LSTMCell(3)), STEPS),
    "RandomBrightness": (lambda: L.RandomBrightness(0.2), IMAGE),
    "RandomColorDegeneration": (lambda: L.RandomColorDegeneration(0.2), IMAGE),
    "RandomColorJitter": (lambda: L.RandomColorJitter(brightness_factor=0.1), IMAGE),
    "RandomContrast": (lambda: L.RandomContrast(0.2), IMAGE),
    "RandomElasticTransform": (L.RandomElasticTransform, IMAGE),
    "RandomErasing": (L.RandomErasing, IMAGE),
    "RandomFlip": (L.RandomFlip, IMAGE),
    "RandomGaussianBlur": (L.RandomGaussianBlur, IMAGE),
    "RandomGrayscale": (L.RandomGrayscale, IMAGE),
    "RandomHue": (lambda: L.RandomHue(0.2), IMAGE),
    "RandomInvert": (L.RandomInvert, IMAGE),
    "RandomPerspective": (L.RandomPerspective, IMAGE),
    "RandomPosterization": (lambda: L.RandomPosterization(4), IMAGE),
    "RandomRotation": (lambda: L.RandomRotation(0.2), IMAGE),
    "RandomSaturation": (lambda: L.RandomSaturation(0.2), IMAGE),
    "RandomSharpness": (lambda: L.RandomSharpness(0.2), IMAGE),
    "RandomShear": (L.RandomShear, IMAGE),
    "RandomTranslation": (lambda: L.RandomTranslation(0.1, 0.1), IMAGE),
    "RandomZoom": (lambda: L.RandomZoom(0.2), IMAGE),
    "Resizing": (lambda: L.Resizing(4, 4), IMAGE),
    "ReversibleEmbedding": (lambda: L.ReversibleEmbedding(7, 3), (6,)),
    "STFTSpectrogram": (
        lambda: L.STFTSpectrogram(frame_length=8, frame_step=4, fft_length=8),
        (64, 1),
    ),
    "SeparableConv1D": (lambda: L.SeparableConv1D(2, 2), STEPS),
    "Solarization": (L.Solarization, IMAGE),
    "SpatialDropout1D": (lambda: L.SpatialDropout1D(0.3), STEPS),
    "SpatialDropout2D": (lambda: L.SpatialDropout2D(0.3), GRID),
    "SpatialDropout3D": (lambda: L.SpatialDropout3D(0.3), VOLUME),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(2)), STEPS),
    "UnitNormalization": (L.UnitNormalization, (6,)),
    "UpSampling3D": (L.UpSampling3D, VOLUME),
}
# What only `fit` trains, and how to make one.
FITTED = {
    "AugMix": (L.AugMix, (8, 8, 3)),
    "Equalization": (L.Equalization, (8, 8, 3)),
    "RandAugment": (L.RandAugment, (8, 8, 3)),
    "RandomCrop": (lambda: L.RandomCrop(8, 8), (8, 8, 3)),
    "SpectralNormalization": (lambda: L.SpectralNormalization(L.Dense(3)), (6,)),
    "Discretization": (lambda: L.Discretization([0.0, 1.0]), (6,)),
    "Hashing": (lambda: L.Hashing(5), (6,)),
    "IntegerLookup": (lambda: L.IntegerLookup(vocabulary=[1, 2]), (6,)),
    "Lambda": (lambda: L.Lambda(abs), (6,)),
    "Normalization": (L.Normalization, (6,)),
    "StringLookup": (L.StringLookup, (6,)),
    "TextVectorization": (L.TextVectorization, (6,)),
}
# Of other libraries, or with inputs that no classifier of arrays has.
WITHOUT_EXAMPLE = ("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper", "HashedCrossing")
# Of several inputs, or with masks: see test_looping.py.
COMPARED_ELSEWHERE = (
    "Masking",
    *("Add", "AdditiveAttention", "Attention", "Average", "Concatenate", "Dot"),
    *("GroupedQueryAttention", "Maximum", "Minimum", "MultiHeadAttention", "Multiply", "Subtract"),
)
NORMALIZING = (L.BatchNormalization, L.LayerNormalization)


def model_with(layer, shape):
    """A built model of the layer before one whose weights tell how many members there are."""
    return keras.Sequential([keras.Input(shape), layer, L.Dense(4)])


def compiled(model):
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def random_weights(model, random):
    """Stacked weights of each layer, in reach of what training makes of them."""
    return [
        [
            # Positive where it may be a variance.
            tf.constant(random.uniform(0.3, 1.5, (MEMBERS, *w.shape)), tf.float32)
            if w.name.endswith("variance")
            else tf.constant(random.normal(size=(MEMBERS, *w.shape)), tf.float32)
            for w in layer.weights
        ]
        for layer in model.layers
    ]


def lifted(models):
    """The numbers of each member's normalizations, as `architecture.read` names them."""
    return {
        f"{layer.name}/{number}": tf.constant(
            [model.layers[position].get_config()[number] for model in models], tf.float64
        )
        for position, layer in enumerate(models[0].layers)
        for number in architecture.LAYER_HYPERPARAMETERS.get(type(layer), ())
    }


def no_noise(name, shape):
    if shape is None:  # the key of a looped layer
        return tf.zeros((1, 2), tf.int32)
    return tf.zeros((1, *shape), tf.uint16 if "dropout" in name else tf.float32)


def assert_close(actual, expected):
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=2e-6 * scale)


def architecture_of(model):
    """A model's layers and how they are connected."""
    names = [layer.name for layer in model.layers]
    kinds = dict(zip(names, map(type, model.layers), strict=True))
    looped = {name for name, kind in kinds.items() if kind not in architecture.SUPPORTED}
    return layers.Architecture(model.layers, names, *connections(model), looped, {})


def models_that_differ(make, shape):
    """Models of the same layers, by the same names, whose normalizations have other numbers."""
    models = [model_with(make(), shape) for _ in range(MEMBERS)]
    for model, epsilon in zip(models, (1e-3, 1e-2, 0.1), strict=True):
        for layer, first in zip(model.layers, models[0].layers, strict=True):
            layer.name = first.name
            if isinstance(layer, NORMALIZING):
                layer.epsilon = epsilon
            if isinstance(layer, L.BatchNormalization):
                layer.momentum = 0.9 + epsilon
    return models


@pytest.mark.first_cases(12)
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("name", [*STACKED, *LOOPED])
def test_each_member_gets_what_the_keras_layer_gives_it(name, training):
    make, shape = (STACKED | LOOPED)[name]
    random = np.random.default_rng(0)
    models = models_that_differ(make, shape)
    template = models[0]
    weights = random_weights(template, random)
    x = random.normal(size=(MEMBERS, BATCH, *shape))
    if name in LOOPED:  # pixels, or the numbers of words
        x = np.clip(2 * np.abs(x), 0, 6)
    x = tf.constant(x, tf.float32)
    shape_out = template.compute_output_shape((BATCH, *shape))
    slope = tf.constant(random.normal(size=(MEMBERS, *shape_out)), tf.float32)

    with tf.GradientTape() as tape:
        tape.watch([x, weights])
        y, moved, _ = layers.forward(
            architecture_of(template), weights, x, lifted(models), no_noise, training
        )
        objective = tf.reduce_sum(y * slope)
    by_x, by_weights = tape.gradient(objective, [x, weights], unconnected_gradients="zero")

    for n, model in enumerate(models):
        for layer, own in zip(model.layers, weights, strict=True):
            layer.set_weights([w[n] for w in own])
            for number, state in enumerate(looping.seed_states(layer)):
                state.assign([number, 0])  # the first step of a stream whose key is 0
        with tf.GradientTape() as tape:
            tape.watch(x)
            y_keras = model(x[n], training=training)
            objective = tf.reduce_sum(y_keras * slope[n])
        assert_close(y[n], y_keras)
        trained = model.trainable_weights
        sources = [x, *(w.value for w in trained)]
        expected = tape.gradient(objective, sources, unconnected_gradients="zero")
        assert_close(by_x[n], expected[0][n])
        expected = list(map(tf.convert_to_tensor, expected))  # of an Embedding they are sparse
        gradients = {id(w): g for w, g in zip(trained, expected[1:], strict=True)}
        for layer, own, moved_own in zip(model.layers, by_weights, moved, strict=True):
            for variable, gradient, after in zip(layer.weights, own, moved_own, strict=True):
                if id(variable) in gradients:
                    assert_close(gradient[n], gradients[id(variable)])
                assert_close(after[n], variable.numpy())  # moving statistics move


def test_every_supported_layer_is_compared():
    compared = {type(make()) for make, _ in STACKED.values()}
    assert compared | set(architecture.MERGING) == architecture.SUPPORTED


def test_the_table_has_every_layer_of_keras_and_says_how_it_is_trained():
    """Fails where Keras gains one: compare it, or say that `fit` trains it."""
    table = architecture.trained_how()["layers"]
    stacked = {kind.__name__ for kind in architecture.SUPPORTED - set(architecture.LOOPED)}
    looped = {kind.__name__ for kind in architecture.LOOPED} | set(LOOPED)
    looped |= set(COMPARED_ELSEWHERE) - stacked
    assert {name for name, how in table.items() if how == "stacked"} == stacked
    assert {name for name, how in table.items() if how == "looped"} == looped
    for name in {name for name, how in table.items() if how == "fit"} - set(WITHOUT_EXAMPLE):
        make, shape = FITTED[name]
        with pytest.raises(NotStackableError):
            read(lambda make=make, shape=shape: compiled(model_with(make(), shape)))


@pytest.mark.parametrize(
    "first",
    [
        lambda: L.Dense(5),
        L.BatchNormalization,
        L.Flatten,
        lambda: L.Activation("sigmoid"),
        lambda: L.Dropout(0.3),
        lambda: L.Rescaling(2.0),
        lambda: L.Conv1D(2, 2),
    ],
)
def test_shared_inputs_give_the_same_bits_as_repeated_ones(first):
    random = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((3, 5)), first(), L.Flatten(), L.Dense(3)])
    weights = random_weights(model, random)
    numbers = lifted([model] * MEMBERS)
    shared = tf.constant(random.normal(size=(1, BATCH, 3, 5)), tf.float32)

    def noise(name, shape):
        bits = np.random.default_rng(5).integers(0, 2**16, shape, np.uint16)
        return tf.constant(bits)[None]

    def outputs_and_gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            y, *_ = layers.forward(architecture_of(model), weights, x, numbers, noise, True)
        return tf.nest.flatten([y, tape.gradient(y, weights, unconnected_gradients="zero")])

    repeated = outputs_and_gradients(tf.repeat(shared, MEMBERS, axis=0))
    for one, other in zip(outputs_and_gradients(shared), repeated, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(7, 6), (5, 3, 6), (5, 3, 2, 6)], ids=str)
def test_closed_form_gradient_of_batch_normalization(shape):
    random = np.random.default_rng(0)
    x = tf.constant(random.normal(2.0, 3.0, (MEMBERS, *shape)), tf.float32)
    wide = (MEMBERS, *[1] * (len(shape) - 1), shape[-1])
    gamma, beta = (tf.constant(random.normal(size=wide), tf.float32) for _ in range(2))
    epsilon = tf.constant([1e-3, 1e-2, 1.0], tf.float32)
    epsilon = tf.reshape(epsilon, [MEMBERS, *[1] * len(shape)])
    slope = tf.constant(random.normal(size=x.shape), tf.float32)
    axes = list(range(1, len(shape)))

    def plain(x, gamma, beta):
        mean, variance = tf.nn.moments(x, axes, keepdims=True)
        return (x - mean) / tf.sqrt(variance + epsilon) * gamma + beta, mean, variance

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch([x, gamma, beta])
            outputs = function(x, gamma, beta)
            objective = tf.reduce_sum(outputs[0] * slope)
        return [*outputs, *tape.gradient(objective, [x, gamma, beta])]

    closed = gradients(lambda *arguments: layers._normalize(*arguments, epsilon))
    for one, other in zip(closed, gradients(plain), strict=True):
        assert_close(one, other)


def test_batch_normalization_is_folded_into_the_dense_layer_before_it():
    random = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            L.Dense(5),
            L.BatchNormalization(),
            L.Dense(4, activation="relu"),  # bent before it is normalized: stays
            L.BatchNormalization(scale=False),
            L.Dense(4, use_bias=False),
            L.BatchNormalization(center=False),
            L.BatchNormalization(),
            L.Activation("softmax"),
        ]
    )
    weights, numbers = random_weights(model, random), lifted([model] * MEMBERS)
    x = tf.constant(random.normal(size=(1, BATCH, 6)), tf.float32)
    whole, *_ = layers.forward(architecture_of(model), weights, x, numbers, None, False)
    fewer, fewer_weights = layers.fold(architecture_of(model), weights, numbers)
    folded, *_ = layers.forward(fewer, fewer_weights, x, numbers, None, False)
    assert len(fewer.layers) == len(model.layers) - 3
    assert_close(folded, whole.numpy())


@pytest.mark.parametrize("rates", [(0.0, 0.1, 0.5), (0.25, 0.9, 0.999)])
def test_dropout_keeps_the_share_asked_for_and_scales_it(rates):
    count = 200_000
    bits = np.random.default_rng(0).integers(0, 2**16, (1, count), np.uint16)
    dropped = layers._dropout(
        tf.ones((MEMBERS, count)), tf.constant(bits), tf.constant(rates, tf.float64)
    ).numpy()
    for values, rate in zip(dropped, rates, strict=True):
        kept = values != 0
        assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / count) + 2**-17
        np.testing.assert_array_equal(values[kept], np.float32(1 / (1 - rate)))
    assert rates[0] > 0 or dropped[0].min() == 1.0  # a rate of 0 changes nothing


def test_gaussian_noise_is_scaled_by_each_members_deviation():
    model = keras.Sequential([keras.Input((6,)), L.GaussianNoise(0.1), L.Dense(2)])
    model.layers[0].name = "noise"
    weights = [[], [tf.ones((MEMBERS, 6, 2)), tf.zeros((MEMBERS, 2))]]
    numbers = {"noise/stddev": tf.constant([0.0, 0.5, 2.0], tf.float64)}
    x = tf.random.stateless_normal((1, BATCH, 6), [1, 2])
    drawn = tf.random.stateless_normal((1, BATCH, 6), [3, 4])
    y, *_ = layers.forward(architecture_of(model), weights, x, numbers, lambda *_: drawn, True)
    for n, stddev in enumerate((0.0, 0.5, 2.0)):
        expected = np.sum(x[0] + stddev * drawn[0], axis=-1)
        np.testing.assert_allclose(y[n, :, 0], expected, rtol=1e-5, atol=1e-6)
    y, *_ = layers.forward(architecture_of(model), weights, x, numbers, None, False)
    np.testing.assert_allclose(y[2, :, 0], np.sum(x[0], axis=-1), rtol=1e-5, atol=1e-6)
