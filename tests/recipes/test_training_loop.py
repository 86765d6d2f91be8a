"""The recipe training_loop: its steps by value, and its claims on planted times and weights."""

import keras
import numpy as np
import pytest

from recipes import training_loop as recipe
from recipes._lab.lab import Lab, Options

FIT, LOOP, FORGOTTEN = recipe.FIT, recipe.LOOP, recipe.FORGOTTEN


def examples(count):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 5)).astype(np.float32), rng.integers(0, 3, count)


def trained(training):
    model = recipe.build_model((5,), 3)
    recipe.start_again(model, 0)
    step = recipe.make_step(model, training=training, graph=False)
    recipe.loop(step, *examples(150), epochs=1)
    return model


def test_a_loop_takes_a_step_on_each_batch_the_smaller_last_one_too():
    sizes = []
    recipe.loop(lambda x, y: sizes.append((len(x), len(y))), *examples(230), epochs=2)
    assert sizes == [(100, 100), (100, 100), (30, 30)] * 2


def test_moving_averages_move_only_where_training_is_said():
    means = [trained(of).get_layer("h1_bn").moving_mean.numpy() for of in (True, False)]
    assert means[0].any()
    assert not means[1].any()


def test_a_model_that_starts_again_is_a_new_one():
    model = trained(True)
    recipe.start_again(model, 1)
    keras.utils.set_random_seed(1)
    new = recipe.build_model((5,), 3)
    x, _ = examples(20)
    for weight, fresh in zip(model.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, fresh)
    np.testing.assert_array_equal(model(x, training=True), new(x, training=True))  # masks
    assert model.optimizer.iterations.numpy() == 0
    assert not any(v.numpy().any() for v in model.optimizer.variables[2:])


def test_the_first_call_does_not_count(monkeypatch):
    clock = iter([0, 9, 10, 11, 20, 23])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    np.testing.assert_array_equal(recipe.milliseconds(lambda: None, 2), [1000, 3000])


@pytest.fixture
def judged(monkeypatch):
    """`judged(times, drift, forgotten)` runs the recipe on made-up times and trainings.

    Args of it: ms a step of fit, the loop, eager, and traced anew; what the loop's weights are
    beside fit's; the test accuracy in % where training=True is forgotten, beside 95.
    """

    def run(times, drift, forgotten):
        rest, noise = iter([times[0] * 100, times[1] * 100, *times[2:]]), np.arange(6) / 1000
        ends = iter([(of + e) for e in noise for of in (95, 95, forgotten)])

        def loop(step, x, y, epochs):
            step.model.layers[0].bias.assign_add(np.full(100, drift))

        class Step:
            def __init__(self, model, training=True, graph=True):
                self.model = model

        monkeypatch.setattr(recipe, "make_step", Step)
        monkeypatch.setattr(recipe, "loop", loop)
        monkeypatch.setattr(recipe, "fit", lambda model, x, y, epochs: None)
        monkeypatch.setattr(recipe, "accuracy", lambda model, x, y: next(ends))
        monkeypatch.setattr(recipe, "milliseconds", lambda function, count: next(rest) + noise)
        lab = Lab(Options(), None, None, None)
        recipe.run(lab)
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_it_is_as_it_is_said_to_be_every_claim_holds(judged):
    found = judged(times=(4, 2, 30, 200), drift=0, forgotten=92)
    assert found == [("holds", of) for of in (0, 3, 30 - 2 * 2, 200 - 30, 4 - 2)]


def test_where_it_is_the_opposite_none_does(judged):
    found = judged(times=(2, 4, 6, 5), drift=1, forgotten=98)
    assert found == [("does not hold", of) for of in (1, -3, 6 - 2 * 4, 5 - 6, 2 - 4)]
