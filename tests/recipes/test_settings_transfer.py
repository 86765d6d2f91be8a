"""The recipe settings_transfer: its data sets, its correlations and the signs of its claims."""

import types

import numpy as np
import pytest

from recipes import settings_transfer as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.tuning.oracles import make_oracle

RNG = np.random.default_rng(1)


def made(train=400, held_out=60):
    def split(count):
        x = RNG.normal(3, 2, (count, 20)).astype(np.float32)
        return Split(x, np.arange(count, dtype=np.int32) % 2)

    return Dataset("d", ("a", "b"), split(train), split(held_out), split(held_out))


def test_the_arguments_reach_the_model():
    model = recipe.build_model((7,), 3, dropout=0.4, momentum=0.7, learning_rate=0.3)
    names = ["h1", "h1_bn", "h1_act", "h2", "h2_bn", "h2_act", "dropout", "softmax"]
    assert [layer.name for layer in model.layers] == names
    assert model.get_layer("dropout").rate == 0.4
    assert model.optimizer.momentum == 0.7
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.3)


def test_the_same_repetition_draws_the_same_trials_for_all_data():
    def draws(seed, classes):
        oracle = make_oracle("random", 3, seed)
        recipe.build_tunable(oracle.get_space(), (4,), classes)
        space = oracle.get_space()
        recipe.build_tunable(space, (4,), classes)
        oracle.update_space(space)
        return [oracle.populate_space(f"{n}")["values"] for n in range(3)]

    assert draws(0, 2) == draws(0, 10)
    assert draws(0, 2) != draws(1, 2)


def test_noise_has_its_strength_and_leaves_scale_and_labels():
    data = made()
    noisy = recipe.drifted(data, 2.0)
    signal = data.train.x / np.sqrt(5)
    assert (noisy.train.x - signal).std() / signal.std() == pytest.approx(2, rel=0.05)
    assert noisy.train.x.std() == pytest.approx(data.train.x.std(), rel=0.05)
    assert noisy.train.x.dtype == np.float32
    assert not np.array_equal(noisy.validation.x - data.validation.x / np.sqrt(5), signal[:60])
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(noisy, part).y, getattr(data, part).y)
    np.testing.assert_allclose(recipe.drifted(data, 0.0).test.x, data.test.x)


def test_breast_cancer_is_split_and_standardized():
    data = recipe.breast_cancer()
    sizes = [len(part) for part in (data.train, data.validation, data.test)]
    assert sum(sizes) == 569
    assert sizes[1] == sizes[2] == 113
    assert (data.input_shape, data.num_classes) == ((30,), 2)
    np.testing.assert_allclose(data.train.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(data.train.x.std(axis=0), 1, atol=1e-5)


def test_rank_correlation():
    assert recipe.rank_correlation(np.array([1, 2, 3]), np.array([1, 10, 100])) == pytest.approx(1)
    assert recipe.rank_correlation(np.array([1, 2, 3]), np.array([2, 1, 0])) == pytest.approx(-1)
    assert recipe.rank_correlation(np.array([1, 2, 3]), np.ones(3)) == 0


def test_the_claims_have_the_signs_of_their_words():
    """Old data and new agree; breast cancer and noise each have an order of their own."""
    order = {
        recipe.OLD: [1, 2, 3, 4],
        recipe.NEW: [1, 2, 3, 4],
        recipe.CANCER: [2, 1, 4, 3],
        recipe.NOISIEST: [4, 3, 2, 1],
        recipe.NOISY_OLD: [4, 3, 2, 1],
    }
    trained, said = {}, {}

    def search(build_tunable, data, *, name, **plan):
        trained[name] = data
        of = np.array(order.get(name, [1, 2, 3, 4])) / 10
        best = int(of.argmax())
        return [types.SimpleNamespace(val_accuracy=of, test_accuracy=of, best=best)] * 2

    data = made(401, 61)
    recipe.run(
        types.SimpleNamespace(
            data=lambda examples: data,
            search=search,
            claim=lambda text, source, d, **more: said.setdefault(text, np.array(d)),
            lines=lambda *layout, **labels: None,
            figure=lambda *figure: None,
        )
    )
    # Rank correlations: .6 with breast cancer and -1 in the better half, -1 with noise.
    expected = [-0.1, 0.4, 1.5, 10, 10, 2, 2, 30]
    np.testing.assert_allclose([of[0] for of in said.values()], expected, atol=1e-9)
    assert all(of.shape == (2,) for of in said.values())
    assert list(trained) == list(recipe.VARIANTS)
    assert [len(trained[name].train) for name in (recipe.OLD, recipe.NEW)] == [201, 200]
    np.testing.assert_array_equal(trained[recipe.OLD].test.x, data.test.x[::2])
    assert [len(trained[name].test) for name in (recipe.NOISY_OLD, recipe.NOISIEST)] == [31, 30]
