"""A recipe's logs, as TensorBoard's own server and its pages show them."""

import pytest

from tests.browser import Browser, find
from tests.server import TensorBoardServer

WATCHED = "48_BN_Keras_s_defaults_init_std_0.0001"
PAGES = {
    "timeseries": ["accuracy", "update_ratio"],
    "scalars": ["loss", "dead_units"],
    "histograms": ["activations/h1_act", "gradients", "weights"],
    "distributions": ["activations/h2_act"],
    "hparams": ["init_std", "learning_rate", "validation accuracy"],
    "text": ["Does batch normalization make training robust", "verdict"],
    "images": ["figure"],
}


@pytest.fixture(scope="module")
def served(quick_run):
    """A server of all runs: TensorBoard selects them by itself."""
    return TensorBoardServer(quick_run().folder / "tensorboard")


def test_all_three_kinds_of_distributions_are_there(served):
    sizes = {
        "weights/h1/kernel": 64 * 100,
        "weights/h3_bn/moving_variance": 100,
        "activations/h2_act": 96 * 100,
        "gradients/softmax/kernel": 100 * 10,
    }
    for tag, size in sizes.items():
        snapshots = served.get("histograms/histograms", WATCHED, tag, points=3)
        assert [step for _, step, _ in snapshots] == [0, 1, 2]
        for _, _, bins in snapshots:
            assert sum(count for _, _, count in bins) == size


def test_the_initial_kernel_has_the_spread_that_the_variant_asks_for(served):
    (_, _, bins), *_ = served.get("histograms/histograms", WATCHED, "weights/h2/kernel", points=3)
    total = sum(count for _, _, count in bins)
    variance = sum(((left + right) / 2) ** 2 * count for left, right, count in bins) / total
    assert variance**0.5 == pytest.approx(1e-4, rel=0.05)


def test_a_variant_is_one_session_with_its_hyperparameters(served):
    served.get("histograms/histograms", WATCHED, "weights/h1/kernel", points=3)  # all is loaded
    metric = {"name": {"tag": "accuracy/validation", "group": ""}}
    answer = served.ask(
        "plugin/hparams/session_groups",
        {
            "experimentName": "",
            "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_RUNNING"],
            "colParams": [{"metric": metric["name"]}],
            "startIndex": 0,
            "sliceSize": 100,
        },
    )
    groups = {group["hparams"]["variant"]: group for group in answer["sessionGroups"]}
    assert len(groups) == 38
    group = groups["with BN, init_std 0.0001"]
    assert len(group["sessions"]) == 1
    assert group["metricValues"][0]["value"] > 0
    assert group["hparams"]["init_std"] == pytest.approx(1e-4)
    assert group["hparams"]["batch_norm"] is True
    assert groups["without BN, init_std 0.0001"]["hparams"]["batch_norm"] is False


def test_the_pages_show_the_recipe_without_an_error(served, tmp_path):
    if find() is None:
        pytest.skip("no Chromium is installed, in which the pages could be opened")
    browser = Browser(tmp_path)
    try:
        for page, texts in PAGES.items():
            browser.open(f"{served.url}#{page}")
            browser.wait_for(*texts)
        assert browser.errors == []
    finally:
        browser.close()
