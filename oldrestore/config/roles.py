"""What each setting is for: the one table that says whether it counts, for what, and whether it names a place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Flag, auto
from functools import cache
from typing import Any

from oldrestore.plain import flatten


class Role(Flag):
    """What depends on a setting, which may have several roles."""

    RESULT = auto()  # the weights, and so every score
    SCORE = auto()  # the scores of a network, whatever its weights
    COLOR = auto()  # with SCORE: only if colour is measured
    JUDGING = auto()  # with SCORE: only if photographs are judged
    COMPARED = auto()  # no score, but runs without a stored protocol that differ in it are not compared
    SHOWN = auto()  # neither weights nor scores: how many at once, how often, how much is shown
    BITS = auto()  # only the last bits of the weights, so a resumed run may change it
    OPTIONAL = auto()  # null, false or 0 is as if it were not there, as in runs of versions that did not have it
    FREE = auto()  # nothing that a run learns or measures: a resumed run may change it
    SEED = auto()  # the random numbers: jobs that differ only in it are averaged
    NAME = auto()  # the name of a run or of its design
    LOCAL = auto()  # where and when the run took place, and its name: not kept with its weights
    PLACE = auto()  # the place of something with a fingerprint, which may be moved
    FILE = auto()  # a file, which counts by its content
    SPLIT = auto()  # which photographs are in which split, which counts by the splits' fingerprints


LONGEST_DESIGN = 44  # characters: a design's name stands beside the line of a chart

# By dotted name: `*` matches anything within one part of it, `**` any number of parts, even none. The first match
# decides.
_ROWS = (
    # Which run it is.
    (Role.SEED, "seed"),
    (Role.NAME, "experiment"),
    (Role.NAME | Role.LOCAL, "run_id"),
    (Role.NAME | Role.FREE | Role.LOCAL, "design"),
    # Where its folder is, and its trackers.
    (Role.FREE | Role.LOCAL, "outputs tracking.**"),
    # How the work is done, logged and saved.
    (Role.FREE, "dataset.prepared trainer.workers trainer.cache_mib trainer.log_every"),
    (Role.FREE, "trainer.checkpoint_every trainer.keep_every trainer.requeue trainer.log_gradients"),
    # Places of photographs and of the judge.
    (Role.PLACE, "dataset.**.*root dataset.**.list evaluation.judged.**.*root evaluation.judged.**.list"),
    (Role.PLACE | Role.FILE, "judge.weights"),
    # Which of the photographs are used, and where.
    (Role.SPLIT, "dataset.**.group_by dataset.**.gray"),
    # How a run is measured. Runs without evaluation.version are compared with runs that have one.
    (Role.COMPARED, "evaluation.name"),
    (Role.SHOWN, "evaluation.version evaluation.batch_size evaluation.every evaluation.samples"),
    (Role.SHOWN, "evaluation.judge_during_training"),
    (Role.FREE, "evaluation.agreement"),  # a further measure, on which no other score depends
    (Role.SCORE, "evaluation.crops.** evaluation.count evaluation.color"),
    (Role.SCORE | Role.COLOR, "evaluation.size evaluation.fit evaluation.rebalancing"),
    (Role.SCORE | Role.COLOR | Role.FILE, "evaluation.prior_file"),
    (Role.COMPARED, "evaluation.judged.**.crops.**"),  # judged photographs are seen at evaluation.size
    (Role.SCORE | Role.COLOR, "evaluation.judged.**"),
    (Role.SCORE | Role.COLOR | Role.JUDGING, "evaluation.judged_split"),
    (Role.SHOWN, "evaluation.evaluators.**.samples evaluation.evaluators.**.every_time evaluation.evaluators.**.every"),
    (Role.SHOWN, "evaluation.evaluators.**.judge.batch_size"),
    (Role.SCORE | Role.FILE, "evaluation.evaluators.**.*weights"),
    (Role.SCORE, "evaluation.evaluators.**"),
    (Role.SHOWN, "judge.batch_size"),
    (Role.SCORE | Role.COLOR | Role.JUDGING, "judge.**"),
    # How validation photographs are cropped, which a protocol may leave to the dataset.
    (Role.SCORE, "dataset.crops.evaluation_size"),
    (Role.RESULT | Role.SCORE, "dataset.crops.fit"),
    # What is learned, from what, and which checkpoint is the best.
    (Role.RESULT | Role.FILE, "**.*weights"),
    (Role.RESULT | Role.OPTIONAL, "model.hints model.encoder_rate model.chroma"),
    (Role.RESULT | Role.OPTIONAL, "inputs.**.none dataset.training_fraction"),
    (Role.RESULT, "model.** loss.** dataset.** inputs.** optimizer.** schedule.** trainer.learner.**"),
    (Role.RESULT, "trainer.max_iterations trainer.batch_size trainer.device trainer.deterministic"),
    (Role.RESULT | Role.OPTIONAL, "trainer.overfit_batches"),
    (Role.RESULT | Role.BITS, "trainer.processes"),  # each draws its own random numbers; the batches are the same
    (Role.FREE | Role.BITS, "trainer.kernels"),
    (Role.RESULT, "trainer.evaluate_every trainer.monitor trainer.monitor_mode"),
    # What `oldrestore restore` does with a photograph; no run has these.
    (Role.RESULT | Role.FILE, "restore.detect.path"),
    (Role.RESULT, "restore.**"),
)
ROLES = {pattern: role for role, patterns in _ROWS for pattern in patterns.split()}
# Roles that a run's results do not depend on.
NO_PART = Role.FREE | Role.NAME | Role.SEED | Role.SPLIT


@cache
def row_of(name: str) -> str | None:
    """Return the row of the table that decides on a dotted name; None if no row matches."""
    return next((pattern for pattern in ROLES if _regex(pattern).fullmatch(name)), None)


def role_of(name: str) -> Role:
    """Return the role of a setting by its dotted name; one of another version, not in the table, counts."""
    row = row_of(name)
    if row is None:
        return Role.SCORE if name.startswith("evaluation.") else Role.RESULT
    return ROLES[row]


def is_free(name: str) -> bool:
    """Say whether a setting changes nothing that a run learns or measures."""
    return Role.FREE in role_of(name)


def is_place(name: str) -> bool:
    """Say whether a setting is the place of photographs or of the judge's weights."""
    return Role.PLACE in role_of(name)


def is_place_of_photographs(name: str) -> bool:
    """Say whether a setting is the place of photographs, which count by their fingerprints instead."""
    return role_of(name) == Role.PLACE


def settings_that_count(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, by dotted name, that results depend on: neither seed nor places of photographs."""
    return {name: value for name, value in flatten(config).items() if _counts(name, value)}


def _counts(name: str, value: Any) -> bool:
    role = role_of(name)
    is_off = not value and Role.OPTIONAL in role
    return not (role & NO_PART or is_place_of_photographs(name) or is_off)


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\.\*\*\.", r"\.(?:.+\.)?").replace(r"\.\*\*", r"(?:\..+)?")
    return re.compile(text.replace(r"\*\*\.", r"(?:.+\.)?").replace(r"\*", r"[^.]*"), re.DOTALL)
