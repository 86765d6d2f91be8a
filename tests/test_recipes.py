"""Every recipe: its order and manners, its template pasted alone, and a quick run of it."""

import ast
import functools
import json
import sys
from pathlib import Path
from unittest import mock

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.image import imread
from sklearn.datasets import load_diabetes, load_digits

from recipes._lab import evidence
from recipes._lab.training.fitting import prepare

RECIPES = Path(__file__).parent.parent / "recipes"
FILES = {path.stem: path for path in RECIPES.glob("[a-z]*.py")}
REGRESSIONS = {"regression_bias_init"}  # numbers to predict, and no classes

# The keywords of a layer, in their order, in every recipe; and their names.
SPELLED = {
    "keras.layers.BatchNormalization": ["momentum", "epsilon", "name"],
    "keras.layers.Activation": ["name"],
    "keras.layers.Dropout": ["name"],
}
SWITCHED = ("scale", "center")  # what a recipe may switch besides
SPELLED_NAMES = (
    *("f'h{n}_bn'", "f'h{n}_act'", "f'h{n}_dropout'"),
    *("'dropout'", "'last_bn'", "'last_act'"),
)

pytestmark = pytest.mark.parametrize("name", sorted(FILES))


def parts_of(name):
    """Return the text of a recipe, its syntax tree and its functions and constants by name."""
    text = FILES[name].read_text(encoding="utf-8")
    tree = ast.parse(text)
    parts = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            parts[node.name] = node
        elif isinstance(node, ast.Assign):
            parts |= {n.id: node for n in ast.walk(node.targets[0]) if isinstance(n, ast.Name)}
    return text, tree, parts


def imports_in(nodes):
    """Return the top-level packages that syntax trees import, wherever in them."""
    found = set()
    for node in ast.walk(ast.Module(list(nodes), [])):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.partition(".")[0])
    return found


# Order and manners


def test_the_docstring_asks_a_question_and_says_what_is_claimed_and_where_to_look(name):
    _, tree, _ = parts_of(name)
    question, blank, *rest = ast.get_docstring(tree).splitlines()
    assert question.endswith("?")
    assert blank == ""
    assert any(line.startswith("Claim: ") for line in rest)
    assert any(line.startswith("Look for: ") for line in rest)


def test_the_order_is_that_of_all_recipes(name):
    _, tree, parts = parts_of(name)
    order = [parts[part].lineno for part in ("build_model", "build_tunable", "VARIANTS", "run")]
    assert order == sorted(order)
    docstring, *body = tree.body
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert body[: len(imports)] == imports, "imports come first"
    assert isinstance(docstring, ast.Expr)
    assert body[-2] is parts["run"]
    assert ast.unparse(body[-1]) == (
        "if __name__ == '__main__':\n    from recipes import main\n    main(__file__)"
    )


def test_the_template_imports_only_keras_and_numpy(name):
    _, tree, parts = parts_of(name)
    template = [node for node in tree.body if node.lineno < parts["VARIANTS"].lineno]
    assert imports_in(template) <= {"keras", "numpy"}


def test_recipes_know_neither_each_other_nor_shared_code(name):
    """The lab and what it returns are a recipe's whole vocabulary."""
    _, tree, _ = parts_of(name)
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = {module for module in modules if module.split(".")[0] == "recipes"}
    assert ours == {"recipes"}  # for `main`


def test_layers_that_mean_the_same_are_spelled_the_same(name):
    """So that two recipes can be laid side by side, and a reader sees what differs."""
    _, _, parts = parts_of(name)
    for call in ast.walk(parts["build_model"]):
        if isinstance(call, ast.Call) and ast.unparse(call.func) in SPELLED:
            keywords = [k.arg for k in call.keywords if k.arg not in SWITCHED]
            assert keywords == SPELLED[ast.unparse(call.func)], ast.unparse(call)
            assert [ast.unparse(call.keywords[-1].value)] == [
                value for value in SPELLED_NAMES if ast.unparse(call.keywords[-1].value) == value
            ]


def test_functions_of_the_template_are_documented(name):
    _, _, parts = parts_of(name)
    for function in ("build_model", "build_tunable", "run"):
        assert ast.get_docstring(parts[function]), function
    arguments = parts["build_model"].args
    documented = ast.get_docstring(parts["build_model"]).partition("Args:")[2]
    for argument in (*arguments.args, *arguments.kwonlyargs):
        assert f"{argument.arg}:" in documented, argument.arg
    second = "num_outputs" if name in REGRESSIONS else "num_classes"
    assert [argument.arg for argument in arguments.args] == ["input_shape", second]
    assert len(arguments.kw_defaults) == len(arguments.kwonlyargs)


# The template, pasted into a file of one's own


@functools.lru_cache(maxsize=1)
def pasted(name):
    """What the text down to the end of build_tunable defines where no recipes can be imported."""
    text, _, parts = parts_of(name)
    lines = text.splitlines(keepends=True)[: parts["build_tunable"].end_lineno]
    ours = [module for module in sys.modules if module.partition(".")[0] == "recipes"]
    namespace = {"__name__": "pasted"}
    with mock.patch.dict(sys.modules, dict.fromkeys([*ours, "recipes"])):
        exec(compile("".join(lines), "pasted.py", "exec"), namespace)
    return namespace


@functools.lru_cache(maxsize=1)
def pasted_model(name):
    """The model that the template returns without arguments."""
    keras.utils.set_random_seed(0)
    return pasted(name)["build_model"]()


@pytest.fixture(scope="module")
def digits():
    """x in 0..1 of shape (1797, 64) and y from 0 to 9, in random order."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return (data.data[order] / 16).astype("float32"), data.target[order]


@pytest.fixture
def eagerly():
    """One step takes a tenth of the time that it takes to make a graph of it."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def examples(name, digits):
    """x and y as a template takes them: digits as vectors or images, or diabetes in 442 people."""
    default = pasted(name)["build_model"].__defaults__[0]
    if name in REGRESSIONS:
        x, y = load_diabetes(return_X_y=True)
        return x.reshape(-1, *default), y
    assert default in ((64,), (8, 8, 1))
    x, y = digits
    return x.reshape(-1, *default), y


@pytest.mark.first_cases(6)
def test_the_pasted_model_learns_with_plain_fit(name, examples):
    x, y = examples
    model = pasted_model(name)
    assert type(model) is keras.Sequential
    assert model.compiled
    kinds = {type(layer) for layer in model.layers}
    assert keras.layers.BatchNormalization in kinds
    assert keras.layers.Dropout in kinds
    prepare(model, y)
    history = model.fit(x[:900], y[:900], epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
    if name in REGRESSIONS:
        assert model.layers[-1].activation is keras.activations.linear
        return
    assert model.layers[-1].activation is keras.activations.softmax
    assert history["loss"][0] < 3
    assert history["accuracy"][1] > 0.2  # twice chance
    np.testing.assert_allclose(np.sum(model(x[:9]), axis=1), 1, rtol=1e-5)


def test_the_pasted_model_fits_other_data_with_layers_of_the_same_names(name):
    """Keras numbers the names that it gives itself; TensorBoard shows them."""
    model = pasted_model(name)
    shape = (7,) if len(model.input_shape) == 2 else (12, 10, 3)
    other = pasted(name)["build_model"](shape, 3)
    assert (other.input_shape, other.output_shape) == ((None, *shape), (None, 3))
    names = [layer.name for layer in model.layers]
    assert [layer.name for layer in other.layers] == names
    assert len(set(names)) == len(names)


@pytest.mark.first_cases(3)
# Keras, where the tuner saves a model's variables, and the tuner itself.
@pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:getName:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
def test_the_pasted_search_space_works_with_plain_keras_tuner(name, examples, tmp_path, eagerly):
    x, y = examples
    models = []

    def build_tunable(hp):
        models.append(pasted(name)["build_tunable"](hp))
        return models[-1]

    tuner = keras_tuner.RandomSearch(
        build_tunable,
        objective="loss" if name in REGRESSIONS else "accuracy",
        max_trials=1,
        directory=tmp_path,
        project_name="search",
    )
    tuner.search(x[:32], y[:32], epochs=1, verbose=0)
    (trial,) = tuner.oracle.get_best_trials(1)
    assert trial.status == "COMPLETED"
    assert 0 <= trial.score <= (np.inf if name in REGRESSIONS else 1)
    rate = models[-1].optimizer.get_config()["learning_rate"]
    if isinstance(rate, dict):  # a schedule
        rate = rate["config"]["initial_learning_rate"]
    assert rate == pytest.approx(trial.hyperparameters.get("learning_rate"))
    assert_rates_are_drawn_on_a_logarithmic_scale(tuner.oracle.get_space())


def assert_rates_are_drawn_on_a_logarithmic_scale(asked):
    space = {parameter.name: parameter for parameter in asked.space}
    rate = space["learning_rate"]
    assert rate.sampling == "log"
    assert rate.max_value / rate.min_value >= 100
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", 20, seed=1, hyperparameters=asked)
    draws = [oracle.populate_space(str(n))["values"] for n in range(20)]
    assert len({values["learning_rate"] for values in draws}) == 20
    for values in draws:
        assert set(values) == set(space)
        for name, parameter in space.items():
            if hasattr(parameter, "min_value"):
                assert parameter.min_value <= values[name] <= parameter.max_value
            else:
                assert values[name] in getattr(parameter, "values", (True, False))


# The experiment


@pytest.mark.first_cases(30)
def test_a_quick_run_answers_the_question(name, quick_run, read_results):
    run = quick_run(name)
    assert run.stderr == ""
    claims = json.loads((run.folder / "claims.json").read_text(encoding="utf-8"))
    assert [claim["primary"] for claim in claims] == [True] + [False] * (len(claims) - 1)
    for claim in claims:
        assert claim["verdict"] in evidence.MARKS
        assert f"{claim['verdict']}  {claim['claim']}" in run.stdout
        assert f"[{claim['source']}]" in run.stdout
        assert claim["finding"] in run.stdout
    figure = imread(run.folder / "figure.png")
    assert min(figure.shape[:2]) > 240  # two rows of dots
    assert np.ptp(figure) == 1  # not blank
    question = ast.get_docstring(parts_of(name)[1]).splitlines()[0]
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert f"<h1>{question}</h1>" in page
    assert json.loads((run.folder / "run.json").read_text())["question"] == question
    if not (run.folder / "results.csv").exists():  # nothing was trained, or only searched
        return
    curves = read_results(run.folder)
    for (_, _, metric), values in curves.items():
        if metric.endswith("accuracy"):
            assert all(0 <= value <= 1 or np.isnan(value) for value in values)
    seeds = {}
    for variant, seed, _ in curves:
        seeds.setdefault(variant, set()).add(seed)
    assert set(map(frozenset, seeds.values())) == {frozenset({0, 1})}
