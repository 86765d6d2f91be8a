"""Models side by side against plain Keras: outputs, gradients, loss, masks and changed weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes._lab.data import Dataset, Split
from recipes._lab.results import Results
from recipes._lab.training import models
from recipes._lab.training.architecture import NotStackableError, read
from recipes._lab.training.loading import build_model
from recipes._lab.training.members import Member, Result

# Keras copies TensorFlow's variables in a way that NumPy 2 will stop to support.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

L = keras.layers
FEATURES, CLASSES = 6, 3
LOSS = "sparse_categorical_crossentropy"
SEEDS = (4, 0, 2)  # the order of the models is that of the results


def compiled(*layers, loss=LOSS):
    model = keras.Sequential(layers)
    model.compile("sgd", loss, metrics=["accuracy"])
    return model


def network(rate=0.0, penalty=0.0):
    """Dense, BatchNormalization, Dropout: what recipes are made of."""
    return compiled(
        keras.Input((FEATURES,)),
        L.Dense(8, name="h1", kernel_regularizer=keras.regularizers.L2(penalty)),
        L.BatchNormalization(name="h1_bn"),
        L.Activation("relu", name="h1_act"),
        L.Dropout(rate, name="h1_dropout"),
        L.Dense(8, "tanh", name="h2"),
        L.Dropout(rate, name="h2_dropout"),
        L.Dense(CLASSES, "softmax", name="softmax"),
    )


def images():
    return compiled(
        keras.Input((6, 5, 2)),
        L.Rescaling(2.0, name="doubled"),
        L.Conv2D(3, 3, name="conv"),
        L.BatchNormalization(name="conv_bn"),
        L.Activation("tanh", name="conv_act"),
        L.MaxPooling2D(name="pool"),
        L.Flatten(name="flat"),
        L.Dense(CLASSES, "softmax", name="softmax"),
    )


def examples(count=40, shape=(FEATURES,), classes=CLASSES, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, count).astype(np.int32)
    return Split(rng.normal(size=(count, *shape)).astype(np.float32), y)


DATA = examples()
IMAGES = examples(shape=(6, 5, 2))


def made_up(build, split=DATA, seeds=SEEDS, epochs=(None,)):
    """Results of the variant "v" with random weights; of each epoch's own, where given."""
    data = Dataset("made up", ("a", "b", "c"), split, split, split)
    members, outcomes = {}, {}
    for seed in seeds:
        member = Member("v", build, read(build), seed, data, 2)
        shapes = [weight.shape for weight in build_model(member).weights]
        by_epoch = {}
        for number, epoch in enumerate(epochs):
            rng = np.random.default_rng([seed, number])
            # All but kernels above zero, as a variance must be.
            by_epoch[epoch] = [
                (rng.normal(0, 0.5, s) if len(s) > 1 else rng.uniform(0.5, 1.5, s)).astype(
                    "float32"
                )
                for s in shapes
            ]
        final = by_epoch.pop(None)
        members[("v",), seed] = member
        outcomes[("v",), seed] = Result({}, {}, 2, final, snapshots=by_epoch)
    return Results(members, outcomes, {("v",): ("v",)})


def plain_outputs(model, x, **options):
    """What each layer of a Keras model gives, `{name: (examples, ...)}`."""
    outputs = keras.Model(model.inputs[0], [layer.output for layer in model.layers])(x, **options)
    return {layer.name: value.numpy() for layer, value in zip(model.layers, outputs, strict=True)}


def evaluated(model, split):
    """What `evaluate` says of loss, without its penalty, and accuracy."""
    model.run_eagerly = True  # a batch or two: not worth a graph
    loss, accuracy = model.evaluate(split.x, split.y, batch_size=len(split), verbose=0)
    return loss - float(tf.add_n([0.0, *model.losses])), accuracy


def plain_gradients(model, split, forward):
    """Gradients of the mean loss and the penalties, `{name: (...)}`, by an ordinary tape."""
    with tf.GradientTape() as tape:
        losses = keras.losses.get(model.loss)(split.y, forward(split.x))
        objective = tf.reduce_mean(losses) + tf.add_n([0.0, *model.losses])
    gradients = tape.gradient(objective, [v.value for v in model.trainable_variables])
    names = [
        f"{layer.name}/{weight.name}"
        for layer in model.layers
        for weight in layer.trainable_weights
    ]
    return {name: gradient.numpy() for name, gradient in zip(names, gradients, strict=True)}


def assert_equal_by_name(ours, theirs, position, tolerance=2e-6):
    """What we have at a position is what Keras has, name by name, in the same order."""
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(
            ours[name][position], values, rtol=tolerance, atol=tolerance, err_msg=name
        )


# Outputs


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("build", "split"), [(network, DATA), (images, IMAGES)])
def test_outputs_of_every_layer_are_those_of_keras(build, split, training):
    results = made_up(build, split)
    outputs = results.models("v").outputs(split.x, training=training)
    for position, seed in enumerate(SEEDS):
        model = results.model("v", seed)
        expected = plain_outputs(model, split.x, training=training)
        assert_equal_by_name(outputs, expected, position)
    for values in outputs.values():
        assert values.shape[:2] == (3, 40)


def test_in_training_the_statistics_are_those_of_the_batch():
    models = made_up(network).models("v")
    models.weights["h1_bn/gamma"][:], models.weights["h1_bn/beta"][:] = 1, 0
    normalized = models.outputs(DATA.x, training=True)["h1_bn"]
    np.testing.assert_allclose(normalized.mean(axis=1), 0, atol=1e-5)
    variance = models.outputs(DATA.x)["h1"].var(axis=1)
    np.testing.assert_allclose(normalized.var(axis=1), variance / (variance + 1e-3), rtol=1e-5)
    moving = models.outputs(DATA.x)["h1_bn"]
    assert abs(moving.mean(axis=1)).min() > 0.01


def test_looking_in_training_moves_no_statistics():
    models = made_up(network).models("v")
    before = {name: weight.copy() for name, weight in models.weights.items()}
    models.outputs(DATA.x, training=True)
    models.gradients(DATA)
    for name, weight in models.weights.items():
        np.testing.assert_array_equal(weight, before[name])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("build", "split"), [(network, DATA), (images, IMAGES)])
def test_each_model_may_have_inputs_of_its_own(build, split, training):
    results = made_up(build, split)
    x = np.stack([split.x * factor for factor in (1, -2, 0.5)])  # (models, examples, ...)
    outputs = results.models("v").outputs(x, training=training)
    for position, seed in enumerate(SEEDS):
        expected = plain_outputs(results.model("v", seed), x[position], training=training)
        assert_equal_by_name(outputs, expected, position)


def test_predictions_are_the_outputs_of_the_last_layer():
    results = made_up(network)
    models = results.models("v")
    for position, seed in enumerate(SEEDS):
        expected = results.model("v", seed)(DATA.x)
        np.testing.assert_allclose(models.predict(DATA.x)[position], expected, atol=2e-6)
    in_training = models.outputs(DATA.x, training=True)["softmax"]
    np.testing.assert_array_equal(models.predict(DATA.x, training=True), in_training)


# Gradients


@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_those_of_a_tape_with_their_penalty(training):
    results = made_up(lambda: network(penalty=0.1))
    gradients = results.models("v").gradients(DATA, training=training)
    without = made_up(network).models("v").gradients(DATA, training=training)
    weights = results.models("v").weights
    for position, seed in enumerate(SEEDS):
        model = results.model("v", seed)
        expected = plain_gradients(model, DATA, lambda x, m=model: m(x, training=training))
        assert_equal_by_name(gradients, expected, position, tolerance=5e-6)
        assert all(abs(gradient).max() > 1e-3 for n, gradient in expected.items() if n != "h1/bias")
    # The derivative of .1 w^2 is .2 w.
    penalty = gradients["h1/kernel"] - without["h1/kernel"]
    np.testing.assert_allclose(penalty, 0.2 * weights["h1/kernel"], atol=2e-6)
    np.testing.assert_array_equal(gradients["h2/kernel"], without["h2/kernel"])


def test_gradients_in_training_are_the_default():
    models = made_up(network).models("v")
    default = models.gradients(DATA)["h1/kernel"]
    np.testing.assert_array_equal(default, models.gradients(DATA, training=True)["h1/kernel"])
    assert abs(default - models.gradients(DATA, training=False)["h1/kernel"]).max() > 1e-3


def test_gradients_of_images_are_those_of_a_tape():
    results = made_up(images, IMAGES)
    gradients = results.models("v").gradients(IMAGES)
    assert gradients["conv/kernel"].shape == (3, 3, 3, 2, 3)
    for position, seed in enumerate(SEEDS):
        model = results.model("v", seed)
        expected = plain_gradients(model, IMAGES, lambda x, m=model: m(x, training=True))
        assert_equal_by_name(gradients, expected, position, tolerance=5e-6)


def test_frozen_weights_have_no_gradient():
    def build():
        frozen = L.Dense(4, "tanh", name="frozen", trainable=False)
        return compiled(keras.Input((FEATURES,)), frozen, L.Dense(CLASSES, "softmax", name="out"))

    models = made_up(build).models("v")
    assert list(models.gradients(DATA)) == ["out/kernel", "out/bias"]
    assert list(models.weights) == ["frozen/kernel", "frozen/bias", "out/kernel", "out/bias"]


# Loss and accuracy

BINARY = keras.losses.BinaryCrossentropy
KINDS = {
    "classes": (CLASSES, "softmax", LOSS),
    "probability": (1, "sigmoid", "binary_crossentropy"),
    "logit": (1, None, BINARY(from_logits=True)),
    "hinge": (1, "tanh", "hinge"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_accuracy_are_those_of_evaluate_without_the_penalty(kind):
    units, activation, loss = KINDS[kind]

    def build():
        hidden = L.Dense(8, kernel_regularizer=keras.regularizers.L2(0.1))
        normalized = (keras.Input((FEATURES,)), hidden, L.BatchNormalization(), L.Dropout(0.5))
        return compiled(*normalized, L.Dense(units, activation), loss=loss)

    split = examples(101, classes=max(2, units))
    results = made_up(build, split)
    models = results.models("v")
    losses, accuracies = models.loss(split), models.accuracy(split)
    assert losses.shape == accuracies.shape == (3,)
    for position, seed in enumerate(SEEDS):
        model = results.model("v", seed)
        expected, accuracy = evaluated(model, split)
        assert float(tf.add_n(model.losses)) > 0.1
        assert losses[position] == pytest.approx(expected, rel=1e-5)
        if kind == "logit":  # there Keras's own metric still cuts at 0.5
            accuracy = ((model(split.x).numpy()[:, 0] > 0) == split.y).mean()
        assert accuracies[position] == pytest.approx(accuracy, abs=1e-6)
    assert len(set(losses)) == 3


def test_loss_and_accuracy_in_training_are_those_of_its_outputs():
    models = made_up(lambda: network(rate=0.4)).models("v")
    options = {"training": True, "draw": 3}
    outputs = models.predict(DATA.x, **options)
    of_label = np.take_along_axis(outputs, DATA.y[None, :, None], axis=2)[..., 0]
    np.testing.assert_allclose(models.loss(DATA, **options), -np.log(of_label).mean(axis=1), 1e-5)
    hits = (outputs.argmax(axis=2) == DATA.y).mean(axis=1)
    np.testing.assert_allclose(models.accuracy(DATA, **options), hits)
    assert abs(models.loss(DATA, **options) - models.loss(DATA)).min() > 1e-4


# Masks

MANY = examples(2000)


def mask_of(models, name="h2", x=MANY.x, **options):
    """Where a dropout layer lets through, (models, examples, units)."""
    outputs = models.outputs(x, training=True, **options)
    return outputs[f"{name}_dropout"] != 0


@pytest.fixture(scope="module")
def dropping():
    return made_up(lambda: network(rate=0.25))


def test_dropout_keeps_its_share_and_scales_it(dropping):
    outputs = dropping.models("v").outputs(MANY.x, training=True)
    before, after = outputs["h2"], outputs["h2_dropout"]
    kept = after != 0
    np.testing.assert_allclose(after[kept], before[kept] / 0.75, rtol=1e-6)
    assert (before[~kept] != 0).all()
    # 16000 draws a model: the standard error is .0034.
    np.testing.assert_allclose(kept.mean(axis=(1, 2)), 0.75, atol=0.02)
    np.testing.assert_allclose(kept.mean(axis=1), 0.75, atol=0.045)  # of each unit


def test_in_inference_nothing_is_dropped(dropping):
    outputs = dropping.models("v").outputs(MANY.x, draw=1)
    for name in ("h1_act", "h2"):
        dropped = outputs[f"{name.removesuffix('_act')}_dropout"]
        np.testing.assert_array_equal(dropped, outputs[name])


def test_each_draw_and_seed_and_layer_has_masks_of_its_own(dropping):
    models = dropping.models("v")
    masks = [mask for draw in (0, 1) for mask in mask_of(models, draw=draw)]
    outputs = models.outputs(MANY.x, training=True)
    positive = outputs["h1_act"] > 0  # what ReLU lets through, dropout may drop
    other_layer = outputs["h1_dropout"] != 0
    for position, mask in enumerate(masks):
        for other in masks[:position]:  # independent: .75^2 + .25^2 of the places agree
            assert (mask == other).mean() == pytest.approx(0.625, abs=0.03)
    for mask, other, where in zip(masks, other_layer, positive, strict=False):
        assert (mask == other)[where].mean() == pytest.approx(0.625, abs=0.04)


def test_a_draw_has_the_same_masks_whenever_it_is_asked_for(dropping):
    models, again = dropping.models("v"), dropping.models("v")
    mask = mask_of(models, draw=5)
    np.testing.assert_array_equal(mask, mask_of(models, draw=5))
    for weight in again.weights.values():
        weight *= 0.9
    np.testing.assert_array_equal(mask, mask_of(again, draw=5))
    assert not np.array_equal(mask_of(models), mask_of(models, draw=5))  # 0 unless it is given
    np.testing.assert_array_equal(mask_of(models), mask_of(models, draw=0))


def test_masks_go_by_seed_and_not_by_position(dropping):
    alone = made_up(lambda: network(rate=0.25), seeds=(2, 9)).models("v")
    mask, others = mask_of(alone, draw=1), mask_of(dropping.models("v"), draw=1)
    np.testing.assert_array_equal(mask[0], others[SEEDS.index(2)])


def test_gradients_are_taken_through_the_masks_of_the_same_draw():
    results = made_up(lambda: network(rate=0.4, penalty=0.1))
    models = results.models("v")
    outputs = models.outputs(DATA.x, training=True, draw=7)
    gradients = models.gradients(DATA, draw=7)
    for position, seed in enumerate(SEEDS):
        model = results.model("v", seed)
        # Where the input was 0, ReLU's, it doesn't matter what the mask was.
        factors = {
            name: np.where(outputs[name][position] != 0, 1 / 0.6, 0).astype(np.float32)
            for name in ("h1_dropout", "h2_dropout")
        }

        def forward(x, model=model, factors=factors):
            for layer in model.layers:
                x = x * factors[layer.name] if layer.name in factors else layer(x, training=True)
            return x

        assert_equal_by_name(gradients, plain_gradients(model, DATA, forward), position, 5e-6)


def test_gaussian_noise_has_its_deviation_and_differs_by_draw():
    def build():
        noise = L.GaussianNoise(0.5, name="noise")
        return compiled(keras.Input((FEATURES,)), noise, L.Dense(CLASSES, "softmax"))

    models = made_up(build).models("v")
    outputs = [models.outputs(MANY.x, training=True, draw=draw)["noise"] for draw in (0, 1, 1)]
    noises = [values - MANY.x for values in outputs]
    for noise in noises:
        assert noise.shape == (3, 2000, FEATURES)
        np.testing.assert_allclose(noise.std(axis=(1, 2)), 0.5, rtol=0.03)
        np.testing.assert_allclose(noise.mean(axis=(1, 2)), 0, atol=0.02)
    np.testing.assert_array_equal(noises[1], noises[2])
    for one, other in ((noises[0], noises[1]), (noises[0][:1], noises[0][1:])):
        assert abs((one * other).mean()) < 0.01  # of a variance of .25
    np.testing.assert_array_equal(models.outputs(MANY.x)["noise"], np.stack([MANY.x] * 3))


# Weights


def test_weights_are_stacked_by_name_in_the_order_of_the_seeds():
    results = made_up(network)
    models = results.models("v")
    for position, seed in enumerate(SEEDS):
        model = results.model("v", seed)
        names = [f"{layer.name}/{w.name}" for layer in model.layers for w in layer.weights]
        assert list(models.weights) == names
        for weight, stacked in zip(model.weights, models.weights.values(), strict=True):
            np.testing.assert_array_equal(stacked[position], weight.numpy())


def test_a_changed_weight_changes_what_follows_and_no_result():
    results = made_up(network)
    models = results.models("v")
    before = models.outputs(DATA.x)
    models.weights["h2/kernel"] = models.weights["h2/kernel"] / 2
    models.weights["h2/bias"][1] = 0.5  # in place
    after = models.outputs(DATA.x)
    for name in ("h1", "h1_bn", "h1_act", "h1_dropout"):
        np.testing.assert_array_equal(after[name], before[name])
    for position, seed in enumerate(SEEDS):
        model = results.model("v", seed)
        layer = model.get_layer("h2")
        np.testing.assert_array_equal(  # as it was
            layer.kernel, 2 * models.weights["h2/kernel"][position]
        )
        layer.kernel.assign(layer.kernel / 2)
        if position == 1:
            layer.bias.assign(np.full(8, 0.5))
        assert_equal_by_name(after, plain_outputs(model, DATA.x), position)
        loss, accuracy = evaluated(model, DATA)
        assert models.loss(DATA)[position] == pytest.approx(loss, rel=1e-5)
        assert models.accuracy(DATA)[position] == pytest.approx(accuracy, abs=1e-6)


def test_the_models_may_be_replaced_by_their_mean():
    results = made_up(lambda: network(rate=0.25, penalty=0.1))
    models = results.models("v")
    first_mask = mask_of(models)[:1]
    models.weights = {name: w.mean(axis=0, keepdims=True) for name, w in models.weights.items()}
    mean = results.model("v", SEEDS[0])
    for n, variable in enumerate(mean.weights):
        variable.assign(np.mean([results.outcomes[("v",), s].weights[n] for s in SEEDS], axis=0))
    outputs = models.outputs(DATA.x)
    assert {values.shape[:2] for values in outputs.values()} == {(1, 40)}
    assert_equal_by_name(outputs, plain_outputs(mean, DATA.x), 0)
    gradients = models.gradients(DATA, training=False)
    expected = plain_gradients(mean, DATA, lambda x: mean(x, training=False))
    assert_equal_by_name(gradients, expected, 0, tolerance=5e-6)
    loss, accuracy = evaluated(mean, DATA)
    np.testing.assert_allclose(models.loss(DATA), [loss], rtol=1e-5)
    np.testing.assert_allclose(models.accuracy(DATA), [accuracy], atol=1e-6)
    np.testing.assert_array_equal(mask_of(models), first_mask)  # those of the first seed


# Which models


def test_models_of_recorded_epochs_have_the_weights_of_those():
    results = made_up(network, epochs=(None, 2, 0))
    assert results.recorded("v") == [0, 2]
    for epoch in (0, 2, None):
        models = results.models("v", epoch)
        for position, seed in enumerate(SEEDS):
            model = results.model("v", seed, epoch)
            np.testing.assert_array_equal(
                models.weights["softmax/kernel"][position], model.get_layer("softmax").kernel
            )
            np.testing.assert_allclose(models.predict(DATA.x)[position], model(DATA.x), atol=2e-6)
    assert made_up(network).recorded("v") == []


def test_only_the_models_of_the_asked_variant_are_there():
    one, other = made_up(network), made_up(images, IMAGES, seeds=(0,))
    members = {(("other",), seed): member for (_, seed), member in other.members.items()}
    outcomes = {(("other",), seed): outcome for (_, seed), outcome in other.outcomes.items()}
    both = Results(members, outcomes, {("other",): ("other",)}) | one
    assert both.models("v").predict(DATA.x).shape == (3, 40, CLASSES)
    assert both.models("other").predict(IMAGES.x).shape == (1, 40, CLASSES)
    for ask in (both.models, both.recorded):
        with pytest.raises(KeyError, match=r"not exactly one variant has .*'w'.* there are"):
            ask("w")


def test_a_variant_trained_by_fit_says_that_it_cannot_be_stacked():
    member = Member("two heads", network, None, 0, None, 2)
    key = ("two heads",)
    results = Results({(key, 0): member}, {(key, 0): Result({}, {}, 2, [])}, {key: key})
    with pytest.raises(NotStackableError, match="two heads can't be stacked"):
        results.models("two heads")


def test_models_that_differ_only_in_numbers_share_what_computes_them(monkeypatch):
    """A table asks for one variant's models after another's: each architecture is built once."""
    built = []
    monkeypatch.setattr(models, "build_model", lambda m: built.append(m) or build_model(m))
    models._stack.cache_clear()
    rates = (0.0, 0.5)
    one, other = (made_up(lambda rate=rate: network(rate)).models("v") for rate in rates)
    assert len(built) == 1
    np.testing.assert_array_equal(one.predict(DATA.x), other.predict(DATA.x))
    assert (one.predict(DATA.x, training=True) != other.predict(DATA.x, training=True)).any()
    again = made_up(network).models("v").predict(DATA.x, training=True)
    np.testing.assert_array_equal(one.predict(DATA.x, training=True), again)
    made_up(lambda: compiled(keras.Input((FEATURES,)), L.Dense(CLASSES, "softmax"))).models("v")
    assert len(built) == 2
