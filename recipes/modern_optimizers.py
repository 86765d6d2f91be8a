"""Does a new optimizer help, if each is tuned as much?

Claim: Adam remains a strong contender that newer methods do not clearly and consistently beat;
trying several optimizers at their defaults does about as well as tuning one (Schmidt et al. 2021,
abstract). Muon trains faster than AdamW, 1.35 times in its authors' record (Jordan et al. 2024).
Look for: in the figure, how far apart the optimizers are, beside what each differs from seed to
seed; in TensorBoard, under accuracy, at which rates each learns.
Why: every optimizer gets seven trials, and has to pay for all of its hyperparameters out of the
same budget, as in AlgoPerf (Dahl et al. 2023). An optimizer that was tuned beside others that were
not looks better than it is. Signs, orthogonal matrices and roots of squares change the size of a
step first of all, for which another rate makes up.
Use: Adam with its learning rate tuned: no newer one has been shown to gain a percentage point here.
Symptoms: training is slow; a search finds nothing better
Topic: Optimization
"""

import keras


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    optimizer="Adam",
    weight_decay=0.0,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.003,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        optimizer: Keras's name of the optimizer, such as "SGD" (with momentum) or "Adam".
        weight_decay: each step shrinks the weights by so much times the learning rate, as AdamW.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of the optimizer.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    settings = {"weight_decay": weight_decay}
    if optimizer == "SGD":
        settings["momentum"] = 0.9
    if optimizer == "Muon":  # which moves biases, and the last layer, as Adam does
        settings |= {"adam_weight_decay": weight_decay, "exclude_layers": ["softmax"]}
    model.compile(
        optimizer=getattr(keras.optimizers, optimizer)(learning_rate, **settings),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    decay = hp.Float("weight_decay", 1e-3, 3.0, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return build_model(
        input_shape, num_classes, weight_decay=decay, dropout=dropout, learning_rate=rate
    )


SCHMIDT, JORDAN = "Schmidt et al. 2021, abstract", "Jordan et al. 2024"
SGD, ADAM, ADAMW, NADAM, LION, MUON = "SGD", "Adam", "AdamW", "Nadam", "Lion", "Muon"
NEWER = (ADAMW, NADAM, LION, MUON)
PLAIN = {"batch_norm": False, "dropout": 0.0}
ARMS = (SGD, ADAM, *NEWER)
# Seven trials of each: three decades of learning rates, Keras's default among them.
RATES = dict.fromkeys(ARMS, (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1))
RATES[SGD] = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
RATES[LION] = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
DEFAULTS = dict.fromkeys(ARMS, 1e-3) | {SGD: 1e-2}
# A weight decay for each rate, for those that have one: both vary in all seven trials.
DECAYS = dict.fromkeys(ARMS, (0.0,) * 7)
DECAYS |= dict.fromkeys((ADAMW, LION, MUON), (0.1, 1.0, 0.003, 0.03, 0.3, 3.0, 0.01))
VARIANTS = {
    (arm, rate): PLAIN | {"optimizer": arm, "learning_rate": rate, "weight_decay": decay}
    for arm in ARMS
    for rate, decay in zip(RATES[arm], DECAYS[arm], strict=True)
}


def best(measure, keys):
    """Return the key for which the mean of a measure over the seeds is highest."""
    return max(keys, key=lambda key: measure[key].array().mean())


def run(lab):
    """Train seven trials of each optimizer for 200 steps, and take the best on validation."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=10, batch_size=50, evaluate_every=2)
    validation, test = results.final("val_accuracy"), results.final("test_accuracy")
    on_the_way = results.mean_over_epochs("val_accuracy")
    accuracies, speeds = {}, {}
    for arm in ARMS:
        trials = [(arm, rate) for rate in RATES[arm]]
        accuracies[arm] = test[best(validation, trials)].array()
        speeds[arm] = on_the_way[best(on_the_way, trials)].array()
    accuracy = lab.measure(accuracies, "%")
    speed = lab.measure(speeds, "%")
    untuned = test[best(validation, DEFAULTS.items())]

    lab.claim(
        "none of AdamW, Nadam, Lion and Muon is over 1 percentage point more accurate on test than "
        "Adam",
        source=SCHMIDT,
        that=lab.every([accuracy[ADAM] > accuracy[name] - 1 for name in NEWER], unit="optimizers"),
    )
    lab.claim(
        "the best of six optimizers at their default rates is within 1 percentage point of the "
        "best of seven trials of Adam",
        source=SCHMIDT,
        that=untuned.within(1, of=accuracy[ADAM]),
    )
    lab.claim(
        "Muon learns faster than AdamW: mean validation accuracy over the epochs is higher",
        source=JORDAN,
        that=speed[MUON] > speed[ADAMW],
    )
    lab.table({arm: results.best(arm) for arm in ARMS})
    measures = {"test, after the last epoch": accuracy, "validation, mean over epochs": speed}
    lab.figure(lab.dots(measures, x_label="accuracy of the best trial (%)"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
