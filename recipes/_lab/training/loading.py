"""A member's model: build_model, checked, loaded with trained weights."""

from recipes._lab.errors import UserError
from recipes._lab.training.architecture import BUILDING, build_once


def build_model(member):
    """Return the member's model, built for its data."""
    with BUILDING:
        model = build_once(member.build)
        if not model.built:
            model.build((None, *member.data.input_shape))
    return model


def model_to_train(member):
    """Return the member's model, built for its data, to be trained.

    Raises:
        UserError: it has several outputs, or one of another size than the data have classes.
    """
    model, classes = build_model(member), member.data.num_classes
    shape = getattr(model, "output_shape", None)  # a model of one's own class has none
    if isinstance(shape, list | dict):
        raise UserError(
            f"the model of {member.label!r} has {len(shape)} outputs, and each example one label; "
            "give a model with one output"
        )
    if isinstance(shape, tuple) and shape[-1] not in (1, classes):
        raise UserError(
            f"the model of {member.label!r} has {shape[-1]} outputs for {classes} classes; "
            "build_model gets their number as num_classes"
        )
    return model


def load_model(member, weights):
    """Return an ordinary compiled Keras model with the given weights."""
    model = build_model(member)
    for variable, value in zip(model.weights, weights, strict=True):
        variable.assign(value)
    if not model.optimizer.built:  # Keras warns of a saved model whose optimizer has no state
        model.optimizer.build(model.trainable_variables)
    return model
