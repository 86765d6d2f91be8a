"""The house: its map is complete, and imports go one way; Keras is set up the same everywhere."""

import ast
import json
import re
import subprocess
import sys

import recipes._lab as lab


def imports(path):
    """The modules of the lab that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "recipes._lab":
                yield from (alias.name for alias in node.names)
            elif node.module.startswith("recipes._lab."):
                yield node.module.removeprefix("recipes._lab.")


def test_the_map_shows_every_module_and_all_imports_go_down(root):
    order = re.findall(r"^ *(\w+)  ", lab.__doc__, flags=re.MULTILINE)
    files = {path.stem: path for path in (root / "recipes" / "_lab").glob("[!_]*.py")}
    assert sorted(order) == sorted(files)
    for name, path in files.items():
        assert [other for other in imports(path) if order.index(other) <= order.index(name)] == []


def test_callbacks_know_nothing_of_the_recipes(root):
    for path in (root / "callbacks").glob("*.py"):
        assert "recipes" not in path.read_text(encoding="utf-8")


def test_a_users_keras_json_decides_nothing(environment, root, tmp_path):
    settings = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings | {"backend": "jax"}))
    code = (
        "from recipes._lab import quiet; quiet.import_tensorflow(); import keras.config as c; "
        "print(c.backend(), c.floatx(), c.epsilon(), c.image_data_format(), c.dtype_policy().name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=environment | {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("tensorflow float32 1e-07 channels_last float32\n", "")
