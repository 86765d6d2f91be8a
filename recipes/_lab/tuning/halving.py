"""Several searches at once: batches of trials, the worse half pruned early; stages that zoom in."""

import collections
import dataclasses
import functools
import time

import numpy as np

from recipes._lab.errors import UserError
from recipes._lab.tuning.oracles import make_oracle
from recipes._lab.tuning.space import narrowed


def search_together(tuners, until=None):
    """Search with several tuners at once, such as repetitions of a search: one graph for all.

    Args:
        tuners: of `PopulationTuner`, with the same `discard`.
        until: time, as of `time.monotonic`, after which no second batch begins; None for no end.
    """
    while True:
        batches = [(tuner, trials) for tuner in tuners if (trials := tuner.ask())]
        if not batches:
            return
        members = {
            (number, trial.trial_id): of
            for number, (tuner, trials) in enumerate(batches)
            for trial in trials
            if (of := tuner.members(trial))  # none if it can't be trained
        }
        results = _train_all(members, [tuner for tuner, _ in batches]) if members else {}
        for number, (tuner, trials) in enumerate(batches):
            tuner.report(trials, {name: of for (n, name), of in results.items() if n == number})
        if _is_late(until):
            return


def _is_late(until):
    return until is not None and time.monotonic() >= until


def search_in_stages(make, oracle, trials, stages, seeds, until=None):
    """Search in stages, each on ranges narrowed around the best of those before it.

    Where none of the trials before has finished, there is nothing to narrow the ranges around: the
    stage searches the whole ones, and says so.

    Args:
        make: `make(oracle, repetition, stage)` returns a `PopulationTuner`.
        oracle: kind of the oracles.
        trials: of each repetition, all stages together.
        stages: how many.
        seeds: of the oracles, one a repetition; all repetitions are trained together.
        until: as of `search_together`.

    Returns:
        For each repetition the tuners of its stages, and the original HyperParameters.
    """
    searches, spaces = [[] for _ in seeds], []
    stages = min(stages, trials)  # no trials would mean any number of them to keras-tuner
    for stage in range(stages):
        count = trials * (stage + 1) // stages - trials * stage // stages
        tuners, whole = [], 0
        for repetition, seed in enumerate(seeds):
            ranges = None
            if stage:
                before = [trial for tuner in searches[repetition] for trial in tuner.completed()]
                ranges = narrowed(spaces[repetition], before)
                whole += not before
            # A seed of its own for each stage, far from those of other repetitions.
            drawn = make_oracle(oracle, count, seed + 10_000 * stage, ranges)
            tuners.append(make(drawn, repetition, stage))
            drawn.forbid(trial for tuner in searches[repetition] for trial in tuner.trials())
        if whole:
            where = f" in {whole} of {len(seeds)} repetitions" if len(seeds) > 1 else ""
            log = tuners[0]._log
            log(f"no trial has finished yet{where}, so stage {stage + 1} keeps the whole ranges")
        search_together(tuners, until)
        spaces = spaces or [tuner.oracle.get_space() for tuner in tuners]
        for space, tuner in zip(spaces, tuners, strict=True):
            space.merge(tuner.oracle.get_space(), overwrite=False)  # what has been found since
        for of, tuner in zip(searches, tuners, strict=True):
            of.append(tuner)
        if _is_late(until):
            done = sum(len(tuner.trials()) for tuner in searches[0])
            if done < trials:
                tuners[0]._log(f"the time is up, after {done} of {trials} trials")
            break
    return searches, spaces[0]


def _train_all(members, tuners):
    """Train `{(number of the tuner, trial): members}`; return the results of what can be trained.

    What is trained by `fit` may raise anything, which is told to its tuner.
    """
    first, by_tuner = tuners[0], collections.defaultdict(list)
    for (number, _), of in members.items():
        by_tuner[number].append(of)
    total = sum(_epochs(trials, first.discard) for trials in by_tuner.values())
    together = {k: of for k, of in members.items() if of[0].spec or first.is_elsewhere}
    doing = f"training {len(members)} trials"
    if len(first.seeds) > 1:
        doing += f" x {len(first.seeds)} seeds"
    with first._progress(doing, total) as advance:
        plan = {"store": first.store, "progress": advance}
        train = functools.partial(first.train_members, **plan)
        results = _train(together, first.discard, train) if together else {}
        for number, trial in [key for key in members if key not in together]:
            try:
                results[number, trial] = train(members[number, trial])
            except UserError:
                raise
            except Exception as error:
                tuners[number].fail(trial, error)
    return results


def _train(members, discard, train):
    """Train `{(tuner, trial): members}` and return `{(tuner, trial): results}`.

    At each rung every tuner prunes the worse half of its own trials.
    """
    results = {}
    for share in (*discard, 1.0):
        staged = [_until(member, share) for of in members.values() for member in of]
        trained = iter(train(staged))
        for name, of in members.items():
            new = [next(trained) for _ in of]
            if name in results:
                for was, now in zip(results[name], new, strict=True):
                    now.go_on_from(was)
            results[name] = new
        paused = collections.defaultdict(list)
        for name in sorted(members, key=lambda name: -scores(results[name]).mean()):
            if results[name][0].pause:
                paused[name[0]].append(name)
        members = {
            name: [
                dataclasses.replace(member, start=result.pause)
                for member, result in zip(members[name], results[name], strict=True)
            ]
            for of in paused.values()
            for name in of[: -(-len(of) // 2)]
        }
    return results


def _epochs(trials, discard):
    """Return how many epochs are trained of `trials`, their members, where some are pruned.

    Who goes on isn't known yet; where trials differ in their epochs, it is their mean.
    """
    total, left, before = 0.0, len(trials), 0
    for share in (*discard, 1.0):
        until = sum(_until(member, share).span for of in trials for member in of)
        total += left / len(trials) * (until - before)
        left, before = -(-left // 2), until
    return round(total)


def _until(member, share):
    """Return a member that pauses at a share of its epochs; `fit` trains to the end."""
    stop = max(1, round(share * member.epochs))
    whole = member.spec is None or stop >= member.epochs
    return member if whole else dataclasses.replace(member, stop=stop)


def scores(results):
    """Return the last validation accuracy of each execution; of a diverged one, zero."""
    last = [result.history["val_accuracy"][_last(result)] for result in results]
    return np.where(_finite(results), last, 0.0)


def test_accuracies(results):
    """Return the test accuracy of each execution; of a diverged one, zero."""
    return np.where(_finite(results), [r.test["test_accuracy"] for r in results], 0.0)


def _finite(results):
    """Tell which executions ended, or paused, with a finite loss, (executions,)."""
    return np.isfinite([result.history["loss"][_last(result)] for result in results])


def _last(result):
    return result.pause.epoch if result.pause else -1
