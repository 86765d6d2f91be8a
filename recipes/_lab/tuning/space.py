"""Search spaces: scales, ranges narrowed around the best trials, which hyperparameter matters.

Draw a rate on a logarithmic scale (`sampling="log"`): between .001 and .01 lie as many good values
as between .01 and .1. Draw numbers of units and layers on a linear one. Draw a momentum by its
distance from one, `1 - hp.Float("one_minus_momentum", .001, .1, sampling="log")`: keras-tuner's
`sampling="reverse_log"` does not do that, it gives as few values above .99 as a linear scale (9 %
of [.9, .999] instead of 50 %).
"""

import keras_tuner
import numpy as np
from scipy import stats

MARGIN = 0.1  # of the whole range, in its own scale, left around the best values
FEWEST_TRIALS = 20  # from which an importance can be told
TREES, FOLDS, REPETITIONS = 200, 5, 4
EDGE = 0.05  # of a range, in its own scale
INT = keras_tuner.engine.hyperparameters.Int
NUMERIC = (INT, keras_tuner.engine.hyperparameters.Float)


def narrowed(space, trials, share=0.2):
    """Return a space whose ranges surround the values of the best trials (coarse to fine).

    Each range is narrowed in its own scale, logarithmic or linear. It reaches by a margin beyond
    the best values, so that one at the edge of an earlier stage's range opens that again, as far
    as the original space goes.

    Args:
        space: the original HyperParameters.
        trials: completed trials of all stages so far; without any, the ranges stay.
        share: of them that count as the best; at least three.
    """
    best = sorted(trials, key=lambda trial: -trial.score)[: max(3, round(share * len(trials)))]
    config = space.get_config()
    for parameter, entry in zip(space.space, config["space"], strict=True):
        if not isinstance(parameter, NUMERIC):
            continue
        values = [value for value in values_of(parameter, best) if value is not None]
        if values and (is_varied(parameter, trials) or len(trials) == 1):
            places = [parameter.value_to_prob(value) for value in values]
            ends = max(0.0, min(places) - MARGIN), min(1.0, max(places) + MARGIN)
            low, high = map(parameter.prob_to_value, ends)
            high = min(high, parameter.max_value)  # of an Int, place 1 lies just beyond its range
            entry["config"] |= {"min_value": low, "max_value": high, "default": values[0]}
            config["values"][parameter.name] = values[0]
    return keras_tuner.HyperParameters.from_config(config)


def values_of(parameter, trials):
    """Return a parameter's value in each trial; None where the trial's model didn't ask for it."""
    values = [trial.hyperparameters.values for trial in trials]
    return [
        of.get(parameter.name) if all(c.is_active(of) for c in parameter.conditions) else None
        for of in values
    ]


def is_varied(parameter, trials):
    """Tell whether a parameter had more than one value in these trials."""
    return len(set(values_of(parameter, trials)) - {None}) > 1


def edges(space, trial, trials):
    """Return where a trial's values lie at an end of their range, though better may lie beyond.

    At an end is who is among the outer twentieth of the range, in its own scale, or the last of
    whole numbers. What can't be less, a linear range from zero, has an end there for good.

    Args:
        space: HyperParameters.
        trial: the best one.
        trials: all completed ones.

    Returns:
        A line each: what lies at which end, and an end to give instead.
    """
    lines = []
    for parameter in space.space:
        (value,) = values_of(parameter, [trial])
        if not isinstance(parameter, NUMERIC) or not is_varied(parameter, trials):
            continue
        low, high, factor = parameter.min_value, parameter.max_value, parameter.sampling == "log"
        place = None if value is None else parameter.value_to_prob(value)
        if place is None:
            continue
        if value == high or place > 1 - EDGE:
            side, end, wider = "upper", high, 10 * high if factor else high + (high - low) / 2
        elif (value == low or place < EDGE) and (factor or low != 0):
            side, end, wider = "lower", low, low / 10 if factor else low - (high - low) / 2
        else:
            continue
        if isinstance(parameter, INT):
            wider = max(1, round(wider)) if low > 0 else round(wider)
        if wider != end:
            lines.append(
                f"{parameter.name} {value:.4g} lies at the {side} end of its range, {low:.4g} to "
                f"{high:.4g}: a better value may lie beyond; try {wider:.4g} as the end"
            )
    return lines


def importance(space, trials, seed=0):
    """Return how much each hyperparameter tells about the score, on trials held out.

    A random forest (Breiman 2001) predicts the score from the values, each in its own scale. The
    importance is by how much the squared error on held-out trials grows when a value is permuted
    among them, divided by the variance of all scores; it may exceed 1. It depends on the ranges:
    what is searched in a narrow one can't matter, and what was not varied is left out.

    Args:
        space: HyperParameters.
        trials: completed trials.
        seed: of the forest, the folds and the permutations.

    Returns:
        `{name: importances}`, one of each of 20 held-out parts; empty if there are fewer than
        `FEWEST_TRIALS` trials or all have the same score.
    """
    from sklearn.model_selection import RepeatedKFold

    parameters = [p for p in space.space if is_varied(p, trials)]
    scores = np.array([trial.score for trial in trials])
    if len(trials) < FEWEST_TRIALS or not parameters or np.ptp(scores) == 0:
        return {}
    places = np.array(
        [
            [p.value_to_prob(p.default if v is None else v) for v in values_of(p, trials)]
            for p in parameters
        ]
    ).T
    folds = RepeatedKFold(n_splits=FOLDS, n_repeats=REPETITIONS, random_state=seed)
    losses = [
        growth_of_error(places[rows], scores[rows], places[others], scores[others], seed)
        for rows, others in folds.split(places)
    ]
    losses = np.transpose(losses) / scores.var()
    return dict(zip([p.name for p in parameters], losses, strict=True))


def growth_of_error(values, scores, held_out_values, held_out_scores, seed=0, trees=TREES):
    """Return by how much each hyperparameter lowers a random forest's squared error.

    Args:
        values: of the trials that the forest learns from, (trials, hyperparameters).
        scores: theirs, (trials,).
        held_out_values: of other trials, among which one hyperparameter after the other is
            permuted.
        held_out_scores: theirs.
        seed: of the forest and the permutations.
        trees: of the forest.

    Returns:
        The growth of the squared error on the held-out trials, (hyperparameters,).
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    forest = RandomForestRegressor(trees, random_state=seed, n_jobs=1).fit(values, scores)
    permuted = permutation_importance(
        forest,
        held_out_values,
        held_out_scores,
        scoring="neg_mean_squared_error",
        n_repeats=5,
        random_state=seed,
    )
    return permuted.importances_mean


def corrected_interval(importances):
    """Return mean and half-width of the 95 % interval of an importance.

    The held-out parts of one set of trials share what the forest learned from, so the variance is
    corrected by the share held out (Nadeau and Bengio 2003, Machine Learning 52:239).
    """
    count = len(importances)
    error = np.sqrt(np.var(importances, ddof=1) * (1 / count + 1 / (FOLDS - 1)))
    return float(np.mean(importances)), float(stats.t.ppf(0.975, count - 1) * error)
