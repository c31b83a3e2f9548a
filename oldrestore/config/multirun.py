"""Expands one command into several jobs (sweeps as typed, and those of a file of ``sweeps/``), and composes them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict

from oldrestore.config.compose import HYDRA_ERRORS, composed, explain, is_choice
from oldrestore.config.location import choices_of
from oldrestore.config.overrides import parse_overrides, readable, values_of
from oldrestore.config.signature import nearest
from oldrestore.config.yaml_file import read_yaml, shown
from oldrestore.errors import UserError

SELECTOR = "sweeps="
EVALUATES = "evaluates"  # key of a sweep's file: the settings that it varies change no weights


def expand_jobs(overrides: Sequence[str], training: bool = False) -> list[list[str]]:
    """Every combination of the values that overrides give, as lists of overrides of one value each.

    What is typed, as ``model.temperature=0.2,0.4``, takes precedence over the file of ``sweeps=NAME``. For a training,
    that file may set more than it varies, and each job keeps ``sweeps=NAME``.
    """
    if training:
        refuse_evaluation(overrides)
    overrides = readable(overrides, several=True)
    typed = [text for text in overrides if not text.startswith(SELECTOR)]
    selected = [text for text in overrides if text.startswith(SELECTOR)]
    typed_names = {text.partition("=")[0] for text in typed}
    varied = {
        key: values
        for name in sweep_names(selected)
        for key, values in sweep_parameters(name, training).items()
        if key not in typed_names
    }
    parsed = parse_overrides([f"{key}={values}" for key, values in varied.items()] + typed, several=True)
    try:
        (jobs,) = BasicSweeper.split_arguments(parsed, None)
    except HYDRA_ERRORS as error:
        raise UserError(explain(error)) from None
    return [[*(selected if training else []), *job] for job in jobs]


class JobComposer:
    """Composes the configurations of many jobs as Hydra does, in a fraction of the time.

    Hydra first composes the choices and then applies the values. Jobs with the same choices share the first step; the
    second is Hydra's own. The files of the configuration must not change meanwhile.
    """

    def __init__(self) -> None:
        self._of_choices: dict[tuple[str, ...], tuple[DictConfig, dict[str, Any]]] = {}

    def __call__(self, overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any]]:
        """Compose readable overrides, one value each, and return what each group chose too; raises `HYDRA_ERRORS`."""
        parsed = parse_overrides(overrides)
        values = [override for override in parsed if _is_value(override)]
        choices = tuple(o.input_line for o in parsed if is_choice(o.key_or_group) and o.type is OverrideType.CHANGE)
        if len(values) + len(choices) < len(parsed):  # what adds, deletes or concerns Hydra itself
            return _composed_with_choices([override.input_line for override in parsed])
        if choices not in self._of_choices:
            self._of_choices[choices] = _composed_with_choices(choices)
        config, chosen = copy.deepcopy(self._of_choices[choices])
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        return config, chosen


def _composed_with_choices(overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any]]:
    config = composed(overrides, with_hydra=True)
    choices = OmegaConf.to_container(config.hydra.runtime.choices)
    with open_dict(config):
        del config["hydra"]  # a third of the whole
    return config, choices


def _is_value(override: Override) -> bool:
    name = override.key_or_group
    changes = override.type is OverrideType.CHANGE and override.package is None
    return changes and not is_choice(name) and name.partition(".")[0].partition("/")[0] != "hydra"


def sweep_names(overrides: Sequence[str]) -> list[str]:
    """Return the names in ``sweeps=NAME``, quoted or not."""
    return values_of("sweeps", [text for text in overrides if text.startswith(SELECTOR)])


def sweep_parameters(name: str, training: bool = False) -> dict[str, str]:
    """Settings that ``sweeps/NAME.yaml`` varies, and their values as they would be typed."""
    node = parameters = read_sweep(name)
    for key in ("hydra", "sweeper", "params"):
        parameters = parameters.get(key) if isinstance(parameters, dict) else None
    parameters = parameters if isinstance(parameters, dict) else None
    if not training and (parameters is None or set(node) - {EVALUATES} != {"hydra"}):
        raise UserError(f"sweeps={name} is for training: it does more than vary settings of a finished run by a grid")
    lists = {key: values if isinstance(values, list) else [values] for key, values in (parameters or {}).items()}
    return {key: ",".join(map(str, values)) for key, values in lists.items()}


def refuse_evaluation(overrides: Sequence[str]) -> None:
    """Refuse to train a sweep that only evaluates: each of its jobs would train the same weights."""
    for name in sweep_names(overrides):
        try:
            evaluates = read_sweep(name).get(EVALUATES)
        except UserError:
            continue  # composing it says what is wrong
        if evaluates:
            raise UserError(
                f"sweeps={name} varies what no weight depends on and trains nothing: give it a finished run, "
                f"oldrestore evaluate RUN --multirun sweeps={name}"
            )


def refuse_sweep(overrides: Sequence[str]) -> None:
    """Refuse to train the runs of a sweep as if they were one; a single run of it, every value typed, is one."""
    names = sweep_names(overrides)
    count = len(expand_jobs(overrides, training=True)) if names else 1
    if count > 1:
        raise UserError(
            f"sweeps={names[0]} is {count} runs, not one: oldrestore sweep sweeps={names[0]} runs them, with a ledger; "
            "--multirun leaves them to a launcher of Hydra"
        )


def read_sweep(name: str) -> dict[str, Any]:
    """Read ``sweeps/NAME.yaml``, the project's or the user's own."""
    files = choices_of("sweeps")
    path = files.get(name.removesuffix(".yaml").removesuffix(".yml"))
    if path is None:
        raise UserError(f"there is no sweep '{name}': {nearest(name, files, 'choose one of')}")
    config = read_yaml(path)
    if not config:
        raise UserError(f"'{shown(path)}' is empty: write what the sweep varies")
    return OmegaConf.to_container(config)
