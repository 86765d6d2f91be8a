"""Babysit one model or train many at once?

Claim: train many models with different settings (caviar: a fish lays many eggs and most are left to
their fate) if there is compute for them; babysit one model (panda: one cub, well cared for) if
there is only enough for one or very few (Deep Learning Specialization, course 2 week 3).

Look for: in the figure, which line is higher when compute is scarce, and which at the end; in the
second one, which learning rates the babysitter tried; in TensorBoard, under HParams, the many.

The many are eight models with learning rates from 1e-4 to 1, drawn on a logarithmic scale. The
babysat one starts as the first of them and is trained for eight times as long. Each time that one
of the many would be done, the babysitter looks at the training loss and follows a written rule: if
it has not fallen, go back to the state before and divide the rate by 3. If it has, and always did,
multiply the rate by 3. If it fell by less than 5 % later on, divide the rate by 3. Of what either
side had at these moments, the best on validation is handed in.

Whichever side is lucky with its first rates is ahead at first; with enough compute both find a good
rate. A babysitter soon raises a rate that is too low. One that is far too high can ruin a model:
most of its units are silent for every input, though its loss may be less than before training. The
rule then goes on with this model, and no other rate brings it back.

Use: many at once where they train as one graph, for then they take little longer than one.
Symptoms: there is compute for a few trials only
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(input_shape=(64,), num_classes=10, *, dropout=0.1, learning_rate=0.03):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of gradient descent with momentum.
    """
    layers = [keras.Input(input_shape)]
    for n in (1, 2):
        layers += [
            keras.layers.Dense(50, kernel_initializer="he_normal", name=f"h{n}"),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"),
            keras.layers.Activation("relu", name=f"h{n}_act"),
        ]
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: the learning rate on a logarithmic scale."""
    rate = hp.Float("learning_rate", 1e-4, 1.0, sampling="log")
    return build_model(input_shape, num_classes, learning_rate=rate)


MANY, FEW = 8, 2  # models that the compute is enough for
EPOCHS = 20  # of each of the many, and between two looks of the babysitter
LOW, HIGH = 1e-4, 10.0  # bad rates to start from: the range's lower end, and far above its upper
CAVIAR, PANDA, ALONE = "the best of many", "one, babysat", "one, left alone"
STARTS = {"": None, f" from lr {LOW:g}": LOW, f" from lr {HIGH:g}": HIGH}
# Of those that train on and on: the rate they start from (None: as the first of the many), and
# whether the babysitter changes it.
VARIANTS = {
    name + start: (rate, name == PANDA) for name in (PANDA, ALONE) for start, rate in STARTS.items()
}


def decide(rate, loss, before, ever_back):
    """Return the babysitter's next learning rate, and whether to go back to the state before.

    Args:
        rate: the learning rate of the block of epochs that is just over.
        loss: on the training examples after it.
        before: the loss of the state before it.
        ever_back: whether there was a reason to go back earlier.
    """
    if not loss < before or not np.isfinite(loss):
        return rate / 3, True
    if not ever_back:
        return rate * 3, False
    return (rate / 3 if loss > 0.95 * before else rate), False


def train_on(data, models, blocks, epochs):
    """Train models block by block and return what they had after each, (models, blocks) each.

    Args:
        data: a `Dataset`.
        models: of each its seed, its first learning rate, and whether it is babysat.
        blocks: how many.
        epochs: of a block. A block that was in vain has used up its epochs all the same.

    Returns:
        The learning rates of the blocks, and validation and test accuracy after them.
    """
    from dataclasses import replace
    from functools import partial

    from recipes._lab.training import architecture, population
    from recipes._lab.training.members import Member

    build = partial(build_model, data.input_shape, data.num_classes)
    spec = architecture.read(build)

    def train(rates, states, stop):
        plan = {"data": data, "epochs": blocks * epochs, "stop": stop}
        members = []
        for (seed, *_), rate, state in zip(models, rates, states, strict=True):
            own = replace(spec, learning_rate=rate)
            members.append(Member("", build, own, seed, start=state, **plan))
        return population.train(members)

    # Training at rate 0 moves nothing but the averages that BN uses in inference: without it, the
    # loss before training would be that of another function than the losses after it.
    begun = train([0.0] * len(models), [None] * len(models), epochs)
    states = [replace(result.pause, epoch=0) for result in begun]
    losses = [result.history["loss"][epochs] for result in begun]
    rates, ever_back = [float(rate) for _, rate, _ in models], [False] * len(models)
    found = np.zeros((3, len(models), blocks))
    for block in range(blocks):
        stop = (block + 1) * epochs
        for n, result in enumerate(train(rates, states, stop)):
            loss, back = result.history["loss"][stop], False
            scores = (result.history["val_accuracy"][stop], result.test["test_accuracy"])
            found[:, n, block] = rates[n], *(scores if np.isfinite(loss) else (0, data.chance))
            if models[n][2]:
                rates[n], back = decide(rates[n], loss, losses[n], ever_back[n])
            if back:
                ever_back[n], states[n] = True, replace(states[n], epoch=stop)
            else:
                states[n], losses[n] = result.pause, loss
    return found


def best_so_far(validation, test):
    """Return both scores of what is best on validation among the first 1, 2, ...: as (..., n)."""
    counts = range(1, validation.shape[-1] + 1)
    best = np.stack([validation[..., :n].argmax(axis=-1) for n in counts], axis=-1)
    return [np.take_along_axis(scores, best, axis=-1) for scores in (validation, test)]


def run(lab):
    """Train the many, then train one on and on with and without the babysitter."""
    source = "Deep Learning Specialization, course 2 week 3"
    data = lab.data(examples=500)
    found = lab.search(build_tunable, data, trials=MANY, epochs=EPOCHS, name="many")
    blocks, moments = found[0].curves["loss"].shape  # fewer if quick
    epochs = moments - 1
    models = [
        (lab.options.first_seed + n, first or search.values["learning_rate"][0], babysat)
        for first, babysat in VARIANTS.values()
        for n, search in enumerate(found)
    ]
    trained = train_on(data, models, blocks, epochs).reshape(3, len(VARIANTS), len(found), blocks)
    rates, validation, test = (dict(zip(VARIANTS, of, strict=True)) for of in trained)
    validation[CAVIAR] = np.array([search.val_accuracy for search in found])
    test[CAVIAR] = np.array([search.test_accuracy for search in found])
    # {name: [on validation, on test]}, (repetitions, blocks) each, in %
    best = {name: [100 * s for s in best_so_far(validation[name], test[name])] for name in test}

    def more_accurate(first, second, compute=MANY):
        """Compare on test what is handed in when compute is enough for so many models."""
        at = min(compute, blocks) - 1
        return best[first][1][:, at] - best[second][1][:, at]

    text = f"with compute for {MANY} models the best of many is more accurate on test than the "
    lab.claim(text + "babysat one", source, more_accurate(CAVIAR, PANDA), unit="points")
    text = f"with compute for only {FEW} models the babysat one is more accurate"
    lab.claim(text, source, more_accurate(PANDA, CAVIAR, FEW), unit="points")
    for start, rate in STARTS.items():
        babysat = PANDA + start
        text = f"{babysat}, is more accurate than left alone, compute for {MANY}"
        lab.claim(text, "this recipe", more_accurate(babysat, ALONE + start), unit="points")
        if rate:
            text = f"{babysat}, is as accurate as the best of many, within 1 point"
            lab.claim(text, "this recipe", more_accurate(babysat, CAVIAR), within=1, unit="points")

    x, x_label = epochs * np.arange(1, blocks + 1), "compute (epochs, of all models together)"
    babysat = [PANDA + start for start in STARTS]
    panels = {
        title: {name: (x, best[name][n]) for name in (*babysat, CAVIAR)}
        for n, title in enumerate(("best on validation so far", "the same models on test"))
    }
    axis = {"x_label": x_label, "y_label": "accuracy (%)", "limits": (0, 103)}
    lab.figure(lab.lines(panels, **axis))
    tried = {"the rates tried": {name: (x, np.log10(rates[name])) for name in babysat}}
    y_label = "learning rate, as a power of 10"
    lab.figure(lab.lines(tried, x_label=x_label, y_label=y_label), "rates")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
