"""Starts a run, new or resumed: in this process, or in the several that its configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig

from oldrestore.narrator import Narrator
from oldrestore.run.experiment import resume_experiment, run_experiment
from oldrestore.run.outcome import Outcome
from oldrestore.run.processes import launching
from oldrestore.run.resuming import Resumption


def start_run(
    config: DictConfig, overrides: Sequence[str], narrator: Narrator, choices: Mapping[str, str] | None = None
) -> Outcome:
    """Train and evaluate what a configuration asks for: see `oldrestore.run.experiment.run_experiment`."""
    if launching.is_due(config):
        return launching.launch(config, overrides, choices or {})
    return run_experiment(config, overrides, narrator, choices)


def resume_run(resumption: Resumption, narrator: Narrator) -> Outcome:
    """Continue a run from its last checkpoint: see `oldrestore.run.experiment.resume_experiment`."""
    if launching.is_due(resumption.config):
        return launching.launch(resumption.config, resumption.overrides, resumption.choices, resumption)
    return resume_experiment(resumption, narrator)
