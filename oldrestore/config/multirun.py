"""What several jobs of one command are: the sweeps that were typed, and those of a file of ``sweeps/``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from oldrestore.config.compose import HYDRA_ERRORS, explain
from oldrestore.config.location import configuration_root, user_root
from oldrestore.errors import UserError

SELECTOR = "sweeps="
EVALUATES = "evaluates"  # key of a sweep's file: what it varies changes no weight


def expand_jobs(overrides: Sequence[str], training: bool = False) -> list[list[str]]:
    """Every combination of the values that overrides give, as lists of overrides of one value each.

    Parameters
    ----------
    overrides : sequence of str
        As typed: ``model.temperature=0.2,0.4``, ``sweeps=NAME``, ``seed=3``. What is typed goes before what the file of
        a sweep says of the same setting.
    training : bool
        Each job is a training: the file of the sweep may say more than what varies, and each job keeps its
        ``sweeps=NAME``.

    Raises
    ------
    UserError
        When an override cannot be read, or the sweep changes more than the settings that it varies.
    """
    if training:
        refuse_evaluation(overrides)
    typed = [text for text in overrides if not text.startswith(SELECTOR)]
    selected = [text for text in overrides if text.startswith(SELECTOR)]
    names = [text.removeprefix(SELECTOR) for text in selected]
    known = {text.partition("=")[0] for text in typed}
    varied = {
        key: values for name in names for key, values in sweep_parameters(name, training).items() if key not in known
    }
    try:
        parsed = OverridesParser.create().parse_overrides([f"{key}={values}" for key, values in varied.items()] + typed)
        (jobs,) = BasicSweeper.split_arguments(parsed, None)
    except HYDRA_ERRORS as error:
        raise UserError(explain(error)) from None
    return [[*(selected if training else []), *job] for job in jobs]


def sweep_parameters(name: str, training: bool = False) -> dict[str, str]:
    """Settings that ``sweeps/NAME.yaml`` varies, and their values as they would be typed.

    Raises
    ------
    UserError
        When there is no such sweep, or it does more than vary settings by a grid and is not for a training.
    """
    node = read_sweep(name)
    parameters = _parameters(node)
    if not training and (parameters is None or set(node) - {EVALUATES} != {"hydra"}):
        raise UserError(f"sweeps={name} is for training: it does more than vary settings of a finished run by a grid")
    return {key: _typed(values) for key, values in (parameters or {}).items()}


def refuse_evaluation(overrides: Sequence[str]) -> None:
    """Raise `UserError` where a sweep is asked to train that only decodes a finished run in several ways.

    Trained, its jobs would be the same weights again and again.
    """
    for name in (text.removeprefix(SELECTOR) for text in overrides if text.startswith(SELECTOR)):
        try:
            evaluates = read_sweep(name).get(EVALUATES)
        except UserError:
            continue  # whoever composes it says what is wrong
        if evaluates:
            raise UserError(
                f"sweeps={name} varies what no weight depends on and trains nothing: give it a finished run, "
                f"oldrestore evaluate RUN --multirun sweeps={name}"
            )


def read_sweep(name: str) -> dict[str, Any]:
    """Read ``sweeps/NAME.yaml``, the project's or the user's own.

    Raises
    ------
    UserError
        There is no such file, or it cannot be read.
    """
    folders = [root / "sweeps" for root in (configuration_root(), user_root()) if root is not None]
    files: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            files.setdefault(path.stem, path)
    if name not in files:
        raise UserError(f"there is no sweep '{name}': choose one of {', '.join(files)}")
    try:
        node = yaml.safe_load(files[name].read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"the sweep '{name}' cannot be read: {error}") from None
    if not isinstance(node, dict):
        raise UserError(f"the sweep '{name}' is not a mapping of names to values")
    return node


def _parameters(node: Any) -> dict[str, Any] | None:
    try:
        parameters = node["hydra"]["sweeper"]["params"]
    except (KeyError, TypeError):
        return None
    return parameters if isinstance(parameters, dict) else None


def _typed(values: Any) -> str:
    return ",".join(map(str, values)) if isinstance(values, list) else str(values)
