"""The recipe data_inspection: wrong labels and folds by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import data_inspection as recipe
from recipes._lab.data import Dataset, Split, Splits
from recipes._lab.lab import Lab, Options

UNSEEN, SEEN = recipe.UNSEEN, recipe.SEEN
RANDOM = np.random.default_rng(0)


def dataset(examples=400, classes=4):
    split = Split(np.zeros((examples, 2), np.float32), np.arange(examples) % classes)
    return Dataset("made up", tuple("abcd"[:classes]), split, split, split)


def test_each_example_is_left_out_once():
    data = dataset(examples=40)
    data = data.with_train(np.arange(80).reshape(40, 2))
    splits = Splits(data, seeds=[0])
    left = [recipe.without_fold(splits, fold).split(0).train.x[:, 0] for fold in range(4)]
    assert [len(x) for x in left] == [30] * 4
    missing = [set(data.train.x[:, 0]) - set(x) for x in left]
    assert missing[1] == {2 * n for n in range(1, 40, 4)}
    assert set.union(*missing) == set(data.train.x[:, 0])


def test_belief_is_the_probability_of_the_label():
    probabilities = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.7, 0.3]]])
    models = types.SimpleNamespace(predict=lambda x: probabilities)
    found = recipe.belief(models, None, np.array([[0, 0], [1, 1]]))
    np.testing.assert_allclose(found, [[0.9, 0.2], [0.5, 0.3]])


def test_what_is_found_among_the_first_suspects():
    wrong = np.zeros((2, 10), bool)
    wrong[:, [3, 7]] = True
    believed = np.linspace(0.1, 0.9, 20).reshape(2, 10)
    believed[0, [3, 0, 7]] = 0.01, 0.02, 0.03  # suspects in this order
    assert recipe.found(believed, wrong, 20).tolist() == [50, 0]
    assert recipe.found(believed, wrong, 30).tolist() == [100, 0]


@pytest.fixture
def judged(made_up):
    """`judged(unseen, seen, test)` runs the recipe with made-up networks.

    Args:
        unseen: share of the wrong labels that networks of other folds recognize.
        seen: that one recognizes that was trained on them.
        test: accuracies in % with wrong labels and without suspects.
    """

    def run(unseen, seen, test):
        noisy = {}

        class MadeUpLab(Lab):
            def data(self, examples):
                nonlocal truth
                data = super().data(examples=examples)
                truth = data.train.y
                return data

            def train(self, build_model, variants, data, *, epochs, batch_size):
                assert epochs == recipe.EPOCHS
                if recipe.DROPPED in variants:
                    assert data.train.y.shape == (6, 900)
                    kept = {example.tobytes() for example in data.train.x[0]}
                    wrong = noisy["x"][0, noisy["y"][0] != noisy["right"][0]]
                    share = np.mean([example.tobytes() in kept for example in wrong])
                    assert share == pytest.approx(1 - unseen, abs=0.1)
                else:
                    train = data[recipe.WRONG].train
                    noisy.update(y=train.y, x=train.x, right=truth)
                    np.testing.assert_array_equal(data[recipe.MEMORIZED].train.y, train.y)
                ends = dict(zip((recipe.WRONG, recipe.DROPPED), test, strict=True))
                noise = np.random.default_rng(0).normal(0, 0.002, 6)
                results = made_up(
                    {
                        key: [{"accuracy": [0.1, ends.get(key, 90) / 100 + n]} for n in noise * k]
                        for k, key in enumerate(variants, 1)
                    },
                    chance=0.1,
                )
                self.results |= results
                results.models = models
                return results

        def models(key):
            fold = key[1] if isinstance(key, tuple) else None
            share = seen if fold is None else unseen
            return types.SimpleNamespace(predict=lambda x: predict(fold, share))

        def predict(fold, share):
            rows = slice(None) if fold is None else slice(fold, None, recipe.FOLDS)
            y, wrong = noisy["y"][:, rows], (noisy["y"] != noisy["right"])[:, rows]
            known = wrong & (np.random.default_rng(1).random(wrong.shape) < share)
            of_label = np.where(known, 0.05, 0.8)[..., np.newaxis]
            return np.where(np.eye(10)[y] == 1, of_label, (1 - of_label) / 9)

        truth = None
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-suspects.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_wrong_labels_are_found_every_claim_holds(judged):
    assert judged(unseen=0.95, seen=0.3, test=(92, 95)) == ["holds"] * 3


def test_where_they_are_not_none_does(judged):
    assert judged(unseen=0.3, seen=0.95, test=(95, 92)) == ["does not hold"] * 3
