"""The recipe learning_rate_decay: its schedules by value and stacked, and its made-up claims."""

import functools

import numpy as np
import pytest

from recipes import learning_rate_decay as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options
from recipes._lab.training import architecture, members, population, schedules

# Shares of the initial rate before and after each of six epochs, two steps each.
SHARES = {
    "constant": [1] * 7,
    "step": [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001],
    "inverse": [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6, 1 / 7],
    "exponential": [0.01 ** (n / 6) for n in range(7)],
    "cosine": [(1 + np.cos(np.pi * n / 6)) / 2 for n in range(7)],
}
RATES = [0.01, 0.022, 0.046, 0.1, 0.22, 0.46, 1, 2.2]


def test_the_variants_differ_in_schedule_and_rate_only():
    assert {
        f"{schedule}, lr {rate:g}{labels}": {
            "schedule": schedule,
            "learning_rate": rate,
            "batch_norm": False,
            "dropout": 0,
        }
        for labels in ("", ", 20 % wrong labels")
        for schedule in SHARES
        for rate in RATES
    } == recipe.VARIANTS


@pytest.mark.parametrize("schedule", SHARES)
def test_the_rates_are_those_of_the_formulas(schedule):
    model = recipe.build_model((7,), 3, schedule=schedule, epochs=6, steps_per_epoch=2)
    rate = model.optimizer._learning_rate
    found = schedules.rates(rate if schedule != "constant" else float(rate.numpy()), 13)[::2]
    np.testing.assert_allclose(found, 0.1 * np.array(SHARES[schedule]), rtol=1e-5, atol=1e-9)


def dataset(examples, classes=10):
    x = np.random.default_rng(0).normal(size=(examples, 7)).astype(np.float32)
    part = Split(x, np.arange(examples) % classes)
    return Dataset("made up", tuple(map(str, range(classes))), part, part, part)


def test_all_schedules_train_as_one_population_and_none_with_plain_fit(monkeypatch):
    """Each member then follows its own rates: the kernels move, and not all alike."""
    data, chunk, made = dataset(40), [], []
    for schedule in SHARES:
        arguments = {"schedule": schedule, "epochs": 3, "steps_per_epoch": 4, "batch_norm": False}
        build = functools.partial(recipe.build_model, (7,), 10, dropout=0, **arguments)
        spec = architecture.read(build)  # it raises what makes the lab take plain fit
        assert callable(spec.learning_rate) == (schedule != "constant")
        chunk.append(members.Member(schedule, build, spec, 0, data, 3, batch_size=10))
    assert len({member.spec.signature for member in chunk}) == 1

    class Counted(population.Graph):
        def __init__(self, *arguments):
            made.append(self)
            super().__init__(*arguments)

    monkeypatch.setattr(population, "Graph", Counted)
    monkeypatch.setattr(population, "fit", None)
    results = population.train(chunk)
    assert len(made) == 1
    assert len({result.weights[0].tobytes() for result in results}) == len(SHARES)


def test_a_fifth_of_the_training_labels_is_another_class():
    data = dataset(1000)
    wrong = recipe.with_wrong_labels(data)
    different = wrong.train.y != data.train.y
    assert different.sum() == 200
    assert set(wrong.train.y) == set(range(10))
    assert len(set(((wrong.train.y - data.train.y) % 10)[different])) == 9
    assert wrong.validation is data.validation
    assert wrong.test is data.test
    assert data.train.y[:3].tolist() == [0, 1, 2]  # as it was


def test_low_good_and_high_rates_are_those_of_the_constant_one():
    assert recipe.regimes([50, 60, 70, 80, 90, 81, 80, 10]) == (1, 4, 6)
    assert recipe.regimes([50, 90, 85, 84, 83, 82, 81, 80.5]) == (0, 1, 7)


def test_unrest_is_the_mean_change_over_the_last_quarter():
    curves = np.array([[0, 50, 90, 91, 90, 91, 93, 93, 96], [0, 1, 2, 3, 4, 5, 6, 7, 7]])
    assert recipe.unrest(curves).tolist() == [1.5, 0.5]
    assert recipe.unrest(curves[:, :3]).tolist() == [40, 1]


def accuracy(name):
    """Return the made-up final accuracy of a variant, in points."""
    schedule, rate = name.split(", ")[:2]
    rate, decay = float(rate.removeprefix("lr ")), schedule != "constant"
    if "wrong" in name:
        return 80 + 2 * decay if rate == 0.22 else 70
    if rate <= 0.22:  # the best for a constant rate
        return {0.22: 90, 0.1: 85, 0.046: 80}.get(rate, 70) - 3 * decay * (rate < 0.22)
    best = {"step": 89, "inverse": 91, "exponential": 88, "cosine": 92}
    return best.get(schedule, 60) if rate == 0.46 else 50


def test_the_claims_of_made_up_histories(hand_made):
    class MadeUpLab(Lab):
        def data(self, examples):
            return dataset(examples)

        def train(self, build_model, variants, data, *, epochs, batch_size, watch):
            assert (epochs, batch_size, list(variants)) == (20, 50, list(recipe.VARIANTS))
            made = {}
            for name, arguments in variants.items():
                assert (arguments["epochs"], arguments["steps_per_epoch"]) == (20, 20)
                labels = arguments.get("fit", {"data": data})["data"].train.y
                assert (labels == data.train.y).all() == ("wrong" not in name)
                noise = np.random.default_rng(len(made)).normal(0, 1e-4, 6)
                swing = 0.05 * name.startswith("constant") * (np.arange(21) % 2)  # 0 at the end
                curves = [accuracy(name) / 100 + e - swing for e in noise]
                made[name] = [{"accuracy": of} for of in curves]
            self.histories = hand_made(made)
            return self.histories

    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    found = [(claim.judgement.verdict, claim.judgement.estimate) for claim in lab.claims]
    yes, unclear = "holds", "not detected"
    # At their best rates inverse and cosine are better than constant; step and exponential are as
    # good, from the rate that is best for it.
    expected = [(yes, 1), (unclear, 2), (yes, 2), (yes, 4), (yes, 31), (yes, 4)]
    expected += [(unclear, 0), (unclear, 0), (yes, 4), (yes, 4)]
    assert found == [(verdict, pytest.approx(number, abs=0.03)) for verdict, number in expected]
    assert list(lab.figures) == ["figure.png", "figure-rates.png"]
