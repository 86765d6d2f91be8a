"""The recipe ensembles: means of predictions and weights by value, claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import ensembles as recipe
from recipes._lab.lab import Lab, Options

WEAK, STRONG = recipe.WEAK, recipe.STRONG
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("network", "layers", "units"), [(WEAK, 6, 20), (STRONG, 2, 100)])
def test_the_networks(network, layers, units):
    model = recipe.build_model((5,), 3, **recipe.VARIANTS[network, "member 10"])
    hidden = [f"h{n}{part}" for n in range(1, layers + 1) for part in ("", "_act")]
    assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]
    assert {layer.units for layer in model.layers[:-2:2]} == {units}


def test_each_member_has_initial_values_of_its_own():
    assert list(recipe.COPIES) == recipe.MEMBERS
    assert len(set(recipe.COPIES.values())) == len(recipe.MEMBERS) == 10


class MadeUpModels:
    """Models of two seeds that give class 0 the same probability for both of two examples."""

    def __init__(self, sure):
        self.weights = {"w": np.array([[sure], [sure]])}

    def predict(self, x):
        sure = np.repeat(self.weights["w"], 2, axis=1)
        return np.stack([sure, 1 - sure], axis=-1)


LABELS = types.SimpleNamespace(x=None, y=np.array([[0, 0], [0, 1]]))


def test_the_accuracy_of_ever_more_models():
    """Class 0 is right for both examples of the first seed, for one of the second's."""
    sure = dict.fromkeys(recipe.MEMBERS, 0.6) | {"member 1": 0.2, "member 3": 0.9}
    results = types.SimpleNamespace(models=lambda key: MadeUpModels(sure[key[1]]))
    found = recipe.average_models(results, WEAK, LABELS)
    assert list(found) == [(WEAK, count) for count in recipe.COUNTS]
    np.testing.assert_allclose(found[WEAK, 1], [90, 50])  # nine of ten say 0
    np.testing.assert_allclose(found[WEAK, 2], [0, 50])  # (.2 + .6) / 2
    np.testing.assert_allclose(found[WEAK, 3], [100, 50])  # (.2 + .6 + .9) / 3


def test_the_last_epochs_of_a_run_and_the_means_of_five():
    """The weights are the probabilities, so both means agree; the first epoch counts in neither."""
    sure = {7: 0.0, 8: 0.6, 9: 0.9, 10: 0.9, 11: 0.6, 12: 0.3}

    def models(key, epoch):
        """Half of the members are right in all epochs."""
        return MadeUpModels(0.9 if int(key[1].split()[1]) > 5 else sure[epoch])

    results = types.SimpleNamespace(recorded=lambda key: list(sure), models=models)
    found = recipe.average_epochs(results, WEAK, LABELS)
    np.testing.assert_allclose(found[recipe.LAST], [50, 50])
    np.testing.assert_allclose(found[recipe.PREDICTIONS], [100, 50])
    np.testing.assert_allclose(found[recipe.WEIGHTS], [100, 50])


@pytest.fixture
def verdicts(made_up, monkeypatch):
    """`verdicts(weak, strong, run)` runs the recipe on made-up accuracies in %.

    Args:
        weak: of 1, 5 and 10 models.
        strong: likewise.
        run: of a run's last epoch, the mean of its last five, and of their weights.
    """

    def judge(weak, strong, run):
        def noisy(value):
            return value + RNG.normal(0, 0.05, 6)

        def average_models(results, network, test):
            one, five, ten = {WEAK: weak, STRONG: strong}[network]
            values = dict(zip(recipe.COUNTS, (one, one, one, five, ten), strict=True))
            return {(network, count): noisy(value) for count, value in values.items()}

        def average_epochs(results, network, test):
            kinds = (recipe.LAST, recipe.PREDICTIONS, recipe.WEIGHTS)
            return {kind: noisy(value) for kind, value in zip(kinds, run, strict=True)}

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, copy, record, epochs, batch_size):
                assert (copy, list(record[WEAK])[-5:]) == (recipe.COPIES, [36, 37, 38, 39, 40])
                self.results = made_up({key: [{"accuracy": [0.1, 0.9]}] * 6 for key in variants})
                return self.results

        monkeypatch.setattr(recipe, "average_models", average_models)
        monkeypatch.setattr(recipe, "average_epochs", average_epochs)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-epochs.png"]
        return [claim.verdict for claim in lab.claims]

    return judge


def test_where_averaging_pays_every_claim_holds(verdicts):
    assert verdicts((80, 88, 90), (90, 92, 93), (80, 82, 82)) == ["holds"] * 5


def test_where_it_does_not_none_does(verdicts):
    """Less than 2 points are too little, most of it comes late, and epochs of one run gain more."""
    assert verdicts((80, 80.1, 81.7), (90, 91, 91), (80, 84, 80)) == ["does not hold"] * 5
