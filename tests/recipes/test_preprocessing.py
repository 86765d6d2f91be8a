"""The recipe preprocessing: its models and treatments by value, its claims on made-up histories."""

import numpy as np
import pytest

from recipes import preprocessing as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options


def dataset(x, validation=None, test=None):
    parts = [Split(np.float32(p), np.zeros(len(p), int)) for p in (x, validation or x, test or x)]
    return Dataset("made up", ("a", "b"), *parts)


@pytest.mark.parametrize("name", recipe.TREATMENTS)
def test_models_differ_in_rate_and_in_what_stands_on_the_inputs(name):
    first = "input_bn" if name == recipe.NORMALIZED else "h1"
    for rate in recipe.RATES:
        arguments = recipe.VARIANTS[recipe.at(name, rate)]
        normalize = "inputs" if name == recipe.NORMALIZED else None
        assert arguments == {"normalize": normalize, "dropout": 0.0, "learning_rate": rate}
    layers = recipe.build_model((3,), 2, **arguments).layers
    hidden = ["h1", "h1_act", "h2", "h2_act", "dropout", "softmax"]
    assert [layer.name for layer in layers] == [first, *hidden][first == "h1" :]


def test_hidden_layers_are_normalized_by_default():
    names = [layer.name for layer in recipe.build_model().layers]
    assert names[:3] == ["h1", "h1_bn", "h1_act"]
    assert "input_bn" not in names


def test_raw_inputs_are_pixels_or_columns_with_a_scale_and_an_offset():
    raw, pixels = recipe.unscaled(dataset([[0, 0.5], [1, 1]]))
    assert pixels
    assert raw.test.x.tolist() == [[0, 127.5], [255, 255]]
    table = dataset([[-1, 0, -1], [1, 1, 2]])
    raw, pixels = recipe.unscaled(table)
    assert not pixels
    assert raw.train.x[:, 1].tolist() == [0, 1]  # a category
    scale = np.diff(raw.train.x, axis=0)[0] / [2, 1, 3]
    offset = raw.train.x[0] / scale + [1, 0, 1]
    for n in (0, 2):
        assert 0.1 <= scale[n] <= 100
        assert 0 <= offset[n] <= 5
    assert scale[0] != pytest.approx(scale[2])
    assert recipe.unscaled(table)[0].fingerprint == raw.fingerprint


X = [[0.0, 10.0, 7.0], [4.0, 20.0, 7.0]]  # the last column is constant
NEW = [[2.0, 40.0, 8.0]]


@pytest.mark.parametrize(
    ("treatment", "pixels", "train", "new"),
    [
        (recipe.RAW, True, X, NEW),
        (recipe.NORMALIZED, True, X, NEW),
        (recipe.CENTRED, True, [[-2, -5, 0], [2, 5, 0]], [[0, 25, 1]]),
        (recipe.SCALED, True, [[0, 0.5, 0.35], [0.2, 1, 0.35]], [[0.1, 2, 0.4]]),
        (recipe.SCALED, False, [[0, 0.5, 1], [1, 1, 1]], [[0.5, 2, 8 / 7]]),
        (recipe.BOTH, False, [[-0.5, -0.25, 0], [0.5, 0.25, 0]], [[0, 1.25, 1 / 7]]),
        (recipe.STANDARD, False, [[-1, -1, 0], [1, 1, 0]], [[0, 5, 1 / 7]]),
    ],
)
def test_treatments_by_the_statistics_of_training(treatment, pixels, train, new):
    done = recipe.treated(dataset(X, test=NEW), pixels, treatment)
    np.testing.assert_allclose(done.train.x, train, atol=1e-6)
    np.testing.assert_allclose(done.test.x, new, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pixels", [True, False])
@pytest.mark.parametrize("treatment", recipe.TREATMENTS)
def test_inputs_that_are_always_zero_stay_zero(treatment, pixels):
    done = recipe.treated(dataset([[0, 1], [0, 3]]), pixels, treatment)
    assert np.isfinite(done.train.x).all()
    assert (done.train.x == 0).all(axis=0).sum() == (
        treatment not in (recipe.REDUCED, recipe.WHITE)
    )


def test_all_data_leak_into_the_statistics_where_that_is_asked_for():
    done = recipe.treated(dataset(X, test=NEW), False, recipe.LEAK)
    every = np.concatenate([part.x for part in (done.train, done.validation, done.test)])
    np.testing.assert_allclose(every.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(every.std(axis=0), 1, rtol=1e-6)


def test_principal_components():
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 4)) * [50, 30, 2, 0]
    reduced = recipe.treated(dataset(x), True, recipe.REDUCED).train.x
    assert reduced.shape == (200, 2)
    assert reduced.std(axis=0)[0] > 1.3 * reduced.std(axis=0)[1]
    white = recipe.treated(dataset(x), True, recipe.WHITE).train.x
    np.testing.assert_allclose(np.cov(white.T), np.eye(3), atol=1e-5)  # none for the constant


def test_keras_divides_a_constant_input_by_its_epsilon():
    assert recipe.normalized_by_keras() == pytest.approx(1e7)


def test_the_claims_of_made_up_histories(hand_made):
    """Test accuracy by treatment; every rate but those named is 30 points below the best."""
    test = dict.fromkeys(recipe.TREATMENTS, 0.9) | {recipe.LEAK: 0.93, recipe.RAW: 0.8}
    test |= {recipe.SCALED: 0.85, recipe.WHITE: 0.95, recipe.REDUCED: 0.88}
    good = {recipe.RAW: (2, 3), recipe.BOTH: (5, 6, 7, 8)}

    class MadeUpLab(Lab):
        def data(self, examples):
            return dataset([[0, 0.5], [1, 0], [0.5, 1]])

        def train(self, build_model, variants, data, *, epochs, watch):
            made = {}
            for name, arguments in variants.items():
                treatment, n = (
                    name.partition(", lr")[0],
                    recipe.RATES.index(arguments["learning_rate"]),
                )
                assert treatment == recipe.LEAK or set(watch) < set(variants)
                near = n in good.get(treatment, (6,))
                run = {"accuracy": [0.5, 0.6 + 0.3 * near], "test_accuracy": test[treatment]}
                # Diverged runs score at chance, which is high here, and are of no use.
                lost = {"loss": [1, np.nan]} if n == 11 else {}
                made[name] = [run | lost] * 6
            if recipe.LEAK in variants:
                assert variants[recipe.LEAK]["learning_rate"] == recipe.RATES[6]
            self.histories |= hand_made(made, chance=0.88, classes=2)
            return self.histories

    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    found = [(claim.judgement.verdict, claim.judgement.estimate) for claim in lab.claims]
    yes, no = "holds", "does not hold"
    expected = [(yes, 10), (yes, 10), (yes, 5), (yes, 0), (no, -2), (no, -5), (yes, 0), (no, 3)]
    expected += [(yes, 2.5), (yes, 2), (yes, 0)]
    assert found == [(verdict, pytest.approx(number)) for verdict, number in expected]
    assert list(lab.figures) == ["figure.png"]
