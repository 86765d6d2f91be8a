"""The recipe binary_classifier: its models and helpers by value, its claims on made-up curves."""

import keras
import numpy as np
import pytest

from recipes import binary_classifier as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

YES, NO = "holds", "does not hold"


def made_up_data(classes=5, examples=20, features=3):
    x = np.random.default_rng(0).normal(size=(examples, features)).astype(np.float32)
    split = Split(x, np.arange(examples, dtype=np.int32) % classes)
    return Dataset("made up", tuple("abcde"[:classes]), split, split, split)


def test_variants_of_one_run_differ_in_output_and_rate_only():
    rates = {recipe.TWO: 1, recipe.ONE: 1, recipe.SCALED: 1, recipe.DOUBLE: 2}
    asked = ("output", "logit_scale", "learning_rate")
    for run, (arguments, rate, lines) in recipe.RUNS.items():
        for line in lines:
            of = recipe.VARIANTS[recipe.at(line, run)]
            assert of["learning_rate"] == rates[line] * rate
            assert {k: v for k, v in of.items() if k not in asked} == arguments
            assert of.get("output", "softmax") == ("softmax" if line == recipe.TWO else "sigmoid")
            assert of.get("logit_scale", 1) ** 2 == pytest.approx(1 + (line == recipe.SCALED))


@pytest.mark.parametrize(
    ("line", "end"),
    [
        (recipe.TWO, ["softmax"]),
        (recipe.ONE, ["sigmoid"]),
        (recipe.SCALED, ["scale", "sigmoid"]),
    ],
)
def test_the_layers_of_each_output(line, end):
    model = recipe.build_model((3,), 2, **recipe.VARIANTS[recipe.at(line, recipe.DEEP)])
    hidden = [f"h{n}{kind}" for n in (1, 2) for kind in ("", "_bn", "_act")]
    assert [layer.name for layer in model.layers] == [*hidden, "dropout", "logits", *end]
    assert model.output_shape == (None, 2 if line == recipe.TWO else 1)
    assert not model.get_layer("logits").kernel.numpy().any()
    linear = recipe.build_model((3,), 2, **recipe.VARIANTS[recipe.at(recipe.TWO, recipe.ADAM)])
    assert [layer.name for layer in linear.layers] == ["dropout", "logits", "softmax"]
    assert type(linear.optimizer) is keras.optimizers.Adam


def test_one_unit_is_for_two_classes():
    with pytest.raises(ValueError, match="not 3"):
        recipe.build_model((4,), 3, output="sigmoid")


def test_the_first_half_of_the_classes_is_one_class():
    five = recipe.two_classes(made_up_data(5))
    assert five.class_names == ("a, b", "c, d, e")
    assert five.train.y[:5].tolist() == [0, 0, 1, 1, 1]
    two = made_up_data(2)
    assert recipe.two_classes(two).class_names == two.class_names
    assert recipe.two_classes(two).test.y.tolist() == two.test.y.tolist()


def test_the_probabilities_are_the_same_at_twice_the_rate_and_at_no_other(monkeypatch):
    build_model = recipe.build_model

    def build_without_graph(*arguments, **more):
        model = build_model(*arguments, **more)
        model.run_eagerly = True  # which takes less time for a few steps
        return model

    monkeypatch.setattr(recipe, "build_model", build_without_graph)
    split = recipe.two_classes(made_up_data(2)).train
    assert max(recipe.deviations(split, [0, 1])) < 1e-6
    assert min(recipe.deviations(split, [0, 1], factor=1)) > 1e-3


def test_the_claims_of_made_up_curves(hand_made, monkeypatch):
    """Losses by line and run: with hidden layers, twice the rate is .01 away at one seed."""
    losses = {
        (recipe.TWO, recipe.FLAT): 0.5,
        (recipe.DOUBLE, recipe.FLAT): 0.5005,
        (recipe.ONE, recipe.FLAT): 0.6,
        (recipe.ONE, recipe.DEEP): 0.45,
        (recipe.TWO, recipe.FREE): 0.4,
    }

    class MadeUpLab(Lab):
        def data(self, examples):
            return made_up_data()

        def tune(self, build_model, variants, data, *, epochs):
            assert data.class_names == ("a, b", "c, d, e")
            return {name: of | {"learning_rate": 0.3} for name, of in variants.items()}

        def train(self, build_model, variants, data, *, epochs, watch):
            assert set(watch) < set(variants)
            assert [of["learning_rate"] for of in variants.values()].count(0.3) == 2
            made = {}
            for run, (_, _, lines) in recipe.RUNS.items():
                for line in lines:
                    loss = losses.get((line, run), 0.5)
                    last = loss + 0.01 * (line == recipe.DOUBLE) * (run == recipe.DEEP)
                    test = 0.9 + 0.005 * (line == recipe.ONE)
                    made[recipe.at(line, run)] = [
                        {
                            "accuracy": [0.5, 0.9, 0.9],
                            "loss": [0.7, loss, last if seed == 3 else loss],
                            "test_accuracy": test,
                        }
                        for seed in range(6)
                    ]
            self.histories = hand_made(made, chance=0.5, classes=2)
            return self.histories

    monkeypatch.setattr(recipe, "deviations", lambda split, seeds: [1e-7] * len(seeds))
    lab = MadeUpLab(Options(seeds=6), None, None, None)
    recipe.run(lab)
    found = [(claim.judgement.verdict, claim.judgement.estimate) for claim in lab.claims]
    expected = [(YES, 5e-4), (YES, 0), (YES, 0), (NO, 0.01), (YES, 1e-7), (YES, 0)]
    expected += [(YES, 0.5), (YES, 0.1), (NO, -0.05), (YES, 0.1)]
    assert found == [(verdict, pytest.approx(number)) for verdict, number in expected]
