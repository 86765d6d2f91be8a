"""Scales, ranges narrowed around the best trials, and what a score depends on."""

import math
import types
from functools import partial

import keras_tuner
import numpy as np
import pytest

from recipes._lab.tuning import space
from recipes._lab.tuning.oracles import make_oracle
from recipes._lab.tuning.space import corrected_interval, importance, narrowed

# keras-tuner, where an oracle is asked for a trial.
pytestmark = pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")


def trials_of(**columns):
    """Completed trials: a score each, and values; None is a value that the trial does not have."""
    scores = columns.pop("score")
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [
        types.SimpleNamespace(
            score=score,
            hyperparameters=types.SimpleNamespace(
                values={name: value for name, value in row.items() if value is not None}
            ),
        )
        for score, row in zip(scores, rows, strict=True)
    ]


def ranges(hp):
    return {p.name: (p.min_value, p.max_value) for p in hp.space if hasattr(p, "min_value")}


# Scales


def share_above(limit, parameter):
    values = [parameter.random_sample(seed) for seed in range(2000)]
    return np.mean([value > limit for value in values])


def test_half_of_the_momenta_are_above_99_percent():
    """As `space` advises; keras-tuner's reverse_log gives as few draws as a linear scale."""
    hp = keras_tuner.HyperParameters()
    hp.Float("one_minus_momentum", 1e-3, 1e-1, sampling="log")
    (distance,) = hp.space
    # Four standard errors.
    below = types.SimpleNamespace(random_sample=lambda seed: 1 - distance.random_sample(seed))
    assert share_above(0.99, below) == pytest.approx(0.5, abs=0.045)
    for sampling in ("reverse_log", "linear"):
        hp.Float(sampling, 0.9, 0.999, sampling=sampling)
        assert share_above(0.99, hp.space[-1]) == pytest.approx(0.09, abs=0.026)


# Coarse to fine


def everything():
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 1e-4, 1.0, sampling="log")
    hp.Float("dropout", 0.0, 0.5)
    hp.Int("units", 16, 256)
    hp.Int("width", 16, 256, sampling="log")
    hp.Choice("kind", ["a", "b"])
    hp.Boolean("normal")
    hp.Fixed("depth", 3)
    return hp


# Fifteen trials, of which the three best count: those with a score of .9 and more.
SCORES = [0.92, 0.9, 0.91, *[0.1] * 12]


def best_of(first, second, third, others):
    return [first, second, third, *[others] * 12]


def narrowed_once(**columns):
    others = {"rate": 0.1, "dropout": 0.2, "units": 99, "width": 99}
    columns = {name: [value] * 15 for name, value in others.items()} | columns
    for name, of in columns.items():  # the last one differs, so that everything was varied
        columns[name] = [*of[:-1], {"rate": 0.5, "dropout": 0.4}.get(name, 77)]
    return narrowed(everything(), trials_of(score=SCORES, **columns))


def test_a_logarithmic_range_is_narrowed_in_decades():
    """A tenth of its four decades is left around the best values, 1e-3 to 1e-1.5."""
    hp = narrowed_once(rate=best_of(1e-2, 1e-3, 10**-1.5, 1e-4))
    assert ranges(hp)["rate"] == pytest.approx((10**-3.4, 10**-1.1))


def test_a_linear_range_is_narrowed_by_differences():
    hp = narrowed_once(dropout=best_of(0.2, 0.1, 0.3, 0.5))
    assert ranges(hp)["dropout"] == pytest.approx((0.05, 0.35))


def test_a_range_of_whole_numbers_stays_one():
    """Of the 241 numbers from 16, a margin is 24.1; that of 100 lies in the middle of its place."""
    hp = narrowed_once(units=best_of(100, 110, 130, 16))
    expected = 16 + math.floor(84.5 - 24.1), 16 + math.floor(114.5 + 24.1)
    assert ranges(hp)["units"] == expected == (76, 154)
    assert all(type(end) is int for end in ranges(hp)["units"])


def test_whole_numbers_on_a_logarithmic_scale_are_narrowed_by_factors():
    margin = (257 / 16) ** 0.1  # the scale ends before 257, so that 256 has a place as well
    hp = narrowed_once(width=best_of(40, 64, 90, 16))
    assert ranges(hp)["width"] == (int(40.5 / margin), int(90.5 * margin)) == (30, 119)


def test_no_range_leaves_the_original_one():
    lowest = narrowed_once(rate=[1e-4] * 15, dropout=[0.0] * 15, units=[16] * 15, width=[16] * 15)
    assert ranges(lowest) == {
        "rate": (1e-4, pytest.approx(10**-3.6)),
        "dropout": (0.0, pytest.approx(0.05)),
        "units": (16, 16 + 24),
        "width": (16, int(16.5 * (257 / 16) ** 0.1)),
    }
    highest = narrowed_once(rate=[1.0] * 15, dropout=[0.5] * 15, units=[256] * 15, width=[256] * 15)
    assert ranges(highest) == {
        "rate": (pytest.approx(10**-0.4), 1.0),
        "dropout": (pytest.approx(0.45), 0.5),
        "units": (256 - 24, 256),
        "width": (int(256.5 / (257 / 16) ** 0.1), 256),
    }


def test_a_best_value_at_the_edge_of_an_earlier_range_opens_it_again():
    original = everything()
    columns = {"dropout": [0.2] * 15, "units": [99] * 15, "width": [99] * 15}
    coarse = trials_of(score=SCORES, rate=best_of(1e-2, 1e-2, 1e-2, 1.0), **columns)
    first = narrowed(original, coarse)
    low, high = ranges(first)["rate"]
    assert (low, high) == pytest.approx((10**-2.4, 10**-1.6))
    better = [score + 0.05 for score in SCORES]
    fine = trials_of(score=better, rate=best_of(high, high, high, 1e-2), **columns)
    second = narrowed(original, coarse + fine)
    # Of thirty trials the six best: those of both stages.
    assert ranges(second)["rate"] == pytest.approx((low, high * 10**0.4))


def test_choices_switches_and_fixed_values_stay():
    before = [p.get_config() for p in everything().space[-3:]]
    hp = narrowed_once(kind=["a"] * 15, normal=[True] * 15, depth=[3] * 15)
    assert [p.get_config() for p in hp.space[-3:]] == before


def test_the_original_space_stays_and_the_best_trial_becomes_the_default():
    hp = everything()
    before = hp.get_config()
    columns = {"dropout": [0.2] * 15, "units": [*[99] * 14, 98], "width": [99] * 15}
    rate = best_of(1e-2, 1e-3, 1e-1, 1.0)
    fine = narrowed(hp, trials_of(score=SCORES, rate=rate, **columns))
    assert hp.get_config() == before
    assert fine.get("rate") == fine.space[0].default == 1e-2
    assert fine.get("units") == fine.space[2].default == 99


@pytest.mark.parametrize(
    ("count", "share", "best"), [(2, 0.2, 2), (9, 0.2, 3), (40, 0.2, 8), (9, 1, 9)]
)
def test_a_share_of_the_trials_but_three_of_them_at_least_are_the_best(count, share, best):
    hp = keras_tuner.HyperParameters()
    hp.Float("dropout", 0.0, 100.0)
    values = np.arange(count) + 20.0
    (found,) = ranges(narrowed(hp, trials_of(score=-values, dropout=values), share)).values()
    assert found == pytest.approx((10, 20 + best - 1 + 10))


def test_trials_without_a_value_are_left_out():
    hp = narrowed_once(rate=[None, 1e-2, None, *[None] * 12], dropout=[None] * 15)
    assert ranges(hp)["rate"] == pytest.approx((10**-2.4, 10**-1.6))
    assert ranges(hp)["dropout"] == (0.0, 0.5)


def test_a_grid_stays_a_grid():
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 16, 256, step=16)
    hp.Float("rate", 1e-4, 1.0, step=10, sampling="log")
    values = {"units": [16, *[128] * 4], "rate": [1.0, *[1e-2] * 4]}
    fine = narrowed(hp, trials_of(score=range(5), **values))
    units, rate = fine.space
    # Sixteen numbers, so a margin is 1.6 of them; and of five rates half of one.
    assert (units.min_value, units.max_value, units.step) == (96, 160, 16)
    assert rate.min_value in (1e-3, pytest.approx(1e-2))
    assert rate.max_value in (pytest.approx(1e-2), pytest.approx(1e-1))


def test_an_oracle_draws_from_the_narrowed_range_whatever_the_model_asks_for(tmp_path):
    fine = narrowed_once(rate=best_of(1e-2, 1e-3, 10**-1.5, 1e-4))
    oracle = make_oracle("random", 200, 0, fine)
    hp = oracle.get_space()
    hp.Float("rate", 1e-4, 1.0, sampling="log")  # as a model would
    oracle.update_space(hp)
    oracle._set_project_dir(tmp_path, "search")
    oracle.verbose = 0
    drawn = [oracle.create_trial(str(n)).hyperparameters.get("rate") for n in range(200)]
    assert 10**-3.4 <= min(drawn) < 10**-3.3
    assert 10**-1.2 < max(drawn) <= 10**-1.1


# Importance


@pytest.fixture
def few_trees(monkeypatch):
    monkeypatch.setattr(space, "growth_of_error", partial(space.growth_of_error, trees=3))


def planted(count=60, *, score):
    """Trials drawn at random from `everything`, with a score computed from their values."""
    hp = everything()
    random = np.random.default_rng(0)
    columns = {
        p.name: [p.random_sample(int(random.integers(2**31))) for _ in range(count)]
        for p in hp.space
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return trials_of(score=[score(row) for row in rows], **columns)


def test_what_alone_decides_the_score_is_found_and_nothing_else(few_trees):
    trials = planted(score=lambda row: 1 - (math.log10(row["rate"]) + 2) ** 2 / 4)
    found = importance(everything(), trials)
    assert set(found) == {"rate", "dropout", "units", "width", "kind", "normal"}  # depth is fixed
    assert {len(values) for values in found.values()} == {20}
    # A forest without error would find 2: permuted values are as far apart as any two.
    assert 0.7 < found["rate"].mean() < 2.5
    for name in set(found) - {"rate"}:
        assert abs(found[name].mean()) < 0.05
        (mean, _), (rate, half) = (corrected_interval(found[of]) for of in (name, "rate"))
        assert mean < rate - half


def test_a_choice_can_matter(few_trees):
    trials = planted(score=lambda row: 0.9 if row["kind"] == "a" else 0.1)
    found = importance(everything(), trials)
    assert max(found, key=lambda name: found[name].mean()) == "kind"
    assert found["kind"].mean() == pytest.approx(2, abs=0.5)


def test_importance_is_a_share_so_the_scale_of_the_score_is_none_of_its_business(few_trees):
    def score(row):
        return row["dropout"] + row["units"] / 1000

    one, other = (
        importance(everything(), planted(40, score=of))
        for of in (score, lambda row: 8 * score(row))  # eight times: no rounding
    )
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-12)


def test_a_missing_value_counts_as_the_default(few_trees):
    hp = keras_tuner.HyperParameters()
    hp.Float("dropout", 0.0, 0.5, default=0.25)
    missing = [None, 0.5, 0.0] * 10
    given = [0.25, 0.5, 0.0] * 10
    score = [0.1, 0.9, 0.9] * 10
    one, other = (importance(hp, trials_of(score=score, dropout=of)) for of in (missing, given))
    np.testing.assert_array_equal(one["dropout"], other["dropout"])
    assert one["dropout"].mean() > 0.5


def test_few_trials_or_equal_scores_tell_nothing(few_trees):
    def score(row):
        return row["dropout"]

    assert importance(everything(), planted(19, score=score)) == {}
    assert importance(everything(), planted(20, score=score)) != {}
    assert importance(everything(), planted(30, score=lambda row: 0.5)) == {}
    fixed = keras_tuner.HyperParameters()
    fixed.Fixed("depth", 3)
    assert importance(fixed, planted(30, score=score)) == {}


def test_an_interval_is_that_of_nadeau_and_bengio():
    """Their corrected resampled t-test: the variance times 1/J + n2/n1, here 1/20 + .2/.8."""
    values = np.arange(20.0)  # variance 35
    mean, half = corrected_interval(values)
    assert mean == 9.5
    assert half == pytest.approx(2.093024 * math.sqrt(35 * (1 / 20 + 0.2 / 0.8)), rel=1e-6)
    assert (space.FOLDS, space.REPETITIONS) == (5, 4)
    # Without the correction it would be less than half as wide.
    assert half > 2 * 2.093024 * math.sqrt(35 / 20)
    assert corrected_interval(np.full(20, 0.25)) == (0.25, 0.0)


# What was not varied, and what lies at an end


def test_what_had_one_value_in_all_trials_is_neither_narrowed_nor_ranked(few_trees):
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 0.0, 1.0)
    hp.Int("units", 16, 256)
    rates = [n / 30 for n in range(30)]
    trials = trials_of(score=rates, rate=rates, units=[16] * 30)
    assert ranges(narrowed(hp, trials))["units"] == (16, 256)
    assert ranges(narrowed(hp, trials))["rate"] != (0.0, 1.0)
    assert set(importance(hp, trials)) == {"rate"}


def test_a_name_under_two_scopes_has_the_value_of_the_open_one(few_trees):
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["a", "b"])
    for kind, choices in (("a", ["x", "y"]), ("b", ["u", "v"])):
        with hp.conditional_scope("kind", kind):
            hp.Choice("how", choices)
    trials = trials_of(kind=list("abba"), how=list("xuvy"), score=[1, 2, 3, 4])
    assert [space.values_of(p, trials) for p in hp.space[1:]] == [
        ["x", None, None, "y"],
        [None, "u", "v", None],
    ]
    many = trials_of(kind=list("abba") * 6, how=list("xuvy") * 6, score=range(24))
    assert set(importance(hp, many)) == {"kind", "how"}


def test_a_best_value_at_an_end_of_its_range_is_told_with_a_wider_range():
    hp = everything()
    values = {"rate": 0.9, "dropout": 0.499, "units": 16, "width": 60, "kind": "a"}
    best, other = trials_of(
        score=[1, 0], **{name: [v, "b" if v == "a" else 0.2] for name, v in values.items()}
    )
    assert space.edges(hp, best, [best, other]) == [
        "rate 0.9 lies at the upper end of its range, 0.0001 to 1: a better value may lie beyond; "
        "try 10 as the end",
        "dropout 0.499 lies at the upper end of its range, 0 to 0.5: a better value may lie "
        "beyond; try 0.75 as the end",
        "units 16 lies at the lower end of its range, 16 to 256: a better value may lie beyond; "
        "try 1 as the end",
    ]
    assert space.edges(hp, best, [best]) == []  # nothing was varied


@pytest.mark.parametrize(("name", "value"), [("dropout", 0.0), ("rate", 1e-2), ("units", 100)])
def test_zero_is_an_end_for_good_and_the_middle_is_none(name, value):
    trials = trials_of(score=[1, 0], **{name: [value, 0.3]})
    assert space.edges(everything(), trials[0], trials) == []
