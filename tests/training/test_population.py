"""Members of a population train as plain Keras models do, and none of them sees the others."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes._lab.data import Dataset, Split
from recipes._lab.errors import UserError
from recipes._lab.seeding import batch_order, seed_from
from recipes._lab.training import (
    architecture,
    checkpoints,
    fitting,
    numerics,
    population,
    schedules,
    stack,
)
from recipes._lab.training import graph as graph_module
from recipes._lab.training.architecture import read
from recipes._lab.training.loading import build_model, load_model
from recipes._lab.training.members import Member
from recipes._lab.training.population import train
from recipes._lab.training.recording import Record

# Keras copies TensorFlow's variables in a way that NumPy 2 will stop to support.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

L = keras.layers
FEATURES, CLASSES = 6, 3
LABELS = tuple("abc")
LOSS = "sparse_categorical_crossentropy"


def blobs(sizes=(41, 23, 19), shape=(FEATURES,), classes=CLASSES, seed=0):
    """Overlapping clouds, one for each class, as a Dataset of train, validation and test."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(classes, *shape))
    parts = []
    for size in sizes:
        y = random.permutation(np.arange(size) % classes).astype(np.int32)
        x = centers[y] + random.normal(size=(size, *shape))
        parts.append(Split(x.astype(np.float32), y))
    return Dataset("blobs", LABELS[:classes], *parts)


DATA = blobs()


def classifier(*layers, optimizer=None, loss=LOSS, activation="softmax", units=CLASSES):
    model = keras.Sequential([*layers, L.Dense(units, activation=activation)])
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return model


def dense(units=5, activation="tanh", **arguments):
    return classifier(keras.Input((FEATURES,)), L.Dense(units, activation), **arguments)


def everything(rate=0.2, std=0.5, learning_rate=0.1, **arguments):
    """Dense, BatchNormalization, Dropout: what recipes are made of."""
    normal = keras.initializers.RandomNormal(stddev=std)
    return classifier(
        keras.Input((FEATURES,)),
        L.Dense(12, kernel_initializer=normal),
        L.BatchNormalization(),
        L.Activation("relu"),
        L.Dropout(rate),
        **{"optimizer": keras.optimizers.SGD(learning_rate, momentum=0.9)} | arguments,
    )


def member(build, seed=0, **plan):
    """A member with a plan that takes two or three steps an epoch."""
    plan = {"data": DATA, "epochs": 3, "batch_size": 16} | plan
    label = plan.pop("label", "variant")
    spec = plan.pop("spec", "read")
    return Member(label, build, read(build) if spec == "read" else spec, seed, **plan)


def batches(member):
    data = member.data.train
    for epoch in range(member.epochs):
        for rows in batch_order(member.seed, epoch, len(data), member.batch_size):
            yield data.x[rows], data.y[rows]


def weighted(*factors):
    """The data with the factor of its class as each training example's weight."""
    return DATA.with_train(weights=np.array(factors)[DATA.train.y])


def weighted_batches(member):
    """As `batches`, with the weights of the examples, 1 where they have none."""
    data = member.data.train
    weights = np.ones(len(data), np.float32) if data.weights is None else data.weights
    for epoch in range(member.epochs):
        for rows in batch_order(member.seed, epoch, len(data), member.batch_size):
            yield data.x[rows], data.y[rows], weights[rows]


def one_by_one(member, start, **weights):
    """The weights that Keras's own `train_on_batch` makes of the given ones, batch by batch."""
    model = load_model(member, start)
    model.run_eagerly = True  # a few steps: not worth a graph
    for x, y in batches(member):
        model.train_on_batch(x, y, **weights)
    return [weight.numpy() for weight in model.weights]


def assert_like_keras(members, tolerance=1e-6, **weights):
    """Train the members together and each by itself, from the same weights on the same batches."""
    members = [functools.partial(Member, **vars(m) | {"record": (0,)})() for m in members]
    results = train(members)
    for one, result in zip(members, results, strict=True):
        start = result.snapshots[0]
        expected = one_by_one(one, start, **weights)
        assert max(np.abs(a - b).max() for a, b in zip(start, expected, strict=True)) > 0.01
        for ours, theirs in zip(result.weights, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    return results


def assert_same_bits(one, other):
    """Two results are equal in every bit, NaN included."""
    for name, values in one.history.items():
        np.testing.assert_array_equal(values, other.history[name])
    assert one.test == pytest.approx(other.test, rel=0, abs=0, nan_ok=True)
    assert one.epoch == other.epoch
    assert one.snapshots.keys() == other.snapshots.keys()
    pairs = [(one.weights, other.weights)]
    pairs += [(one.snapshots[epoch], other.snapshots[epoch]) for epoch in one.snapshots]
    for a, b in pairs:
        for left, right in zip(a, b, strict=True):
            assert left.dtype == right.dtype == np.float32
            np.testing.assert_array_equal(left, right)


# As plain Keras

SGD, Adam, AdamW = keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.AdamW
RMSprop, Adagrad = keras.optimizers.RMSprop, keras.optimizers.Adagrad
Nadam, Lamb = keras.optimizers.Nadam, keras.optimizers.Lamb
Adafactor, Muon = keras.optimizers.Adafactor, keras.optimizers.Muon
Decay = keras.optimizers.schedules.ExponentialDecay
# What a graph hands to an update: states, rates and steps. Each optimizer is in test_optimizers.py.
# The optimizers of the members of one population, and what the weights may differ by.
OPTIMIZERS = {
    "momentum": ([lambda: SGD(0.1, momentum=0.9), lambda: SGD(0.1, momentum=0.0)], 1e-6),
    "adamw": ([lambda w=w: AdamW(0.01, weight_decay=w) for w in (0.1, 0.5)], 2e-6),
    "schedule": ([lambda: SGD(Decay(0.5, 2, 0.8)), lambda: SGD(0.1)], 1e-6),
    "accumulation": (
        [lambda k=k: SGD(Decay(0.5, 2, 0.8), gradient_accumulation_steps=k) for k in (None, 2, 3)],
        1e-6,
    ),
    "clipnorm": ([lambda c=c: SGD(0.5, clipnorm=c) for c in (0.1, 0.5, None)], 1e-6),
    "global_clipnorm": ([lambda c=c: Adam(0.01, global_clipnorm=c) for c in (0.1, None)], 2e-6),
    "clipvalue": ([lambda c=c: SGD(0.5, clipvalue=c) for c in (0.01, 0.1, None)], 1e-6),
    "muon": ([lambda m=m: Muon(0.1, momentum=m) for m in (0.95, 0.0)], 5e-6),
    "adam_schedule": ([lambda s=s: Adam(Decay(0.1, s, 0.5)) for s in (1, 3)], 2e-6),
}


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_move_weights_as_train_on_batch_does(name):
    makers, tolerance = OPTIMIZERS[name]
    builds = [lambda make=make: dense(optimizer=make()) for make in makers]
    assert len({read(build).signature for build in builds}) == 1
    assert_like_keras([member(b, seed) for seed, b in enumerate(builds)], tolerance)


def test_what_muon_excludes_moves_by_its_adam():
    def build(excluded):
        decays = {"weight_decay": 0.1, "adam_weight_decay": 0.9}
        optimizer = Muon(0.1, exclude_layers=excluded, **decays)
        first = L.Dense(5, "tanh", name="first")
        return classifier(keras.Input((FEATURES,)), first, optimizer=optimizer)

    members = [member(functools.partial(build, excluded)) for excluded in ([], ["first"])]
    everything, excluded = assert_like_keras(members, 5e-6)
    assert np.abs(everything.weights[0] - excluded.weights[0]).max() > 0.01


EMA = functools.partial(SGD, 0.3, use_ema=True)
AVERAGED = {
    "averages": [lambda m=m: EMA(ema_momentum=m) for m in (0.9, 0.5)],
    "overwriting": [lambda n=n: EMA(ema_momentum=0.8, ema_overwrite_frequency=n) for n in (4, 5)],
    "some_overwriting": [lambda n=n: EMA(ema_overwrite_frequency=n) for n in (None, 4)],
    "accumulation": [
        lambda k=k: EMA(gradient_accumulation_steps=k, ema_overwrite_frequency=2)
        for k in (None, 2, 3)
    ],
    "adam": [lambda m=m: Adam(0.01, use_ema=True, ema_momentum=m) for m in (0.9, 0.5)],
}


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("name", AVERAGED)
def test_weights_are_averaged_as_by_fit(name):
    """Keras sets the weights to their averages after the last epoch, and its log is of before."""

    def build(make):
        return classifier(L.Dense(5, "tanh"), L.BatchNormalization(), optimizer=make())

    members = [
        member(functools.partial(build, make), seed, record=(0, 3))
        for seed, make in enumerate(AVERAGED[name])
    ]
    for one, result in zip(members, train(members), strict=True):
        (fitted,) = train([one], engine="keras")
        for metric, values in result.history.items():
            np.testing.assert_allclose(values, fitted.history[metric], rtol=2e-5, atol=1e-6)
        assert result.test == pytest.approx(fitted.test, rel=2e-5)
        pairs = [(result.weights, fitted.weights), (result.snapshots[3], fitted.snapshots[3])]
        for ours, theirs in pairs:
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-6)
        moved = [abs(a - b).max() for a, b in zip(result.weights, result.snapshots[3], strict=True)]
        assert name == "accumulation" or moved[0] > 1e-3  # there the last step overwrites
        assert moved[-3] == moved[-4] == 0  # the statistics of the normalization


def test_early_stopping_restores_weights_that_are_no_averages():
    build = functools.partial(dense, 30, optimizer=EMA(ema_momentum=0.5))
    one = member(build, patience=1, epochs=25, record=tuple(range(25)))
    results = [*train([one]), *train([one], engine="keras")]
    for result in results:
        assert 0 < result.epoch < 25
        for weight, snapshot in zip(result.weights, result.snapshots[result.epoch], strict=True):
            np.testing.assert_array_equal(weight, snapshot)
    assert results[0].epoch == results[1].epoch


def images(*layers):
    return classifier(keras.Input((6, 5, 2)), *layers, L.Flatten(), optimizer=SGD(0.05))


def saturated(softmax):
    model = keras.Sequential([L.Rescaling(30.0), L.Dense(CLASSES), softmax])
    model.compile(SGD(1e-3), LOSS)
    return model


NETWORKS = {
    "normalized": lambda: everything(rate=0.0),
    "no_input_layer": lambda: classifier(L.Dense(5, "tanh"), L.Dense(4, "elu")),
    "layer_normalization": lambda: classifier(L.Dense(5), L.LayerNormalization(), L.ReLU()),
    "no_bias": lambda: classifier(L.Dense(5, "relu", use_bias=False)),
    "frozen": lambda: classifier(L.Dense(5, "relu", trainable=False), L.BatchNormalization()),
    "frozen_normalization": lambda: classifier(L.Dense(5), L.BatchNormalization(trainable=False)),
    "penalties": lambda: classifier(
        L.Dense(5, "tanh", kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02)),
        L.BatchNormalization(gamma_regularizer=keras.regularizers.L2(0.1)),
    ),
    "logits": lambda: classifier(
        L.Dense(5, "tanh"),
        activation=None,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ),
    # Keras looks through a softmax for the logits: the loss of a sure mistake isn't cut off.
    "saturated": lambda: classifier(L.Dense(5), L.Rescaling(30.0), optimizer=SGD(1e-4)),
    "saturated_layer": lambda: saturated(L.Softmax()),
    "saturated_activation": lambda: saturated(L.Activation("softmax")),
    "mean_squared_error": lambda: classifier(
        L.Dense(5, "tanh"), activation="linear", loss="mean_squared_error", units=1
    ),
}
IMAGES = {
    "conv_2d": lambda: images(L.Conv2D(3, 3, activation="relu"), L.MaxPooling2D()),
    "conv_2d_normalized": lambda: images(
        L.Conv2D(3, 2), L.BatchNormalization(), L.Activation("tanh"), L.GlobalAveragePooling2D()
    ),
    "depthwise_and_separable": lambda: images(
        L.ZeroPadding2D(), L.DepthwiseConv2D(2), L.SeparableConv2D(3, 2, activation="tanh")
    ),
    "frozen_conv_2d": lambda: images(L.Conv2D(3, 3, activation="tanh", trainable=False)),
    "rnn": lambda: images(
        L.Reshape((6, 10)),
        L.SimpleRNN(4, return_sequences=True, recurrent_regularizer=keras.regularizers.L2(0.1)),
        L.Conv1D(3, 2),
    ),
}


@pytest.mark.first_cases(4)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_train_as_with_train_on_batch(name):
    results = assert_like_keras([member(NETWORKS[name], seed, epochs=2) for seed in (0, 1)])
    if "saturated" in name:
        assert results[0].history["loss"][0] > -np.log(1e-7)


def test_weights_that_are_not_trained_add_nothing_to_the_norm():
    def build(clip):
        layers = L.Dense(5, "relu", trainable=False), L.BatchNormalization(), L.Dense(4, "tanh")
        return classifier(*layers, optimizer=SGD(0.5, global_clipnorm=clip))

    builds = [functools.partial(build, clip) for clip in (0.1, 1.0)]
    one, other = assert_like_keras([member(build) for build in builds])
    assert abs(one.weights[-2] - other.weights[-2]).max() > 0.01


@pytest.mark.first_cases(2)
@pytest.mark.parametrize("name", IMAGES)
def test_image_networks_train_as_with_train_on_batch(name):
    data = blobs(sizes=(33, 9, 9), shape=(6, 5, 2))
    plan = {"data": data, "epochs": 1}
    assert_like_keras([member(IMAGES[name], seed, **plan) for seed in (0, 1)], 3e-6)


def test_penalties_are_each_members_own_and_left_out_of_losses():
    def build(regularizer):
        return (
            dense(optimizer=SGD(0.1))
            if regularizer is None
            else classifier(
                keras.Input((FEATURES,)), L.Dense(5, "tanh", kernel_regularizer=regularizer)
            )
        )

    kinds = [
        None,
        keras.regularizers.L1(0.05),
        keras.regularizers.L2(0.1),
        keras.regularizers.L1L2(0.01, 0.2),
    ]
    results = assert_like_keras([member(functools.partial(build, k)) for k in kinds])
    # The same weights before training, hence the same loss if penalties stay out of it.
    assert len({result.history["loss"][0] for result in results}) == 1
    shrunk = [np.square(result.weights[0]).sum() for result in results]
    assert shrunk[0] > max(shrunk[1:])


def test_history_and_test_are_what_evaluate_says():
    one = member(everything, record=(0, 2))
    (result,) = train([one])
    for epoch, weights in [*result.snapshots.items(), (3, result.weights)]:
        model = load_model(one, weights)
        for split, prefix in [(DATA.train, ""), (DATA.validation, "val_")]:
            loss, accuracy = model.evaluate(split.x, split.y, verbose=0)
            assert result.history[f"{prefix}loss"][epoch] == pytest.approx(loss, rel=1e-5)
            assert result.history[f"{prefix}accuracy"][epoch] == pytest.approx(accuracy, abs=1e-6)
    loss, accuracy = model.evaluate(DATA.test.x, DATA.test.y, verbose=0)
    assert result.test["test_loss"] == pytest.approx(loss, rel=1e-5)
    assert result.test["test_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert result.epoch == 3


def test_a_model_survives_saving(tmp_path):
    one = member(everything)
    (result,) = train([one])
    model = load_model(one, result.weights)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.momentum == 0.9
    np.testing.assert_array_equal(
        model.predict(DATA.test.x, verbose=0), loaded.predict(DATA.test.x, verbose=0)
    )
    assert loaded.evaluate(DATA.test.x, DATA.test.y, verbose=0)[0] == pytest.approx(
        result.test["test_loss"], rel=1e-5
    )


TWO = blobs(classes=2)


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        ("sigmoid", "binary_crossentropy"),
        (None, keras.losses.BinaryCrossentropy(from_logits=True)),
        ("sigmoid", keras.losses.BinaryFocalCrossentropy(gamma=1.0, label_smoothing=0.1)),
        ("sigmoid", keras.losses.BinaryCrossentropy(label_smoothing=0.2)),
        ("tanh", "hinge"),
    ],
    ids=["probability", "logit", "focal", "smoothed", "hinge"],
)
def test_one_output_for_two_classes(activation, loss):
    def build():
        return dense(activation=activation, loss=loss, units=1)

    def output():
        return classifier(
            keras.Input((FEATURES,)), L.Dense(5), activation=activation, loss=loss, units=1
        )

    members = [member(output, seed, data=TWO) for seed in (0, 1)]
    (result, _) = assert_like_keras(members)
    model = load_model(members[0], result.weights)
    threshold = 0.0 if activation is None else 0.5
    hits = (model.predict(TWO.test.x, verbose=0)[:, 0] > threshold) == TWO.test.y
    assert result.test["test_accuracy"] == pytest.approx(hits.mean())
    assert hits.mean() > 0.6
    loss, _ = model.evaluate(TWO.test.x, TWO.test.y, verbose=0)
    assert result.test["test_loss"] == pytest.approx(loss, rel=1e-5)


SMOOTHED = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
ONE_HOT = {
    "one_hot": ("softmax", "categorical_crossentropy"),
    "smoothed": ("softmax", SMOOTHED),
    "smoothed_logits": (None, keras.losses.CategoricalCrossentropy(True, label_smoothing=0.2)),
    "focal": ("softmax", keras.losses.CategoricalFocalCrossentropy(alpha=[0.2, 0.3, 0.5])),
    "hinge": ("tanh", "categorical_hinge"),
}


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("name", ONE_HOT)
def test_losses_of_one_hot_labels_get_them(name):
    activation, loss = ONE_HOT[name]
    build = functools.partial(classifier, activation=activation, loss=loss)
    members = [
        member(lambda: build(L.Dense(5, "tanh")), s, record=(0,), data=data)
        for s, data in ((0, DATA), (1, weighted(2.0, 1.0, 1.0)))
    ]
    results, one_hot = train(members), np.eye(CLASSES, dtype=np.float32)
    for one, result in zip(members, results, strict=True):
        model = load_model(one, result.snapshots[0])
        fitting.prepare(model, one_hot)
        for x, y, weights in weighted_batches(one):
            model.train_on_batch(x, one_hot[y], sample_weight=weights)
        for ours, theirs in zip(result.weights, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
        loss, accuracy = model.evaluate(DATA.test.x, one_hot[DATA.test.y], verbose=0)
        assert result.test["test_loss"] == pytest.approx(loss, rel=1e-5)
        assert result.test["test_accuracy"] == pytest.approx(accuracy)
        (fitted,) = train([one], engine="keras")
        np.testing.assert_allclose(result.history["loss"], fitted.history["loss"], rtol=1e-5)
    assert_same_bits(results[1], train(members[1:])[0])


def test_a_model_that_is_fitted_gets_one_hot_labels_too():
    def build():
        model = functional()
        model.compile(SGD(0.1), SMOOTHED)
        return model

    (result,) = train([member(build, spec=None, epochs=5, watch=(0, 5))])
    assert result.history["loss"][5] < result.history["loss"][0]
    assert sorted(result.distributions) == [0, 5]


def test_examples_are_weighted_as_in_fit():
    random = np.random.default_rng(0)
    some = DATA.with_train(weights=random.choice([0.0, 0.3, 1.0, 5.0], len(DATA.train)))
    members = [
        member(build, seed, data=data, record=(0,))
        for build in (dense, everything)
        for data, seed in ((DATA, 0), (some, 0), (some, 1), (weighted(3.0, 0.5, 1.0), 0))
    ]
    results = train(members)
    for one, result in list(zip(members, results, strict=True))[:4]:
        model = load_model(one, result.snapshots[0])
        fitting.prepare(model, DATA.train.y)
        for x, y, weights in weighted_batches(one):
            # All of one batch: fit's own sample_weight, in fit's own order.
            model.fit(x, y, batch_size=16, shuffle=False, sample_weight=weights, verbose=0)
        for ours, theirs in zip(result.weights, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    assert abs(results[0].weights[0] - results[1].weights[0]).max() > 0.01
    (fitted,) = train(members[1:2], engine="keras")
    np.testing.assert_allclose(results[1].history["loss"], fitted.history["loss"], rtol=1e-5)
    for n, one in enumerate(members):
        assert_same_bits(results[n], train([one])[0])  # also of who has none beside who has


def test_a_weight_for_each_class_is_the_class_weight_of_fit():
    one = member(dense, data=weighted(5.0, 0.5, 1.0), record=(0,))
    (result,) = train([one])
    model = load_model(one, result.snapshots[0])
    fitting.prepare(model, DATA.train.y)
    for x, y in batches(one):
        factors = {0: 5.0, 1: 0.5, 2: 1.0}
        model.fit(x, y, batch_size=16, shuffle=False, class_weight=factors, verbose=0)
    for ours, theirs in zip(result.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("prepare", "times"), [(fitting.prepare, 1), (lambda model, _: model, 2)])
def test_fit_traces_the_step_of_a_prepared_model_once_and_moves_it_as_any_other(prepare, times):
    traced = []

    class Counted(L.Layer):
        def call(self, x, training=False):
            traced.extend([x] if training else [])
            return x

    keras.utils.set_random_seed(0)
    model = classifier(keras.Input((FEATURES,)), Counted(), optimizer=SGD(0.1, momentum=0.9))
    fits = {"batch_size": 41, "epochs": 3, "shuffle": False, "verbose": 0}
    history = prepare(model, DATA.train.y).fit(DATA.train.x, DATA.train.y, **fits).history
    assert len(traced) == times
    keras.utils.set_random_seed(0)
    plain = classifier(keras.Input((FEATURES,)), Counted(), optimizer=SGD(0.1, momentum=0.9))
    assert history == plain.fit(DATA.train.x, DATA.train.y, **fits).history


def overfitting():
    return dense(30, optimizer=SGD(0.5, momentum=0.9))


def test_early_stopping_is_that_of_keras():
    plan = {"epochs": 25, "record": (0, 24)}
    members = [
        member(overfitting, seed, patience=patience, **plan)
        for seed, patience in [(0, 1), (0, 3), (1, 2), (2, None), (1, 0)]
    ]
    results = train(members)
    stops = []
    for one, result in zip(members, results, strict=True):
        history = result.history["val_loss"]
        stop = int(np.isfinite(history).sum()) - 1
        stops.append(stop)
        assert all(np.isnan(values[stop + 1 :]).all() for values in result.history.values())
        assert (24 in result.snapshots) == (stop >= 24)
        if one.patience is None:
            assert (stop, result.epoch) == (25, 25)
            continue
        callback = keras.callbacks.EarlyStopping(
            "val_loss", patience=one.patience, restore_best_weights=True
        )
        model = load_model(one, result.snapshots[0])
        fitting.prepare(model, DATA.train.y)
        fitted = model.fit(
            batches(one),
            epochs=25,
            steps_per_epoch=len(DATA.train) // 16,
            shuffle=False,
            validation_data=(DATA.validation.x, DATA.validation.y),
            callbacks=[callback],
            verbose=0,
        )
        assert stop == len(fitted.history["val_loss"]) < 25
        assert result.epoch == callback.best_epoch + 1 == np.nanargmin(history[1:]) + 1
        np.testing.assert_allclose(history[1 : stop + 1], fitted.history["val_loss"], rtol=1e-4)
        for ours, theirs in zip(result.weights, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert len(set(stops)) > 2


@pytest.mark.parametrize("engine", ["population", "keras"])
def test_evaluations_may_be_few(engine):
    """Every second epoch of five, and the last; nothing else of the training changes."""
    plan = {"epochs": 5, "record": (1,)}
    (always,) = train([member(everything, **plan)], engine=engine)
    (seldom,) = train([member(everything, evaluate_every=2, **plan)], engine=engine)
    for metric, values in seldom.history.items():
        expected = always.history[metric].copy()
        expected[[1, 3]] = np.nan
        np.testing.assert_array_equal(values, expected)
    assert seldom.test == always.test
    np.testing.assert_equal(seldom.snapshots, always.snapshots)


def test_who_has_stopped_is_not_looked_at_again():
    members = [member(dense, patience=patience, record=(4,)) for patience in (1, 2, None)]
    record = Record(members, 5)
    losses = [1.0, 0.8, 0.9, 0.85, 0.5, 0.6]
    for epoch, loss in enumerate(losses):
        record.epoch(epoch, np.full((4, 3), loss), [tf.fill([3, 2], float(epoch))])
    weights = record.restore([tf.fill([3, 2], 5.0)])
    one, two, all_ = record.results(3, weights, np.zeros((2, 3)))
    assert (one.epoch, two.epoch, all_.epoch) == (1, 1, 5)
    np.testing.assert_array_equal(one.history["val_loss"], [1.0, 0.8, 0.9] + [np.nan] * 3)
    np.testing.assert_array_equal(two.history["val_loss"], [1.0, 0.8, 0.9, 0.85] + [np.nan] * 2)
    np.testing.assert_array_equal(all_.history["val_loss"], losses)
    assert [r.weights[0][0] for r in (one, two, all_)] == [1, 1, 5]
    assert [list(r.snapshots) for r in (one, two, all_)] == [[], [], [4]]


def test_early_stopping_of_who_never_has_a_finite_loss():
    results = train(
        [member(functools.partial(everything, learning_rate=1e20), patience=2, epochs=6)],
    )
    assert results[0].epoch == 1  # as Keras: the weights after the first epoch
    assert np.isfinite(results[0].history["val_loss"]).sum() < 4


def test_both_engines_agree():
    members = [
        member(functools.partial(everything, 0.0), 0, record=(0, 2)),
        member(overfitting, 1, patience=0, epochs=6, record=(0, 6)),
    ]
    done = []
    together = train(members)
    fitted = train(members, engine="keras", progress=done.append)
    assert sum(done) == 9
    assert np.isnan(fitted[1].history["loss"][6])  # stopped early
    for one, other in zip(together, fitted, strict=True):
        for name, values in one.history.items():
            np.testing.assert_allclose(values, other.history[name], rtol=2e-5, atol=1e-6)
        assert one.test == pytest.approx(other.test, rel=2e-5)
        assert one.epoch == other.epoch
        assert one.snapshots.keys() == other.snapshots.keys()
        for weights, own in [(one.weights, other.weights), (one.snapshots[0], other.snapshots[0])]:
            for a, b in zip(weights, own, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-6)


# Dropout


def test_dropout_trains_as_a_plain_loop_with_the_same_masks():
    rate = 0.4
    (result,) = train([one := member(functools.partial(everything, rate), 5, record=(0,))])
    model = load_model(one, result.snapshots[0])
    momentum, step = [tf.zeros_like(w.value) for w in model.trainable_weights], 0
    hidden, normalize, bend, _, output = model.layers
    for x, y in batches(one):
        seed = [seed_from(5, "dropout", "noise"), step]
        keep = stack._bits(seed, (16, 12)).numpy() >= round(rate * 65536)
        with tf.GradientTape() as tape:
            activations = bend(normalize(hidden(x), training=True))
            activations = tf.where(keep, activations / (1 - rate), 0.0)
            loss = tf.reduce_mean(keras.losses.get(LOSS)(y, output(activations)))
        gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
        for i, weight in enumerate(model.trainable_weights):
            momentum[i] = 0.9 * momentum[i] - 0.1 * gradients[i]
            weight.assign_add(momentum[i])
        step += 1
    assert step == 6
    for ours, theirs in zip(result.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)


def test_masks_are_keyed_by_seed_layer_and_step():
    def build():
        return classifier(
            keras.Input((FEATURES,)), L.Dropout(0.5, name="one"), L.Dropout(0.5, name="two")
        )

    asked = {}
    members = [member(build, seed, epochs=1) for seed in (0, 1)]
    graph = graph_module.Graph(members, 2, 2, 1)
    plan = graph._plan(members, [(DATA, 0), (DATA, 1)], [DATA])
    for seed in (0, 1):
        for row, name in enumerate(("one", "two")):
            key = plan["noise_keys"][row, seed]
            for step in (0, 1):
                bits = stack._bits(tf.stack([key, step]), (50, 7)).numpy()
                assert bits.dtype == np.uint16
                assert bits.shape == (50, 7)
                asked[seed, name, step] = bits >= 2**15
    masks = list(asked.values())
    for i, mask in enumerate(masks):
        assert abs(mask.mean() - 0.5) < 0.15
        for other in masks[:i]:  # independent: half of the places agree
            assert abs((mask == other).mean() - 0.5) < 0.15


def test_members_of_a_seed_share_masks_and_batches():
    builds = [functools.partial(everything, rate) for rate in (0.0, 0.3, 0.3)]
    none, one, same = train([member(build, 4) for build in builds])
    assert_same_bits(one, same)
    assert not np.array_equal(none.weights[0], one.weights[0])
    (other,) = train([member(builds[1], 5)])
    assert abs(one.weights[0] - other.weights[0]).min() > 0


def test_a_rate_of_zero_is_no_dropout():
    def build(*dropout):
        return classifier(keras.Input((FEATURES,)), L.Dense(5, "relu"), *dropout)

    with_it, without = train([member(lambda: build(L.Dropout(0.0))), member(lambda: build())])
    assert_same_bits(with_it, without)


def test_noise_changes_the_training_and_not_the_measuring():
    def build(stddev):
        return classifier(keras.Input((FEATURES,)), L.GaussianNoise(stddev), L.Dense(5, "relu"))

    members = [member(functools.partial(build, stddev), record=(0,)) for stddev in (0.0, 0.5, 1.0)]
    results = train(members)
    assert len({result.history["loss"][0] for result in results}) == 1
    moved = [abs(r.weights[0] - results[0].weights[0]).max() for r in results]
    assert moved[0] == 0 < moved[1] < moved[2]
    one = members[1]
    model = load_model(one, results[1].snapshots[0])
    for step, (x, y) in enumerate(batches(one)):
        noise = stack._normal([seed_from(0, "gaussian_noise", "noise"), step], x.shape)
        with tf.GradientTape() as tape:
            tape.watch(trained := [w.value for w in model.trainable_weights])
            outputs = model(x + 0.5 * noise, training=False)
            loss = tf.reduce_mean(keras.losses.get(LOSS)(y, outputs))
        for weight, gradient in zip(
            model.trainable_weights, tape.gradient(loss, trained), strict=True
        ):
            weight.assign_sub(0.1 * gradient)
    for ours, theirs in zip(results[1].weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)


# Nobody sees the others


def grid(count):
    """Plans for many members of one architecture that differ in everything that may differ."""
    return [
        functools.partial(everything, rate=0.01 * i, std=0.1 + 0.05 * i, learning_rate=0.02 * i)
        for i in range(1, count + 1)
    ]


@pytest.mark.parametrize("batch_size", [16, 13])
def test_a_member_is_the_same_in_any_company(batch_size):
    plan = {"batch_size": batch_size, "record": (1,)}
    one = member(grid(1)[0], 3, **plan)
    (alone,) = train([one])
    assert np.isfinite(alone.history["loss"]).all()
    others = [member(b, s, **plan) for s, b in zip([3, 1, 2, 3, 0] * 6, grid(31)[1:], strict=True)]
    companies = [
        [*others[:2], one],
        [*others[:11], one, *others[11:]],
        [one, *[o for o in others if o.seed == 3]],
    ]
    for company in companies[:: 1 if batch_size == 16 else 2]:
        result = train(company)[company.index(one)]
        assert_same_bits(result, alone)


# Layers and optimizers of which TensorFlow rounds some numbers by their place in a tensor.
HIDDEN = [
    lambda: [L.Dense(10, "tanh"), L.LayerNormalization(), L.Dense(7, "gelu")],
    lambda: [L.Dense(9, "sigmoid"), L.BatchNormalization(), L.ELU(), L.Dense(12, "softplus")],
    lambda: [L.Dense(20, "silu"), L.BatchNormalization(), L.GaussianNoise(0.1)],
    lambda: [L.Reshape((3, 2)), L.SimpleRNN(5, return_sequences=True), L.Dense(9), L.Flatten()],
    lambda: [
        L.Reshape((3, 2, 1)),
        L.Conv2D(9, 2, activation="elu"),
        L.BatchNormalization(),
        L.Flatten(),
    ],
]
COMPANY = [
    lambda: {"optimizer": Lamb(0.01)},
    lambda: {"optimizer": RMSprop(0.01, momentum=0.5)},
    lambda: {"optimizer": Adagrad(0.1, use_ema=True, clipnorm=0.1)},
    lambda: {
        "loss": keras.losses.SparseCategoricalCrossentropy(True),
        "activation": None,
        "optimizer": Muon(0.1),
    },
    lambda: {"optimizer": AdamW(0.01, weight_decay=0.1, global_clipnorm=0.1)},
]


@pytest.mark.first_cases(2)
@pytest.mark.parametrize("case", range(len(HIDDEN)))
def test_no_kernel_lets_the_company_in(case):
    def build():
        return classifier(L.Dropout(0.1), *HIDDEN[case](), L.Dropout(0.1), **COMPANY[case]())

    plan = {"batch_size": 18, "epochs": 2}
    members = [member(build, seed, **plan) for seed in range(7)]
    assert_same_bits(train(members)[5], train(members[5:6])[0])


MIXED = {
    "clips": [{}, {"clipnorm": 0.1}, {"global_clipnorm": 0.1}, {"clipvalue": 0.01}],
    "averages": [{"use_ema": True}, {"use_ema": True, "ema_overwrite_frequency": 2}],
}


@pytest.mark.parametrize("name", MIXED)
def test_who_asks_for_less_is_the_same_beside_who_asks_for_more(name):
    builds = [lambda own=own: dense(optimizer=SGD(0.5, **own)) for own in MIXED[name]]
    members = [member(build) for build in builds]
    for one, result in zip(members, train(members), strict=True):
        assert_same_bits(result, train([one])[0])


def test_the_number_of_cores_changes_no_bit(monkeypatch):
    members = [member(b, s, epochs=2) for s, b in zip([0, 1, 0, 1, 2], grid(5), strict=True)]
    results = []
    for cores in (1, 5):
        monkeypatch.setattr(population, "cores", lambda cores=cores: cores)
        results.append(train(members))
    for one, same in zip(*results, strict=True):
        assert_same_bits(one, same)


ODD_SIZES = [(1000, 359, 7), (257, 1, 130), (9, 700, 255)]


@pytest.mark.parametrize("sizes", ODD_SIZES[:2])
def test_splits_of_odd_sizes_are_measured_as_evaluate_does(sizes):
    data = blobs(sizes)
    members = [member(everything, seed, data=data, epochs=1, batch_size=100) for seed in (0, 1)]
    for one, result in zip(members, train(members), strict=True):
        model = load_model(one, result.weights)
        model.run_eagerly = True
        final = {metric: values[1] for metric, values in result.history.items()} | result.test
        for prefix, split in (("", data.train), ("val_", data.validation), ("test_", data.test)):
            loss, accuracy = model.evaluate(split.x, split.y, batch_size=500, verbose=0)
            assert final[f"{prefix}loss"] == pytest.approx(loss, rel=1e-5)
            assert final[f"{prefix}accuracy"] == pytest.approx(accuracy, abs=1e-6)


@pytest.mark.parametrize("sizes", [*ODD_SIZES, (1, 1, 1), (256, 256, 256), (1437, 360, 4096)])
def test_blocks_pad_as_little_as_they_can_and_hold_every_example_once(sizes):
    rows, real, owners = graph_module._blocks(sizes)
    size = rows.shape[1]
    assert rows.shape == real.shape == (len(owners), size)
    assert size in range(128, 257, numerics.PACKET)
    # After each epoch, train and validation are measured, each in whole blocks.
    padded = [
        sum(-(-count // block) * block for count in sizes[:2])
        for block in range(128, 257, numerics.PACKET)
    ]
    assert (owners < 2).sum() * size == min(padded)
    assert owners.tolist() == sorted(owners)
    for part, count in enumerate(sizes):
        first = sum(sizes[:part])
        own = owners == part
        assert own.sum() == -(-count // size)
        assert rows[own][real[own] == 1].tolist() == list(range(first, first + count))
        assert set(rows[own].ravel()) <= set(range(first, first + count))


def test_the_block_of_a_common_size_by_hand():
    def block(*sizes):
        return graph_module._blocks((*sizes, 7))[0].shape[1]

    assert block(1000, 359) == 200  # 5 x 200 + 2 x 200; with 256 it is 4 x 256 + 2 x 256
    assert block(512, 256) == 256  # the largest, if smaller ones save nothing
    assert block(130, 130) == 136
    assert block(20, 10) == 128  # not smaller


def test_the_pool_holds_every_data_set_where_the_blocks_look_for_it():
    datasets = blobs((30, 9, 5), seed=1), blobs((30, 9, 5), seed=2)
    (inputs, labels), _, probe, (rows, real, owners), until_test, sizes = graph_module._tensors(
        datasets
    )
    assert sizes.ravel().tolist() == [30, 9, 5]
    assert (owners.numpy()[:until_test] < 2).all()
    assert (owners.numpy()[until_test:] == 2).all()
    for number, data in enumerate(datasets):
        np.testing.assert_array_equal(probe[0][number], data.train.x[: graph_module.PROBE])
        for part, split in enumerate(data.parts):
            own = (owners.numpy() == part)[:, None] & (real.numpy() == 1)
            found = rows.numpy()[:, number][own]
            np.testing.assert_array_equal(inputs.numpy()[found], split.x)
            np.testing.assert_array_equal(labels.numpy()[found], split.y)


def test_chunks_are_filled_and_cover_everybody():
    streams = [(DATA, seed) for seed in [0, 1, 2] * 30]
    chunks, size = population._chunks(streams, 2, threads=2)
    assert sorted(index for chunk in chunks for index in chunk) == list(range(90))
    assert size % 2 == 0
    assert max(map(len, chunks)) <= size <= population.CHUNK
    assert all(len({streams[index] for index in chunk}) == 1 for chunk in chunks)
    chunks, size = population._chunks([(DATA, seed) for seed in range(27)], 8, threads=2)
    assert sorted(index for chunk in chunks for index in chunk) == list(range(27))
    assert size == 16
    assert [numerics.members_multiple(batch) for batch in (1, 12, 100, 128)] == [8, 2, 2, 1]


def test_few_large_data_sets_share_a_chunk(monkeypatch):
    streams = [(blobs(seed=seed), seed) for seed in range(12)]
    monkeypatch.setattr(population, "MOST_BYTES", 3 * sum(p.x.nbytes for p in DATA.parts))
    chunks, _ = population._chunks(streams, 1, threads=1)
    assert max(map(len, chunks)) == 3


@pytest.fixture
def made(monkeypatch):
    """The graphs that are made from here on, none having been made before."""
    made = []

    class Counted(graph_module.Graph):
        def __init__(self, *arguments):
            made.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(population, "Graph", Counted)
    population._recent.clear()
    return made


def test_members_on_data_of_their_own_share_a_graph_and_change_no_bit(made):
    """Two variants, each seed with its own data, as if each had been trained alone."""
    own = {seed: blobs(seed=10 + seed) for seed in range(3)}
    members = [
        member(functools.partial(everything, rate), seed, data=own[seed], watch=(0, 3))
        for rate in (0.1, 0.2)
        for seed in own
    ]
    together = train(members)
    assert len(made) == 1
    for one, result in zip(members, together, strict=True):
        population._recent.clear()
        (alone,) = train([one])
        assert_same_bits(alone, result)
        assert alone.distributions == result.distributions
    assert len({result.test["test_loss"] for result in together}) == 6


def test_fewer_examples_than_a_batch_have_a_graph_of_their_own(made):
    """A graph of whole batches would take no step on them."""
    few = dataclasses.replace(DATA, train=Split(DATA.train.x[:8], DATA.train.y[:8]))
    _, small = train([member(dense, data=DATA), member(dense, data=few)])
    assert len(made) == 2
    assert small.history["loss"][-1] != small.history["loss"][0]
    population._recent.clear()
    (alone,) = train([member(dense, data=few)])
    assert_same_bits(alone, small)


def test_a_chunk_that_is_not_full_trains_its_members(monkeypatch):
    monkeypatch.setattr(population, "CHUNK", 4)
    members = [member(b, 0, epochs=1) for b in grid(9)]  # chunks of three, on four places
    results = train(members)
    assert len(results) == 9
    assert_same_bits(results[8], train(members[8:])[0])


def test_a_gpu_takes_all_members_at_once_and_fewer_if_they_do_not_fit(monkeypatch):
    members = [member(build, 0, epochs=1) for build in grid(9)]
    expected = train(members)
    sizes = []
    train_chunk = graph_module.Graph.train

    def with_little_memory(self, members, progress):
        sizes.append(len(members))
        if self.size > 4:
            raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
        return train_chunk(self, members, progress)

    monkeypatch.setattr(population, "has_gpu", lambda: True)
    monkeypatch.setattr(population, "CHUNK", 2)  # of a core
    monkeypatch.setattr(graph_module.Graph, "train", with_little_memory)
    population._recent.clear()
    for one, other in zip(train(members), expected, strict=True):
        assert_same_bits(one, other)
    assert sizes[0] == 9
    assert max(sizes[-3:]) <= 4
    assert sum(sizes[-3:]) == 9


def test_a_diverging_member_touches_nobody():
    builds = grid(4)
    planted = member(functools.partial(everything, learning_rate=1e6), 1, label="planted")
    worse = member(functools.partial(everything, learning_rate=1e30), 0, label="worse")
    calm = [member(build, seed) for seed, build in enumerate(builds)]
    without = train(calm)
    results = train([planted, *calm, worse])
    for one, other in zip(without, results[1:-1], strict=True):
        assert_same_bits(one, other)
    assert np.isnan(results[-1].history["loss"][-1])
    assert np.isnan(results[-1].weights[0]).any()
    assert not np.isfinite(results[0].history["loss"][-1]) or results[0].history["loss"][-1] > 1e3


STATES = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adam": Adam,
    "amsgrad": lambda: Adam(amsgrad=True),
    "nadam": Nadam,
    "adafactor": Adafactor,
    "averaged": lambda: SGD(0.1, use_ema=True, ema_overwrite_frequency=2),
    "averaged accumulation": lambda: Adam(use_ema=True, gradient_accumulation_steps=3),
}


@pytest.mark.first_cases(2)
@pytest.mark.parametrize("name", STATES)
def test_a_pause_changes_no_bit(name):
    def build():
        hidden = (keras.Input((FEATURES,)), L.Dense(5), L.BatchNormalization(), L.Dropout(0.2))
        return classifier(*hidden, optimizer=STATES[name]())

    members = [member(build, seed, epochs=3) for seed in (0, 1)]
    whole = train(members)
    paused = train([dataclasses.replace(m, stop=2) for m in members])
    assert [result.pause.epoch for result in paused] == [2, 2]
    resumed = train(
        [dataclasses.replace(m, start=p.pause) for m, p in zip(members, paused, strict=True)][1:]
    )
    assert resumed[0].pause is None
    for mine, other in zip(resumed[0].weights, whole[1].weights, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert resumed[0].test == whole[1].test
    for metric, values in whole[1].history.items():
        np.testing.assert_array_equal(paused[1].history[metric][:3], values[:3])
        np.testing.assert_array_equal(resumed[0].history[metric][3:], values[3:])
        assert np.isnan(resumed[0].history[metric][:3]).all()


def test_one_graph_serves_batch_after_batch(made):
    members = [member(functools.partial(everything, rate), 0) for rate in (0.1, 0.2, 0.3, 0.4)]
    alone = [train([one])[0] for one in members]
    assert len(made) == 1
    population._recent.clear()
    for one, other in zip(alone, train(members), strict=True):
        assert_same_bits(one, other)
    train([member(functools.partial(everything, 0.1), 0, data=blobs(seed=1))])
    assert len(made) == 2  # one for each size of chunk, and none for other data of this shape
    train([member(functools.partial(everything, 0.1), 0, data=blobs((50, 20, 20)))])
    assert len(made) == 2  # nor for other numbers of examples, which are traced anew


def test_the_same_run_gives_the_same_bits():
    members = [member(b, s, record=(0, 3)) for s, b in enumerate(grid(5))]
    first = train(members)
    build_model(members[0])  # names that Keras gives move on
    for one, other in zip(first, train(members), strict=True):
        assert_same_bits(one, other)


def test_results_come_in_the_order_of_the_members():
    fitted = member(dense, spec=None, epochs=1)
    mixed = [
        member(dense, 1, epochs=1),
        fitted,
        member(everything, 2, epochs=2),
        member(dense, 3, epochs=2),
        member(dense, 1, epochs=1, data=blobs(seed=1)),
    ]
    results = train(mixed)
    assert [len(r.history["loss"]) for r in results] == [2, 2, 3, 3, 2]
    assert_same_bits(results[3], train([mixed[3]])[0])
    assert_same_bits(results[4], train([mixed[4]])[0])


# What is random is keyed


def test_batch_orders_are_keyed_by_seed_and_epoch():
    orders = {
        (seed, epoch): batch_order(seed, epoch, 41, 10) for seed in (0, 1) for epoch in (0, 1)
    }
    for order in orders.values():
        assert order.shape == (4, 10)
        assert order.dtype == np.int32
        assert len(set(order.ravel())) == 40  # nobody twice
        assert set(order.ravel()) <= set(range(41))
    flat = [order.tobytes() for order in orders.values()]
    assert len(set(flat)) == 4
    np.testing.assert_array_equal(batch_order(1, 1, 41, 10), orders[1, 1])
    assert len(set(np.concatenate([batch_order(0, e, 41, 10).ravel() for e in range(9)]))) == 41


def test_a_batch_larger_than_the_data_is_all_of_it():
    large, exact = train([member(dense, batch_size=size) for size in (1000, 41)])
    assert_same_bits(large, exact)


def test_schedules_become_rates():
    np.testing.assert_array_equal(schedules.rates(0.25, 3), np.float32([0.25] * 3))
    schedule = Decay(1.0, 1, 0.5)
    np.testing.assert_array_equal(schedules.rates(schedule, 3), np.float32([1, 0.5, 0.25]))


SCHEDULES = keras.optimizers.schedules
AT_ONCE = {
    "exponential": Decay(0.1, 7, 0.5),
    "staircase": Decay(0.1, 7, 0.5, staircase=True),
    "inverse": SCHEDULES.InverseTimeDecay(0.1, 7, 0.5),
    "piecewise": SCHEDULES.PiecewiseConstantDecay([5, 20], [0.1, 0.01, 0.001]),
    "polynomial": SCHEDULES.PolynomialDecay(0.1, 20, power=2.0),
    "polynomial cycles": SCHEDULES.PolynomialDecay(0.1, 9, cycle=True),
    "cosine": SCHEDULES.CosineDecay(0.1, 30),
    "cosine restarts": SCHEDULES.CosineDecayRestarts(0.1, 9),
}
STEP_BY_STEP = {
    "warm-up": SCHEDULES.CosineDecay(0.01, 20, warmup_target=0.1, warmup_steps=9),
    "a number": lambda step: 0.1,
}


@pytest.mark.parametrize("name", [*AT_ONCE, *STEP_BY_STEP])
def test_the_rates_of_all_steps_at_once_are_those_of_each_step(name):
    schedule, calls = (AT_ONCE | STEP_BY_STEP)[name], []

    def counted(step):
        calls.append(step)
        return schedule(step)

    expected = [float(schedule(step)) for step in range(40)]
    np.testing.assert_allclose(schedules.rates(counted, 40), expected, rtol=1e-6, atol=1e-9)
    assert len(calls) == (1 if name in AT_ONCE else 41)


# Recording and storing


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("name", ["conv_2d", "depthwise_and_separable", "rnn"])
def test_networks_of_all_ranks_can_be_watched(name):
    plan = {"data": blobs(sizes=(33, 9, 9), shape=(6, 5, 2)), "epochs": 1}
    watched, blind = member(IMAGES[name], watch=(0, 1), **plan), member(IMAGES[name], **plan)
    results = train([watched, blind])
    assert [list(result.distributions) for result in results] == [[0, 1], []]
    assert_same_bits(*results)


def test_what_is_watched_is_the_update_before_weights_are_averaged():
    builds = [
        lambda: dense(optimizer=SGD(0.1)),
        lambda: dense(optimizer=SGD(0.1, use_ema=True, ema_overwrite_frequency=1)),
        lambda: dense(optimizer=SGD(0.1, use_ema=True, gradient_accumulation_steps=2)),
    ]
    results = train([member(build, watch=(0,)) for build in builds])
    plain, *averaged = [result.distributions[0] for result in results]
    assert averaged == [plain, plain]


class Store:
    """Keeps chunks in memory; counts what is asked for."""

    def __init__(self):
        self.kept, self.saved = {}, 0

    def __len__(self):  # an empty store is one, too
        return len(self.kept)

    def load(self, key):
        return self.kept.get(key)

    def save(self, key, arrays):
        self.saved += 1
        self.kept[key] = {name: np.array(values) for name, values in arrays.items()}


def test_a_finished_chunk_is_loaded_bit_by_bit(monkeypatch):
    diverging = functools.partial(everything, learning_rate=1e30)
    members = [
        member(everything, 0, record=(0, 2, 99)),
        member(everything, 1, patience=1, epochs=12, record=(0, 11)),
        member(diverging, 1),
        member(dense, 0, spec=None, record=(1,)),
    ]
    store, done = Store(), []
    trained = train(members, store=store, progress=done.append)
    assert sum(done) == 3 + 12 + 3 + 3
    saved = store.saved
    assert saved > 1
    assert sorted(trained[0].snapshots) == [0, 2]

    def forbidden(*_):
        raise AssertionError("trained once more")

    monkeypatch.setattr(population._Population, "train", forbidden)
    monkeypatch.setattr(population, "fit", forbidden)
    monkeypatch.setattr(keras.Sequential, "fit", forbidden)
    done.clear()
    loaded = train(members, store=store, progress=done.append)
    assert sum(done) == 3 + 12 + 3 + 3
    assert store.saved == saved
    for one, other in zip(trained, loaded, strict=True):
        assert_same_bits(one, other)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 2},
        {"batch_size": 8},
        {"patience": 2},
        {"evaluate_every": 2},
        {"data": weighted(2.0, 1.0, 1.0)},
        {"record": (1,)},
        {"data": blobs(seed=1)},
        {"seed": 1},
        {"label": "other"},
        {"build": functools.partial(everything, rate=0.3)},
        {"build": functools.partial(everything, std=0.3)},
        {"build": functools.partial(everything, learning_rate=0.3)},
        {"build": functools.partial(everything, optimizer=SGD(Decay(0.1, 5, 0.5)))},
        {"spec": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_plan_is_not_taken_from_the_store(change):
    def key(engine="population", **arguments):
        arguments = {"build": everything, "seed": 0, "epochs": 3} | arguments
        one = member(**arguments)
        return checkpoints.key([one], engine == "keras" or one.spec is None)

    assert key() == key()
    assert key(**change) != key()
    assert key("keras") != key()


def test_an_infinite_loss_on_validation_is_none_on_training():
    far = Split(np.full_like(DATA.validation.x, np.inf), DATA.validation.y)
    unlucky = dataclasses.replace(DATA, validation=far)
    build = functools.partial(dense, activation="relu")
    (found,) = train([member(build, data=unlucky)])
    (expected,) = train([member(build)])
    assert not np.isfinite(found.history["val_loss"]).any()
    np.testing.assert_array_equal(found.history["loss"], expected.history["loss"])
    assert found.test == expected.test


@pytest.mark.parametrize("engine", ["population", "keras"])
def test_a_model_for_another_number_of_classes_is_a_mistake(engine):
    with pytest.raises(UserError, match="'variant' has 4 outputs for 3 classes; build_model gets"):
        train([member(lambda: classifier(keras.Input((FEATURES,)), units=4))], engine=engine)


def test_schedules_with_equal_arguments_are_told_apart():
    def key(schedule):
        build = functools.partial(dense, optimizer=SGD(schedule(0.1, 10, 0.5, name="decay")))
        return checkpoints.key([member(build)], False)

    assert key(Decay) != key(keras.optimizers.schedules.InverseTimeDecay)


def test_no_epochs_measure_what_was_drawn():
    results = train([member(dense, epochs=0, patience=patience) for patience in (None, 2)])
    for result in results:
        assert result.history["loss"].shape == (1,)
        assert np.isfinite(result.history["loss"][0])
        assert result.epoch == 0


# The fallback


def own_loss(labels, outputs):
    return keras.ops.mean(
        keras.ops.sparse_categorical_crossentropy(labels, outputs)
    )  # one number for the batch


class OwnModel(keras.Model):
    """A model of one's own class, which has no output_shape."""

    def __init__(self):
        super().__init__()
        self.out = L.Dense(CLASSES, activation="softmax")

    def build(self, shape):
        self.out.build(shape)

    def call(self, x):
        return self.out(x)


def subclassed():
    model = OwnModel()
    model.compile(SGD(0.1), LOSS)
    return model


def test_a_model_of_ones_own_class_is_trained_by_fit():
    (result,) = train([member(subclassed, spec=None, epochs=5)])
    assert result.history["loss"][5] < result.history["loss"][0]


def functional():
    inputs = keras.Input((FEATURES,))
    outputs = L.Dense(CLASSES, activation="softmax")(L.Dense(5, activation="tanh")(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(SGD(0.1), LOSS)
    return model


FALLBACKS = {
    "own_loss": lambda: dense(loss=own_loss),
    "scaled_loss": lambda: dense(optimizer=SGD(0.1, loss_scale_factor=8.0)),
    "schedule_free": lambda: dense(optimizer=keras.optimizers.ScheduleFreeAdamW(0.01)),
}


@pytest.mark.parametrize("name", FALLBACKS)
def test_what_cannot_be_stacked_is_fitted(name):
    build = FALLBACKS[name]
    with pytest.raises(architecture.NotStackableError):
        read(build)
    one = member(build, spec=None, record=(0, 1), epochs=8)
    (result,) = train([one])
    assert result.history["loss"].shape == (9,)
    assert result.history["loss"][8] < result.history["loss"][0]
    assert result.epoch == 8
    assert sorted(result.snapshots) == [0, 1]
    model = load_model(one, result.weights)
    outputs = model.predict(DATA.test.x, verbose=0)
    assert result.test["test_accuracy"] == pytest.approx(
        (outputs.argmax(axis=1) == DATA.test.y).mean()
    )
    losses = -np.log(outputs[np.arange(len(outputs)), DATA.test.y])
    assert result.test["test_loss"] == pytest.approx(losses.mean(), rel=1e-4)


def test_the_fallback_is_seeded():
    members = [member(functional, seed, spec=None, epochs=1) for seed in (0, 0, 1)]
    one, same, other = train(members)
    assert_same_bits(one, same)
    assert abs(one.weights[0] - other.weights[0]).min() > 0


def test_fitting_measures_large_data_in_blocks(monkeypatch):
    one = member(functional, spec=None, epochs=1)
    (whole,) = train([one])
    monkeypatch.setattr(fitting, "BLOCK", 7)
    (blocks,) = train([one])
    for name, values in whole.history.items():
        np.testing.assert_allclose(values, blocks.history[name], rtol=1e-6)
