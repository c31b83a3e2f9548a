"""The jobs of a sweep: composed and checked before the first begins."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import open_dict

from oldrestore.config.compose import HYDRA_ERRORS, check_choices, explain, plain_and_checked
from oldrestore.config.location import ENDINGS, GROUP_FOLDERS, configuration_root, user_root
from oldrestore.config.multirun import JobComposer, expand_jobs, sweep_names
from oldrestore.config.pairs import check_pair
from oldrestore.config.plugins import admitted
from oldrestore.errors import UserError
from oldrestore.files import whole_folder
from oldrestore.records.asked_settings import group_choices
from oldrestore.records.design_names import name_of_job
from oldrestore.records.identity import fingerprints_of, identity_of, settings_of
from oldrestore.records.source_code import SourceCode, hash_of

SEARCH = "search"  # section of a sweep's file that is not part of a configuration


@dataclass(frozen=True)
class Job:
    """One training of a sweep."""

    key: str  # hash of identity, seed and code, by which the ledger knows the job
    identity: str  # hash of settings and photographs
    code: str  # hash of the code that it needs
    seed: int
    settings: dict[str, str]  # what varies between the jobs of the sweep, except the seed, as typed
    overrides: list[str]
    config: dict[str, Any] = field(repr=False)  # resolved and checked
    choices: dict[str, str] = field(repr=False)  # what each group chose
    needed: dict[str, str] = field(repr=False, default_factory=dict)  # `SourceCode.needed`


def sweep_name(overrides: Sequence[str]) -> str | None:
    """Return the name of ``sweeps=NAME``; None if none is given, `UserError` if several are."""
    names = sweep_names(overrides)
    if len(names) > 1:
        raise UserError(f"a sweep is of one file, not of {' and '.join(names)}: give one sweeps=NAME")
    return names[0] if names else None


def plan_jobs(overrides: Sequence[str], trained: bool = True) -> list[Job]:
    """Compose every job of a sweep from what was typed; jobs with equal results are one.

    Raises `UserError` if a setting of any job is wrong, photographs are missing, or, of jobs that are `trained` as they
    are (not the base of a search, whose trials may choose another loss), the loss does not fit the model.
    """
    typed = expand_jobs(overrides, training=True)
    values_of: dict[str, set[str]] = {}  # of each name, over all jobs
    for name, _, value in (text.partition("=") for job in typed for text in job):
        values_of.setdefault(name, set()).add(value)
    varied = [name for name, values in values_of.items() if len(values) > 1]
    jobs: dict[str, Job] = {}
    fingerprints: dict[str, str] = {}
    outputs, source_code, compose = set(), SourceCode(), JobComposer()
    for job in typed:
        config, choices = compose_job(job, compose)
        outputs.add(config["outputs"])
        if config["run_id"] is not None:
            raise UserError("run_id names one run: leave it out of a sweep, whose runs are named one by one")
        values = dict(text.split("=", 1) for text in job if "=" in text)
        settings = {name: values.get(name, "") for name in varied if name != "seed"}
        if trained:
            refuse_misfit(config, settings)
        identity = identity_of(settings_of(config), fingerprints_of(config, fingerprints))
        config["design"] = name_of_job(config["design"], settings)
        needed = source_code.needed(config)
        seed, code = config["seed"], hash_of(needed)
        key = hashlib.sha256(f"{identity} {seed} {code}".encode()).hexdigest()[:16]
        jobs.setdefault(key, Job(key, identity, code, seed, settings, job, config, choices, needed))
    if len(outputs) > 1:
        raise UserError("the runs of a sweep stand in one outputs folder: give one outputs=FOLDER")
    return list(jobs.values())


def refuse_misfit(config: Mapping[str, Any], settings: Mapping[str, str]) -> None:
    """Refuse a job whose loss does not fit its model, naming what the sweep varies in it."""
    try:
        check_pair(config["model"], config["loss"])
    except UserError as error:
        job = " ".join(f"{name}={value}" for name, value in settings.items())
        raise UserError(f"the job {job} cannot be trained: {error}" if job else str(error)) from None


def compose_job(overrides: Sequence[str], compose: JobComposer | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """Compose and check one configuration; returns it, plain, with what each group chose, or raises `UserError`.

    The composer may be shared by the jobs of a sweep.
    """
    try:
        config, choices = (compose or JobComposer())(check_choices(overrides))
    except HYDRA_ERRORS as error:
        raise UserError(explain(error)) from None
    with open_dict(config):
        for name in (SEARCH, *GROUP_FOLDERS):
            config.pop(name, None)
    return plain_and_checked(config), group_choices(choices)


def snapshot_configuration(folder: Path) -> Path:
    """Copy ``conf/``, ``experiments/`` and ``sweeps/``, the user's own, and plugins below a folder; return the copy.

    The copy is named by a hash of its contents, so equal contents are copied once. Jobs do not read it: it documents
    where their configurations came from.
    """
    files: dict[str, bytes] = {}
    for under, root in (("", configuration_root()), ("user", user_root())):
        for name in ("conf", *GROUP_FOLDERS) if under == "" else GROUP_FOLDERS:
            paths = sorted((root / name).rglob("*")) if root is not None else []
            for path in (path for path in paths if path.suffix in ENDINGS and path.is_file()):
                files[(Path(under) / path.relative_to(root)).as_posix()] = path.read_bytes()
    for plugin in admitted():
        for path in plugin.files():
            files[(Path("plugins") / plugin.name / path.relative_to(plugin.folder)).as_posix()] = path.read_bytes()
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0".encode() + content)
    place = folder / digest.hexdigest()[:12]
    if place.is_dir():
        return place
    with whole_folder(place) as neighbour:
        for name, content in files.items():
            (neighbour / name).parent.mkdir(parents=True, exist_ok=True)
            (neighbour / name).write_bytes(content)
    return place
