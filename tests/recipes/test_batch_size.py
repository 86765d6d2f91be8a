"""The recipe batch_size: its budgets by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import batch_size as recipe
from recipes._lab.lab import Lab, Options

BY_EPOCHS, BY_TIME = recipe.BY_EPOCHS, recipe.BY_TIME
SMALL, MIDDLE, ALL = recipe.SMALL, recipe.MIDDLE, recipe.ALL


def test_equal_time_is_as_many_examples_and_overheads():
    for size in (8, 128, 512):
        epochs = recipe.epochs_in_equal_time(size)
        time = epochs * 512 / size * (1000 + size)
        assert time == pytest.approx(192 * 1008, rel=0.02)


@pytest.fixture
def judged(made_up):
    """`judged(by_epochs, by_time)` runs the recipe on made-up test accuracies in %, by size."""

    def run(by_epochs, by_time):
        ends = dict(zip(recipe.VARIANTS, [*by_epochs, *by_time], strict=True))
        sizes = []

        class MadeUpLab(Lab):
            def milliseconds(self, step, x, y, *, fastest_of):
                assert len(x) == len(y)
                sizes.append(len(x))
                return 1 + len(x) / 1000

            def tune(self, build_model, variants, data, *, epochs, batch_size, learning_rate):
                assert variants == recipe.VARIANTS
                self.plan = epochs, batch_size
                return variants

            def train(self, build_model, variants, data, *, epochs, batch_size, watch):
                assert (epochs, batch_size) == self.plan
                assert list(variants) == list(ends)
                noise = np.random.default_rng(0).normal(0, 0.001, 6)
                runs = {
                    key: [
                        {"accuracy": [0.1, 0.9], "test_accuracy": end / 100 + (n + 1) * e}
                        for e in noise
                    ]
                    for n, (key, end) in enumerate(ends.items())
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert sizes == [8] * 6 + [128] * 6 + [512] * 6 + [2048] * 6
        assert list(lab.figures) == ["figure.png", "figure-seconds.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_sizes_do_as_they_are_said_to_every_claim_holds(judged):
    assert judged(by_epochs=(97, 95, 90), by_time=(85, 95, 95.2)) == ["holds"] * 3


def test_where_they_do_the_opposite_none_does(judged):
    assert judged(by_epochs=(80, 95, 90), by_time=(97, 95, 80)) == ["does not hold"] * 3
