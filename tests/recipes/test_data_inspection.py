"""The recipe data_inspection: its helpers by hand, what it plants, its claims on made-up models."""

import types

import numpy as np
import pytest

from recipes import data_inspection as recipe
from recipes._lab import data as data_module
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.histories import Histories
from recipes._lab.lab import Options


def test_one_model_for_all_variants():
    assert set(map(str, recipe.VARIANTS.values())) == {"{}"}
    assert len(recipe.VARIANTS) == 4 + 2 * 3
    names = [layer.name for layer in recipe.build_model((5,), 3).layers]
    assert names == ["h1", "h1_bn", "h1_act", "dropout", "softmax"]


def test_repeated_rows_are_those_with_an_equal_one_before():
    x = np.array([[0.0, 1], [1, 0], [-0.0, 1], [1, 1e-7], [1, 0], [1, 0]], np.float32)
    assert recipe.repeated(x).tolist() == [False, False, True, False, True, True]


@pytest.mark.parametrize(("step", "expected"), [(7, [1, 1]), (7.5, [0, 1]), (9, [0, 0])])
def test_near_rows_are_less_than_half_as_far_as_the_fifth_neighbour(step, expected):
    """All rows are 14.1 apart; one more is a step from the first, root(200 + step²) from others."""
    x = np.append(10 * np.eye(9)[:8], 10 * np.eye(9)[:1], axis=0)
    x[8, 8] = step
    assert recipe.near(x).astype(int).tolist() == [expected[0], *[0] * 7, expected[1]]


def test_rare_classes_have_less_than_half_of_an_even_share():
    y = np.repeat([0, 1, 2], [60, 15, 14])  # half of an even share is 89 / 6 = 14.8
    assert recipe.rare(y, 3).tolist() == [False, False, True]


@pytest.mark.parametrize("classes", [2, 10])
def test_what_is_planted(classes):
    random = np.random.default_rng(0)
    x, y = random.normal(3, 2, (400, 50)).astype(np.float32), random.integers(0, classes, 400)
    labels, copied, noisy, cut, kept = recipe.plant(x, y, classes, seed=1)
    assert (labels != y).sum() == len(copied) == 20
    assert labels.min() >= 0
    assert labels.max() < classes
    assert noisy.dtype == np.float32
    assert (noisy - x[copied]).std() == pytest.approx(0.1 * x.std(), rel=0.1)
    counts = np.bincount(y[kept], minlength=classes)
    others = np.delete(counts, cut)
    np.testing.assert_array_equal(others, np.delete(np.bincount(y), cut))
    assert counts[cut] == others.mean() // 5
    assert recipe.rare(y[kept], classes)[cut]
    assert not np.array_equal(labels, recipe.plant(x, y, classes, seed=2)[0])


SIZE = 60
X = np.random.default_rng(0).normal(size=(SIZE, 20)).astype(np.float32)
Y = np.arange(SIZE) % 2


def probabilities(x):
    """Who is asked for an example knows its class, but is wrong at 0 to 2, and fooled at 12."""
    rows = ((x[:, None] - X) ** 2).sum(axis=2).argmin(axis=1)
    right = np.full(len(rows), 0.9)
    for row, value in {0: 0.01, 1: 0.01, 2: 0.01, 10: 0.98, 11: 0.98, 12: 0.05}.items():
        right[rows == row] = value
    return np.where(np.arange(2) == Y[rows][:, None], right[:, None], 1 - right[:, None])


@pytest.fixture
def run(hand_made, monkeypatch):
    def plant(x, y, classes, seed):
        labels = y.copy()
        labels[10:13] = 1 - labels[10:13]
        return labels, np.array([5, 6, 7]), x[5:8] + 0.01, 1, np.r_[0:50:2, 1:5:2]

    accuracies = {recipe.AS_IS: 0.95, recipe.WRONG: 0.90, recipe.DROPPED: 0.94}
    trained = {}

    class MadeUpLab(Lab):
        def data(self, examples):
            train, test = Split(X, Y), Split(X[:24] + 9, Y[:24])
            return Dataset("made up", ("a", "$b<"), train, test, test)

        def train(self, build_model, variants, data, *, epochs, batch_size, watch):
            trained.update({name: of["fit"]["data"] for name, of in variants.items()})
            runs = {v: [{"accuracy": [0, accuracies.get(v, 0.9)]}] * 6 for v in variants}
            made = hand_made(runs, chance=0.5)
            self.histories |= made
            return made

    def models(self, name):
        return types.SimpleNamespace(
            predict=lambda x: np.stack([probabilities(x)] * 6),
            accuracy=lambda split: np.full(6, 0.99 if name == recipe.LEAKED else 0.9),
        )

    monkeypatch.setattr(Histories, "models", models)
    monkeypatch.setattr(recipe, "plant", plant)
    images = types.SimpleNamespace(input_shape=(4, 5, 1))
    monkeypatch.setattr(data_module, "load", lambda *_: images)
    lab = MadeUpLab(Options(seeds=6), None, None, None)
    recipe.run(lab)
    return lab, trained


def test_the_claims_of_made_up_models(run):
    """Of three wrong labels the sixth suspect is none, and five labels count as found wrong."""
    lab, _ = run
    found = [(claim.judgement.verdict, claim.judgement.estimate) for claim in lab.claims]
    yes, no = "holds", "does not hold"
    expected = [(no, 200 / 3), (yes, 0), (yes, 100), (yes, 100), (no, 40), (no, 1 - 5)]
    expected += [(yes, 5), (yes, 4 - 2.5), (yes, 9)]
    assert found == [(verdict, pytest.approx(number)) for verdict, number in expected]
    assert list(lab.figures) == ["figure.png", "figure-as-is.png"]


def test_who_judges_has_not_seen_what_is_judged(run):
    _, trained = run
    for arm in (recipe.AS_IS, recipe.WRONG):
        unseen = []
        for name in recipe.JUDGES[arm]:
            data = trained[name] if arm == recipe.AS_IS else trained[name][0]
            seen = recipe.repeated(np.concatenate([data.train.x, X]))[len(data.train) :]
            unseen += np.flatnonzero(~seen).tolist()
        assert sorted(unseen) == list(range(SIZE))
    dropped = trained[recipe.DROPPED][0].train
    seen = recipe.repeated(np.concatenate([dropped.x, X]))[len(dropped) :]
    assert {0, 1, 2, 10, 11} < set(np.flatnonzero(~seen))
    assert len(dropped) == SIZE - 2 * 3


def test_what_is_not_found_is_missed(run, monkeypatch):
    lab, _ = run
    lab.claims.clear()
    lab.figures.clear()
    monkeypatch.setattr(recipe, "repeated", lambda x: np.zeros(len(x), bool))
    monkeypatch.setattr(recipe, "rare", lambda y, classes: np.zeros(classes, bool))
    recipe.run(lab)
    assert lab.claims[1].judgement.estimate == 3 + 12 + 1
    assert lab.claims[1].judgement.verdict == "does not hold"
