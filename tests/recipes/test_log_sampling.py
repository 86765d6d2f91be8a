"""The recipe log_sampling: its models by value, draws worked out by hand, signs of its claims."""

import types

import keras
import keras_tuner
import numpy as np
import pytest

from recipes import log_sampling
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

HOLDS, FAILS, NOT_DETECTED = "holds", "does not hold", "not detected"


def test_a_model_has_the_layers_units_and_optimizer_asked_for():
    model = log_sampling.build_model(
        (5,), 3, hidden_layers=3, units=7, optimizer="sgd", momentum=0.6
    )
    names = [f"h{n}{part}" for n in (1, 2, 3) for part in ("", "_bn", "_act")]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]
    assert [model.get_layer(name).units for name in ("h1", "h2", "h3", "softmax")] == [7, 7, 7, 3]
    assert type(model.optimizer) is keras.optimizers.SGD
    assert model.optimizer.momentum == 0.6
    model = log_sampling.build_model(momentum=0.7, learning_rate=0.25)
    assert type(model.optimizer) is keras.optimizers.Adam
    assert (model.optimizer.beta_1, float(model.optimizer.learning_rate)) == (0.7, 0.25)


def test_the_search_space_draws_each_value_on_its_scale():
    hp = keras_tuner.HyperParameters()
    hp.Fixed("one_minus_momentum", 0.003)
    assert log_sampling.build_tunable(hp).optimizer.beta_1 == pytest.approx(0.997)
    hp = keras_tuner.HyperParameters()
    log_sampling.build_tunable(hp, optimizer="sgd")
    space = {parameter.name: parameter for parameter in hp.space}
    scales = {name: parameter.sampling for name, parameter in space.items()}
    assert scales == dict.fromkeys(("learning_rate", "one_minus_momentum"), "log") | dict.fromkeys(
        ("hidden_layers", "units", "dropout"), "linear"
    )
    # The middle of the scale: half of all momenta lie above .99.
    assert space["one_minus_momentum"].prob_to_value(0.5) == pytest.approx(0.01)


def test_values_spread_over_a_scale():
    shares = np.array([0, 0.25, 0.5, 1])
    np.testing.assert_allclose(
        log_sampling.spread(shares, 1e-4, 1.0, "log"), [1e-4, 1e-3, 1e-2, 1], rtol=1e-12
    )
    np.testing.assert_allclose(log_sampling.spread(shares, 2.0, 6.0, "linear"), [2, 3, 4, 6])


def test_how_often_rounding_gives_each_number():
    np.testing.assert_allclose(log_sampling.frequencies((50, 75, 100), "linear"), [1 / 3] * 3)
    # Layers from 1.5 to 4.5, divided at 2.5 and 3.5: logs of 5/3, 7/5 and 9/7, in all of 3.
    by_hand = [0.46497, 0.30627, 0.22876]
    np.testing.assert_allclose(log_sampling.frequencies((2, 3, 4), "log"), by_hand, atol=1e-5)


def test_good_is_nine_tenths_of_the_way_from_chance_to_the_best_of_both():
    log = types.SimpleNamespace(val_accuracy=np.array([0.9, 0.83, 0.82, 0.1]))
    linear = types.SimpleNamespace(val_accuracy=np.array([0.91, 0.82, 0.1, 0.1]))
    # .1 + .9 x .81 = .829
    np.testing.assert_allclose(log_sampling.good_draws(log, linear, 0.1), [50, 25, 82.9])


class MadeUpLab(Lab):
    """Searches by a formula: Adam is good below a rate of .1, SGD above, momentum above .99."""

    def search(self, build_tunable, data, *, name, oracle, trials, **plan):
        assert (trials, plan) == (10, {"epochs": 10, "batch_size": 20})
        hp = keras_tuner.HyperParameters()
        kind = keras.optimizers.Adam if "Adam" in name else keras.optimizers.SGD
        assert type(build_tunable(hp, (5,), 3).optimizer) is kind
        found = []
        for repetition in range(10):
            points = oracle(np.random.default_rng(repetition))
            assert all(set(point) == {parameter.name for parameter in hp.space} for point in points)
            values = {key: np.array([point[key] for point in points]) for key in points[0]}
            rate, distance = values["learning_rate"], values["one_minus_momentum"]
            assert np.ptp(rate if "momentum" in name else distance) == 0  # one value is drawn
            good = {
                "learning rate, Adam": rate < 0.1,
                "learning rate, SGD": rate > 0.1,
                "momentum, lr 0.0005": distance < 0.01,
                "momentum, lr 0.01": distance > 0,
            }[name.rpartition(", ")[0]]
            scores = np.where(good, 0.9, 0.3)
            found.append(types.SimpleNamespace(values=values, val_accuracy=scores))
        return found

    def train(self, build_model, variants, data, *, epochs, **_):
        assert variants is log_sampling.VARIANTS
        accuracy = {"50 units": 0.8, "2 layers": 0.6, "4 layers": 0.96}
        accuracy |= {"momentum 0.9005, lr 0.0005": 0.902, "momentum 0.9995, lr 0.01": 0.85}
        runs = {name: [{"accuracy": [0.1, accuracy.get(name, 0.9)]}] * 6 for name in variants}
        self.histories = self.hand_made(runs, chance=0.1, classes=10)
        return self.histories


def test_the_claims_of_made_up_searches(hand_made, monkeypatch):
    monkeypatch.setattr(MadeUpLab, "hand_made", staticmethod(hand_made), raising=False)
    lab = MadeUpLab(Options(), None, None, None)
    log_sampling.run(lab)
    u = np.array([np.random.default_rng(n).uniform(size=10) for n in range(10)])
    tenth, eleventh = 0.0999 / 0.9999, 0.009 / 0.099
    shares = [(u < 0.75), (u < tenth)], [(u > 0.75), (u > tenth)], [(u < 0.5), (u < eleventh)]
    expected = [100 * (log.mean() - linear.mean()) for log, linear in shares] + [0]
    units, layers = (log_sampling.frequencies(n, "log") for n in ((50, 75, 100), (2, 3, 4)))
    expected += [10 * (units[0] - 1 / 3), 30 * (layers[0] - 1 / 3) + 6 * (1 / 3 - layers[2])]
    expected += [-0.2, 0, 0, 5]
    assert [claim.judgement.estimate for claim in lab.claims] == pytest.approx(expected, abs=1e-9)
    verdicts = [HOLDS, FAILS, HOLDS, NOT_DETECTED, HOLDS, HOLDS, HOLDS, FAILS, HOLDS, HOLDS]
    assert [claim.judgement.verdict for claim in lab.claims] == verdicts
