"""What each setting is for: the one table that says whether it counts, for what, and where it names a place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Flag, auto
from functools import cache
from typing import Any

from oldrestore.plain import flatten


class Role(Flag):
    """What depends on a setting; one setting may have several roles."""

    RESULT = auto()  # the weights, and so every score
    SCORE = auto()  # the scores of a network, whatever its weights
    COLOR = auto()  # beside SCORE: only where colour is measured
    JUDGING = auto()  # beside SCORE: only where photographs are judged
    COMPARED = auto()  # no score, but runs that stored no protocol and differ in it are not compared
    SHOWN = auto()  # no weight and no score: how many at once, how often, how much of it is shown
    BITS = auto()  # only the last bits of the weights, so a resumed run may change it
    FREE = auto()  # nothing that a run learns or measures: a resumed run may change it, and jobs are the same
    SEED = auto()  # the random numbers: jobs that differ in nothing else are averaged over
    NAME = auto()  # what a run is called
    LOCAL = auto()  # where and when the run took place: does not go along with its weights
    PLACE = auto()  # where something stands that is recognized by its fingerprint, so that it may be moved
    FILE = auto()  # names a file, which counts by what it holds


# By dotted name: `*` stands for anything within one part of it, `**` for any number of parts, none included. The first
# row that matches decides.
ROLES = {
    # Which run it is.
    "seed": Role.SEED,
    "experiment": Role.NAME,
    "run_id": Role.NAME | Role.LOCAL,
    # Where its folder stands, and who is told.
    "outputs": Role.FREE | Role.LOCAL,
    "tracking.**": Role.FREE | Role.LOCAL,
    # How the work is done, logged and saved.
    "dataset.prepared": Role.FREE,
    "trainer.workers": Role.FREE,
    "trainer.cache_mib": Role.FREE,
    "trainer.log_every": Role.FREE,
    "trainer.checkpoint_every": Role.FREE,
    "trainer.keep_every": Role.FREE,
    "trainer.requeue": Role.FREE,
    # Places of photographs and of the judge.
    "dataset.**.*root": Role.PLACE,
    "dataset.**.list": Role.PLACE,
    "evaluation.judged.**.*root": Role.PLACE,
    "evaluation.judged.**.list": Role.PLACE,
    "judge.weights": Role.PLACE | Role.FILE,
    # How a run is measured, and what of that changes no score.
    "evaluation.name": Role.COMPARED,
    "evaluation.version": Role.SHOWN,  # runs of before and after the first version are still compared
    "evaluation.batch_size": Role.SHOWN,
    "evaluation.every": Role.SHOWN,
    "evaluation.samples": Role.SHOWN,
    "evaluation.judge_during_training": Role.SHOWN,
    "evaluation.crops.**": Role.SCORE,
    "evaluation.count": Role.SCORE,
    "evaluation.color": Role.SCORE,
    "evaluation.size": Role.SCORE | Role.COLOR,
    "evaluation.fit": Role.SCORE | Role.COLOR,
    "evaluation.rebalancing": Role.SCORE | Role.COLOR,
    "evaluation.prior_file": Role.SCORE | Role.COLOR | Role.FILE,
    "evaluation.judged.**.crops.**": Role.COMPARED,  # judged photographs are seen at evaluation.size
    "evaluation.judged.**": Role.SCORE | Role.COLOR,
    "evaluation.judged_split": Role.SCORE | Role.COLOR | Role.JUDGING,
    "evaluation.evaluators.**.samples": Role.SHOWN,
    "evaluation.evaluators.**.every_time": Role.SHOWN,
    "evaluation.evaluators.**.*weights": Role.SCORE | Role.FILE,
    "evaluation.evaluators.**": Role.SCORE,
    "judge.batch_size": Role.SHOWN,
    "judge.**": Role.SCORE | Role.COLOR | Role.JUDGING,
    # How validation photographs are cut, which a protocol may leave to the dataset.
    "dataset.crops.evaluation_size": Role.SCORE,
    "dataset.crops.fit": Role.RESULT | Role.SCORE,
    # What is learned, from what, and which of its checkpoints is the best.
    "**.*weights": Role.RESULT | Role.FILE,
    "model.**": Role.RESULT,
    "loss.**": Role.RESULT,
    "dataset.**": Role.RESULT,
    "inputs.**": Role.RESULT,
    "optimizer.**": Role.RESULT,
    "schedule.**": Role.RESULT,
    "trainer.learner.**": Role.RESULT,
    "trainer.max_iterations": Role.RESULT,
    "trainer.batch_size": Role.RESULT,
    "trainer.device": Role.RESULT,
    "trainer.deterministic": Role.RESULT,
    "trainer.processes": Role.RESULT | Role.BITS,  # each draws for itself; the batches are the same
    "trainer.kernels": Role.FREE | Role.BITS,
    "trainer.evaluate_every": Role.RESULT,
    "trainer.monitor": Role.RESULT,
    "trainer.monitor_mode": Role.RESULT,
    # What `oldrestore restore` makes of a photograph; no run has these.
    "restore.detect.path": Role.RESULT | Role.FILE,
    "restore.**": Role.RESULT,
}
# Roles that are no part of what a run's results depend on. Photographs count by their fingerprints instead.
NO_PART = Role.FREE | Role.NAME | Role.SEED


@cache
def row_of(name: str) -> str | None:
    """Return the row of the table that decides on a dotted name; None if no row matches."""
    return next((pattern for pattern in ROLES if _regex(pattern).fullmatch(name)), None)


def role_of(name: str) -> Role:
    """Return the role of a setting by its dotted name; one that is not in the table, of another version, counts."""
    row = row_of(name)
    if row is None:
        return Role.SCORE if name.startswith("evaluation.") else Role.RESULT
    return ROLES[row]


def is_free(name: str) -> bool:
    """Say whether a setting, by its dotted name, changes nothing that a run learns or measures."""
    return Role.FREE in role_of(name)


def is_place(name: str) -> bool:
    """Say whether a setting says where photographs stand, or the judge's weights, which have a fingerprint too."""
    return Role.PLACE in role_of(name)


def is_place_of_photographs(name: str) -> bool:
    """Say whether a setting says where photographs stand."""
    return role_of(name) == Role.PLACE


def settings_that_count(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, by dotted name, that results depend on: no seed, and not where photographs stand."""
    return {
        name: value
        for name, value in flatten(config).items()
        if not role_of(name) & NO_PART and not is_place_of_photographs(name)
    }


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\.\*\*\.", r"\.(?:.+\.)?").replace(r"\.\*\*", r"(?:\..+)?")
    return re.compile(text.replace(r"\*\*\.", r"(?:.+\.)?").replace(r"\*", r"[^.]*"), re.DOTALL)
