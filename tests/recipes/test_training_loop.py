"""The recipe training_loop: its steps by value, and its claims on planted times and weights."""

import keras
import numpy as np
import pytest

from recipes import training_loop as recipe
from recipes._lab.lab import Lab, Options


def examples(count):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 5)).astype(np.float32), rng.integers(0, 3, count)


def new_model():
    keras.utils.set_random_seed(0)
    return recipe.build_model((5,), 3)


def test_a_loop_takes_a_step_on_each_batch_the_smaller_last_one_too():
    sizes = []
    recipe.loop(lambda x, y: sizes.append((len(x), len(y))), *examples(230), epochs=2)
    assert sizes == [(100, 100), (100, 100), (30, 30)] * 2


def test_two_epochs_of_a_loop_end_with_the_weights_of_fit():
    by_fit, by_loop = new_model(), new_model()
    start = by_loop.get_weights()
    recipe.fit(by_fit, *examples(300), epochs=2)
    recipe.loop(recipe.make_step(by_loop), *examples(300), epochs=2)
    weights = zip(start, by_fit.get_weights(), by_loop.get_weights(), strict=True)
    for before, expected, found in weights:
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert not np.array_equal(found, before)  # moving averages move, too


def test_a_graph_is_traced_anew_for_a_new_number(monkeypatch):
    model, calls = new_model(), []
    monkeypatch.setattr(model.optimizer, "apply", lambda *of: calls.append(None))
    step, (x, y) = recipe.make_step(model), examples(20)
    for number in (0, 0, 1, 1):
        step(x, y, number)
    step(x, y)
    step(x, y)
    assert len(calls) == 3  # Python runs only when it traces


@pytest.fixture
def judged(monkeypatch):
    """`judged(times, drift)` runs the recipe on made-up times and trainings.

    Args of it: ms a step of fit, the loop, eager, and traced anew; what the loop's weights are
    beside fit's.
    """

    def run(times, drift):
        fit, graph, eager, retraced = times
        ways = [fit * 100, graph * 100, eager, retraced]  # 10 epochs of 10 steps, or one step
        calls = iter(np.repeat(ways, 6))
        noise = iter(np.tile(np.arange(6) / 1000, 4))

        class Step:
            def __init__(self, model, graph=True):
                self.model = model

        def loop(step, x, y, epochs):
            step.model.layers[0].bias.assign_add(np.full(100, drift))

        monkeypatch.setattr(recipe, "make_step", Step)
        monkeypatch.setattr(recipe, "loop", loop)
        monkeypatch.setattr(recipe, "fit", lambda model, x, y, epochs: None)
        monkeypatch.setattr(Lab, "milliseconds", lambda *call, **_: next(calls) + next(noise))
        lab = Lab(Options(), None, None, None)
        recipe.run(lab)
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_it_is_as_it_is_said_to_be_every_claim_holds(judged):
    found = judged(times=(4, 2, 30, 200), drift=0)
    assert found == [("holds", of) for of in (0, 30 - 2 * 2, 200 - 30, 4 - 2)]


def test_where_it_is_the_opposite_none_does(judged):
    found = judged(times=(2, 4, 6, 5), drift=1)
    assert found == [("does not hold", of) for of in (1, 6 - 2 * 4, 5 - 6, 2 - 4)]
