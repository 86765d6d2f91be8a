"""The recipe batch_size: its budgets and sizes by value, and its claims on made-up numbers."""

import time

import numpy as np
import pytest

from recipes import batch_size as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

EPOCHS, TIME, STEPS = "equal epochs", "equal time, overhead 128", "equal steps"
SIZES = {8: "8", 32: "32", 128: "128", 512: "of all"}
# A step of 8 costs 136 there, and 64 of them are an epoch: 128 * 256 / (64 * 136) = 3.8.
EXPECTED = {EPOCHS: (32, 32, 32, 32), TIME: (4, 13, 32, 51), STEPS: (2, 8, 32, 128)}


def test_the_variants_differ_in_batch_size_and_epochs_only():
    assert {
        f"{budget}, batch {name}": {
            "batch_norm": False,
            "dropout": 0,
            "fit": {"batch_size": size, "epochs": epochs},
        }
        for budget, by_size in EXPECTED.items()
        for (size, name), epochs in zip(SIZES.items(), by_size, strict=True)
    } == recipe.VARIANTS


FEW = {512: [8, 32, 128, 512], 300: [8, 32, 128, 256], 180: [8, 32, 160], 17: [8, 16], 11: [1, 11]}


@pytest.mark.parametrize("given", FEW)
def test_few_examples_are_whole_batches_too(given):
    sizes, examples = recipe.sizes_for(given)
    assert (sizes, examples) == (FEW[given], FEW[given][-1])
    assert all(examples % size == 0 for size in sizes)
    assert len(recipe.variants_for(examples)) == 3 * len(sizes)
    steps = [recipe.epochs_for(STEPS, size, examples) * examples / size for size in sizes]
    if examples > 100:  # else one epoch of some sizes is more than that
        assert steps == pytest.approx([128] * len(sizes), rel=0.2)


def test_the_layers_of_a_variant_and_of_the_template():
    bare, full = recipe.build_model((7,), 3, batch_norm=False, dropout=0), recipe.build_model()
    hidden = [f"h{n}{part}" for n in (1, 2) for part in ("", "_bn", "_act")]
    assert [layer.name for layer in full.layers] == [*hidden, "dropout", "softmax"]
    names = [name for name in hidden if not name.endswith("bn")]
    assert [layer.name for layer in bare.layers] == [*names, "dropout", "softmax"]


def test_the_fastest_step_after_a_warm_up_counts(monkeypatch):
    clock, done = [0.0], []

    def step(size):
        done.append(size)  # the two first are the fastest, but they are not counted
        clock[0] += size * (1 if done.count(size) < 3 else 9 - done.count(size) % 5)

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert recipe.seconds_of(step, (2, 4), repeats=7).tolist() == [10, 20]
    assert done == [2] * 9 + [4] * 9


# Test accuracy in %, by batch size.
ACCURACY = {EPOCHS: (97, 96.5, 95, 88), TIME: (91, 94, 96, 95.5), STEPS: (90, 95, 96, 95.5)}
SCALED = "equal epochs, lr scaled from the smallest, batch 32"


@pytest.fixture
def lab(hand_made, monkeypatch):
    by_name = {SCALED: 50}
    for budget, values in ACCURACY.items():
        by_name |= {f"{budget}, batch {n}": v for n, v in zip(SIZES.values(), values, strict=True)}

    class MadeUpLab(Lab):
        def data(self, examples):
            part = Split(np.zeros((examples, 7), np.float32), np.zeros(examples, int))
            return Dataset("made up", ("a", "b"), part, part, part)

        def tune(self, build_model, variants, data, *, values, epochs):
            assert variants == recipe.VARIANTS
            self.tuned = [{"variant": v, "val_accuracy": {"0.1": 0.5, "0.3": 1}} for v in variants]
            return {v: a | {"learning_rate": a["fit"]["batch_size"]} for v, a in variants.items()}

        def train(self, build_model, variants, data, *, epochs, watch):
            assert variants[SCALED]["learning_rate"] == 4 * 8
            assert variants[SCALED]["fit"] == {"batch_size": 32, "epochs": 32}
            falls, rises = [5, 4, 3, 2, 1], [3, 2, 2.5, 1, 0.9]  # once
            made = {}
            for v in variants:
                losses = rises if v == f"{STEPS}, batch of all" else falls
                noise = np.random.default_rng(len(v)).normal(0, 1e-4, 5)
                runs = [by_name[v] / 100 + e for e in noise]
                made[v] = [{"accuracy": [a] * 5, "loss": losses} for a in runs]
            return hand_made(made)

    monkeypatch.setattr(recipe, "seconds_of", lambda step, sizes: 1e-6 * (300 + sizes))
    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    return lab


def test_the_claims_of_made_up_histories(lab):
    found = [(claim.judgement.verdict, claim.judgement.estimate) for claim in lab.claims]
    yes, no = "holds", "does not hold"
    expected = [(yes, 9), (yes, 5.5), (yes, 5), (yes, 0.5), (yes, -0.5), (yes, -0.5), (no, -47)]
    expected.append((no, 1))
    assert found == [(verdict, pytest.approx(number, abs=0.03)) for verdict, number in expected]
    assert [n for n in range(8) if "128 test" in lab.claims[n].text] == [2, 3]


def test_no_claim_rests_on_seconds_but_a_figure_shows_them(lab):
    assert list(lab.figures) == ["figure.png", "figure-rates.png", "figure-seconds.png"]
    assert {claim.judgement.unit for claim in lab.claims} == {"points", "rises"}
