"""The recipe optimizers: its optimizers by value, and its claims where the effect is planted."""

import keras
import numpy as np
import pytest

from recipes import optimizers as recipe
from recipes._lab.lab import Lab, Options


@pytest.mark.parametrize("name", recipe.OPTIMIZERS)
def test_the_model_has_the_optimizer_that_is_asked_for(name):
    model = recipe.build_model((5,), 3, **recipe.AT_BOOK_RATES[recipe.BOOKS, name])
    kinds = {"Momentum": "SGD", "AdaGrad": "Adagrad"}
    assert type(model.optimizer) is getattr(keras.optimizers, kinds.get(name, name))
    rate = 0.001 if name == "Adam" else 0.01
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(rate)
    assert getattr(model.optimizer, "momentum", 0) == (0.9 if name == "Momentum" else 0)
    assert getattr(model.optimizer, "initial_accumulator_value", 0) == 0
    hidden = [f"h{n}{kind}" for n in range(1, 5) for kind in ("", "_act")]
    assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]


@pytest.fixture
def judged(made_up):
    """`judged(ends)` runs the recipe on made-up final accuracies in %, by rates."""

    def run(ends):
        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, learning_rate):
                assert variants == recipe.TO_TUNE
                assert list(learning_rate) == list(recipe.OPTIMIZERS)
                return variants

            def train(self, build_model, variants, data, *, epochs, watch):
                assert variants == recipe.VARIANTS
                noise = np.random.default_rng(0).normal(0, 0.001, 6)
                runs = {
                    (rates, name): [{"accuracy": [0.1, end / 100 + e]} for e in noise * (n + 1)]
                    for rates, by_name in ends.items()
                    for n, (name, end) in enumerate(by_name.items())
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def by_name(*ends):
    return dict(zip(recipe.OPTIMIZERS, ends, strict=True))


def test_where_others_lead_most_by_their_rates_every_claim_holds(judged):
    in_book = by_name(20, 50, 60, 70)  # leads of 30, 40, 50: 40 on average
    best = by_name(80, 84, 86, 94)  # leads of 4, 6, 14: 8
    found = judged({recipe.BOOKS: in_book, recipe.BEST: best})
    assert found == [("holds", 3), ("holds", 3), ("holds", 40 / 2 - 8)]


def test_where_sgd_is_fastest_they_do_not(judged):
    slower = by_name(90, 70, 60, 50)
    found = judged({recipe.BOOKS: slower, recipe.BEST: slower})
    assert [verdict for verdict, _ in found] == ["does not hold", "does not hold", "holds"]


def test_a_lead_that_the_best_rates_leave_as_it_was_is_not_halved(judged):
    ahead = by_name(50, 70, 80, 90)
    found = judged({recipe.BOOKS: ahead, recipe.BEST: ahead})
    assert found[2] == ("does not hold", -15)
