"""The recipe log_sampling: its scales by value, its claims where the effect is planted."""

import keras
import keras_tuner
import numpy as np
import pytest

from recipes import log_sampling as recipe
from recipes._lab.lab import Lab, Options

ADAM, SGD, MOMENTUM = recipe.ADAM, recipe.SGD, recipe.MOMENTUM
LOG, LINEAR = recipe.LOG, recipe.LINEAR


def test_the_optimizers():
    adam = recipe.build_model(momentum=0.7, learning_rate=0.25).optimizer
    assert (type(adam), adam.beta_1) == (keras.optimizers.Adam, 0.7)
    assert float(adam.learning_rate) == 0.25
    for (drawn, _, value), arguments in recipe.VARIANTS.items():
        if drawn == MOMENTUM and value < 0.01:
            sgd = recipe.build_model(**arguments).optimizer
            assert (type(sgd), sgd.momentum) == (keras.optimizers.SGD, 1 - value)
            assert float(sgd.learning_rate) / (1 - sgd.momentum) == pytest.approx(0.1)


def test_values_lie_evenly_on_their_scales_as_keras_tuner_and_the_course_have_them():
    places = (np.arange(10) + 0.5) / 10
    hp = keras_tuner.HyperParameters()
    recipe.build_tunable(hp)
    space = {parameter.name: parameter for parameter in hp.space}
    for name, values in (("learning_rate", recipe.RATES), ("one_minus_momentum", recipe.DISTANCES)):
        assert [space[name].prob_to_value(p) for p in places] == pytest.approx(values[LOG])
    # The course's r = -4 * rand, 10 ** r.
    assert recipe.RATES[LOG] == pytest.approx(10 ** (-4 * (1 - places)))
    linear = keras_tuner.HyperParameters()
    linear.Float("rate", 1e-4, 1.0)
    assert [linear.space[0].prob_to_value(p) for p in places] == pytest.approx(recipe.RATES[LINEAR])
    assert np.mean(recipe.RATES[LINEAR] > 0.1) == 0.9


def test_good_is_nine_tenths_of_the_way_to_the_best_of_both_scales():
    lab = Lab(Options(), None, None, None)
    above_chance = {
        (LOG, 1): [80, 80],
        (LOG, 2): [72, 71],
        (LINEAR, 3): [50, 79],
        (LINEAR, 4): [9, 9],
    }
    accuracy = lab.measure(above_chance, "%")
    assert recipe.share_of_good(accuracy, LOG).array().tolist() == [100, 50]
    assert recipe.share_of_good(accuracy, LINEAR).array().tolist() == [0, 50]


@pytest.fixture
def judged(made_up):
    """`judged(is_good)` runs the recipe where `{what is drawn: whether a value is good}`."""

    def run(is_good):
        rng = np.random.default_rng(0)

        def runs(accuracy):
            return [{"accuracy": [0.1, accuracy + rng.normal(0, 1e-4)]} for _ in range(6)]

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size, watch):
                assert variants is recipe.VARIANTS
                assert epochs * 400 / batch_size == 200  # steps
                ends = {key: 0.9 if is_good[key[0]](key[2]) else 0.3 for key in variants}
                self.results = made_up({key: runs(end) for key, end in ends.items()}, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-rates.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_good_values_span_decades_every_claim_holds(judged):
    found = judged(dict.fromkeys((ADAM, SGD, MOMENTUM), lambda value: value < 0.01))
    # Of ten values 5 and none, of the momenta 5 and one (.00595) are below .01.
    assert found == [("holds", 50), ("holds", 50), ("holds", 40)]


def test_where_they_lie_in_the_last_decade_none_does(judged):
    is_good = dict.fromkeys((ADAM, SGD), lambda rate: rate > 0.1)
    found = judged(is_good | {MOMENTUM: lambda distance: distance > 0.01})
    assert [verdict for verdict, _ in found] == ["does not hold"] * 3
