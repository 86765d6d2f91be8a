"""The recipe overfitting: its variants and copies by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import overfitting as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

KEYS = list(recipe.VARIANTS)


@pytest.mark.parametrize("key", KEYS)
def test_the_networks(key):
    model = recipe.build_model(**recipe.VARIANTS[key])
    names = ["h1", "h1_act", "h1_dropout", "h2", "h2_act", "h2_dropout", "softmax"]
    assert [layer.name for layer in model.layers] == names
    units = 20 if key[0] == recipe.SMALL else 100
    assert [model.get_layer(name).units for name in ("h1", "h2")] == [units, units]
    assert model.get_layer("h1_dropout").rate == 0
    assert model.optimizer.weight_decay == 0


def test_all_train_for_as_many_steps():
    examples = {recipe.FEW: 300, recipe.COPIES: 300 * 5, recipe.MORE: 1000}
    assert {examples[part] // 50 * epochs for part, epochs in recipe.EPOCHS.items()} == {420}


def test_shifted_copies_move_by_a_pixel_to_every_side():
    image = np.arange(1, 5, dtype=np.float32).reshape(1, 2, 2, 1)  # 1 2 / 3 4
    split = Split(image, np.array([7]))
    data = recipe.with_shifted_copies(Dataset("made up", ("a", "b"), split, split, split), None)
    down, up, right, left = [0, 0, 1, 2], [3, 4, 0, 0], [0, 1, 0, 3], [2, 0, 4, 0]
    assert data.train.x.tolist() == [[1, 2, 3, 4], down, up, right, left]
    assert data.train.y.tolist() == [7] * 5
    assert data.test.x.tolist() == [[1, 2, 3, 4]]


@pytest.fixture
def judged(made_up):
    """`judged(test)` runs the recipe on made-up test accuracies in %; training accuracy is 100."""

    def run(test):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, batch_size, **candidates):
                (argument,) = candidates
                if argument == "learning_rate":
                    tuned = variants[recipe.DECAY, recipe.FEW], variants[recipe.DROPOUT, recipe.FEW]
                    assert (tuned[0]["weight_decay"], tuned[1]["dropout"]) == (0.123, 0.123)
                return {key: of | {argument: 0.123} for key, of in variants.items()}

            def train(self, build_model, variants, data, *, epochs, batch_size, evaluate_every):
                assert list(variants) == KEYS
                assert all(of["learning_rate"] == 0.123 for of in variants.values())
                runs = {
                    key: [
                        {"accuracy": [0.1, 1.0], "val_accuracy": [0.1, right / 100 + noise]}
                        for noise in rng.normal(0, 0.001, 6)
                    ]
                    for key, right in zip(KEYS, test, strict=True)
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_remedies_help_every_claim_holds(judged):
    """Accuracy of the large network, with decay, with Dropout, the small one, copies, more data."""
    found = judged([85, 90, 88, 87, 93, 97])
    assert found == [("holds", n) for n in (12, 3, 3, 4)]


def test_where_they_do_harm_none_does(judged):
    found = judged([90, 82, 95, 85, 92, 87])
    assert found == [("does not hold", n) for n in (-3, -3, -3, -5)]
