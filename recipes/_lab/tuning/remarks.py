"""What a search has found, as remarks: how sure the best trial is, and where better may lie."""

import numpy as np
from scipy import stats

from recipes._lab.tuning.oracles import failed
from recipes._lab.tuning.space import edges


def remarks(tuners, space, ranking):
    """Return what to know of a search before its best trial is used, a line each.

    Args:
        tuners: of its stages, finished.
        space: the original HyperParameters.
        ranking: the completed trials, the best first.
    """
    trials = [trial for tuner in tuners for trial in tuner.trials()]
    lines = edges(space, ranking[0], ranking)
    lost = [trial for trial in trials if trial.status == "FAILED"]
    broken = [trial for trial in lost if failed(trial)]
    for what, of in (("diverged", len(lost) - len(broken)), ("failed", len(broken))):
        if of:
            lines.append(f"{of} of {len(trials)} trials {what}, {100 * of / len(trials):.0f} %")
    first_two = [trial for trial in ranking[:2] if trial.message is None]  # not pruned
    if len(first_two) == 2:
        lines.append(lead(*[_last_accuracies(tuners, trial) for trial in first_two]))
    return lines


def lead(best, second):
    """Return a line on how far the best trial is ahead of the second, beside the seeds' noise.

    Args:
        best: validation accuracies of its executions, (seeds,), 0 to 1.
        second: those of the second, with the same seeds.
    """
    differences = 100 * (np.asarray(best) - second)
    mean, count = differences.mean(), len(differences)
    ahead = f"the best trial is {mean:.2f} percentage points ahead of the second"
    if count == 1:
        return f"{ahead}; one seed cannot tell whether that is noise; SEEDS=3 can"
    half = stats.t.ppf(0.975, count - 1) * differences.std(ddof=1) / np.sqrt(count)
    verdict = "within" if mean <= half else "beyond"
    return f"{ahead}, ± {half:.2f} over {count} seeds (95 % interval): {verdict} the noise of seeds"


def _last_accuracies(tuners, trial):
    """Return the validation accuracies that a trial's score is the mean of, (seeds,)."""
    (tuner,) = [tuner for tuner in tuners if any(trial is one for one in tuner.trials())]
    return tuner.history(trial)["val_accuracy"][:, trial.best_step]
