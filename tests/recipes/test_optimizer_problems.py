"""The recipe optimizer_problems: its problems by value, and its claims on planted effects."""

import keras
import numpy as np
import pytest

from recipes import optimizer_problems as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

DEEP, SPIRALS, UNITS = recipe.DEEP, recipe.SPIRALS, recipe.UNITS


@pytest.mark.parametrize(("problem", "layers"), recipe.LAYERS.items())
@pytest.mark.parametrize("name", recipe.OPTIMIZERS)
def test_the_model_has_the_optimizer_and_the_layers_that_are_asked_for(problem, layers, name):
    model = recipe.build_model((5,), 3, **recipe.VARIANTS[problem, name])
    kinds = {"Momentum": "SGD", "AdaGrad": "Adagrad"}
    assert type(model.optimizer) is getattr(keras.optimizers, kinds.get(name, name))
    assert getattr(model.optimizer, "momentum", 0) == (0.9 if name == "Momentum" else 0)
    assert getattr(model.optimizer, "initial_accumulator_value", 0) == 0
    hidden = [f"h{n}{kind}" for n in range(1, layers + 1) for kind in ("", "_act")]
    assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]


X = np.array([[1, 10], [2, 20], [3, 30], [4, 40]], np.float32)
PART = Split(X, np.array([0, 1, 2, 3], np.int32))
DATA = Dataset("d", ("a", "b", "c", "d"), PART, PART, PART)


def test_spirals_have_three_arms_that_start_at_angles_of_120_degrees():
    class Still:
        def uniform(self, low, high, size):
            return np.full(size, 0.5)

        def normal(self, mean, std, size):
            return np.zeros(size)

    test = recipe.spirals(DATA, Still()).test
    assert test.y.tolist() == [0, 1, 2, 0]
    angles = 2 + 2 * np.pi * np.array([0, 1, 2, 0]) / 3
    expected = 0.5 * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(test.x, expected, rtol=1e-6)


def test_each_input_has_a_unit_of_its_own_in_all_parts():
    class Given:
        def uniform(self, low, high, size):
            assert (low, high, size) == (-1, 1, (2,))
            return np.array([-1, 0.5])

    changed = recipe.unlike_units(DATA, Given())
    for part in (changed.train, changed.validation, changed.test):
        np.testing.assert_allclose(part.x, X * [0.1, np.sqrt(10)], rtol=1e-6)
        np.testing.assert_array_equal(part.y, PART.y)


@pytest.fixture
def judged(made_up):
    """`judged(ends)` runs the recipe on made-up final accuracies in %, by problem."""

    def run(ends):
        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, learning_rate):
                assert variants == recipe.VARIANTS
                return variants

            def train(self, build_model, variants, data, *, epochs, evaluate_every, watch):
                assert variants == recipe.VARIANTS
                assert data[SPIRALS].input_shape == (2,)
                assert data[UNITS].input_shape == data[DEEP].input_shape
                assert not np.allclose(data[UNITS].test.x, data[DEEP].test.x)
                noise = np.random.default_rng(0).normal(0, 0.001, 6)
                runs = {
                    (problem, name): [{"accuracy": [0.1, end / 100 + e]} for e in noise * (n + 1)]
                    for problem, by_name in ends.items()
                    for n, (name, end) in enumerate(by_name.items())
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-problems.png"]
        return [(claim.verdict, claim.judgement.estimate) for claim in lab.claims]

    return run


def by_name(*ends):
    return dict(zip(recipe.OPTIMIZERS, ends, strict=True))


def test_where_the_best_on_average_is_beaten_on_spirals_the_books_claim_holds(judged):
    clear, spirals = by_name(80, 84, 86, 94), by_name(70, 80, 90, 89.5)  # Adam is best on average
    found = judged({DEEP: clear, SPIRALS: spirals, UNITS: clear})
    assert found == [("holds", 1), ("holds", 3), ("does not hold", 0)]


def test_where_one_is_best_everywhere_it_is_not_detected(judged):
    ends = dict.fromkeys(recipe.LAYERS, by_name(90, 70, 60, 50))
    found = judged(ends)
    # Nothing beats the best on average; that nobody does is no evidence against a tie.
    assert [verdict for verdict, _ in found] == ["not detected", "does not hold", "holds"]


def test_one_problem_on_which_adam_fails_is_enough(judged):
    good, bad = by_name(80, 80, 80, 90), by_name(80, 80, 80, 70)
    found = judged({DEEP: good, SPIRALS: good, UNITS: bad})
    assert found == [("holds", 1), ("does not hold", 2), ("does not hold", 1)]
