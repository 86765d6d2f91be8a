"""The recipe sanity_checks: its models and rules by value, and its claims on made-up histories."""

import keras
import numpy as np
import pytest

from recipes import sanity_checks as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

NAN = float("nan")


def test_variants_differ_in_their_fault_only():
    bare = {"batch_norm": False, "dropout": 0.0}
    faults = {
        "right loop": {"learning_rate": 0.03},
        "learning rate 0": {"learning_rate": 0.0},
        "rate / 300": {"learning_rate": 0.0001},
        "rate times 100": {"learning_rate": 3.0},
        "last weights times 10": {"last_std": 0.1},
        "softmax twice": {"softmax_twice": True},
    }
    for name, arguments in recipe.VARIANTS.items():
        assert arguments == bare | faults.get(name.partition(", ")[0], {})
    assert sum(name.endswith(", 20 examples") for name in recipe.VARIANTS) == 5


def test_the_second_softmax_bounds_the_probabilities():
    model = recipe.build_model((5,), 3, softmax_twice=True, **recipe.BARE)
    names = [layer.name for layer in model.layers]
    assert names == ["h1", "h1_act", "h2", "h2_act", "dropout", "softmax", "softmax_again"]
    model.get_layer("softmax").bias.assign([99, 0, 0])
    assert model(np.zeros((1, 5))).numpy().max() == pytest.approx(np.e / (np.e + 2))
    kernel = recipe.build_model().get_layer("softmax").kernel
    assert keras.ops.std(kernel).numpy() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([2.3, 1.0, 1.2, 1.1], "good"),
        ([2.3, 2.2, 2.1, 1.2], "too low"),
        ([2.3, 2.2, 2.25, 1.2], "too high"),
        ([2.3, 9.0, 2.4, 2.4], "too high"),
        ([2.3, 2.3, 2.3, 2.3], "no step"),
    ],
)
def test_the_shape_of_a_curve_names_its_rate(losses, expected):
    assert recipe.shape(np.array(losses)) == expected


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((0.4, 0.009, 11), "none"),
        ((-0.6, 1.0, 0), "initial loss"),
        ((0.0, 0.011, 0), "20 examples"),
        ((0.0, 0.009, 9), "validation"),
        ((0.0, 0.009, NAN), "none"),
    ],
)
def test_the_first_check_that_catches_something(numbers, expected):
    assert recipe.first_check(*numbers) == expected


def test_the_monitor_tells_a_rate_of_zero_and_is_quiet(capsys):
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 100)
    split = Split((y[:, None] + random.normal(size=(100, 4))).astype(np.float32), y)
    data = Dataset("made up", ("a", "b"), split, split, split)
    assert recipe.monitored(data, 0.0, epochs=2) == ["small updates"]
    assert capsys.readouterr().out == ""


# Made-up losses from before training to the end, and the last validation accuracy, in points.
RUNS = {
    "right loop": ([1.40, 0.5, 0.1], 90),
    "learning rate 0": ([1.39, 1.39, 1.39], 25),
    "rate / 300": ([1.40, 1.39, 1.38], 30),
    "rate times 100": ([1.40, 9.0, 1.5], 25),
    "labels shuffled": ([1.39, 1.3, 1.2], 27),
    "100 examples": ([1.39, 0.5, 0.1], 70),
    "last weights times 10": ([1.90, 0.5, 0.1], 90),
    "right loop, 20 examples": ([1.39, 0.1, 0.004], 100),
    "inputs times 255, 20 examples": ([9.0, 0.1, 0.004], 100),
    "learning rate 0, 20 examples": ([1.39, 1.39, 1.39], 25),
    "softmax twice, 20 examples": ([1.39, 1.0, 0.8], 100),
    "labels shuffled, 20 examples": ([1.39, 0.1, 0.004], 100),
}


@pytest.fixture
def run(hand_made, monkeypatch):
    def claims(words=None, **changed):
        class MadeUpLab(Lab):
            def data(self, examples):
                split = Split(np.ones((200, 3), np.float32), np.arange(200) % 4)
                return Dataset("made up", tuple("abcd"), split, split, split)

            def train(self, build_model, variants, data, *, epochs, batch_size, watch):
                fits = {name: of["fit"] for name, of in variants.items()}
                assert len({id(fit["data"]) for fit in fits.values()}) == 3 + 3  # graphs
                for name, fit in fits.items():
                    train = fit["data"].train
                    assert len(train) == 20 * ("20" in name) or len(train) in (100, 200)
                    assert train.x.max() == (255 if name.startswith("inputs") else 1)
                    told = np.array_equal(train.y, np.arange(len(train)) % 4)
                    assert told != name.startswith("labels shuffled")
                made = {}
                for name, (loss, valid) in (RUNS | changed).items():
                    numbers = {"loss": loss, "val_accuracy": [0.25, 0.25, valid / 100]}
                    made[name] = [{"accuracy": [0.25, 0.5, 1.0]} | numbers] * 6
                return hand_made(made)

        given = words or [[], ["small updates"], ["dead units"], ["initial loss"]]
        found = iter(given)
        monkeypatch.setattr(recipe, "monitored", lambda data, rate, epochs: next(found))
        lab = MadeUpLab(Options(seeds=6), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.judgement for claim in lab.claims]

    return claims


def test_the_claims_of_made_up_runs(run):
    judgements = run()
    ln_4 = np.log(4)
    expected = [1.40 - ln_4, 0.01 - 0.004, 0, 20, 0, 2, 1.90 - ln_4, 0]
    assert [of.estimate for of in judgements] == pytest.approx(expected)
    verdicts = [of.verdict for of in judgements]
    assert verdicts == ["holds"] * 6 + ["does not hold", "holds"]
    assert "right loop: nothing; rate / 300: small updates" in judgements[-1].finding


def test_faults_that_slip_through_are_counted(run):
    changed = {"rate / 300": RUNS["right loop"], "labels shuffled": ([1.39, 1.3, 1.2], 40)}
    changed["softmax twice, 20 examples"] = RUNS["right loop, 20 examples"]
    judgements = run([["dead units"], [], ["dead units"], ["initial loss"]], **changed)
    assert [judgements[n].estimate for n in (2, 4, 5, 7)] == pytest.approx([1, 2, 15, 2])
    assert {judgements[n].verdict for n in (2, 4, 5, 7)} == {"does not hold"}
