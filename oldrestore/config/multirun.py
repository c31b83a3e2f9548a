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


def expand_jobs(overrides: Sequence[str]) -> list[list[str]]:
    """Every combination of the values that overrides give, as lists of overrides of one value each.

    Parameters
    ----------
    overrides : sequence of str
        As typed: ``model.temperature=0.2,0.4``, ``sweeps=NAME``, ``seed=3``. What is typed goes before what the file of
        a sweep says of the same setting.

    Raises
    ------
    UserError
        When an override cannot be read, or the sweep changes more than the settings that it varies.
    """
    typed = [text for text in overrides if not text.startswith(SELECTOR)]
    names = [text.removeprefix(SELECTOR) for text in overrides if text.startswith(SELECTOR)]
    known = {text.partition("=")[0] for text in typed}
    varied = {key: values for name in names for key, values in sweep_parameters(name).items() if key not in known}
    try:
        parsed = OverridesParser.create().parse_overrides([f"{key}={values}" for key, values in varied.items()] + typed)
        (jobs,) = BasicSweeper.split_arguments(parsed, None)
    except HYDRA_ERRORS as error:
        raise UserError(explain(error)) from None
    return [list(job) for job in jobs]


def sweep_parameters(name: str) -> dict[str, str]:
    """Settings that ``sweeps/NAME.yaml`` varies, and their values as they would be typed.

    Raises
    ------
    UserError
        When there is no such sweep, or it does more than vary settings by a grid.
    """
    folders = [root / "sweeps" for root in (configuration_root(), user_root()) if root is not None]
    files: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            files.setdefault(path.stem, path)
    if name not in files:
        raise UserError(f"there is no sweeps '{name}': choose one of {', '.join(files)}")
    try:
        node = yaml.safe_load(files[name].read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"the sweep '{name}' cannot be read: {error}") from None
    parameters = _parameters(node)
    if parameters is None or set(node) != {"hydra"}:
        raise UserError(f"sweeps={name} is for training: it does more than vary settings of a finished run by a grid")
    return {key: _typed(values) for key, values in parameters.items()}


def _parameters(node: Any) -> dict[str, Any] | None:
    try:
        parameters = node["hydra"]["sweeper"]["params"]
    except (KeyError, TypeError):
        return None
    return parameters if isinstance(parameters, dict) else None


def _typed(values: Any) -> str:
    return ",".join(map(str, values)) if isinstance(values, list) else str(values)
