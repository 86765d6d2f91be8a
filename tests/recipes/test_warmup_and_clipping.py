"""The recipe warmup_and_clipping: its remedies by value, its claims on planted effects."""

import types

import keras
import numpy as np
import pytest

from recipes import warmup_and_clipping as recipe
from recipes._lab.lab import Lab, Options

SCALED, SPIKES = recipe.SCALED, recipe.SPIKES
NEITHER, WARMUP, CLIPPING, NORMALIZED = recipe.ARMS[SCALED]


def test_rates_double():
    assert recipe.RATES.tolist() == pytest.approx([0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56])


def test_a_warm_up_grows_from_nothing_to_the_whole():
    rate = recipe.build_model(**recipe.VARIANTS[SCALED, WARMUP, recipe.RATES[-1]]).optimizer
    found = [float(rate._learning_rate(step)) for step in (0, 25, 50, 199)]
    assert found == pytest.approx([0, 1.28, 2.56, 2.56])


def stepped(arm):
    """Return by how much the weights change in the first step of an arm at a rate of 2.56."""
    keras.utils.set_random_seed(0)
    model = recipe.build_model((5,), 3, **recipe.VARIANTS[SCALED, arm, recipe.RATES[-1]])
    before = [weight.numpy() for weight in model.trainable_weights]
    x = 255 * np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    model.run_eagerly = True
    model.train_on_batch(x, np.arange(8) % 3)
    after = [weight.numpy() for weight in model.trainable_weights]
    return np.sqrt(sum(np.sum((b - a) ** 2) for b, a in zip(before, after, strict=True)))


def test_a_clipped_step_is_as_long_as_the_rate_however_large_the_inputs():
    assert stepped(CLIPPING) == pytest.approx(2.56, rel=1e-4)
    assert stepped(NEITHER) > 100 * 2.56
    assert stepped(WARMUP) == 0


def test_every_200th_training_example_is_not_scaled():
    x = np.ones((1000, 3), np.float32)
    dataset = types.SimpleNamespace(train=types.SimpleNamespace(x=x), with_train=lambda x: x)
    changed = recipe.with_unscaled_examples(dataset, None)
    assert np.flatnonzero(changed[:, 0] == 255).tolist() == [0, 200, 400, 600, 800]
    assert changed.sum() == 3 * (995 + 5 * 255)
    assert x.max() == 1  # a copy was changed


@pytest.fixture
def judged(made_up):
    """`judged(counts, speeds)` runs the recipe on made-up results.

    Args:
        counts: how many of the 7 rates, from the lowest, learn, by data and arm.
        speeds: accuracy (%) on the way, by arm.
    """

    def run(counts, speeds):
        noise = np.random.default_rng(0).normal(0, 0.001, 6)

        def one(data, arm, number, seed):
            count = counts[data][arm] + (arm == CLIPPING and seed == 5)
            if number >= count:
                return {"accuracy": [0.1, 0.95, 0.1]}  # which counts where it ends
            on_the_way = speeds[arm] / 100 + noise[seed] * (arm == CLIPPING)
            return {"accuracy": [0.1, on_the_way, 0.99], "val_accuracy": [0.1, 0.5, 0.9]}

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every, watch):
                assert variants == recipe.VARIANTS
                assert (epochs, evaluate_every) == (20, 4)
                rates = list(recipe.RATES)
                runs = {
                    (*key, rate): [one(*key, rates.index(rate), seed) for seed in range(6)]
                    for *key, rate in variants
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-spikes.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def by_arm(*of):
    return dict(zip(recipe.ARMS[SCALED], of, strict=False))  # the last is only of scaled examples


def test_where_the_sources_are_right_every_claim_holds(judged):
    counts = {SCALED: by_arm(2, 6, 5, 6), SPIKES: by_arm(1, 2, 5)}
    found = judged(counts, by_arm(60, 60, 80, 60))
    # Mean over two epochs: half of the 20 points.
    assert found == [("holds", 4), ("holds", 0), ("holds", 10), ("holds", 4), ("holds", 3)]


def test_where_they_are_wrong_none_does(judged):
    counts = {SCALED: by_arm(4, 2, 5, 6), SPIKES: by_arm(6, 5, 2)}
    found = judged(counts, by_arm(80, 60, 60, 60))
    assert found == [
        ("does not hold", -2),
        ("does not hold", -4),
        ("does not hold", -10),
        ("does not hold", -4),
        ("does not hold", -3),
    ]
