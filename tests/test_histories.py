"""Results asked by variant and seed, against numbers worked out by hand."""

import math
import types

import keras
import numpy as np
import pytest

from recipes._lab.histories import Histories
from recipes._lab.training import members as members_module

NAN, INF = math.nan, math.inf
LN_4 = 1.3862943611198906  # what a model loses that gives four classes 1/4 each


def test_a_curve_has_a_row_a_seed_and_a_column_an_epoch(hand_made):
    histories = hand_made({"v": [{"accuracy": [0.1, 0.2, 0.3]}, {"accuracy": [0.4, 0.5, 0.6]}]})
    np.testing.assert_array_equal(
        histories.curve("accuracy", "v"), [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]
    )
    np.testing.assert_array_equal(histories.curve("val_loss", "v"), np.ones((2, 3)))


DIVERGED = {
    "accuracy": [0.2, 0.9, 0.1, 0.1],
    "loss": [1.5, 0.5, INF, NAN],
    "val_accuracy": [0.2, 0.8, 0.1, 0.1],
    "val_loss": [1.5, 0.6, NAN, NAN],
    "test_loss": NAN,
    "test_accuracy": 0.1,
}


@pytest.mark.parametrize(
    ("metric", "curve"),
    [
        ("accuracy", [0.2, 0.9, 0.25, 0.25]),
        ("val_accuracy", [0.2, 0.8, 0.25, 0.25]),
        ("loss", [1.5, 0.5, LN_4, LN_4]),
        ("val_loss", [1.5, 0.6, LN_4, LN_4]),
    ],
)
def test_diverged_epochs_count_at_chance(metric, curve, hand_made):
    histories = hand_made({"v": [DIVERGED]})
    np.testing.assert_array_equal(histories.curve(metric, "v"), [curve])
    assert histories.final(metric, "v") == curve[-1]
    assert histories.mean_over_epochs(metric, "v") == pytest.approx(np.mean(curve[1:]))


def test_a_diverged_run_counts_at_chance_in_the_end_even_if_it_came_back(hand_made):
    run = {"accuracy": [0.2, 0.1, 0.9], "loss": [1.5, NAN, 0.1], "test_accuracy": 0.8}
    histories = hand_made({"v": [run, {"accuracy": [0.2, 0.3, 0.7]}]})
    np.testing.assert_array_equal(histories.curve("accuracy", "v")[0], [0.2, 0.25, 0.9])
    np.testing.assert_array_equal(histories.final("accuracy", "v"), [0.25, 0.7])
    np.testing.assert_array_equal(histories.final("test_accuracy", "v"), [0.25, 0.7])
    np.testing.assert_array_equal(histories.final("test_loss", "v"), [LN_4, 1.0])
    np.testing.assert_array_equal(histories.diverged("v"), [True, False])


def test_asking_changes_no_result(hand_made):
    histories = hand_made({"v": [DIVERGED]})
    for metric in ("accuracy", "loss"):
        histories.curve(metric, "v")[:] = 7
    np.testing.assert_array_equal(histories.results["v", 0].history["loss"], DIVERGED["loss"])
    np.testing.assert_array_equal(
        histories.results["v", 0].history["accuracy"], [0.2, 0.9, 0.1, 0.1]
    )


def test_a_validation_loss_alone_may_overflow(hand_made):
    run = {"accuracy": [0.2, 0.6], "val_loss": [1.5, INF], "val_accuracy": [0.2, 0.5]}
    histories = hand_made({"v": [run]})
    np.testing.assert_array_equal(histories.curve("val_loss", "v"), [[1.5, LN_4]])
    assert histories.final("val_loss", "v") == LN_4
    assert histories.final("val_accuracy", "v") == 0.5
    assert not histories.diverged("v").any()


# Stopped after epoch 3, with the weights of epoch 1.
STOPPED = {
    "accuracy": [0.1, 0.6, 0.7, 0.8, NAN],
    "val_accuracy": [0.1, 0.55, 0.5, 0.5, NAN],
    "epoch": 1,
    "test_accuracy": 0.52,
}


def test_after_early_stopping_the_restored_weights_count(hand_made):
    histories = hand_made({"v": [STOPPED]})
    np.testing.assert_array_equal(histories.curve("accuracy", "v"), [[0.1, 0.6, 0.7, 0.8, NAN]])
    assert histories.final("accuracy", "v") == 0.6
    assert histories.final("val_accuracy", "v") == 0.55
    assert histories.final("test_accuracy", "v") == 0.52
    assert histories.mean_over_epochs("accuracy", "v") == pytest.approx(0.7)  # (.6 + .7 + .8) / 3
    assert not histories.diverged("v").any()


def test_epochs_to_a_threshold_count_from_the_untrained_model_and_may_be_infinite(hand_made):
    runs = [
        {"accuracy": [0.1, 0.5, 0.9, 0.7]},
        {"accuracy": [0.1, 0.5, 0.89, 0.7]},
        {"accuracy": [0.9, 0.1, 0.1, 0.1]},
        {"accuracy": [0.1, NAN, NAN, NAN]},
        {"accuracy": [0.1, 0.95, 0.1, 0.1], "loss": [1.5, NAN, NAN, NAN]},
    ]
    histories = hand_made({"v": runs})
    np.testing.assert_array_equal(histories.epochs_to(0.9, "v"), [2, INF, 0, INF, INF])
    np.testing.assert_array_equal(histories.epochs_to(0.5, "v"), [1, 1, 0, INF, INF])
    np.testing.assert_array_equal(
        histories.epochs_to(0.89, "v", metric="val_accuracy"), [2, 2, 0, INF, INF]
    )


def test_the_mean_over_epochs_leaves_out_the_untrained_model(hand_made):
    histories = hand_made({"v": [{"accuracy": [0.9, 0.2, 0.4]}, {"accuracy": [0.0, 1.0, 0.5]}]})
    np.testing.assert_allclose(histories.mean_over_epochs("accuracy", "v"), [0.3, 0.75])


def test_runs_below_a_tenth_above_chance_have_collapsed(hand_made):
    runs = [{"accuracy": [0.2, a], "val_accuracy": [0.2, 0.5]} for a in (0.1, 0.275, 0.276)]
    histories = hand_made({"v": runs, "w": [DIVERGED]})
    np.testing.assert_array_equal(histories.collapsed("v"), [True, True, False])
    np.testing.assert_array_equal(histories.collapsed("w"), [True])


def test_little_is_less_where_one_class_is_most_of_the_data(hand_made):
    runs = [{"accuracy": [0.2, a], "val_accuracy": [0.2, 0.5]} for a in (0.95, 0.954, 0.956, 1)]
    histories = hand_made({"v": runs}, chance=0.95)
    np.testing.assert_array_equal(histories.collapsed("v"), [True, True, False, False])


def test_differences_are_paired_by_seed_and_count_collapsed_runs(hand_made):
    first = [{"accuracy": [0.2, a]} for a in (0.9, 0.8, 0.7)]
    second = [{"accuracy": [0.2, 0.6]}, {"accuracy": [0.2, 0.25]}, DIVERGED | {"epoch": 3}]
    histories = hand_made({"first": first, "second": second})
    difference = histories.difference("accuracy", "first", "second", scale=100)
    np.testing.assert_allclose(difference.values, [30, 55, 45])  # the diverged one counts at .25
    assert (difference.collapsed, difference.runs) == (2, 6)
    opposite = histories.difference("test_accuracy", "second", "first")
    np.testing.assert_allclose(opposite.values, [-0.3, -0.55, -0.45])


def test_variants_of_different_seeds_are_not_compared(hand_made):
    runs = [{"accuracy": [0.2, 0.9]}] * 3
    first, second = hand_made({"first": runs}), hand_made({"second": runs}, first_seed=1)
    histories = first | second
    assert (histories.seeds("first"), histories.seeds("second")) == ([0, 1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="'first' and 'second' have different seeds"):
        histories.difference("accuracy", "first", "second")


def test_histories_merge_in_order(hand_made):
    one, two = [{"accuracy": [0.1, 0.2]}], [{"accuracy": [0.3, 0.4]}]
    histories = hand_made({"b": one, "a": one}) | hand_made({"c": two, "b": two}, first_seed=1)
    assert histories.variants == ["b", "a", "c"]
    assert histories.seeds("b") == [0, 1]
    np.testing.assert_array_equal(histories.final("accuracy", "b"), [0.2, 0.4])
    np.testing.assert_array_equal(histories.final("accuracy", "c"), [0.4])


def test_the_best_variant_has_the_highest_mean_on_validation(hand_made):
    def runs(*finals, training=0.5):
        return [{"accuracy": [0, training], "val_accuracy": [1, f]} for f in finals]

    histories = hand_made(
        {
            "lucky": runs(0.95, 0.1),
            "steady": runs(0.6, 0.7),
            "memory": runs(0.3, 0.3, training=1.0),
            "tied": runs(0.7, 0.6),
        }
    )
    assert histories.best(histories.variants) == "steady"
    assert histories.best(["memory", "lucky"]) == "lucky"
    assert histories.best(histories.variants, metric="accuracy") == "memory"


@pytest.mark.parametrize("ask", ["curve", "final", "mean_over_epochs"])
def test_an_unknown_variant_is_named_beside_the_known_ones(ask, hand_made):
    histories = hand_made({"with BN": [{"accuracy": [0.1, 0.2]}]})
    with pytest.raises(KeyError, match=r"no variant is called 'BN'; there are \['with BN'\]"):
        getattr(histories, ask)("accuracy", "BN")


def test_a_member_comes_back_as_a_keras_model_with_its_weights_of_any_recorded_epoch():
    def build():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="softmax")])
        model.compile("sgd", "mse")
        return model

    weights = {
        epoch: [np.full((3, 2), epoch, np.float32), np.full(2, -epoch, np.float32)]
        for epoch in (1, 2)
    }
    data = types.SimpleNamespace(input_shape=(3,))
    member = members_module.Member("v", build, None, 5, data, epochs=2)
    result = members_module.Result({}, {}, 2, weights[2], snapshots={1: weights[1]})
    histories = Histories({("v", 5): member}, {("v", 5): result})
    for epoch, expected in ((None, 2), (1, 1)):
        model = histories.model("v", 5, epoch)
        assert model.compiled
        # Three inputs of 1 and the bias: 3 e - e.
        np.testing.assert_array_equal(model(np.ones((1, 3))), [[2.0 * expected] * 2])
