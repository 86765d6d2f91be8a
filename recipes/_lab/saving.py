"""A trained network -> a .keras file that takes raw examples: columns by name, or pixels.

Preprocessing is part of the model, as ordinary layers of Keras. A description of the data lies in
the same archive, as recipe.json.
"""

import dataclasses
import importlib
import itertools
import json
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np

from recipes._lab import catalogue
from recipes._lab.data.columns import input_names
from recipes._lab.data.encoders import Columns, Divisor, Standardizer
from recipes._lab.data.new_rows import describe
from recipes._lab.errors import UserError
from recipes._lab.files import write
from recipes._lab.scores import score
from recipes._lab.training import population
from recipes._lab.training.loading import load_model

DESCRIPTION = "recipe.json"
HUGE = 1e30  # variance of a column that is constant, which thereby becomes 0


def save_member(member, result, source, seed, about, path, *, refit=False):
    """Save a trained member as a model of raw examples, and return its description.

    Args:
        member: of a population, trained on a split of the source for its seed.
        result: how its training went.
        source: the `data.Source`.
        seed: of the split.
        about: what else the description says of the model.
        path: of the .keras file.
        refit: whether to train it once more, on training and validation part together.
    """
    data, encode = source.split_to_keep(seed, refit)
    if len(member.data.input_shape) == 1:
        data = data.flat()
    if refit:
        (result,) = population.train([_once_more(member, data, result.epoch)])
    network = _answering(load_model(member, result.weights))
    scores = score(network.predict(data.test.x, verbose=0), data.test.y, source.class_names)
    about = about | {
        "class_names": source.class_names,
        "seed": seed,
        "refit": refit,
        "test": dataclasses.asdict(scores),
        "data": describe(source, encode),
    }
    save(taking_raw(network, encode, source), about, path)
    return about


def _answering(network):
    """Return a network that answers in probabilities, also where its loss takes logits."""
    loss = keras.losses.get(network.loss)
    if not getattr(loss, "from_logits", False):
        return network
    activation = "sigmoid" if network.output_shape[-1] == 1 else "softmax"
    answering = keras.Sequential(
        [keras.Input(network.input_shape[1:]), network, keras.layers.Activation(activation)]
    )
    loss = type(loss).from_config(loss.get_config() | {"from_logits": False})
    return _compiled(answering, network, loss)


def _compiled(model, network, loss):
    """Return a model compiled as a network, but for its loss."""
    optimizer = type(network.optimizer).from_config(network.optimizer.get_config())
    model.compile(optimizer, loss=loss, metrics=["accuracy"])
    optimizer.build(model.trainable_variables)  # Keras warns of a saved one that has no state
    return model


def _once_more(member, data, epochs):
    """Return a member that trains on other data, for as long as the first one did."""
    return dataclasses.replace(
        member,
        data=data,
        epochs=epochs,
        evaluate_every=epochs,
        patience=None,
        start=None,
        stop=None,
        record=(),
        watch=(),
        place="refitting",
    )


def save(model, about, path):
    """Write a model and its description as one .keras file, whole or not at all.

    Args:
        model: from `taking_raw`.
        about: the classes, the data, the scores, what the model was built with.
        path: of the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        model.save(file)
        with zipfile.ZipFile(file, "a") as archive:
            # An argument of a template may be anything, such as a schedule: then its text.
            text = json.dumps(about, indent=1, ensure_ascii=False, default=str)
            archive.writestr(DESCRIPTION, text)
        write(path, file.read_bytes(), remedy="give a file in another folder (SAVE=)")


def load(path):
    """Return a model and its description.

    Raises:
        UserError: the file is none that `save` has written, or can't be read.
    """
    path = Path(path).expanduser()
    remedy = "give one that make recipe or make search has written (SAVE=best.keras)"
    if not path.is_file():
        raise UserError(f"there is no model {str(path)!r}; {remedy}")
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(DESCRIPTION))
        model = keras.models.load_model(path, custom_objects=_layers_of(about.get("recipe")))
    except PermissionError as error:
        raise UserError(f"{str(path)!r} can't be read ({error.strerror}); see who may") from error
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError) as error:
        raise UserError(f"{str(path)!r} is no model of these recipes; {remedy}") from error
    if "data" not in about:
        raise UserError(f"{str(path)!r} does not say what data it takes; {remedy}")
    return model, about


def _layers_of(recipe):
    """Return the layers that a recipe of the catalogue defines, by their names."""
    if recipe not in catalogue.names():
        return {}
    found = vars(importlib.import_module(f"recipes.{recipe}"))
    return {
        name: c
        for name, c in found.items()
        if isinstance(c, type) and issubclass(c, keras.layers.Layer)
    }


def taking_raw(network, encode, source):
    """Return a compiled model that encodes raw examples and gives them to a network.

    Args:
        network: a compiled model of encoded inputs.
        encode: the encoder of the data it was trained on, see `data.encoders`.
        source: what the data come from, a `data.Source`.

    Returns:
        Of a table, a model of a dict of columns by `input_names`, (examples,) each: numbers, NaN
        where missing, and strings. Else one of arrays as the source has them.
    """
    if isinstance(encode, Columns):
        inputs, x = _columns(encode)
    else:
        inputs, x = _array(encode, source)
    taken = keras.tree.flatten(inputs)
    network.name = "network"
    while network.name in [tensor.name for tensor in taken]:
        network.name += "_"
    shape = network.input_shape[1:]
    if tuple(x.shape[1:]) != shape:
        x = keras.layers.Reshape(shape)(x)
    return _compiled(keras.Model(inputs, network(x)), network, network.loss)


def _columns(encode):
    """Return inputs by name, and the tensor that they are encoded to."""
    inputs, encoded = {}, []
    for column in encode.encoders:
        # Keras counts the names that it gives to layers: none of them becomes that of a column.
        keras.backend.get_uid(column)
    by_kind = itertools.groupby(encode.encoders.items(), key=lambda item: type(item[1]))
    for kind, group in by_kind:  # neighbours of a kind share their layers
        if kind is Standardizer:
            encoded.append(_numbers(dict(group), inputs))
        else:
            encoded += [_categories(name, one_hot, inputs) for name, one_hot in group]
    return inputs, encoded[0] if len(encoded) == 1 else keras.layers.Concatenate()(encoded)


def _numbers(standardizers, inputs):
    """Add inputs of columns of numbers; return them standardized, missing ones filled."""
    new = {
        name: keras.Input((1,), name=name)
        for column, standardizer in standardizers.items()
        for name in input_names(column, is_date=len(standardizer.means) > 1)
    }
    inputs |= new
    tensors = list(new.values())
    x = tensors[0] if len(tensors) == 1 else keras.layers.Concatenate()(tensors)
    medians, means, deviations = (
        np.concatenate([getattr(one, field) for one in standardizers.values()])
        for field in ("medians", "means", "deviations")
    )
    x = keras.ops.where(keras.ops.isnan(x), medians.astype(np.float32), x)
    return _standardized(x, means, deviations)


def _standardized(x, means, deviations):
    variances = np.where(np.isfinite(deviations), np.square(deviations), HUGE)
    return keras.layers.Normalization(mean=means, variance=variances)(x)


def _categories(name, one_hot, inputs):
    """Add the input of a column of text; return one column of 0 and 1 for each category."""
    (name,) = input_names(name)
    inputs[name] = text = keras.Input((1,), name=name, dtype="string")
    unknown = "[UNK]"
    while unknown in one_hot.positions:
        unknown += "?"
    lookup = keras.layers.StringLookup(vocabulary=list(one_hot.positions), oov_token=unknown)
    code = lookup(text)
    # Several texts may be spellings of one category: a table says which column is whose. Code 0,
    # of what is not known, comes first there, and last in ours.
    table = keras.layers.Embedding(
        len(one_hot.positions) + 1, one_hot.count, trainable=False, embeddings_initializer="zeros"
    )
    encoded = keras.layers.Reshape((one_hot.count,))(table(code))
    table.set_weights([np.roll(one_hot.table, 1, axis=0)])
    return encoded


def _array(encode, source):
    """Return the input of examples as the source's file has them, and the encoded tensor."""
    inputs = x = keras.Input(source.example_shape, name="x")
    shape = source.raw.shape[1:]
    if source.has_channels_first:
        x = keras.layers.Permute((2, 3, 1))(x)
    elif source.example_shape != shape:
        x = keras.layers.Reshape(shape)(x)
    if isinstance(encode, Divisor):
        x = keras.layers.Rescaling(1 / encode.divisor)(x)
    elif isinstance(encode, Standardizer):
        x = _standardized(x, encode.means, encode.deviations)
    return inputs, x
