"""The recipe ensembles: its members, its means of predictions and weights, and its claims."""

import types

import numpy as np
import pytest

from recipes import ensembles as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options
from recipes._lab.training.architecture import read

WEAK, STRONG = recipe.WEAK, recipe.STRONG


def test_the_members_of_a_network_differ_in_their_number_only():
    assert list(recipe.VARIANTS) == [
        f"{of}, member {n}" for of in (WEAK, STRONG) for n in range(1, 11)
    ]
    for name, arguments in recipe.VARIANTS.items():
        network, number = name.split(", member ")
        fit = arguments["fit"]
        assert fit["copy"] == int(number)
        assert fit["record"][:2] == ((1, 2) if int(number) <= 5 else ())
        rest = {key: value for key, value in arguments.items() if key != "fit"}
        assert rest == recipe.NETWORKS[network] | {"dropout": 0.0}


@pytest.mark.parametrize(("network", "layers", "units"), [(WEAK, 6, 20), (STRONG, 2, 100)])
def test_the_networks_have_their_size_and_the_search_has_it_too(network, layers, units):
    arguments = recipe.NETWORKS[network]
    model = recipe.build_model((5,), 3, **arguments)
    hidden = [f"h{n}{part}" for n in range(1, layers + 1) for part in ("", "_act")]
    assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]
    assert {layer.units for layer in model.layers[:-2:2]} == {units}
    hp = types.SimpleNamespace(Float=lambda name, low, high, **_: low)
    tunable = read(lambda: recipe.build_tunable(hp, (5,), 3, **arguments))
    assert tunable.signature == read(lambda: recipe.build_model((5,), 3, **arguments)).signature


def sure(*classes):
    """Probabilities of one seed and two examples, each .6 or, of classes above 9, .9 for one."""
    return (
        np.eye(3)[np.array(classes) % 10] * np.where(np.array(classes) > 9, 0.9, 0.6)[:, None]
        + 0.03
    )


def test_the_gain_of_ever_more_members():
    y = np.array([0, 1])
    members = np.stack([[sure(0, 2)], [sure(1, 1)], [sure(0, 12)]])
    # The first: 50 %; with the second .63 against .63 and the lower class wins: (0, 1); 0 and 2.
    np.testing.assert_allclose(recipe.gains(members, y), [[0, 50, 0]])
    # In turn: 50 % each; pairs (0, 1), (0, 2) and (0, 2); all three (0, 2) whoever is first.
    np.testing.assert_allclose(recipe.gains(members, y, turns=3), [[0, 50 / 3, 0]])


def test_averaged_weights():
    def models(value):
        return types.SimpleNamespace(weights={"a": np.full((2, 3), value), "b": np.ones(2)})

    first = models(1.0)
    mean = recipe.averaged([first, models(4.0)], np.array([1, 0.5]))
    assert mean is first
    np.testing.assert_allclose(mean.weights["a"], np.full((2, 3), 2))
    np.testing.assert_allclose(recipe.averaged([models(1.0), models(4.0)]).weights["a"][0], 2.5)


CLASSES, EXAMPLES = 2, 10


def predictions(right):
    """Predictions of six seeds that are right for so many of ten examples, all of class 0."""
    return np.tile(np.eye(CLASSES)[(np.arange(EXAMPLES) >= right).astype(int)], (6, 1, 1))


def test_the_claims_of_made_up_models(monkeypatch):
    """A model's only weight says for how many of ten examples it is right."""

    class MadeUpLab(Lab):
        def data(self, examples):
            split = Split(np.zeros((EXAMPLES, 4)), np.zeros(EXAMPLES, int))
            return Dataset("made-up", ("a", "b"), split, split, split)

        def train(self, build_model, variants, data, *, epochs, batch_size, watch):
            network = watch[0].partition(", member")[0]
            assert [name.partition(", member")[0] for name in variants] == [network] * 10
            right = {WEAK: 6.0, STRONG: 8.0}[network]

            def models(name, epoch=20):
                """Member 5 has a larger weight than the others, early epochs than late ones."""
                value = right + 6 * name.endswith(" 5") + (20 - epoch) / 2
                weights = {"w": np.full(1, value)}
                made = types.SimpleNamespace(weights=weights)
                made.predict = lambda x: predictions(np.round(weights["w"][0]))
                return made

            return types.SimpleNamespace(models=models, recorded=lambda _: list(range(1, 21)))

        def search(self, build_tunable, data, *, trials, repetitions, epochs, batch_size):
            assert (trials, repetitions) == (20, 6)

            def model(number):
                return lambda x: predictions(9 - number)[0]

            return [types.SimpleNamespace(ranking=list(range(8)), model=model)] * 6

        def table(self, variants):
            assert variants == [f"{network}, member 1" for network in (WEAK, STRONG)]

    def gains(predicted, y, turns=1):
        """Made-up gains: by kind and number, in points."""
        count, right = len(predicted), 10 * (predicted[0, 0].argmax(axis=-1) == y).mean()
        of_others = 3.0 if count == 8 else -0.5  # trials, epochs
        step = {6: 1.0, 8: 0.25}[round(right)] if turns == 10 else of_others
        return np.tile(step * np.minimum(np.arange(count), 6), (6, 1))

    monkeypatch.setattr(recipe, "gains", gains)
    lab = MadeUpLab(Options(seeds=6), None, None, None)
    recipe.run(lab)
    found = [claim.judgement.estimate for claim in lab.claims]
    # Members gain 1 each up to six. Averaged over epochs, members 1 to 4 have 8 of ten right, not 6
    # (or all, not 8); member 5 always all. The mean of the weights 8, 8, 8, 8 and 14 is about 9.
    assert found == pytest.approx([6, 1.5, 6 - 1, 8 - 6, 4 + 2, -2, 12, 16, 16, 84 - 90])
    yes, no = "holds", "does not hold"
    verdicts = [claim.judgement.verdict for claim in lab.claims]
    assert verdicts == [yes, no, yes, yes, yes, no, yes, yes, yes, no]
    assert list(lab.figures) == ["figure.png", "figure-weights.png"]
