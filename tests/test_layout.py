"""How shared code is laid out: its map is complete, imports go one way, Keras is set up alike."""

import ast
import json
import re
import subprocess
import sys

import recipes._lab as lab


def imports(path, modules):
    """The modules of the shared code that a file imports, anywhere in it, such as "data/splits"."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(
            "recipes._lab"
        ):
            continue
        within = node.module.removeprefix("recipes._lab").strip(".").replace(".", "/")
        names = [f"{within}/{alias.name}".strip("/") for alias in node.names]
        known = {*modules, *(module.partition("/")[0] for module in modules)}
        yield from (name if name in known else within for name in names)


def test_the_map_shows_every_module_and_all_imports_go_down(root):
    order = re.findall(r"^([\w/]+)  ", lab.__doc__, flags=re.MULTILINE)
    folder = root / "recipes" / "_lab"
    files = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in folder.rglob("*.py")
        if path.stem != "__init__"
    }
    assert sorted(order) == sorted(files)
    for name, path in files.items():
        for other in imports(path, files):
            # A package stands for what it offers: all of its modules.
            below = [
                module for module in order if module == other or module.startswith(f"{other}/")
            ]
            assert below, f"{name} imports {other}"
            assert all(order.index(module) > order.index(name) for module in below), (name, other)


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
