"""Data: names and paths become scaled, split examples, or a mistake becomes one line."""

import contextlib
import subprocess
import sys
import zipfile
from urllib.error import URLError

import numpy as np
import pytest

from recipes._lab.data import NAMES, Dataset, Split, Splits, load, read
from recipes._lab.errors import UserError

TWO_CLASSES = np.arange(20) % 2  # ten examples of each


def parts_of(data):
    return data.train, data.validation, data.test


def save_npz(folder, **arrays):
    path = folder / "given.npz"
    np.savez(path, **arrays)
    return str(path)


def save_csv(folder, text, encoding="utf-8"):
    path = folder / "given.csv"
    path.write_bytes(text.encode(encoding))
    return str(path)


def message_of(*args, **kwargs):
    """The text of the UserError that loading raises, checked to be one printable line."""
    with pytest.raises(UserError) as caught:
        load(*args, **kwargs)
    message = str(caught.value)
    assert message.isprintable()
    return message


def assert_has(message, words):
    for word in words:
        assert word in message


def assert_same(one, other):
    assert one.fingerprint == other.fingerprint
    for a, b in zip(parts_of(one), parts_of(other), strict=True):
        np.testing.assert_array_equal(a.x, b.x, strict=True)
        np.testing.assert_array_equal(a.y, b.y, strict=True)


def rows_of(data):
    """The row in the file of every example, by part, if the first column grew from row to row."""
    column = np.concatenate([part.x.reshape(len(part), -1)[:, 0] for part in parts_of(data)])
    rows = column.argsort().argsort()
    return np.split(rows, [len(data.train), len(data.train) + len(data.validation)])


# --- a split for every seed --------------------------------------------------------------------


def rows_by_seed(source, seed):
    """The rows of training, validation and test in a split of this seed."""
    return [set(rows.tolist()) for rows in rows_of(source.split(seed))]


def test_each_seed_splits_the_same_examples_anew(tmp_path):
    source = read(save_csv(tmp_path, table(rows=50)))
    seen = []
    for seed in (0, 1, 2):
        parts = rows_by_seed(source, seed)
        assert set.union(*parts) == set(range(50))
        assert sum(map(len, parts)) == 50
        assert [len(part) for part in parts] == [len(p) for p in source.split(None).parts]
        assert parts == rows_by_seed(source, seed)
        seen.append(frozenset(parts[0]))
    assert len(set(seen)) == 3


def test_a_test_part_of_its_own_stays_whatever_the_seed(tmp_path):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 2)), np.arange(60) % 3
    path = tmp_path / "own.npz"
    np.savez(path, x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    source = read(str(path))
    zero, one = source.split(0), source.split(1)
    np.testing.assert_array_equal(zero.test.y, y[40:])
    np.testing.assert_array_equal(one.test.y, y[40:])
    assert set(map(tuple, zero.train.x)) != set(map(tuple, one.train.x))


def test_inputs_are_scaled_by_the_training_part_of_their_own_split(tmp_path):
    source = read(save_csv(tmp_path, table(rows=50)))
    for seed in (0, 1):
        train = source.split(seed).train.x[:, 0]
        assert train.mean() == pytest.approx(0, abs=1e-6)
        assert train.std() == pytest.approx(1, abs=1e-6)


def test_splits_are_changed_by_seed_and_stacked(tmp_path):
    data = Splits(read(save_csv(tmp_path, table(rows=50))), [3, 5])
    assert data.train.x.shape == (2, *data.split(3).train.x.shape)
    np.testing.assert_array_equal(data.test.y[1], data.split(5).test.y)

    def swap_some(dataset, random):
        y = dataset.train.y.copy()
        chosen = random.permutation(len(y))[:4]
        y[chosen] = (y[chosen] + 1) % dataset.num_classes
        return dataset.with_train(y=y)

    noisy = data.map(swap_some)
    wrong = noisy.train.y != data.train.y
    assert wrong.sum(axis=1).tolist() == [4, 4]
    assert wrong[0].tolist() != wrong[1].tolist()
    np.testing.assert_array_equal(noisy.train.y, data.map(swap_some).train.y)  # keyed by seed
    np.testing.assert_array_equal(noisy.test.x, data.test.x)
    doubled = noisy.map(lambda dataset, random: dataset.map_inputs(lambda x: 2 * x))
    np.testing.assert_array_equal(doubled.validation.x, 2 * data.validation.x)
    np.testing.assert_array_equal(doubled.train.y, noisy.train.y)
    swapped = noisy.map(
        lambda dataset, random: dataset.map_examples(lambda x, y: (y[:, None], 1 - y))
    )
    np.testing.assert_array_equal(swapped.test.x[..., 0], noisy.test.y)
    np.testing.assert_array_equal(swapped.train.y, 1 - noisy.train.y)


def test_labels_can_stand_for_other_classes(tmp_path):
    data = Splits(read(save_csv(tmp_path, table(rows=50))), [3, 5])
    first = data.class_names[0]
    two = data.map(lambda dataset, random: dataset.map_labels(lambda y: y == 0, ("rest", first)))
    assert (two.class_names, two.num_classes) == (("rest", first), 2)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(two, part).y, getattr(data, part).y == 0)
    np.testing.assert_array_equal(two.train.x, data.train.x)


# --- what a Dataset is -------------------------------------------------------------------------


def test_other_training_examples_are_given_for_the_seeds_of_the_run(tmp_path):
    data = Splits(read(save_csv(tmp_path, table(rows=50))), [3, 5])
    x, y = data.train.x[:, :4] + 1, data.train.y[:, :4]
    changed = data.with_train(x, y)
    np.testing.assert_array_equal(changed.train.x, x)
    np.testing.assert_array_equal(changed.split(5).train.y, y[1])
    np.testing.assert_array_equal(changed.test.x, data.test.x)
    assert changed.class_names == data.class_names
    with pytest.raises(KeyError):
        changed.split(4)  # what they would be for another seed, nobody knows
    with pytest.raises(ValueError, match="shorter"):
        data.with_train(x, y[:1])


def test_vectors_know_the_shape_of_the_pictures_that_they_were():
    data = Splits(read("digits"), [0], [lambda dataset, random: dataset.flat()])
    assert (data.input_shape, data.picture_shape) == ((64,), (8, 8, 1))
    changed = data.map(lambda dataset, random: dataset.first(9))
    assert changed.picture_shape == (8, 8, 1)


def test_chance_follows_the_training_majority_even_where_test_has_another():
    def labels(*y):
        return Split(np.zeros((len(y), 1), np.float32), np.array(y, np.int32))

    data = Dataset("d", ("a", "b"), labels(0, 0, 1), labels(1), labels(1, 1, 1, 0))
    assert data.chance == 0.25
    assert (len(data.train), data.num_classes, data.input_shape) == (3, 2, (1,))


def test_weights_go_with_their_examples():
    x, y = np.arange(8, dtype=np.float32)[:, None], np.arange(8, dtype=np.int32) % 2
    part = Split(x, y)
    plain = Dataset("d", ("a", "b"), part, part, part)
    data = plain.with_train(weights=10 * x[:, 0])
    assert plain.train.weights is data.test.weights is None
    assert data.fingerprint != plain.fingerprint != data.with_train(weights=x[:, 0]).fingerprint

    def pairs(changed):
        return changed.train.x.ravel().tolist(), changed.train.weights.tolist()

    assert pairs(data.first(3)) == ([0, 1, 2], [0, 10, 20])
    assert pairs(data.flat().map_inputs(lambda x: x + 1)) == ([*range(1, 9)], [*range(0, 80, 10)])
    assert pairs(data.with_train(y=1 - y).map_labels(lambda y: y, ("c", "d")))[1][-1] == 70
    # What was validation has no weights: 1.
    assert pairs(data.fold(0, 2)) == ([1, 3, 5, 7] * 2, [10, 30, 50, 70, 1, 1, 1, 1])
    with pytest.raises(ValueError, match=r"weights of shape \(8,\) for labels of shape \(3,\)"):
        data.with_train(x[:3], y[:3])
    seeds = Splits(plain, [3, 5]).with_train(x[None].repeat(2, 0), y[None].repeat(2, 0), [y, 1 - y])
    np.testing.assert_array_equal(seeds.train.weights, [y, 1 - y])
    assert seeds.test.weights is None


def test_fingerprint_changes_with_any_array_shape_or_class_name():
    def dataset(x=0.0, y=0, shape=(4, 1), names=("a", "b")):
        split = Split(np.zeros(shape, np.float32), np.zeros(4, np.int32))
        changed = Split(np.full(shape, x, np.float32), np.full(4, y, np.int32))
        return Dataset("d", names, split, split, changed)

    others = (dataset(x=1), dataset(y=1), dataset(shape=(4, 1, 1)), dataset(names=("a", "c")))
    assert len({data.fingerprint for data in (dataset(), *others)}) == 5
    assert dataset().fingerprint == dataset().fingerprint
    assert int(dataset().fingerprint, 16) > 0


def test_flat_keeps_the_order_of_the_pixels():
    data = load("digits")
    assert data.images() is data
    flat = data.flat()
    assert flat.input_shape == (64,)
    assert (flat.name, flat.class_names) == (data.name, data.class_names)
    np.testing.assert_array_equal(flat.test.x[7, 8:16], data.test.x[7, 1, :, 0])
    np.testing.assert_array_equal(flat.test.y, data.test.y)
    assert_same(flat, flat.flat())


def test_the_first_examples_hold_one_of_every_class():
    y = np.array([0, 0, 1, 0, 0, 2, 0, 2], np.int32)
    part = Split(np.arange(8, dtype=np.float32)[:, None], y)

    def rows(count):
        first = part.first(count)
        np.testing.assert_array_equal(first.y, y[first.x[:, 0].astype(int)])
        return first.x[:, 0].tolist()

    assert rows(7) == [0, 1, 2, 3, 4, 5, 6]
    assert rows(6) == [0, 1, 2, 3, 4, 5]
    assert rows(4) == [0, 1, 2, 5]
    assert rows(3) == [0, 2, 5]
    assert rows(1) == [0, 2, 5]  # fewer than classes is too few
    assert part.first(None) is part.first(8) is part.first(9) is part
    whole = Dataset("abc", ("a", "b", "c"), part, part, part)
    first = whole.first(4, test=3)
    assert [len(of) for of in (first.train, first.validation, first.test)] == [4, 8, 3]
    assert (first.name, first.class_names) == (whole.name, whole.class_names)


def test_images_of_vectors_are_refused():
    with pytest.raises(UserError, match=r"needs images, but 'digits' holds vectors; give 'digits'"):
        load("digits").flat().images()


def test_importing_is_cheap():
    code = (
        "import sys, recipes._lab.data\n"
        "assert not {'sklearn', 'scipy', 'keras', 'tensorflow'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the named sources -------------------------------------------------------------------------


def test_digits_are_those_of_scikit_learn_divided_by_16():
    from sklearn.datasets import load_digits

    source = load_digits()
    data = load("digits")
    assert data.name == "digits"
    assert data.class_names == tuple("0123456789")
    assert data.input_shape == (8, 8, 1)
    seen = []
    label_of = dict(zip((image.tobytes() for image in source.data), source.target, strict=True))
    for part in parts_of(data):
        assert part.x.dtype == np.float32
        assert part.y.dtype == np.int32
        pixels = (part.x.reshape(-1, 64) * 16).astype(float)
        assert [label_of[image.tobytes()] for image in pixels] == part.y.tolist()
        seen += [image.tobytes() for image in pixels]
    assert sorted(seen) == sorted(image.tobytes() for image in source.data)


def test_digits_are_stratified_and_shuffled():
    data = load()
    everything = np.concatenate([part.y for part in parts_of(data)])
    for part, share in zip(parts_of(data), (0.6, 0.2, 0.2), strict=True):
        expected = np.bincount(everything) * share
        assert np.abs(np.bincount(part.y) - expected).max() <= 1
        assert set(part.y[:100]) == set(range(10))
    # 178 zeros: a fifth is 35.6, rounded to 36; the training part has what is left.
    assert [np.sum(part.y == 0) for part in parts_of(data)] == [106, 36, 36]


def test_the_same_name_gives_the_same_bits():
    assert_same(load("digits"), load("digits"))


def tiny_download(name, monkeypatch, y_shape=(-1,)):
    """Let Keras "download" 50 training and 10 test images of this source's shape."""
    import keras

    shape = (32, 32, 3) if name == "cifar10" else (28, 28)
    y_train, y_test = np.arange(50, dtype=np.uint8) % 10, np.arange(10, dtype=np.uint8)
    x_train = np.ones((50, *shape), np.uint8) * (y_train * 28).reshape(-1, *[1] * len(shape))
    x_test = np.full((10, *shape), 126, np.uint8)
    arrays = (x_train, y_train.reshape(y_shape)), (x_test, y_test.reshape(y_shape))
    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", lambda: arrays)


def test_mnist_keeps_its_test_part(monkeypatch):
    tiny_download("mnist", monkeypatch)
    data = load("mnist")
    assert data.name == "mnist"
    assert data.class_names == tuple("0123456789")
    assert data.input_shape == (28, 28, 1)
    assert data.flat().input_shape == (784,)
    assert [len(part) for part in parts_of(data)] == [40, 10, 10]
    assert np.bincount(data.train.y).tolist() == [4] * 10
    assert data.test.y.tolist() == list(range(10))
    # The largest pixel is 9 * 28 = 252, so the label can be read off the pixels again.
    np.testing.assert_allclose(data.train.x[:, 3, 4, 0], data.train.y / 9, rtol=1e-6)
    np.testing.assert_array_equal(data.test.x, np.float32(0.5))


@pytest.mark.parametrize(
    ("name", "shape", "first", "last"),
    [
        ("fashion_mnist", (28, 28, 1), "T-shirt/top", "Ankle boot"),
        ("cifar10", (32, 32, 3), "airplane", "truck"),
    ],
)
def test_classes_that_have_names_are_called_by_them(name, shape, first, last, monkeypatch):
    tiny_download(name, monkeypatch, y_shape=(-1, 1))
    data = load(name)
    assert (data.class_names[0], data.class_names[9]) == (first, last)
    assert len(set(data.class_names)) == data.num_classes == 10
    assert data.input_shape == shape
    assert data.test.y.tolist() == list(range(10))


def test_a_failed_download_is_one_line_and_silent(monkeypatch, capsys):
    import keras

    def offline():
        print("Downloading data from https://example.org/mnist.npz")
        raise URLError("Name or\nservice not known")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", offline)
    message = message_of("mnist")
    assert_has(message, ["'mnist'", "not in Keras's cache", "service not known"])
    assert_has(message, ["offline", "'digits'", ".npz"])
    assert capsys.readouterr() == ("", "")


# --- .npz --------------------------------------------------------------------------------------


def test_npz_in_the_layout_of_mnist(tmp_path):
    x_train, x_test = np.full((20, 2, 3), 100, np.uint8), np.full((2, 2, 3), 250, np.uint8)
    x_train[:, 1, 2] = np.arange(20)
    y_test = np.array([1, 0], np.uint8)
    path = save_npz(tmp_path, x_train=x_train, y_train=TWO_CLASSES, x_test=x_test, y_test=y_test)
    data = load(path)
    assert (data.name, data.input_shape) == ("given", (2, 3, 1))
    assert [np.bincount(part.y).tolist() for part in parts_of(data)] == [[8, 8], [2, 2], [1, 1]]
    assert data.test.y.tolist() == [1, 0]
    np.testing.assert_array_equal(data.train.x[:, 0], 1)
    np.testing.assert_array_equal(data.test.x, np.float32(2.5))  # by the training maximum too
    learned = np.concatenate([data.train.x, data.validation.x])[:, 1, 2, 0] * 100
    assert sorted(learned.round()) == list(range(20))
    np.testing.assert_array_equal(
        learned.round() % 2, np.concatenate([data.train.y, data.validation.y])
    )
    assert_same(data, load(path))


def test_npz_without_test_is_split_in_three(tmp_path):
    y = np.repeat([7, 3], [50, 25])
    x = np.arange(75)[:, np.newaxis] / 100
    data = load(save_npz(tmp_path, x=x, y=y, something_else=np.zeros(3)))
    assert data.class_names == ("3", "7")
    assert [np.bincount(part.y).tolist() for part in parts_of(data)] == [[15, 30], [5, 10], [5, 10]]
    rows = np.concatenate([part.x[:, 0] for part in parts_of(data)])
    np.testing.assert_array_equal(np.sort(rows), x[:, 0].astype(np.float32))  # each row once
    for part in parts_of(data):  # labels went with their rows
        np.testing.assert_array_equal(part.y == 0, part.x[:, 0] >= np.float32(0.5))
        assert np.count_nonzero(np.diff(part.y)) > 1  # not class by class
    training = rows_of(data)[0]
    assert sorted(training[training >= 50]) != list(range(50, 65))  # not the first of a class
    assert len(load(save_npz(tmp_path, x_train=x, y_train=y)).test) == 15


def test_the_fewest_examples_of_a_class_go_one_to_each_part(tmp_path):
    x, y = np.linspace(0, 1, 23).reshape(-1, 1), np.repeat([0, 1], [20, 3])
    data = load(save_npz(tmp_path, x=x, y=y))
    assert [np.sum(part.y == 1) for part in parts_of(data)] == [1, 1, 1]
    path = save_npz(tmp_path, x_train=x[:22], y_train=y[:22], x_test=x, y_test=y)
    assert [np.sum(part.y == 1) for part in parts_of(load(path))] == [1, 1, 3]


def test_vectors_are_standardized_by_training_columns_only(tmp_path):
    x = np.array([[10.0, 5, 100], [20.0, 5, 300]])[TWO_CLASSES]
    x_test = np.array([[15.0, 6, 200], [25.0, 7, 1e6]])
    y_test = np.array([0, 1])
    path = save_npz(tmp_path, x_train=x, y_train=TWO_CLASSES, x_test=x_test, y_test=y_test)
    data = load(path)
    # Means 15, 5, 200 and standard deviations 5, 0, 100; the constant column is 0 everywhere.
    np.testing.assert_allclose(data.test.x, [[0, 0, 0], [2, 0, 9998]])
    np.testing.assert_allclose(data.train.x[data.train.y == 1], [[1, 0, 1]] * 8)
    np.testing.assert_allclose(data.validation.x[data.validation.y == 0], [[-1, 0, -1]] * 2)


def test_outliers_outside_the_training_part_move_nothing_in_it(tmp_path):
    y = np.arange(60) % 3
    x = np.arange(120.0).reshape(60, 2)
    before = load(save_npz(tmp_path, x=x, y=y))
    training, *others = rows_of(before)
    x[np.concatenate(others)] += 1e6
    after = load(save_npz(tmp_path, x=x, y=y))
    np.testing.assert_array_equal(after.train.x, before.train.x)
    np.testing.assert_allclose(before.train.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(before.train.x.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_array_equal(y[training], before.train.y)
    assert min(after.validation.x.min(), after.test.x.min()) > 1e4


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        pytest.param(np.array([[0.2], [0.7]]), [[0.2], [0.7]], id="within 0..1: as it is"),
        pytest.param(np.array([[False], [True]]), [[0], [1]], id="truth values: as they are"),
        pytest.param(np.array([[3], [7]]), [[-1], [1]], id="integers: standardized"),
        pytest.param(np.array([[0.0], [2]], np.float16), [[-1], [1]], id="float16: standardized"),
        pytest.param(np.array([[50], [200]], np.uint8), [[0.25], [1]], id="uint8: by the maximum"),
        pytest.param(np.array([[0.1], [0.1]]) * 30, [[0], [0]], id="constant, with rounding"),
        pytest.param(np.array([[-1e-200], [3e-200]]), [[0], [0]], id="squares underflow"),
        pytest.param(
            np.array([-4.0, 2.0]).reshape(2, 1, 1), [[[[-1]]], [[[0.5]]]], id="images: by |x|"
        ),
        pytest.param(np.zeros((2, 1, 1)), [[[[0]]], [[[0]]]], id="black images"),
        pytest.param(
            np.array([[1, 2], [3, 4]]).reshape(2, 1, 1, 2),
            [[[[0.25, 0.5]]], [[[0.75, 1]]]],
            id="images with channels",
        ),
    ],
)
def test_the_rule_of_scaling(x, expected, tmp_path):
    data = load(save_npz(tmp_path, x=x[TWO_CLASSES], y=TWO_CLASSES))
    for part in parts_of(data):
        assert part.x.dtype == np.float32
        np.testing.assert_allclose(part.x, np.array(expected)[part.y], rtol=1e-6)


@pytest.mark.parametrize(
    ("y", "names", "first"),
    [
        (np.array([5, -2]), ("-2", "5"), 1),
        (np.array([10, 9], np.uint8), ("9", "10"), 1),
        (np.array([10.0, 9.0]), ("9", "10"), 1),
        (np.array([[10], [9]]), ("9", "10"), 1),
        (np.array([False, True]), ("0", "1"), 0),
        (np.array([[0, 1, 0], [1, 0, 0]]), ("0", "1"), 1),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), ("0", "1"), 1),
        (np.array(["zebra", "ant"]), ("ant", "zebra"), 1),
        (np.array(["10", "9"]), ("9", "10"), 1),
        (np.array(["10.0", "9e0"]), ("9", "10"), 1),
        (np.array(["10", "9b"]), ("10", "9b"), 0),
    ],
)
def test_labels_are_numbered_in_order_and_keep_their_names(y, names, first, tmp_path):
    x = np.array([[0.0], [1.0]])
    data = load(save_npz(tmp_path, x=x[TWO_CLASSES], y=y[TWO_CLASSES]))
    assert data.class_names == names
    for part in parts_of(data):
        np.testing.assert_array_equal(part.y == first, part.x[:, 0] == 0)


@pytest.mark.parametrize(
    ("file_name", "name"),
    [("plain-1.2.npz", "plain-1.2"), ("a\nb:c.npz", "a_b_c"), ("...npz", "data"), ("é.NPZ", "é")],
)
def test_the_name_of_a_file_can_be_that_of_a_folder(file_name, name, tmp_path):
    save_npz(tmp_path, x=np.eye(20), y=TWO_CLASSES)
    (tmp_path / "given.npz").rename(tmp_path / file_name)
    assert load(str(tmp_path / file_name)).name == name


def test_a_path_may_start_at_home(tmp_path, monkeypatch):
    save_npz(tmp_path, x=np.eye(20), y=TWO_CLASSES)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("~/given.npz").name == "given"


# --- .csv --------------------------------------------------------------------------------------


def table(rows=20, line="{i},{color},{kind}", header="size,color,kind", **columns):
    """Text of a table of two classes, ham and spam by turns; lambdas say what is in a column.

    i grows by three from row to row: numbers that count the rows would be an identifier.
    """
    columns = {"color": lambda i: "red" if i % 2 else "blue", **columns}
    kinds = ("ham", "spam")
    lines = [
        line.format(i=3 * i, kind=kinds[i % 2], **{key: cell(i) for key, cell in columns.items()})
        for i in range(rows)
    ]
    return "\n".join([header, *lines]) + "\n"


def test_csv_with_numbers_and_text(tmp_path):
    data = load(save_csv(tmp_path, table()))
    assert (data.name, data.class_names, data.input_shape) == ("given", ("ham", "spam"), (3,))
    assert [np.bincount(part.y).tolist() for part in parts_of(data)] == [[6, 6], [2, 2], [2, 2]]
    training, *_ = rows = rows_of(data)
    assert sorted(np.concatenate(rows)) == list(range(20))
    for part, numbers in zip(parts_of(data), rows, strict=True):
        size = (numbers - training.mean()) / training.std()
        np.testing.assert_allclose(part.x[:, 0], size, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(part.x[:, 1:], np.eye(2)[numbers % 2])  # blue, red
        np.testing.assert_array_equal(part.y, numbers % 2)
        assert (part.x.dtype, part.y.dtype) == (np.float32, np.int32)
    assert_same(data, load(save_csv(tmp_path, table())))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff" + table(header='"size,",color,kind'), id="byte order mark"),
        pytest.param(table().replace(",", ";"), id="semicolon"),
        pytest.param(table().replace(",", "\t"), id="tab"),
        pytest.param(table().replace("\n", "\r\n"), id="Windows"),
        pytest.param(table().replace("\n", "\n\n  \n"), id="blank lines"),
        pytest.param("\n" + table().rstrip(), id="no newline at the end"),
        pytest.param(table().replace(",", " , "), id="spaces"),
        pytest.param(table().replace("red", '"red"').replace("size", '"size"'), id="quotes"),
        pytest.param(table(header='"a, b, c";d;e', line="{i};{color};{kind}"), id="quoted comma"),
        pytest.param(table(line="{i},5,{color},{kind}", header="0,1,2,kind"), id="numbered names"),
        pytest.param(table(line="{i}.0,{color},{kind}"), id="decimal point"),
        pytest.param(table(line="{i},0;{color};{kind}", header="a;b;c"), id="decimal comma"),
        pytest.param(table(line="{i},{i}@x.org,{color},{kind}", header="a,b,c,d"), id="all differ"),
    ],
)
def test_other_ways_to_write_the_same_table(text, tmp_path):
    expected = load(save_csv(tmp_path, table()))
    data = load(save_csv(tmp_path, text))
    assert data.class_names == expected.class_names
    for part, same in zip(parts_of(data), parts_of(expected), strict=True):
        np.testing.assert_array_equal(part.x[:, 0], same.x[:, 0])
        np.testing.assert_array_equal(part.x[:, -2:], same.x[:, -2:])
        np.testing.assert_array_equal(part.y, same.y)


def test_any_column_can_be_the_target(tmp_path):
    path = save_csv(tmp_path, table())
    data = load(path, target="color")
    assert data.class_names == ("blue", "red")
    np.testing.assert_array_equal(data.train.x[:, 1], data.train.y == 0)  # kind is ham
    assert_same(load(path, target="kind"), load(path))


def test_numeric_targets_are_classes(tmp_path):
    path = save_csv(tmp_path, table(line="{i},{grade}", header="a,b", grade=lambda i: i % 2 + 9))
    assert load(path).class_names == ("9", "10")


@pytest.mark.parametrize("missing", ["", "NA", "n/a", "NaN", "nan", "null", "?", "  "])
def test_a_missing_number_is_the_median_of_the_training_rows(missing, tmp_path):
    def numbers(values):
        lines = (f"{3 * i},{value},{'ab'[i % 2]}" for i, value in enumerate(values))
        return load(save_csv(tmp_path, "\n".join(["row,value,kind", *lines])))

    training, validation, test = rows_of(numbers(range(0, 40, 2)))
    values = np.zeros(20)
    values[training] = [1, 1, 1, 1, 2, 2, 2, 7, 7, 7, 7, 7]
    values[validation] = values[test] = 1000
    cells = [f"{value:g}" for value in values]
    cells[training[0]] = cells[test[0]] = missing  # known: 1 1 1 2 2 2 7 7 7 7 7, median 2
    values[training[0]] = values[test[0]] = 2
    known = values[training]
    data = numbers(cells)
    for part, rows in zip(parts_of(data), (training, validation, test), strict=True):
        np.testing.assert_allclose(
            part.x[:, 1], (values[rows] - known.mean()) / known.std(), rtol=1e-5
        )


def test_categories_are_the_same_in_every_split(tmp_path):
    cells = ["", "", "a", "a", "a", "once", *["b"] * 14]  # a missing one is a category, too
    source = read(save_csv(tmp_path, table(color=lambda i: cells[i])))
    one_hot = {"": [1, 0, 0], "a": [0, 1, 0], "b": [0, 0, 1], "once": [0, 0, 0]}
    for seed in (None, 0, 1, 2):
        data = source.split(seed)
        found = [row.tolist() for part in data.parts for row in part.x[:, 1:]]
        assert sorted(found) == sorted(one_hot[cell] for cell in cells)
        rows = rows_of(data)
        for part, of_part in zip(data.parts, rows, strict=True):
            assert part.x[:, 1:].tolist() == [one_hot[cells[row]] for row in of_part]


def test_a_text_column_becomes_at_most_a_hundred(tmp_path):
    def columns(distinct):
        path = save_csv(tmp_path, table(rows=1000, color=lambda i: f"text {i % distinct}"))
        return load(path).input_shape[0] - 1

    assert columns(10) == 10
    assert 0 < columns(100) <= 100  # about six of the 600 training rows each: one per cent
    assert columns(200) == columns(1000) == 0


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mnsit", ["'mnsit'", "did you mean 'mnist'?", ".npz", ".csv"]),
        ("MNIST", ["'MNIST'", "did you mean 'mnist'?"]),
        ("fashion-mnist", ["did you mean 'fashion_mnist'?"]),
        ("zzz", ["no data is called 'zzz'; give 'digits', 'mnist', 'fashion_mnist', 'cifar10'"]),
        ("nowhere.npz", ["'nowhere.npz'", "does not exist", "check the path"]),
        ("no\nwhere.csv", [r"'no\nwhere.csv'", "does not exist"]),
        ("no\0where.csv", [r"'no\x00where.csv'", "does not exist"]),
        ("x" * 5000 + ".csv", ["does not exist"]),
        ("table.sav", ["'table.sav'", "ends in '.sav'", "an .npz file, a table (.csv,"]),
        ("", ["'' is no data", ".npz"]),
    ],
)
def test_names_that_lead_nowhere(name, words):
    assert_has(message_of(name), words)


@pytest.mark.parametrize("name", ["folder", "folder.npz"])
def test_a_folder_without_images_is_refused(name, tmp_path):
    (tmp_path / name).mkdir()
    assert_has(
        message_of(str(tmp_path / name)),
        [f"{name}'", "has no folders with images (.png", "one folder a class"],
    )


def test_a_file_without_an_ending_is_refused(tmp_path):
    (tmp_path / "plain").touch()
    assert_has(message_of(str(tmp_path / "plain")), ["ends in ''", "an .npz file, a table"])


@pytest.mark.parametrize("name", ["a.npz", "a.csv"])
def test_an_empty_file_is_refused(name, tmp_path):
    (tmp_path / name).touch()
    assert_has(message_of(str(tmp_path / name)), [name, "is empty"])


@pytest.mark.parametrize("name", [*NAMES, "given.npz"])
def test_only_a_table_has_a_target_and_a_header(name, tmp_path):
    save_npz(tmp_path, x=np.eye(20), y=TWO_CLASSES)
    path = name if name in NAMES else str(tmp_path / name)
    assert_has(message_of(path, target="y"), ["target 'y' is for a table", name, "omit it"])
    assert_has(message_of(path, header="none"), ["header 'none' is for a table", "omit it"])


PICTURES = np.arange(20.0 * 3 * 6 * 5).reshape(20, 3, 6, 5)


@pytest.mark.parametrize(
    "names",
    [
        {"x": "X", "y": "y"},
        {"x": "data", "y": "target"},
        {"x": "arr_0", "y": "arr_1"},
        {"x": "images", "y": "labels"},
    ],
)
def test_arrays_by_other_names(names, tmp_path):
    x = np.random.default_rng(0).random((20, 3))
    source = read(str(save_npz(tmp_path, **{names["x"]: x, names["y"]: TWO_CLASSES})))
    np.testing.assert_array_equal(source.raw, x)
    np.testing.assert_array_equal(source.y, TWO_CLASSES)


def test_arrays_of_three_parts(tmp_path):
    x, y = np.random.default_rng(0).integers(0, 255, (60, 4, 4), np.uint8), np.arange(60) % 2
    parts = {"train": slice(0, 30), "val": slice(30, 40), "test": slice(40, 60)}
    arrays = {f"{part}_images": x[rows] for part, rows in parts.items()}
    arrays |= {f"{part}_labels": y[rows][:, None] for part, rows in parts.items()}
    source = read(str(save_npz(tmp_path, **arrays)))
    np.testing.assert_array_equal(source.raw[..., 0], x[:40])
    np.testing.assert_array_equal(source.raw_test[..., 0], x[40:])
    np.testing.assert_array_equal(source.own_test, y[40:])
    assert source.remarks[0].startswith("the 10 examples of x_val stand with those of x_train")


def test_images_with_channels_first_are_turned(tmp_path):
    source = read(str(save_npz(tmp_path, x=PICTURES, y=TWO_CLASSES)))
    np.testing.assert_array_equal(source.raw[:, 2, 4, 1], PICTURES[:, 1, 2, 4])
    assert source.example_shape == (3, 6, 5)
    assert "channels first, are turned to (6, 5, 3)" in source.remarks[0]


def test_labels_of_bytes(tmp_path):
    y = np.where(TWO_CLASSES, b"caf\xc3\xa9", b"tea")
    assert read(str(save_npz(tmp_path, x=np.zeros((20, 2)), y=y))).class_names == ("café", "tea")


X = np.arange(40.0).reshape(20, 2)
NAN, INFINITE = X.copy(), X.copy()
NAN[3, 1] = NAN[4, 0] = np.nan
INFINITE[2, 0] = -np.inf


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, ["nothing", "expected x and y, or x_train and y_train"]),
        ({"a": X, "b": X}, ["arrays 'a', 'b'", "expected x and y"]),
        ({f"a\n{i:02}": X for i in range(30)}, [r"'a\n00'", r"'a\n09' and 20 more"]),
        ({"x": X}, ["arrays 'x'"]),
        ({"x_train": X, "y_train": TWO_CLASSES, "x_test": X}, ["only one of x_test and y_test"]),
        ({"x": X, "y": TWO_CLASSES[:-1]}, ["x has the shape (20, 2)", "y (19,)"]),
        ({"x": X, "y": np.array(1)}, ["y ()", "one label for each example"]),
        ({"x": X[:, 0], "y": TWO_CLASSES}, ["shape is (20,)", "(examples, features)"]),
        ({"x": X.reshape(20, 1, 1, 1, 2), "y": TWO_CLASSES}, ["(20, 1, 1, 1, 2)", "height"]),
        ({"x": X[:0], "y": TWO_CLASSES[:0]}, ["x is empty", "(0, 2)"]),
        ({"x": X[:, :0], "y": TWO_CLASSES}, ["x is empty", "(20, 0)"]),
        ({"x": NAN, "y": TWO_CLASSES}, [", x has 2 of 40 values", "NaN"]),
        ({"x": INFINITE, "y": TWO_CLASSES}, [", x has 1 of 40 values", "infinite"]),
        ({"x": X * 1e38, "y": TWO_CLASSES}, [", x has 36 of 40 values", "float32"]),
        ({"x": X.astype(str), "y": TWO_CLASSES}, ["x holds <U32, not numbers"]),
        ({"x": X.astype(complex), "y": TWO_CLASSES}, ["x holds complex128, not numbers"]),
        ({"x": X.astype(object), "y": TWO_CLASSES}, ["pickled objects", "dtype str"]),
        ({"x": X, "y": TWO_CLASSES.astype(object)}, ["pickled objects", "numbers"]),
        (
            {"x": X, "y": TWO_CLASSES.astype("M8[s]")},
            ["y holds datetime64", "whole numbers or text"],
        ),
        ({"x": X, "y": X[:, 0] / 40}, ["20 distinct numbers such as 0.95", "classify"]),
        ({"x": X, "y": NAN[:, 0]}, [", y has 1 of 20 values", "NaN"]),
        ({"x": X, "y": np.ones((20, 2))}, ["y of shape (20, 2) is not one-hot"]),
        ({"x": X, "y": np.full((20, 2), "a")}, ["y of shape (20, 2) is not one-hot"]),
        ({"x": X, "y": np.ones(20, int)}, ["only the class '1' (examples: 20)"]),
        ({"x": X[:1], "y": TWO_CLASSES[:1]}, ["(examples: 1)", "at least two classes"]),
        (
            {"x": X, "y": np.arange(20) // 19},
            ["fewer than 3 examples of '1'", "each part of the split"],
        ),
        ({"x": X, "y": np.arange(20)}, ["fewer than 3 examples of '0'", "'9' and 10 more"]),
    ],
)
def test_arrays_that_cannot_be_used(arrays, words, tmp_path):
    message = message_of(save_npz(tmp_path, **arrays))
    assert_has(message, ["given.npz'", *words])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"x_test": X[:5, :1]}, ["shape (2,) in x_train", "(1,) in x_test"]),
        ({"x_test": X[:4]}, ["x_test has the shape (4, 2)", "y_test (5,)"]),
        ({"x_test": NAN[:5]}, ["x_test has 2 of 10 values"]),
        ({"y_test": np.array([0, 1, 2, 0, 7])}, ["y_test", "'2', '7' do not occur in y_train"]),
        ({"y_test": np.array(list("abcde"))}, ["'a', 'b', 'c', 'd', 'e' do not occur"]),
        ({"y_train": np.arange(20) // 19}, ["y_train", "fewer than 2 examples of '1'"]),
    ],
)
def test_test_parts_that_do_not_fit(changed, words, tmp_path):
    arrays = {"x_train": X, "y_train": TWO_CLASSES, "x_test": X[:5], "y_test": TWO_CLASSES[:5]}
    assert_has(message_of(save_npz(tmp_path, **{**arrays, **changed})), words)


def test_archives_that_are_none(tmp_path):
    path = tmp_path / "given.npz"
    np.savez(path, x=X, y=TWO_CLASSES)
    whole = path.read_bytes()
    corrupted = bytearray(whole)
    corrupted[whole.index(X.tobytes()) + 9] ^= 1
    for content, words in [
        (whole[:-30], ["damaged or incomplete", "write it anew"]),
        (whole[:500], ["damaged or incomplete"]),
        (b"x,y\n1,2\n", ["no .npz archive"]),
        (b"\x80\x04N.", ["no .npz archive"]),
        (bytes(corrupted), ["damaged", "Bad CRC-32"]),
    ]:
        path.write_bytes(content)
        assert_has(message_of(str(path)), ["given.npz'", *words])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"no array")
        archive.writestr("y.npy", b"no array")
    assert_has(message_of(str(path)), ["given.npz'", "not numbers"])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_any_damage_is_a_mistake_and_no_crash(save, tmp_path):
    path = tmp_path / "given.npz"
    save(path, x=X, y=TWO_CLASSES)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    generator = np.random.default_rng(0)
    for _ in range(200):
        damaged = whole.copy()
        damaged[generator.integers(len(whole), size=3)] ^= np.uint8(generator.integers(1, 256))
        path.write_bytes(damaged.tobytes())
        with contextlib.suppress(UserError):  # some bytes mean nothing, and loading succeeds
            load(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("\ufeff\n \n", ["no rows"], id="nothing in it"),
        pytest.param("a,b\n", ["no rows", "add examples"], id="header only"),
        pytest.param("a,b\n1,x\n", ["only the class 'x' (examples: 1)"], id="one row"),
        pytest.param("a,b\n1,x\n2,y\n", ["fewer than two classes of 3 examples"], id="two rows"),
        pytest.param("a,b\n" + "1,x\n2,y\n" * 3, ["6 examples; give 20 or more"], id="six rows"),
        pytest.param(
            "a,b\n" + "1,x\n" * 18 + "1,y\n2,y\n",
            ["fewer than two classes of 3", "labels: 2, rows: 20", "TARGET="],
            id="rare",
        ),
        pytest.param(
            "a,b\n1,x\n3e38,y\n" + "1,x\n2,y\n" * 19,  # the second row is not for training
            ["column 'a' holds values so far from those of the training part"],
            id="out of range",
        ),
        pytest.param("a b\n1 2\n", ["one column 'a b'", "semicolon, tab or |"], id="separator"),
        pytest.param(
            "a,b\n1,2\n\n3\n",
            ["line 4: the number of cells is 1, but 2 in the first row"],
            id="short row",
        ),
        pytest.param("a,b\n1,2\n1,2,3\n", ["line 3: the number of cells is 3", "','"], id="long"),
        pytest.param('a,b\n1,"2\n', ["line 2", "unexpected end", "quotes"], id="open quote"),
        pytest.param("a\tb\n1\t2\n1\t2\t3\n", ["cells is 3", r"'\t'"], id="tab is shown"),
        pytest.param("a,b\n1," + "x" * 500, ["'" + "x" * 40 + "…'"], id="long text is cut"),
        pytest.param("a,b\n1,\n2,x\n3,x\n", ["only the class 'x'", "TARGET="], id="no class"),
        pytest.param(table(300, "a,{i}", "a,b"), ["300 distinct numbers", "quantity"], id="prices"),
        pytest.param(table(20, "a,{i}.5", "a,b"), ["such as 0.5", "classify"], id="fractions"),
        pytest.param(
            table(line="{i},{big},{kind}", big=lambda i: "inf" if i == 3 else 1),
            ["column 'color' has 1 of 20 values", "infinite"],
            id="infinite",
        ),
        pytest.param(
            table(color=lambda i: f"{i}e400"), ["column 'color' has 19 of 20"], id="too large"
        ),
        pytest.param(
            table(line="{i}_0,{kind}", header="name,kind"),
            ["nothing to learn from beside its target 'kind'", "text that repeats"],
            id="only names",
        ),
    ],
)
def test_tables_that_cannot_be_used(text, words, tmp_path):
    assert_has(message_of(save_csv(tmp_path, text)), ["given.csv'", *words])


def test_a_target_that_is_no_column(tmp_path):
    path = save_csv(tmp_path, table(header='size,"co\nlor",kind'))
    message = message_of(path, target="knid")
    assert_has(message, ["no column 'knid'", "did you mean 'kind'?", r"'size', 'co\nlor', 'kind'"])
    assert "did you mean" not in message_of(path, target="")
    wide = save_csv(tmp_path, ",".join(f"c{i}" for i in range(40)) + "\n" + ",".join("1" * 40))
    assert_has(message_of(wide, target="zzz"), ["'c0'", "'c9' and 30 more"])


@pytest.mark.parametrize("classes", [2, 5])
def test_a_share_of_the_training_labels_becomes_wrong(classes):
    y = np.arange(3000) % classes
    part = Split(np.zeros((3000, 1), np.float32), y.astype(np.int32))
    right = Dataset("made up", tuple("abcde"[:classes]), part, part, part)
    changed = right.with_wrong_labels(0.2, np.random.default_rng(0))
    shifts = (changed.train.y - y)[changed.train.y != y] % classes
    assert len(shifts) == 600
    counts = np.bincount(shifts, minlength=classes)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:], 600 / (classes - 1), rtol=0.2)  # each as probable
    assert changed.train.x is part.x
    assert changed.validation is changed.test is part
    np.testing.assert_array_equal(part.y, y)  # a copy was changed


def test_examples_are_dealt_anew_within_their_classes():
    x = np.arange(30, dtype=np.float32)[:, np.newaxis]
    y = np.arange(30, dtype=np.int32) % 3
    parts = [Split(x[rows], y[rows]) for rows in (slice(15), slice(15, 20), slice(20, None))]
    data = Dataset("d", ("a", "b", "c"), *parts)
    one, again, other = (data.dealt_anew(np.random.default_rng(seed)) for seed in (0, 0, 1))
    for before, after in zip(parts, one.parts, strict=True):
        np.testing.assert_array_equal(after.y, before.y)
        np.testing.assert_array_equal(after.x[:, 0] % 3, after.y)  # each with its own label
    assert sorted(np.concatenate([part.x[:, 0] for part in one.parts])) == list(range(30))
    np.testing.assert_array_equal(one.train.x, again.train.x)
    trained = [set(of.train.x[:, 0]) for of in (data, one, other)]
    assert trained[0] != trained[1] != trained[2]


def test_each_example_validates_in_one_fold_and_never_trains_there():
    x = np.arange(23, dtype=np.float32)[:, np.newaxis]
    y = np.arange(23, dtype=np.int32) % 2
    data = Dataset("d", ("a", "b"), Split(x[:15], y[:15]), Split(x[15:20], y[15:20]), Split(x, y))
    folds = [data.fold(number, 4) for number in range(4)]
    assert sorted(np.concatenate([of.validation.x[:, 0] for of in folds])) == list(range(20))
    for of in folds:
        assert not set(of.validation.x[:, 0]) & set(of.train.x[:, 0])
        assert (len(of.train), len(of.validation)) == (15, 5)
        np.testing.assert_array_equal(of.train.y, of.train.x[:, 0] % 2)
        assert of.test is data.test


def test_breast_cancer_is_split_and_standardized():
    data = load("breast_cancer")
    assert [len(part) for part in data.parts] == [343, 113, 113]
    assert (data.input_shape, data.num_classes) == ((30,), 2)
    np.testing.assert_allclose(data.train.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(data.train.x.std(axis=0), 1, atol=1e-5)
