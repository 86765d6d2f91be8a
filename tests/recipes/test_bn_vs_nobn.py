"""The recipe bn_vs_nobn: its models by value, and its claims computed a second time."""

import json
import types

import keras
import numpy as np
import pytest
from scipy import stats

from recipes import bn_vs_nobn
from recipes._lab import data as data_module
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

SCALES = [10 ** (-4 * n / 15) for n in range(16)]
WITHOUT, WITH, DEFAULTS = "without BN", "with BN", "BN, Keras's defaults"


def name_of(rate, arm, scale):
    return f"{arm}, lr {rate:g}, std {scale:.2g}"


# The models


@pytest.mark.parametrize(
    ("arm", "rate", "normalization"),
    [
        (WITHOUT, 0.01, None),
        (WITH, 0.01, (0.9, 1e-5)),
        (WITHOUT, 0.05, None),
        (WITH, 0.05, (0.9, 1e-5)),
        (DEFAULTS, 0.05, (0.99, 1e-3)),
    ],
)
def test_the_layers_and_numbers_of_each_arm(arm, rate, normalization):
    for scale in SCALES[::5]:
        arguments = bn_vs_nobn.VARIANTS[name_of(rate, arm, scale)]
        model = bn_vs_nobn.build_model((64,), 10, **arguments)
        expected = []
        for n in range(1, 6):
            expected.append((keras.layers.Dense, f"h{n}"))
            if normalization:
                expected.append((keras.layers.BatchNormalization, f"h{n}_bn"))
            expected.append((keras.layers.Activation, f"h{n}_act"))
        expected += [(keras.layers.Dropout, "dropout"), (keras.layers.Dense, "softmax")]
        assert [(type(layer), layer.name) for layer in model.layers] == expected
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dense):
                initializer = layer.kernel_initializer
                assert type(initializer) is keras.initializers.RandomNormal
                assert (initializer.mean, initializer.stddev) == (0.0, pytest.approx(scale))
                assert layer.units == (10 if layer.name == "softmax" else 100)
            elif isinstance(layer, keras.layers.BatchNormalization):
                assert (layer.momentum, layer.epsilon) == normalization
            elif isinstance(layer, keras.layers.Activation):
                assert layer.activation is keras.activations.relu
            else:
                assert layer.rate == 0.1
        assert model.layers[-1].activation is keras.activations.softmax
        assert (model.input_shape, model.output_shape) == ((None, 64), (None, 10))
        optimizer = model.optimizer
        assert type(optimizer) is keras.optimizers.SGD
        assert float(optimizer.learning_rate.numpy()) == pytest.approx(rate)
        assert (optimizer.momentum, optimizer.weight_decay) == (0.0, None)
        assert model.loss == "sparse_categorical_crossentropy"


def test_defaults_are_those_of_keras():
    layer = keras.layers.BatchNormalization()
    assert bn_vs_nobn.ARMS[DEFAULTS] == {"momentum": layer.momentum, "epsilon": layer.epsilon}


def test_eighty_variants_differ_only_in_what_is_asked():
    assert len(bn_vs_nobn.VARIANTS) == 80
    runs = [(0.01, WITHOUT), (0.01, WITH), (0.05, WITHOUT), (0.05, WITH), (0.05, DEFAULTS)]
    names = [name_of(rate, arm, scale) for rate, arm in runs for scale in SCALES]
    assert list(bn_vs_nobn.VARIANTS) == names
    arms = {WITHOUT: {"batch_norm": False}, WITH: {}, DEFAULTS: {"momentum": 0.99, "epsilon": 1e-3}}
    for rate, arm in runs:
        for scale in SCALES:
            variant = bn_vs_nobn.VARIANTS[name_of(rate, arm, scale)]
            assert variant.pop("init_std") == pytest.approx(scale)
            assert variant == arms[arm] | {"learning_rate": rate}
            variant["init_std"] = scale


# The claims


def expected_claims(values, chance):
    """Compute (estimate, low, high) of every claim from {(variant, seed, metric): by epoch}."""
    seeds = sorted({seed for _, seed, _ in values})

    def runs(metric, *variant):
        """Return (seeds, epochs + 1), or (seeds,) of a test metric; diverged is at chance."""
        rows = []
        for seed in seeds:
            row = np.array(values[name_of(*variant), seed, metric])
            bad = ~np.isfinite(values[name_of(*variant), seed, "loss"])
            if metric.startswith("test"):
                rows.append(chance if bad.any() else row[0])
            else:
                rows.append(np.where(bad, chance, row))
        return np.array(rows)

    def final(metric, *variant):
        ends = runs(metric, *variant)
        lost = ~np.isfinite([values[name_of(*variant), s, "loss"] for s in seeds]).all(axis=1)
        return ends if metric.startswith("test") else np.where(lost, chance, ends[:, -1])

    def mean_and_interval(d):
        if np.ptp(d) < 1e-9:
            return d.mean(), None, None
        half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
        return d.mean(), d.mean() - half, d.mean() + half

    def count(rate):
        means, p_values = [], []
        for scale in SCALES:
            with_bn, without = (
                runs("accuracy", rate, arm, scale)[:, 1:].mean(axis=1) for arm in (WITH, WITHOUT)
            )
            d = with_bn - without
            means.append(d.mean())
            same = np.ptp(d) < 1e-9
            agreed = 0.0 if len(d) >= 5 and abs(means[-1]) > 1e-9 else 1.0
            p_values.append(agreed if same else stats.ttest_rel(with_bn, without).pvalue)
        better = worse = 0
        for rank, n in enumerate(np.argsort(p_values)):  # Holm: stop at the first that fails
            if p_values[n] * (16 - rank) >= 0.05:
                break
            better, worse = better + (means[n] > 0), worse + (means[n] < 0)
        return better, better, 16 - worse

    def scales(rate, arm):
        return sum((runs("accuracy", rate, arm, s) >= 0.9).any(axis=1).astype(int) for s in SCALES)

    def best(rate, arm):
        return max(SCALES, key=lambda scale: final("val_accuracy", rate, arm, scale).mean())

    expected = [count(0.01), count(0.05)]
    for rate in (0.01, 0.05):
        smallest = final("accuracy", rate, WITHOUT, SCALES[-1])
        pair = ((rate, WITH, best(rate, WITH)), (rate, WITHOUT, best(rate, WITHOUT)))
        differences = [scales(rate, WITH) - scales(rate, WITHOUT), 100 * (smallest - chance)]
        for metric in ("val_accuracy", "test_accuracy"):
            differences.append(100 * (final(metric, *pair[0]) - final(metric, *pair[1])))
        expected += map(mean_and_interval, differences)
    return [*expected, mean_and_interval(scales(0.05, WITH) - scales(0.05, DEFAULTS))]


def assert_agree(claims, expected):
    assert len(claims) == len(expected) == 11
    for claim, numbers in zip(claims, expected, strict=True):
        for name, number in zip(("estimate", "low", "high"), numbers, strict=True):
            if number is None:
                assert claim[name] is None, claim
            else:
                assert claim[name] == pytest.approx(number, abs=1e-8), claim


def chance_of_digits():
    data = data_module.load("digits")
    most_frequent = np.bincount(data.train.y[:1000]).argmax()
    return np.mean(data.test.y == most_frequent)


def test_the_claims_of_a_run_follow_from_its_results(quick_run, read_results):
    folder = quick_run().folder
    claims = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    assert_agree(claims, expected_claims(read_results(folder), chance_of_digits()))


@pytest.fixture(scope="module")
def made_up(hand_made):
    """Five seeds of made-up curves: normalization helps at most scales, some runs diverge."""
    rng = np.random.default_rng(0)
    variants = {}
    for name, arguments in bn_vs_nobn.VARIANTS.items():
        scale, rate = arguments["init_std"], arguments["learning_rate"]
        normal = arguments.get("batch_norm", True)
        default = arguments.get("momentum") == 0.99
        learns = (normal and not (default and scale < 0.01)) or 0.02 < scale < 0.5
        speed = (0.6 if normal else 0.4) * (rate / 0.05) ** 0.3
        runs = []
        for _ in range(5):
            ceiling = rng.uniform(0.85, 0.99) if learns else 0.11
            curve = ceiling - (ceiling - 0.1) * np.exp(-speed * np.arange(21))
            accuracy = curve + rng.normal(0, 0.003, 21)
            run = {"accuracy": accuracy, "val_accuracy": accuracy - rng.uniform(0.01, 0.05)}
            run["test_accuracy"] = run["val_accuracy"][-1] + rng.normal(0, 0.01)
            if scale > 0.9 and rng.random() < 0.6:
                run["loss"] = np.r_[np.ones(8), np.full(13, np.nan)]
            runs.append(run)
        variants[name] = runs
    return hand_made(variants, chance=chance_of_digits(), classes=10)


@pytest.fixture(scope="module")
def made_up_lab(made_up):
    """The lab after the recipe has judged the made-up histories."""

    class MadeUpLab(Lab):
        def train(self, build_model, variants, data, *, epochs, **_):
            assert build_model is bn_vs_nobn.build_model
            assert variants is bn_vs_nobn.VARIANTS
            assert (epochs, len(data.train)) == (20, 1000)
            self.histories = made_up
            return made_up

    folder = types.SimpleNamespace(store=lambda *_: None)
    lab = MadeUpLab(Options(), folder, [], None, None)
    bn_vs_nobn.run(lab)
    return lab


def test_the_claims_of_made_up_histories(made_up, made_up_lab):
    values = {}
    for (variant, seed), result in made_up.results.items():
        for metric, by_epoch in result.history.items():
            values[variant, seed, metric] = by_epoch
        for metric, value in result.test.items():
            values[variant, seed, metric] = [value]
    expected = expected_claims(values, chance_of_digits())
    claims = [vars(claim.judgement) for claim in made_up_lab.claims]
    assert_agree(claims, expected)
    # These curves show effects; had they none, a wrong sign could pass.
    estimates = [estimate for estimate, _, _ in expected]
    assert all(estimates[n] > 5 for n in (0, 1, 2, 6, 10))
    assert made_up.diverged(name_of(0.05, WITH, 1)).any()


def test_the_questions_asked(made_up_lab):
    book, after = "Deep Learning from Scratch, 6.3.2", "after Deep Learning from Scratch, 6.3.2"
    claims = made_up_lab.claims
    sources = [book, after, *([book] * 4), *([after] * 4), "this recipe"]
    assert [claim.source for claim in claims] == sources
    assert [claim.primary for claim in claims] == [True] + [False] * 10
    asked = {n: claims[n].judgement.finding for n in range(11)}
    assert all("at least 14 asked" in asked[n] for n in (0, 1))
    assert all("within ± 2 asked" in asked[n] for n in (3, 7))
    for n, claim in enumerate(claims):
        rate = "0.01" if n in (0, 2, 3, 4, 5) else "0.05"
        assert claim.claim.endswith(f", lr {rate}")
    units = ["scales", "scales", *["scales", "points", "points", "points"] * 2, "scales"]
    assert [claim.judgement.unit for claim in claims] == units


def test_the_table_and_figures_show_every_arm(made_up, made_up_lab):
    rows = [row[0] for row in made_up_lab.rows]
    runs = [(0.01, WITHOUT), (0.01, WITH), (0.05, WITHOUT), (0.05, WITH), (0.05, DEFAULTS)]
    assert rows == [f"{arm}, lr {rate:g} (best)" for rate, arm in runs]
    for (rate, arm), row in zip(runs, made_up_lab.rows, strict=True):
        variants = [name_of(rate, arm, scale) for scale in SCALES]
        best = max(variants, key=lambda v: made_up.final("val_accuracy", v).mean())
        accuracy = 100 * made_up.final("test_accuracy", best).mean()
        assert row[1].startswith(f"{accuracy:.1f} ± ")
    assert list(made_up_lab.figures) == ["figure.png", "figure-book-rate.png"]
