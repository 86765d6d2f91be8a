"""A saved model takes what people have: columns of a table, strings included, or pixels."""

import functools
import json
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes import residual_depth
from recipes._lab import predicting, saving
from recipes._lab.data import Dataset, Split, read
from recipes._lab.data.encoders import Unchanged
from recipes._lab.data.new_rows import read_table
from recipes._lab.errors import UserError
from recipes._lab.scores import score
from recipes._lab.training import architecture, population
from recipes._lab.training.fitting import prepare
from recipes._lab.training.loading import load_model
from recipes._lab.training.members import Member

# Keras copies variables in a way that NumPy 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ROWS = 120
HEAD = "day,height/cm,price,colour,shop,constant,id,label"


def build_network(shape, classes):
    """A small compiled classifier."""
    layers = (
        [keras.Input(shape), keras.layers.Flatten()] if len(shape) > 1 else [keras.Input(shape)]
    )
    network = keras.Sequential([*layers, keras.layers.Dense(classes, "softmax")])
    network.compile(
        keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return network


def table_row(n, random):
    """One row: a date, numbers with gaps, a price with a unit, categories of which NA is one."""
    label = "yes" if n % 3 else "No"
    height = "" if n % 7 == 0 else f"{random.normal(170 + 9 * (n % 3 > 0), 5):.1f}"
    colour = random.choice(["red", "RED", "NA", ""])
    shop = random.choice(["a b", "ä", "c"])
    return f"2024-0{1 + n % 9}-1{n % 9},{height},${n % 11}.50,{colour},{shop},same,{n},{label}"


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    """The path of a .csv of 120 such rows."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("table") / "sales.csv"
    rows = [table_row(n, random) for n in range(ROWS)]
    path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def saved(csv, tmp_path_factory):
    """Train a member on the table, save it, and return the path, the source and its split."""
    source = read(str(csv))
    data = source.split(3)

    def build():
        return build_network(data.input_shape, 2)

    member = Member("v", build, architecture.read(build), 3, data, epochs=5, batch_size=10)
    (result,) = population.train([member])
    path = tmp_path_factory.mktemp("model") / "best.keras"
    saving.save_member(member, result, source, 3, {"variant": "v"}, path)
    return path, source, member, result


def network_of(member, weights):
    network = member.build()
    network.set_weights(weights)
    return network


def test_a_model_of_raw_columns_answers_as_its_network_does_of_inputs(saved, csv):
    path, source, member, result = saved
    predictions, _ = predicting.predict(str(path), str(csv), path.with_suffix(".csv"))
    probabilities = np.array([row[-2:] for row in predictions.table[1:]], float)
    _, encode = source.split_to_keep(3, refit=False)
    expected = network_of(member, result.weights).predict(encode(source.raw), verbose=0)
    np.testing.assert_allclose(probabilities, expected, atol=2e-4)
    assert [row[0] for row in predictions.table[1:]] == list(range(1, ROWS + 1))
    head = ("row", "id", "prediction", "probability of No", "probability of yes")
    assert predictions.table[0] == head
    answers = np.array(source.class_names)[expected.argmax(axis=1)]
    assert [row[2] for row in predictions.table[1:]] == answers.tolist()
    assert predictions.scores.accuracy == pytest.approx((answers == labels_in(csv)).mean())


def labels_in(csv):
    return [line.rpartition(",")[2] for line in csv.read_text("utf-8").splitlines()[1:]]


DOCS = (Path(__file__).parents[1] / "docs" / "own-data.md").read_text(encoding="utf-8")
(PLAIN,) = re.findall(r"```python\n([^`]*pandas\.read_csv.*?)```", DOCS, flags=re.DOTALL)
SHOWN = """
import json, sys
print(json.dumps(probabilities.tolist()))
assert not any("recipes" in name for name in sys.modules)
"""


def test_plain_keras_predicts_in_a_process_that_knows_nothing_of_the_project(saved, csv, tmp_path):
    """Numbers as pandas reads them, text as it stands there, a date in its three numbers."""
    path, *_ = saved
    _, *rows = [line.split(",") for line in csv.read_text("utf-8").splitlines()]
    new = ['height_cm,price,colour,shop,"day, year","day, month","day, weekday"']
    for row in rows:
        day = np.datetime64(row[0])
        year, month = row[0].split("-")[:2]
        weekday = (day.astype(int) + 3) % 7  # 1970-01-01 was a Thursday
        new.append(f"{row[1]},{row[2][1:]},{row[3]} ,{row[4]},{year},{int(month)},{weekday}")
    (tmp_path / "new.csv").write_text("\n".join(new), encoding="utf-8")
    command = [sys.executable, "-I", "-c", PLAIN + SHOWN]
    shutil.copy(path, tmp_path)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = np.array(json.loads(done.stdout.splitlines()[-1]))
    predictions, _ = predicting.predict(str(path), str(csv), tmp_path / "p.csv")
    expected = np.array([row[-2:] for row in predictions.table[1:]], float)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_what_is_new_missing_or_unreadable_in_other_rows_is_said(saved, tmp_path):
    path, source, member, result = saved
    new = tmp_path / "new.csv"
    new.write_text(
        "Colour,shop,height/cm,more,day\nRed,a b,170,1,2024-05-11\nteal,c,tall,2,soon\n", "utf-8"
    )
    predictions, _ = predicting.predict(str(path), str(new), tmp_path / "p.csv")
    assert predictions.remarks == [
        "columns whose names differ only in case are taken: 'Colour'",
        "columns that the file has not, taken as missing: 'price'",
        "columns that the model does not know, left out: 'more'",
        "'day': cells that are no dates, taken as missing: 1 ('soon')",
        "'height/cm': cells that are no numbers, taken as missing: 1 ('tall')",
        "categories that training had not, or too rarely, are taken for none of its own: 'colour': "
        "1 ('teal')",
    ]
    assert predictions.scores is None
    _, encode = source.split_to_keep(3, refit=False)
    raw = {
        "day": np.array([[2024, 5, 5], [np.nan] * 3]),  # a Saturday
        "height/cm": np.array([[170], [np.nan]]),
        "price": np.array([[np.nan], [np.nan]]),
        "colour": np.array(["red", "teal"], object),
        "shop": np.array(["a b", "c"], object),
    }
    expected = network_of(member, result.weights).predict(encode(raw), verbose=0)
    probabilities = np.array([row[-2:] for row in predictions.table[1:]], float)
    np.testing.assert_allclose(probabilities, expected, atol=2e-4)


@pytest.mark.parametrize(
    ("cells", "written", "values", "remarks"),
    [
        (["14,5", "2.0", "14.5"], "", [14.5, 2, 14.5], ["in several ways ('14,5', '2.0')"]),
        (["14,5", "2.5", "x", "2"], "", [14.5, 2.5, np.nan, 2], ["1 ('x')", "in several ways"]),
        (
            ["14,5", "2.5", "1,234", "1.234"], "", [14.5, 2.5, np.nan, 1.234],
            ["in several ways", "could be two numbers, taken as missing: 1 ('1,234')"],
        ),
        (["14,5", "2.5", "1.234"], "decimal comma", [14.5, 2.5, 1234], ["in several ways"]),
        (["1.299", "5"], "decimal comma", [1299, 5], []),
        (["1,299", "5"], "comma for thousands", [1299, 5], []),
        (["14.5"], "decimal comma", [14.5], ["with decimal point, those of training with decimal"]),
        (["14,5"], "", [14.5], ["with decimal comma, those of training with decimal point"]),
        (["5 kg", "7", "9 lb"], "", [5, 7, np.nan], ["taken as missing: 1 ('9 lb')"]),
        (["1'250", "(7)"], "", [1250, -7], []),
        (["inf", "1e39", "1"], "", [np.nan, np.nan, 1], ["taken as missing: 2 ('inf', '1e39')"]),
        (["", "x"], "", [np.nan, np.nan], ["that are no numbers, taken as missing: 1 ('x')"]),
        (["", "NA"], "", [np.nan, np.nan], []),
    ],
)  # fmt: skip
def test_no_number_of_other_rows_disappears_without_a_word(
    cells, written, values, remarks, tmp_path
):
    (tmp_path / "new.csv").write_text("\n".join(["x;y", *(f"{cell};a" for cell in cells)]), "utf-8")
    column = {"kind": "numeric", "inputs": 1, "written": written, "unit": "kg"}
    about = {"target": "y", "group": None, "has_names": True, "all_columns": ["x"]}
    rows = read_table(tmp_path / "new.csv", about | {"columns": {"x": column}})
    np.testing.assert_array_equal(rows.inputs["x"], values)
    for remark, words in zip(rows.remarks, remarks, strict=True):
        assert words in remark


def test_dates_of_two_and_of_four_digits_for_the_year(tmp_path):
    (tmp_path / "new.csv").write_text("day,y\n2/1/2024,a\n2/1/24,a\nsoon,a\n", "utf-8")
    column = {"kind": "date", "inputs": 3, "written": "month/day/year"}
    about = {"target": "y", "group": None, "has_names": True, "all_columns": ["day"]}
    rows = read_table(tmp_path / "new.csv", about | {"columns": {"day": column}})
    np.testing.assert_array_equal(rows.inputs["day, year"], [2024, 2024, np.nan])
    assert rows.remarks == ["'day': cells that are no dates, taken as missing: 1 ('soon')"]


def test_a_column_that_was_renamed_is_found(saved, tmp_path):
    (tmp_path / "new.csv").write_text("height,colour,zip\n170,red,1\n", "utf-8")
    predictions, _ = predicting.predict(
        str(saved[0]), str(tmp_path / "new.csv"), tmp_path / "p.csv"
    )
    assert predictions.remarks == [
        "columns that the file has not, taken as missing: 'day', 'height/cm', 'price', 'shop'",
        "columns that the model does not know, left out: 'height', 'zip'",
        "'height/cm' is missing (did you mean 'height'?); then rename that column",
    ]


def test_labels_that_the_model_can_not_give_are_not_counted(saved, tmp_path):
    path, *_ = saved
    new = tmp_path / "new.csv"
    labels = ("", "maybe", "NO", "never", "maybe", "", "yes", "")
    rows = "".join(f"1{n},red,{label}\n" for n, label in enumerate(labels))
    new.write_text("height/cm,colour,label\n" + rows, "utf-8")
    predictions, _ = predicting.predict(str(path), str(new), tmp_path / "p.csv")
    assert predictions.remarks[-2:] == [
        "rows without a label, not counted: 3",
        "rows of classes that the model does not have, not counted: 3 ('maybe', 'never')",
    ]
    assert predictions.scores.examples == 2


@pytest.mark.parametrize(
    ("shape", "scale"),
    [
        ((5,), 1.0),  # within 0..1, taken as they are
        ((5,), 100.0),  # standardized
        ((6, 7), 255.0),
        ((6, 7, 3), 255.0),
        ((3, 6, 7), 255.0),  # channels first
    ],
)
def test_a_model_of_arrays_takes_them_as_the_file_has_them(shape, scale, tmp_path):
    random = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (scale * random.random((60, *shape))).astype(np.uint8 if scale == 255 else np.float64)
    np.savez(tmp_path / "given.npz", x=x, y=y)
    source = read(str(tmp_path / "given.npz"))
    _, encode = source.split_to_keep(0, refit=False)
    inputs = encode(source.raw)
    network = build_network(inputs.shape[1:], 3)
    model = saving.taking_raw(network, encode, source)
    saving.save(model, {}, tmp_path / "best.keras")
    loaded = keras.models.load_model(tmp_path / "best.keras")
    assert loaded.input_shape == (None, *shape)
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), network(np.asarray(inputs, np.float32)), atol=1e-5
    )
    loaded.evaluate(x, y, verbose=0)  # it is compiled


def saved_as_trained(path, tmp_path, build=build_network):
    """Train on a table, save and load; return what network and saved model say of its rows."""
    source = read(str(path))
    data = source.split(0)
    model = functools.partial(build, data.input_shape, data.num_classes)
    member = Member("v", model, architecture.read(model), 0, data, epochs=2, batch_size=10)
    (result,) = population.train([member])
    about = saving.save_member(member, result, source, 0, {}, tmp_path / "saved.keras")
    loaded, about = saving.load(tmp_path / "saved.keras")
    rows = read_table(path, about["data"])
    answers = loaded.predict(predicting._inputs(rows.inputs), verbose=0)
    network = load_model(member, result.weights)
    _, encode = source.split_to_keep(0, False)
    return answers, network.predict(encode(source.raw), verbose=0), about


def test_columns_may_be_called_as_layers_are(tmp_path):
    random = np.random.default_rng(0)
    head = "network,where,normalization,concatenate,label"
    rows = [
        f"{random.normal()},{random.normal()},{random.normal()},{'b' if n % 2 else '[UNK]'},{n % 3}"
        for n in range(60)
    ]
    path = tmp_path / "names.csv"
    path.write_text("\n".join([head, *rows]), encoding="utf-8")
    keras.utils.clear_session()  # as in a new process: Keras counts names from the start
    answers, expected, _ = saved_as_trained(path, tmp_path)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_network_of_logits_answers_in_probabilities(outputs, tmp_path):
    def logits(shape, classes):
        network = keras.Sequential([keras.Input(shape), keras.layers.Dense(outputs)])
        losses = keras.losses.BinaryCrossentropy, keras.losses.SparseCategoricalCrossentropy
        loss = losses[outputs - 1](from_logits=True)
        network.compile(keras.optimizers.SGD(1.0), loss, metrics=["accuracy"])
        return network

    random = np.random.default_rng(0)
    x, y = random.normal(size=200), np.arange(200) % 2
    rows = [f"{a + 3 * b},{b}" for a, b in zip(x, y, strict=True)]
    path = tmp_path / "logits.csv"
    path.write_text("\n".join(["x,label", *rows]), encoding="utf-8")
    answers, found, about = saved_as_trained(path, tmp_path, logits)
    sigmoid = 1 / (1 + np.exp(-found))
    expected = sigmoid if outputs == 1 else np.exp(found) / np.exp(found).sum(1, keepdims=True)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert found.min() < 0  # no probability
    model, _ = saving.load(tmp_path / "saved.keras")
    assert not model.loss.from_logits  # so that its loss is that of what it answers
    assert about["test"]["accuracy"] > 0.85
    predictions, _ = predicting.predict(tmp_path / "saved.keras", path, tmp_path / "out.csv")
    assert predictions.scores.accuracy > 0.85


def test_a_recipes_own_layer_is_known_again(tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
    network = residual_depth.build_model(blocks=1)
    network.optimizer.build(network.trainable_variables)
    source = types.SimpleNamespace(
        example_shape=(64,), raw=np.zeros((1, 64)), has_channels_first=False
    )
    model = saving.taking_raw(network, Unchanged(), source)
    about = {"recipe": "residual_depth", "data": {}}
    saving.save(model, about, tmp_path / "deep.keras")
    monkeypatch.delitem(sys.modules, "recipes.residual_depth")  # as in a new process
    loaded, _ = saving.load(tmp_path / "deep.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), network.predict(x, verbose=0))


def test_files_of_one_name_but_for_a_date_have_predictions_of_their_own():
    names = {"new.2024-05.csv": "new.2024-05", "a.csv.gz": "a", "b.CSV": "b", "images": "images"}
    assert {name: predicting._without_ending(name) for name in names} == names


def test_a_description_holds_arguments_of_any_kind(tmp_path):
    about = {"arguments": {"units": np.int64(3), "activation": keras.activations.relu}, "data": {}}
    saving.save(build_network((3,), 2), about, tmp_path / "best.keras")
    _, read_back = saving.load(tmp_path / "best.keras")
    assert read_back["arguments"]["units"] == "3"


def test_a_constant_column_is_zero_whatever_new_rows_hold(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3))
    x[:, 1] = 5
    np.savez(tmp_path / "given.npz", x=x, y=np.arange(60) % 2)
    source = read(str(tmp_path / "given.npz"))
    _, encode = source.split_to_keep(0, refit=False)
    network = build_network((3,), 2)
    model = saving.taking_raw(network, encode, source)
    other = x.copy()
    other[:, 1] = 500
    np.testing.assert_allclose(
        model.predict(other, verbose=0), model.predict(x, verbose=0), atol=1e-6
    )


def test_refitting_trains_on_the_validation_part_as_well(csv, tmp_path):
    source = read(str(csv))
    data = source.split(3)

    def build():
        return build_network(data.input_shape, 2)

    member = Member("v", build, architecture.read(build), 3, data, epochs=4, batch_size=10)
    (result,) = population.train([member])
    path = tmp_path / "best.keras"
    about = saving.save_member(member, result, source, 3, {}, path, refit=True)
    train, validation, test = source._rows(3)
    both = np.concatenate([train, validation])
    encode = source.fit({name: values[both] for name, values in source.raw.items()})
    x = encode(source.raw)
    parts = [Split(x[rows], source.y[rows]) for rows in (both, validation, test)]
    again = Member(
        "v", build, member.spec, 3, Dataset("d", source.class_names, *parts), 4, batch_size=10
    )
    (expected,) = population.train([again])
    model, read_back = saving.load(path)
    for weight, value in zip(model.get_layer("network").weights, expected.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    assert about["refit"] is read_back["refit"] is True
    assert read_back["test"]["accuracy"] == pytest.approx(expected.test["test_accuracy"])


def test_scores_by_hand():
    """Ten examples, of which one is missed, and two are taken for another."""
    y = np.array([0] * 6 + [1] * 3 + [2])
    answers = np.array([0, 0, 0, 0, 0, 1, 1, 1, 0, 0])
    scores = score(np.eye(3)[answers], y, ("a", "b", "c"))
    assert scores.confusion == [[5, 1, 0], [1, 2, 0], [1, 0, 0]]
    assert (scores.accuracy, scores.majority) == (0.7, 0.6)
    assert scores.recall == {"a": pytest.approx(5 / 6), "b": pytest.approx(2 / 3), "c": 0}
    assert scores.precision == {"a": pytest.approx(5 / 7), "b": pytest.approx(2 / 3), "c": None}
    assert scores.balanced_accuracy == pytest.approx((5 / 6 + 2 / 3) / 3)
    assert scores.is_uneven
    always = score(np.eye(3)[np.zeros(10, int)], y, ("a", "b", "c"))
    assert always.warnings == []  # of ten examples nothing can be said
    more = score(np.eye(3)[np.zeros(30, int)], np.tile(y, 3), ("a", "b", "c"))
    assert more.warnings == [
        "no better than always answering the most frequent class",
        "never predicted: 'b', 'c'",
    ]
    even = score(np.eye(2)[[0, 1, 1, 1]], np.array([0, 0, 1, 1]), ("a", "b"))
    assert not even.is_uneven


def test_the_precision_of_a_single_output_is_averaged_over_its_thresholds():
    probabilities = np.array([[0.1], [0.9], [0.4], [0.6]])
    scores = score(probabilities, np.array([0, 1, 1, 0]), ("no", "yes"))
    # From the top: yes, no, yes, no; precision 1 and 2/3 where a yes is found.
    assert scores.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert scores.confusion == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no model"),
        (b"nothing", "is no model of these recipes"),
    ],
)
def test_what_is_no_model_is_said(content, words, csv, tmp_path):
    path = tmp_path / "other.keras"
    if content:
        path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        predicting.predict(str(path), str(csv), None)


def test_a_plain_keras_model_is_none_of_ours(csv, tmp_path):
    build_network((3,), 2).save(tmp_path / "plain.keras")
    with pytest.raises(UserError, match="is no model of these recipes"):
        predicting.predict(str(tmp_path / "plain.keras"), str(csv), None)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("none.csv", None, "there is no .*none.csv' to predict"),
        ("new.npz", b"x", "is not what the model takes; give a table like 'sales'"),
        ("new.csv", b"a,b\n1,2\n", "has none of the columns that the model takes"),
        ("new.txt", b"", "has no rows below a header"),
        ("other.keras", b"x", "other.keras' is a model, and no examples; give the model as MODEL="),
    ],
)
def test_what_cannot_be_predicted_is_said(file, content, words, saved, tmp_path):
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=words):
        predicting.predict(str(saved[0]), str(tmp_path / file), None)


def test_predictions_never_take_the_place_of_their_data(saved, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("height/cm\n170\n", encoding="utf-8")
    with pytest.raises(UserError, match="can't take the place of their data"):
        predicting.predict(str(saved[0]), str(new), tmp_path / "." / "new.csv")
    assert new.read_text(encoding="utf-8") == "height/cm\n170\n"


def test_images_of_a_folder_are_read_trained_on_and_predicted(tmp_path):
    random = np.random.default_rng(0)
    for name, bright in (("day", 200), ("night", 20)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for n in range(15):
            pixels = random.integers(bright, bright + 50, (8, 8, 3), dtype=np.uint8)
            png = tf.io.encode_png(pixels).numpy()
            (tmp_path / "pictures" / name / f"{n}.png").write_bytes(png)
    source = read(str(tmp_path / "pictures"))
    assert (source.class_names, source.raw.shape) == (("day", "night"), (30, 8, 8, 3))
    assert source.raw[source.y == 0].min() >= 200
    assert source.raw[source.y == 1].max() < 70
    data, encode = source.split_to_keep(0, refit=False)
    network = prepare(build_network((8, 8, 3), 2), data.train.y)
    network.fit(data.train.x, data.train.y, epochs=30, verbose=0)
    model = saving.taking_raw(network, encode, source)
    about = {
        "class_names": source.class_names,
        "data": predicting.new_rows.describe(source, encode),
    }
    saving.save(model, about, tmp_path / "best.keras")
    predictions, path = predicting.predict(
        str(tmp_path / "best.keras"), str(tmp_path / "pictures"), tmp_path / "p.csv"
    )
    assert predictions.scores.accuracy == 1
    assert predictions.table[1][1:3] == ("day/0.png", "day")
    assert path.read_text("utf-8").count("\n") == 31
    flat = tmp_path / "pictures" / "night"
    predictions, _ = predicting.predict(str(tmp_path / "best.keras"), str(flat), path)
    assert (predictions.counts, predictions.scores) == ({"day": 0, "night": 15}, None)
