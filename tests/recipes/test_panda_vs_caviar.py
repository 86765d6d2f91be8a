"""The recipe panda_vs_caviar: the babysitter's rule by hand, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import panda_vs_caviar as recipe
from recipes._lab.data import Split
from recipes._lab.lab import Lab, Options
from recipes._lab.tuning.searches import Search, Searches

GO_ON, GO_BACK, START_ANEW = recipe.GO_ON, recipe.GO_BACK, recipe.START_ANEW


@pytest.mark.parametrize(
    ("rate", "before", "after", "accuracy", "expected"),
    [
        (0.03, np.inf, 2.0, 0.3, (0.09, GO_ON)),  # it learns: faster
        (0.03, 2.0, 1.0, 0.95, (0.03, GO_ON)),  # well enough
        (0.3, 2.0, 2.1, 0.3, (0.1, GO_BACK)),
        (0.3, np.inf, np.nan, 0.1, (0.1, GO_BACK)),
        (0.3, 2.0, 1.95, 0.8, (0.1, GO_ON)),  # a plateau
        (1.0, 2.3, 2.29, 0.1, (0.1, START_ANEW)),  # dead
        (1e-4, 2.3, 2.29, 0.1, (1e-3, START_ANEW)),  # hardly moving
    ],
)
def test_the_rule(rate, before, after, accuracy, expected):
    rate, start = recipe.decide(rate, before, after, accuracy, 0.1)
    assert (pytest.approx(rate), start) == expected


def test_what_is_dead_is_hardly_better_than_chance():
    """Of two classes, one of which has 63 % of the examples."""
    assert recipe.decide(1e-4, 0.68, 0.67, 0.63, 0.63) == (1e-3, START_ANEW)
    assert recipe.decide(0.3, 0.38, 0.37, 0.85, 0.63) == (pytest.approx(0.1), GO_ON)


class Counting:
    """A model that counts the examples of an epoch, which are its loss, and keeps their order."""

    def __init__(self):
        self.seen, self.count = [], 0

    def reset_metrics(self):
        self.count = 0

    def train_on_batch(self, x, y):
        np.testing.assert_array_equal(x[:, 0], y)
        self.seen += y.tolist()
        self.count += len(y)
        return self.count, self.count / 1000


def test_it_learns_from_all_examples_in_every_epoch_and_returns_how_the_last_one_went():
    model, y = Counting(), np.arange(250)
    last = recipe.learn(model, y[:, np.newaxis], y, 2, np.random.default_rng(0))
    assert last == (250, 0.25)
    first, second = model.seen[:250], model.seen[250:]
    assert sorted(first) == sorted(second) == list(range(250))
    assert first != second != list(range(250))


class MadeUpModel:
    """A model of one number, its weight, to which a block adds one; it gets so many labels right.

    `losses` are (loss, accuracy) of each block.
    """

    def __init__(self, losses):
        self.losses, self.weight, self.rates, self.starts = iter(losses), 0, [], []
        self.optimizer = types.SimpleNamespace(learning_rate=None)

    def get_state_tree(self, value_format):
        return self.weight

    def set_state_tree(self, state):
        self.weight = state

    def reset_metrics(self):
        """There is nothing to reset."""

    def train_on_batch(self, x, y):
        self.rates.append(self.optimizer.learning_rate)
        self.starts.append(self.weight)
        self.weight += 1
        return next(self.losses)

    def predict_on_batch(self, x):
        return np.eye(2)[(np.arange(len(x)) >= self.weight).astype(int)]


def test_training_goes_on_from_where_the_rule_says():
    losses = [(2.0, 0.3), (3.0, 0.3), (1.0, 0.6), (0.99, 0.2), (0.5, 0.95), (0.4, 0.95)]
    model = MadeUpModel(losses)
    parts = [Split(np.zeros((n, 1)), np.zeros(n, int)) for n in (1, 4, 8)]
    dataset = types.SimpleNamespace(parts=parts, chance=0.1)
    validation, test = recipe.babysit(model, 0.03, dataset, 6, 1)
    assert model.rates == pytest.approx([0.03, 0.09, 0.03, 0.09, 0.9, 0.9])
    assert model.starts == [0, 1, 1, 2, 0, 1]  # back after the second block, anew after the fourth
    assert validation.tolist() == [0.25, 0.5, 0.5, 0.75, 0.25, 0.5]
    assert test.tolist() == pytest.approx(validation / 2)
    assert model.weight == 0  # as it began


@pytest.fixture
def verdicts(monkeypatch):
    """`verdicts(many, babysat, alone)` runs the recipe on made-up accuracies in %."""

    def run(many, babysat, alone):
        rng = np.random.default_rng(0)

        def search(accuracy):
            accuracy = np.array(accuracy) + rng.normal(0, 0.1, len(accuracy))
            values = {"learning_rate": np.full(len(accuracy), 0.01)}
            return Search(values, accuracy, accuracy, None, int(accuracy.argmax()))

        class MadeUpLab(Lab):
            def search(self, build_tunable, variants, data, *, trials, epochs, repetitions):
                compute = {key: trials[key] * epochs[key] for key in variants}
                assert set(compute.values()) == {80}
                found = {recipe.CAVIAR: many, recipe.ALONE: [alone]}
                return Searches(
                    {key: [search(of) for _ in range(repetitions)] for key, of in found.items()}
                )

        def babysit(model, rate, dataset, blocks, epochs):
            assert (rate, blocks, epochs) == (0.01, 8, 10)
            assert [len(part) for part in dataset.parts] == [500, 359, 359]
            return (np.array([babysat, babysat]) + rng.normal(0, 0.1, 8)) / 100

        monkeypatch.setattr(recipe, "babysit", babysit)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_each_wins_as_the_course_says_every_claim_holds(verdicts):
    many, babysat = [50, 60, 60, 60, 60, 60, 60, 95], [50, 70, 80, 90, 90, 90, 90, 90]
    assert verdicts(many, babysat, 50) == [("holds", 5), ("holds", 10), ("holds", 40)]


def test_where_the_opposite_is_true_none_does(verdicts):
    many, babysat = [80, 85, 60, 60, 60, 60, 60, 60], [50, 70, 80, 90, 90, 90, 90, 90]
    expected = [("does not hold", -5), ("does not hold", -15), ("does not hold", -5)]
    assert verdicts(many, babysat, 95) == expected
