"""The recipe random_search: its model and ranges by value, its helpers, the signs of its claims."""

import types

import keras
import keras_tuner
import numpy as np
import pytest

from recipes import random_search as recipe
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

BOOK, HIGH, HIGH_BN = recipe.VARIANTS


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_layers_and_the_penalty(batch_norm):
    model = recipe.build_model((5,), 3, batch_norm=batch_norm, weight_decay=0.4, dropout=0)
    kinds = ["", "_bn", "_act"] if batch_norm else ["", "_act"]
    names = [f"h{n}{kind}" for n in range(1, 7) for kind in kinds]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]
    kernels = [w.numpy() for w in model.trainable_weights if w.path.endswith("kernel")]
    assert len(kernels) == 7
    # Half of the weight decay times the squared weights, so that its gradient is theirs times it.
    expected = 0.2 * sum((kernel**2).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "rates", "normal"),
    [(BOOK, (1e-6, 1e-2), False), (HIGH, (1e-3, 10), False), (HIGH_BN, (1e-3, 10), True)],
)
def test_the_ranges_of_each_search(kind, rates, normal):
    hp = keras_tuner.HyperParameters()
    model = recipe.build_tunable(hp, (5,), 3, **recipe.VARIANTS[kind])
    decay, rate = hp.space
    assert (decay.name, decay.min_value, decay.max_value, decay.sampling) == (
        ("weight_decay", 1e-8, 1e-4, "log")
    )
    assert (rate.name, rate.min_value, rate.max_value, rate.sampling) == (
        ("learning_rate", *rates, "log")
    )
    assert normal == any(isinstance(k, keras.layers.BatchNormalization) for k in model.layers)
    assert model.get_layer("dropout").rate == 0


def test_helpers_by_hand():
    # Squared differences of ranks 1, 1, 1, 1: 1 - 6 x 4 / (4 x 15).
    assert recipe.rank_correlation([1, 2, 3, 4], [20, 10, 40, 30]) == pytest.approx(0.6)
    assert recipe.rank_correlation([1, 2, 3], [5, 5, 5]) == 0
    scores = np.array([0.1, 0.5, 0.9, 0.2, 0.9, 0.3, 0.4, 0.9, 0.6, 0.1])
    assert np.flatnonzero(recipe.best_of(scores)).tolist() == [2, 4]
    assert np.flatnonzero(recipe.best_of(scores[:3])).tolist() == [2]
    # The bar is .1 + .9 x (.9 - .1) = .82.
    first, second = np.array([0.9, 0.83, 0.81, 0.1]), np.array([0.0, 0.1, 0.83, 0.5])
    assert recipe.more_good(first, second, 0.1) == pytest.approx(25)


def made_up(kind, rng):
    """A search of ten trials whose rate decides, whatever the weight decay."""
    rates = np.logspace(-6, -2, 10) * (1 if kind == BOOK else 1000)
    decays = np.array([2e-5, 3e-8, 5e-5, 1e-7, 9e-5, 8e-8, 6e-5, 2e-7, 2e-6, 4e-7])
    scores = np.linspace(0.1, 0.55, 10)
    if kind != BOOK:
        scores = np.where(rates < (5 if kind == HIGH_BN else 0.5), 0.9, 0.1)
    early = scores / 2
    early[:4] = early[3::-1]  # those that have learned nothing yet
    curves = np.array([np.full(10, 0.1), np.full(10, 0.1), early, *[scores] * 8]).T
    return types.SimpleNamespace(
        values={"weight_decay": decays, "learning_rate": rates},
        val_accuracy=scores + rng.normal(0, 1e-6, 10),
        test_accuracy=scores - 0.05,
        curves={"accuracy": curves + 0.1, "val_accuracy": curves},
        ranking=np.argsort(-scores).tolist(),
        best=int(scores.argmax()),
    )


def test_the_claims_of_made_up_searches():
    rng = np.random.default_rng(0)
    budgets = {}

    class MadeUpLab(Lab):
        def search(self, build_tunable, data, *, trials, epochs, name, repetitions):
            assert (len(data.train), epochs) == (400, 50)
            budgets[name] = (trials, repetitions)
            return [made_up(name, rng) for _ in range(5)]

    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    assert budgets == {BOOK: (20, 5), HIGH: (10, 5), HIGH_BN: (10, 5)}
    found = [claim.judgement.estimate for claim in lab.claims]
    search = made_up(BOOK, rng)
    decay = abs(recipe.rank_correlation(search.values["weight_decay"], search.val_accuracy))
    # The first four reversed: squared differences 9, 1, 1, 9 in 10 x 99 / 6.
    ranks = 1 - 20 / 165
    # The best two of ten have rates of .0036 and .01, as three have of .0013 to .01; and decays of
    # 2e-6 and 4e-7, as five have below 1e-6. Rates below .5 are seven of ten, below 5 nine.
    assert found == pytest.approx([1 - decay, 70, 0, ranks, 100, 35, 20], abs=1e-3)
    assert [claim.primary for claim in lab.claims] == [True] + [False] * 6
    assert list(lab.figures) == ["figure.png", "figure-scatter.png"]


def test_the_best_curves_come_first():
    searches = [made_up(BOOK, np.random.default_rng(n)) for n in range(3)]
    panels = recipe.curves_of(searches)
    assert len(panels) == 20
    assert all(title.endswith("decay 4e-07") for title in list(panels)[:3])
    lines = panels["1: lr 0.01, decay 4e-07"]
    assert list(lines) == ["training", "validation"]
    x, values = lines["validation"]
    np.testing.assert_array_equal(x, np.arange(11))
    np.testing.assert_allclose(lines["training"][1] - values, np.full((1, 11), 10))
    assert values[0, -1] == pytest.approx(55)
