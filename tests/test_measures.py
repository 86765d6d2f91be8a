"""Measures by variant and seed: what adds up, what is compared, in which unit, with which runs."""

import numpy as np
import pytest

from recipes._lab import evidence
from recipes._lab.measures import POINTS, Comparison, Measure, by_variant, family, matching

KEYS = [("with BN", 0.1), ("with BN", 1.0), ("without BN", 0.1), ("without BN", 1.0)]


@pytest.fixture
def accuracy():
    values = dict(zip(KEYS, np.arange(8.0).reshape(4, 2) * 10, strict=True))
    runs = {key: {(key, seed): key[1] == 1.0 for seed in (0, 1)} for key in KEYS}
    return Measure(values, "%", "test accuracy", runs)


# Keys


def test_a_part_picks_the_keys_that_hold_its_elements_in_order():
    assert matching(KEYS, "with BN") == KEYS[:2]
    assert matching(KEYS, 1.0) == [KEYS[1], KEYS[3]]
    assert matching(KEYS, ("without BN", 0.1)) == [KEYS[2]]
    with pytest.raises(KeyError, match=r"no variant has with, 0.1; there are with BN, 0.1, "):
        matching(KEYS, ("with", 0.1))
    with pytest.raises(KeyError):
        matching(KEYS, (0.1, "with BN"))


def test_a_whole_key_is_that_one_alone():
    keys = [("a", 1), ("a", 1, 1), ("a",)]
    assert matching(keys, ("a", 1)) == [("a", 1)]
    assert matching(keys, "a") == [("a",)]
    assert matching(keys, 1) == keys[:2]


def test_an_option_by_variant_is_given_by_a_part_of_the_key():
    assert by_variant(20, KEYS[0]) == 20
    assert by_variant({"with BN": 5, "without BN": 7}, KEYS[2]) == 7
    assert by_variant({("with BN", 0.1): 5, "without BN": 7, 1.0: 9}, KEYS[0]) == 5
    with pytest.raises(KeyError, match=r"nothing for with BN, 0\.1"):
        by_variant({"without BN": 7}, KEYS[0])
    with pytest.raises(KeyError, match=r"more than one value for with BN, 0\.1"):
        by_variant({"with BN": 7, 0.1: 9}, KEYS[0])


# Arithmetic


def test_a_part_is_left_out_so_that_the_rest_is_paired(accuracy):
    difference = accuracy["without BN"] - accuracy["with BN"]
    assert difference.keys == [(0.1,), (1.0,)]
    assert difference.unit == POINTS
    np.testing.assert_array_equal(difference.array(), [[40, 40], [40, 40]])
    np.testing.assert_array_equal(accuracy["with BN", 1.0].array(), [20, 30])
    assert accuracy["with BN"].label == "test accuracy"


def test_over_variants_by_seed(accuracy):
    np.testing.assert_array_equal(accuracy.sum().array(), [120, 160])
    np.testing.assert_array_equal(accuracy.mean().array(), [30, 40])
    np.testing.assert_array_equal(accuracy["with BN"].max().array(), [20, 30])
    np.testing.assert_array_equal(accuracy["without BN"].min().array(), [40, 50])


def test_numbers_and_single_variants_go_with_every_variant(accuracy):
    shifted = accuracy - 10
    assert shifted.unit == POINTS
    np.testing.assert_array_equal(shifted["with BN", 0.1].array(), [-10, 0])
    np.testing.assert_array_equal((100 - accuracy)["with BN", 1.0].array(), [80, 70])
    np.testing.assert_array_equal(abs(10 - accuracy)["with BN", 1.0].array(), [10, 20])
    against = accuracy - accuracy["with BN", 1.0]
    assert against.keys == KEYS
    np.testing.assert_array_equal(against["without BN", 1.0].array(), [40, 40])
    np.testing.assert_array_equal((2 * accuracy / 4)["with BN", 1.0].array(), [10, 15])
    logarithm = (accuracy["without BN"] / 4).map(np.log10, unit="powers of ten")
    assert logarithm.unit == "powers of ten"
    np.testing.assert_allclose(logarithm[0.1].array(), np.log10([10, 12.5]))


def test_what_can_not_be_paired_is_refused(accuracy):
    with pytest.raises(ValueError, match="of 2 and of 3 seeds can't be paired"):
        accuracy - Measure([1, 2, 3])
    with pytest.raises(ValueError, match="other variants can't be paired"):
        accuracy["with BN"] - accuracy[1.0]
    with pytest.raises(ValueError, match="one number a seed and variant"):
        Measure({"a": [1, 2], "b": [1, 2, 3]})


# Comparisons


def one(values, unit=""):
    return Measure(values, unit)


@pytest.mark.parametrize(
    ("compared", "difference", "bound"),
    [
        (one([3, 5]) > one([1, 1]), [2, 4], 0),
        (one([3, 5]) < one([1, 1]), [-2, -4], 0),
        (one([3, 5]) > 2, [3, 5], 2),  # the finding says what was measured, and what was required
        (one([3, 5]) < 6, [3, 1], 0),
        (one([93, 95], "%") > 90, [3, 5], 0),
        (one([93, 95], "%") < 90, [-3, -5], 0),
        (one([93, 95], "%") > one([90, 91], "%") + 2, [3, 4], 2),
        (one([90, 91], "%") + 2 < one([93, 95], "%"), [3, 4], 2),
        (one([90, 91], "%") < one([93, 95], "%") - 2, [3, 4], 2),
        (one([93, 95], "%") - 1 > one([90, 91], "%") + 1, [3, 4], 2),
        (one([93, 95], "%") - one([90, 91], "%") > 2, [3, 4], 2),
    ],
)
def test_differences_are_positive_where_they_support_the_claim(compared, difference, bound):
    np.testing.assert_array_equal(compared.difference.array(), difference)
    assert compared.bound == bound
    assert not compared.inclusive


def test_equal_is_enough_where_the_claim_says_so():
    same = [7.0] * 6
    assert (one(same) >= one(same)).judge().verdict == evidence.HOLDS
    assert (one(same) <= one(same)).judge().verdict == evidence.HOLDS
    assert (one(same) > one(same)).judge().verdict == evidence.NOT_DETECTED


def test_one_percentage_point_of_accuracy_matters_and_of_a_level_nothing_does():
    better = [90.3, 90.5, 90.4, 90.2, 90.6, 90.4]
    compared = one(better, "%") > one([90.0] * 6, "%")
    assert compared.judge().verdict == evidence.NO_DIFFERENCE
    assert compared.judge(matters=0.1).verdict == evidence.HOLDS
    assert (one(better, "%") > 90).judge().verdict == evidence.HOLDS
    assert (one(better, "nats") > one([90.0] * 6, "nats")).judge().verdict == evidence.HOLDS


def test_an_equality_has_a_margin():
    first, second = one([90.1, 90.0, 89.9, 90.0], "%"), one([90.0] * 4, "%")
    judgement = first.within(1, of=second).judge()
    assert (judgement.verdict, judgement.kind, judgement.unit) == ("holds", "equality", POINTS)
    assert first.within(5, of=60).judge().verdict == evidence.DOES_NOT_HOLD
    for margin in (0, -1, np.nan, second):
        with pytest.raises(ValueError, match="must be a number above 0"):
            first.within(margin)


def test_every_run_behind_a_comparison_is_counted_once(accuracy):
    """Of each two runs of a variant at 1.0, both collapsed."""
    apart = (accuracy["with BN", 0.1] > accuracy["with BN", 1.0]).judge()
    assert (apart.collapsed, apart.runs) == (2, 4)
    whole = (accuracy["with BN"].sum() > accuracy["without BN"].sum()).judge()
    assert (whole.collapsed, whole.runs) == (4, 8)
    same = (accuracy["with BN", 1.0] > accuracy["with BN", 1.0] - 1).judge()
    assert (same.collapsed, same.runs) == (2, 2)
    many = family(1, accuracy["with BN"] > accuracy["without BN"]).judge()
    assert (many.collapsed, many.runs) == (4, 8)


def test_several_variants_give_a_list_for_a_family(accuracy):
    compared = accuracy["without BN"] > accuracy["with BN"]
    assert len(compared) == 2
    assert all(isinstance(one, Comparison) for one in compared)
    judgement = family(2, compared, "rates").judge()
    assert judgement.finding.startswith("better at 0 of 2 rates, worse at 0 (all required")
    spread = [Measure({n: np.arange(1.0, 7.0) + n for n in range(3)}) > n for n in (0, 100)]
    assert family(3, spread[0]).judge().verdict == evidence.HOLDS
    assert family(3, spread[1]).judge().verdict == evidence.DOES_NOT_HOLD


def test_a_family_has_the_bounds_of_its_comparisons():
    high = [one(np.arange(5.0, 11.0)) > bound for bound in (1, 2)]
    assert family(2, high).judge().verdict == evidence.HOLDS
    assert family(2, [*high[:1], one(np.arange(5.0, 11.0)) > 50]).judge().verdict == "does not hold"


@pytest.mark.parametrize(
    ("count", "comparisons", "error"),
    [
        (0, [one([1, 2]) > 0], ValueError),
        (2, [one([1, 2]) > 0], ValueError),
        (1, [one([1, 2]).within(1)], TypeError),
        (1, [True], TypeError),
    ],
)
def test_a_wrong_family_is_refused(count, comparisons, error):
    with pytest.raises(error):
        family(count, comparisons)


def test_a_comparison_is_no_truth_value():
    with pytest.raises(TypeError, match=r"judged by lab\.claim"):
        assert one([1, 2]) > one([0, 0])


def test_what_never_happened_can_not_be_compared():
    with pytest.raises(ValueError, match=r"needs finite numbers.*reached"):
        (one([3, np.inf]) > one([1, 1])).judge()
