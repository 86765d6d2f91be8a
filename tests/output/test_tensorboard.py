"""TensorBoard reads what a run wrote."""

import html
import io
import urllib.request
import warnings

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from matplotlib.figure import Figure
from matplotlib.image import imread

from recipes._lab import evidence
from recipes._lab.lab import Claim
from recipes._lab.output import tensorboard
from tests.server import TensorBoardServer

with warnings.catch_warnings():  # from the libraries that TensorBoard bundles
    warnings.simplefilter("ignore", DeprecationWarning)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

VARIANT = "BN, Keras's defaults, init_std 0.54"
FOLDER = "34_BN_Keras_s_defaults_init_std_0.54"


def scalars_of(folder):
    """Return {tag: [(step, value)]} of a folder's event files."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    scalars = {}
    for tag in events.Tags()["tensors"]:
        if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            scalars[tag] = [
                (event.step, tf.make_ndarray(event.tensor_proto).item())
                for event in events.Tensors(tag)
            ]
    return scalars


def test_the_curves_of_a_variant_are_the_means_of_its_seeds(quick_run, read_results):
    run = quick_run()
    results = read_results(run.folder)
    scalars = scalars_of(run.folder / "tensorboard" / FOLDER)
    for part, prefix in (("train", ""), ("validation", "val_")):
        for metric in ("loss", "accuracy"):
            curves = np.array([results[VARIANT, seed, prefix + metric] for seed in (0, 1)])
            assert curves.shape[1] > 1
            for tag, values in (
                (f"{metric}/{part}", curves.mean(axis=0)),
                (f"spread_over_seeds/{metric}/{part}", curves.std(axis=0, ddof=1)),
            ):
                assert [step for step, _ in scalars[tag]] == list(range(len(values)))
                found = [value for _, value in scalars[tag]]
                np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-7)


def test_of_many_variants_as_many_are_shown_as_tensorboard_shows_at_once(quick_run):
    logs = quick_run().folder / "tensorboard"
    runs = {path.parent for path in logs.rglob("events.out.tfevents.*")}
    assert len(runs) == 40
    numbers = sorted(int(run.name[:2]) for run in runs - {logs, logs / "report"})
    assert numbers[0] == 1
    assert numbers[-1] == 48  # which is watched
    assert max(np.diff(numbers)) == 2
    question = strings_of(logs / "report")["question"][1]
    assert question.endswith(b"38 of 48 variants are shown here, all of them in results.csv.")


# The report: texts and images

QUESTION = "Does it work? – 95 % of “runs” <b>do</b>"
SIZES = {"figure.png": (7, 3), "figure-at_the_book_s_rate.png": (2.5, 4)}  # inches


def png(inches, number):
    """A picture, and not the same for every number."""
    figure = Figure(figsize=inches)
    figure.subplots().plot(range(number))
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


@pytest.fixture(scope="module")
def report(tmp_path_factory, made_up):
    """The folder of the logs of a made-up run, and its figures."""
    figures = {name: png(size, n) for n, (name, size) in enumerate(SIZES.items(), 5)}
    measured = ([1.0, 2.0, 3.0, 4.0, 5.0], [-1.0, -1.1, -1.2])
    judgements = [evidence.judge_difference(differences) for differences in measured]
    claims = [
        Claim(f"claim {n}", f"Book, {n}", n == 0, judgement)
        for n, judgement in enumerate(judgements)
    ]
    folder = tmp_path_factory.mktemp("logs")
    tensorboard.write_logs(
        made_up({"v": [{"accuracy": [0.1, 0.9]}]}),
        {("v",): {"rate": 0.1}},
        folder,
        question=QUESTION,
        claims=claims,
        figures=figures,
    )
    return folder, figures, claims


def strings_of(folder):
    """Return {tag: (plugin, strings)} of a folder's event files."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    found = {}
    for tag in events.Tags()["tensors"]:
        (event,) = events.Tensors(tag)
        assert event.step == 0
        plugin = events.SummaryMetadata(tag).plugin_data.plugin_name
        found[tag] = (plugin, tf.make_ndarray(event.tensor_proto).tolist())
    return found


def test_texts_and_images_come_back_byte_by_byte(report):
    folder, figures, claims = report
    found = strings_of(folder / "report")
    assert list(found) == ["question", "verdicts", "figure", "figure-at_the_book_s_rate"]
    assert found["question"] == ("text", QUESTION.encode())
    plugin, table = found["verdicts"]
    assert plugin == "text"
    head, _, *rows = table.decode().splitlines()
    assert head == "| verdict | claim | measured | source |"
    assert claims[0].judgement.verdict != claims[1].judgement.verdict
    for row, claim in zip(rows, claims, strict=True):
        judgement = claim.judgement
        cells = (f"**{judgement.verdict}**", claim.text, judgement.detail, claim.source)
        assert row == f"| {' | '.join(cells)} |"
    for (name, content), (width, height) in zip(figures.items(), SIZES.values(), strict=True):
        plugin, strings = found[name.removesuffix(".png")]
        assert plugin == "images"
        pixels = [b"%d" % (100 * width), b"%d" % (100 * height)]
        assert strings == [*pixels, content]


def test_arguments_are_shown_as_numbers_or_as_text(tmp_path, made_up):
    arguments = {"rate": np.float32(0.5), "units": np.int64(3), "weights": np.array([1.0, 2.5])}
    results = made_up({"v": [{"accuracy": [0.1, 0.9]}]})
    tensorboard.write_logs(
        results, {("v",): arguments}, tmp_path, question="", claims=[], figures={}
    )
    (run,) = (folder for folder in tmp_path.iterdir() if folder.name.startswith("01_"))
    events = EventAccumulator(str(run))
    events.Reload()
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    started = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    shown = {name: MessageToDict(value) for name, value in started.hparams.items()}
    assert shown == {"variant": "v", "rate": 0.5, "units": 3.0, "weights": "[1.  2.5]"}


def write_with_tf_summary(folder, texts, figures):
    """Write what the report holds as TensorFlow does."""
    with tf.summary.create_file_writer(str(folder)).as_default(step=0):
        for tag, text in texts.items():
            tf.summary.text(tag, text)
        for name, content in figures.items():
            tf.summary.image(name.removesuffix(".png"), tf.io.decode_png(content)[None])


def test_tensorboard_serves_texts_and_images_as_if_tf_summary_had_written_them(report):
    folder, figures, claims = report
    strings = strings_of(folder / "report")
    texts = {tag: text for tag, (plugin, text) in strings.items() if plugin == "text"}
    write_with_tf_summary(folder / "plain", texts, figures)
    server = TensorBoardServer(folder)

    def served(plugin, tag):
        """What is served of the report and of the plain one."""
        for run in ("report", "plain"):
            (entry,) = server.get(f"{plugin}/{plugin}", run, tag, points=1)
            assert entry["step"] == 0
            yield entry

    for name, content in figures.items():
        pictures = []
        for entry in served("images", name.removesuffix(".png")):
            url = f"{server.url}data/plugin/images/individualImage?{entry['query']}"
            with urllib.request.urlopen(url) as response:
                assert response.headers["Content-Type"] == "image/png"
                pictures.append(response.read())
        ours, theirs = pictures
        assert ours == content
        np.testing.assert_array_equal(imread(io.BytesIO(ours)), imread(io.BytesIO(theirs)))
    for tag in ("question", "verdicts"):
        ours, theirs = (entry["text"] for entry in served("text", tag))
        assert ours == theirs
    assert ours.count("<tr>") == 3  # a heading and two claims
    for claim in claims:
        for words in (claim.judgement.verdict, claim.text, claim.judgement.detail, claim.source):
            assert words in html.unescape(ours)
