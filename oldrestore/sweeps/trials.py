"""Runs a search: asks Optuna for settings, trains them as jobs, and stops unpromising ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from oldrestore.config.multirun import JobComposer, expand_jobs
from oldrestore.errors import UserError
from oldrestore.files import lock
from oldrestore.records.asked_settings import as_override
from oldrestore.records.design_names import name_of_job
from oldrestore.records.identity import results_code_hash
from oldrestore.records.run import Run
from oldrestore.records.source_code import SourceCode, hash_of
from oldrestore.report.searched import Searched
from oldrestore.sweeps.known_jobs import what_changed
from oldrestore.sweeps.launch import Launched
from oldrestore.sweeps.ledger import Entry, JobState
from oldrestore.sweeps.plan import Job, compose_job, plan_jobs
from oldrestore.sweeps.search import SearchSettings
from oldrestore.sweeps.searched import searched_of
from oldrestore.sweeps.summary import results_of
from oldrestore.sweeps.sweep import Sweep
from oldrestore.tracking.sqlite_uri import sqlite_uri

STUDY = "search"
BUSY = 60  # seconds to wait for another process to unlock the study


class Search(Sweep):
    """A sweep whose jobs are the trials of an Optuna study, ``outputs/sweeps/NAME/optuna.db``.

    Several processes may share it. An interrupted trial is resumed from its checkpoint. Raises `UserError` if Optuna is
    not installed, a setting has several values, or the space contains an invalid configuration.
    """

    def __init__(self, name: str, settings: SearchSettings, overrides: Sequence[str], keep_done: bool = False) -> None:
        try:
            import optuna
        except ModuleNotFoundError:
            raise UserError("a search needs Optuna: pip install 'oldrestore[optuna]'") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        jobs = expand_jobs(overrides, training=True)
        if len(jobs) > 1:
            raise UserError("a search varies what its space names: give every other setting one value")
        self._optuna, self._states = optuna, optuna.trial.TrialState
        self.settings = settings
        self.typed = jobs[0]
        (base,) = plan_jobs(self.typed, trained=False)
        needed, source_code, compose = dict(base.needed), SourceCode(), JobComposer()
        for parameter, values in settings.space.items():
            for value in values.extremes():
                config, _ = compose_job([*self.typed, as_override(parameter, value)], compose)
                needed |= source_code.needed(config)
        self.base = replace(base, needed=needed, code=hash_of(needed))  # of every trial, whatever it chooses
        super().__init__(name, [self.base], keep_done)
        self.jobs, self.keys = {}, []
        self._trials: dict[str, Any] = {}
        self._seen: dict[str, int] = {}
        self._pruned: set[str] = set()

    def entries(self) -> list[Entry]:
        """Lines of all trials; none, and nothing is created, if the search has not begun."""
        return self.ledger.entries() if (self.folder / "ledger.db").is_file() else []

    def begin(self, retry_failed: bool, retry_deleted: bool = False) -> list[Entry]:
        """Open the study and settle what an earlier process left; interrupted trials are queued to resume.

        A trial whose run folder is gone (with `retry_deleted`, also if a person deleted it) is trained again, for the
        tables; the study keeps its value. Raises `UserError`
        if the study has trials of other settings, another space or other code, or `retry_failed` is set.
        """
        if retry_failed:
            raise UserError("a search does not try failed settings again: raise search.trials instead")
        ledger, study = self.ledger, self.study
        waiting = ("interrupted", "deleted") if retry_deleted else ("interrupted",)
        with self._alone():
            self._check_same(study)
            notes, same = ledger.notes(), (self.base.code, results_code_hash())
            for entry in ledger.entries() if self.keep_done else ():
                if entry.state == "done" and entry.code not in same:
                    self.known.kept[entry.key] = what_changed(entry.code, self.base.needed, notes)
            trials = study.get_trials(deepcopy=False)
            self.keys = [key_of(trial.number) for trial in trials]
            ledger.recover(self.keys)
            known = {entry.key: entry for entry in ledger.entries(self.keys)}
            for trial in trials:
                entry = known.get(key_of(trial.number))
                if trial.state != self._states.RUNNING:
                    if entry is not None and (entry.is_lost or entry.state in ("queued", *waiting)):
                        self._add(trial)
                    continue
                if entry is None:  # its process died before it registered the job
                    study.tell(trial.number, state=self._states.FAIL)
                elif entry.state in ("done", "failed", "pruned", "deleted") and entry.state not in waiting:
                    self._tell(trial.number, entry)
                else:
                    self._add(trial)
            ledger.queue_again(list(self.jobs), waiting)
        return ledger.entries(self.keys)

    def carry_out(self, slots: int, threads_set: bool, say: Callable[[str], None]) -> None:
        """Run trials until there are as many as requested."""
        super().carry_out(slots, threads_set, say)
        self.keys = [key_of(trial.number) for trial in self.study.get_trials(deepcopy=False)]

    @cached_property
    def study(self) -> Any:
        """Optuna's study."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Only the first process creates the tables.
        with self._alone():
            engine = {"connect_args": {"timeout": BUSY}}
            storage = self._optuna.storages.RDBStorage(sqlite_uri(self.folder / "optuna.db"), engine_kwargs=engine)
            pruning, pruner = self.settings.pruning, self._optuna.pruners.NopPruner()
            if pruning is not None:
                pruner = self._optuna.pruners.MedianPruner(pruning.after_trials, pruning.after_iterations)
            return self._optuna.create_study(
                study_name=STUDY,
                storage=storage,
                direction=self.settings.direction,
                pruner=pruner,
                load_if_exists=True,
            )

    def holds(self, entries: Sequence[Entry]) -> bool:
        """Whether no trial waits and at least one is done: that some settings fail is normal in a search."""
        waiting = any(entry.state in ("queued", "interrupted") for entry in entries)
        return not self.stopped and not waiting and any(entry.state == "done" for entry in entries)

    @property
    def metric(self) -> str:
        """The measure that is searched for."""
        return self.settings.metric

    def left(self) -> int:
        """Return how many trials have not ended, those that have not begun included."""
        ended = (self._states.COMPLETE, self._states.PRUNED, self._states.FAIL)
        return max(0, self.settings.trials - len(self.study.get_trials(deepcopy=False, states=ended)))

    def best(self) -> dict[str, Any] | None:
        """Return number, settings and value of the best trial so far; None if none is done."""
        if not self.study.get_trials(deepcopy=False, states=(self._states.COMPLETE,)):
            return None
        best = self.study.best_trial
        return {"trial": best.number, "settings": dict(best.params), "value": best.value}

    def searched(self) -> Searched | None:
        """Return the completed trials and what Optuna says of them; None if there are none."""
        return searched_of(self.study, self.settings)

    def claim(self) -> Entry | None:
        """Claim the next job: of a trial that waits, or of a new one; None if there are as many as requested."""
        entry = self.ledger.claim(list(self.jobs))
        if entry is not None:
            return entry
        with self._alone():
            number = len(self.study.get_trials(deepcopy=False))
            if number >= self.settings.trials:
                return None
            # Each trial has its own sampler, so that its settings depend on the trial and not on the process.
            self.study.sampler = self._optuna.samplers.TPESampler(
                n_startup_trials=self.settings.random_trials, seed=self.settings.seed + number, constant_liar=True
            )
            trial = self.study.ask()
            for name, values in self.settings.space.items():
                values.suggest(trial, name)
            job = self._add(trial)
            self.ledger.register([job])
            return self.ledger.claim([job.key])

    def _add(self, trial: Any) -> Job:
        """Make the job of a trial, new or from the study."""
        overrides = [*self.typed, *(as_override(name, value) for name, value in trial.params.items())]
        config, choices = compose_job(overrides)
        key = key_of(trial.number)
        settings = {name: as_override(name, value).partition("=")[2] for name, value in trial.params.items()}
        config["design"] = name_of_job(config["design"], settings)
        code, needed = self.base.code, self.base.needed
        self.jobs[key] = Job(key, key, code, config["seed"], settings, overrides, config, choices, needed)
        if key not in self.keys:
            self.keys.append(key)
        live = isinstance(trial, self._optuna.trial.Trial)
        if live or not trial.state.is_finished():  # the study accepts no reports on a finished trial
            # Optuna has no other way to report to a trial of an earlier process.
            self._trials[key] = trial if live else self._optuna.trial.Trial(self.study, trial._trial_id)
        reported = () if live else trial.intermediate_values
        self._seen[key] = max(reported, default=-1)
        return self.jobs[key]

    def _watch(self, launched: Launched) -> None:
        """Report what a trial has measured since the last look, and stop it if it is unpromising."""
        trial = self._trials.get(launched.key)
        if trial is None or self.settings.pruning is None or launched.key in self._pruned:
            return
        curve = Run(launched.folder).curves.get(self.settings.metric)
        if curve is None:
            return
        last = self.base.config["trainer"]["max_iterations"]
        for iteration, value in zip(curve.iterations.tolist(), curve.values.tolist(), strict=True):
            if self._seen[launched.key] < iteration < last and math.isfinite(value):
                trial.report(value, iteration)
                self._seen[launched.key] = iteration
                if trial.should_prune():
                    self._pruned.add(launched.key)
                    launched.stop()
                    return

    def _judge(self, launched: Launched, state: JobState, reason: str | None) -> tuple[JobState, str | None]:
        if launched.key in self._pruned and state == "interrupted":
            self._pruned.discard(launched.key)
            state = "pruned"
            reason = f"{self.settings.metric} was worse than the median at iteration {self._seen[launched.key]}"
        if state == "done" and self._value(launched.folder) is None:
            state, reason = "failed", f"{self.settings.metric} was not measured, or is not a number"
        if state != "interrupted":
            (entry,) = self.ledger.entries([launched.key])
            self._tell(int(launched.key.rpartition("-")[2]), entry, state)
        return state, reason

    def _tell(self, number: int, entry: Entry, state: JobState | None = None) -> None:
        state = state or entry.state
        told = {"state": self._states.PRUNED if state == "pruned" else self._states.FAIL}
        if state == "done" and (value := self._value(Path(entry.folder))) is not None:
            told = {"values": value}
        self.study.tell(number, **told, skip_if_finished=True)

    def _value(self, folder: Path) -> float | None:
        value = results_of(folder).get(self.settings.metric, math.nan)
        return value if math.isfinite(value) else None

    def _check_same(self, study: Any) -> None:
        known = study.user_attrs
        now = {
            "settings": self.base.identity,
            "seed": self.base.seed,
            "code": self.base.code,
            "space": self.settings.model_dump_json(exclude={"trials", "pruning", "random_trials"}),
        }
        for name, value in now.items():
            was = known.get(name)
            if was == value or (name == "code" and was is not None and self.keep_done):
                continue
            if was is not None and (name != "code" or was != results_code_hash()):
                changed, keep = "", ""
                if name == "code":
                    changed = f" ({what_changed(was, self.base.needed, self.ledger.notes())})"
                    keep = ", or keep its trials with --keep-done"
                raise UserError(
                    f"the search '{self.name}' began with other {name}{changed}: give this one a name of its own with "
                    f"--name{keep}"
                )
            study.set_user_attr(name, value)

    def _alone(self) -> AbstractContextManager[bool]:
        """Lock the search, so that no two processes begin the same trial."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return lock(self.folder / "search.lock")


def key_of(number: int) -> str:
    """Return the ledger's key of a trial."""
    return f"trial-{number:05d}"
