"""The recipe dropout: its networks by value, and its claims where the effect is planted."""

import keras
import numpy as np
import pytest

from recipes import dropout as recipe
from recipes._lab.lab import Lab, Options


@pytest.mark.parametrize(
    ("key", "layers", "units", "momentum"),
    [
        (("6 x 100 units", 0.2), 6, 100, 0.0),
        (("3 x 200 units", 0.5), 3, 200, 0.95),
    ],
)
def test_the_networks(key, layers, units, momentum):
    model = recipe.build_model(**recipe.VARIANTS[key])
    names = [f"h{n}{part}" for n in range(1, layers + 1) for part in ("", "_act", "_dropout")]
    assert [layer.name for layer in model.layers] == [*names, "softmax"]
    for layer in model.layers[:-1]:
        if isinstance(layer, keras.layers.Dense):
            assert layer.units == units
        if isinstance(layer, keras.layers.Dropout):
            assert layer.rate == key[1]
    assert model.optimizer.momentum == momentum


@pytest.fixture
def judged(made_up):
    """`judged(ends)` runs the recipe on made-up (training, test) accuracies in %."""

    def run(ends):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, learning_rate):
                assert learning_rate == recipe.RATES
                self.plan = data, epochs
                return variants

            def train(self, build_model, variants, data, *, epochs, evaluate_every, watch):
                assert (data, epochs) == self.plan  # trained as it was tuned
                assert list(variants) == list(ends)
                runs = {
                    key: [
                        {"accuracy": [0.1, train / 100], "test_accuracy": test / 100 + noise}
                        for noise in rng.normal(0, 0.001, 6)
                    ]
                    for key, (train, test) in ends.items()
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-test.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 0)) for claim in lab.claims]

    return run


def ends(books, papers):
    """Name (training, test) accuracies: without and with Dropout, of both networks."""
    return dict(zip(recipe.VARIANTS, [*books, *papers], strict=True))


def test_where_dropout_helps_every_claim_holds(judged):
    found = judged(ends([(100, 90), (96, 92)], [(100, 94), (99, 97)]))
    assert found == [("holds", 6), ("holds", 4), ("holds", 3)]


def test_where_it_does_harm_none_does(judged):
    found = judged(ends([(95, 90), (100, 85)], [(100, 94), (99, 92)]))
    assert found == [("does not hold", -10), ("does not hold", -5), ("does not hold", -2)]


def test_what_makes_no_difference_is_said_so(judged):
    found = judged(ends([(100, 90), (100, 90.2)], [(100, 94), (99, 94)]))
    assert [verdict for verdict, _ in found][0::2] == ["makes no difference"] * 2
