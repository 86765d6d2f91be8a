"""Where a forest plot's signs, bars and strokes lie, by hand, from judgements of `evidence`."""

import pytest

from recipes._lab import catalogue, evidence
from recipes._lab.claim import Claim
from recipes._lab.publishing import claims, forest

RECIPE = catalogue.parse("one", '"""Is it?"""')


def lanes(judgement, **options):
    claim = Claim("a", source="a book", primary=True, judgement=judgement, **options)
    by_data = {"digits": claim, "mnist": claim}
    return forest.lanes(claims.Entry(RECIPE, by_data, stale={"mnist"}))


def test_the_axis_is_linear_around_zero_and_logarithmic_beyond():
    """asinh(1), asinh(3) and asinh(20) are .8814, 1.8184 and 3.6895; the axis reaches to 20."""
    assert forest.position(0) == 50
    assert forest.position(20) == 93
    assert forest.position(1) == pytest.approx(50 + 43 * 0.8814 / 3.6895, abs=0.01)
    assert forest.position(-3) == pytest.approx(50 - 43 * 1.8184 / 3.6895, abs=0.01)
    assert (forest.position(-21), forest.position(1e9)) == (7, 93)
    assert list(forest.ticks().items())[3:5] == [("0", 50), ("+1", forest.position(1))]
    assert next(iter(forest.ticks())) == "−10"


def test_an_effect_and_its_interval_are_in_standard_deviations_between_seeds():
    """1, 2, 3 have the mean 2, the deviation 1, and the interval 2 ± 4.3027 / sqrt(3)."""
    for scale in (1, 100):  # whatever the unit
        lane, other = lanes(evidence.judge_difference([scale, 2 * scale, 3 * scale]))
        assert (lane.data, lane.stale, other.data, other.stale) == ("digits", False, "mnist", True)
        assert lane.effect == pytest.approx(2)
        assert (lane.place, lane.low, lane.high) == (66.83, 44.56, 75.71)
        assert (lane.beyond_left, lane.beyond_right, lane.asked) == (False, False, ())


def test_an_interval_of_an_equality_that_holds_is_narrower():
    """It is of 90 %: 2 ± 2.9200 / sqrt(3), in deviations of .1."""
    (lane, _) = lanes(evidence.judge_equality([0.1, 0.2, 0.3], within=2))
    assert lane.claim.verdict == evidence.HOLDS
    assert lane.effect == pytest.approx(2)
    assert lane.low == forest.position(2 - 2.92 / 3**0.5)


def test_what_is_beyond_the_axis_ends_there():
    right, _ = lanes(evidence.judge_difference([10.0, 10.1, 10.2]))  # 101 ± 2.5
    assert (right.place, right.beyond_left, right.beyond_right) == (93, False, True)
    left, _ = lanes(evidence.judge_difference([-10.0, -10.1, -10.2]))
    assert (left.place, left.beyond_left, left.beyond_right) == (7, True, False)


def test_what_is_asked_of_an_effect_has_a_place():
    """A bound of 1, margins of 2 and 1, at deviations of 1, 1 and .1."""
    bound, _ = lanes(evidence.judge_difference([1, 2, 3], bound=1))
    assert bound.asked == (forest.position(1),)
    margin, _ = lanes(evidence.judge_equality([1, 2, 3], within=2))
    assert margin.asked == (forest.position(-2), forest.position(2))
    matters, _ = lanes(evidence.judge_difference([0.1, 0.2, 0.3], matters=1))
    assert matters.claim.verdict == evidence.NO_DIFFERENCE
    assert matters.asked == (forest.position(-10), forest.position(10))


@pytest.mark.parametrize(
    "judgement",
    [
        evidence.judge_exact([1e-9], 1e-6),
        evidence.judge_family([[1, 2, 3], [1, 2, 4]], at_least=2),
        evidence.judge_difference([1.0] * 6, bound=0.5),
    ],
    ids=["exact", "family", "identical"],
)
def test_what_has_no_interval_has_no_place(judgement):
    for lane in lanes(judgement):
        assert (lane.effect, lane.place, lane.low, lane.high, lane.asked) == (*[None] * 4, ())
        assert not lane.beyond_left
        assert not lane.beyond_right


def test_what_was_found_at_several_settings_is_said_without_their_name():
    (lane, _) = lanes(evidence.judge_family([[1, 2, 3], [1, 2, 4]], at_least=2, unit="scales"))
    assert lane.words == "better at 0 of 2, worse at 0"
    (lane, _) = lanes(evidence.judge_difference([1.0] * 6, unit="epochs"))
    assert lane.words == "+1 epochs"


def test_what_does_not_depend_on_the_data_has_one_lane():
    (lane,) = lanes(evidence.judge_exact([1e-9], 1e-6), any_data=True)
    assert lane.data == "independent"
