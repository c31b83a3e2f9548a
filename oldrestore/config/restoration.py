"""Composes and checks the configuration of ``oldrestore restore``: ``conf/restoration.yaml`` and ``conf/restore/``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from pydantic import BeforeValidator, Field, ValidationError

from oldrestore.config.compose import HYDRA_ERRORS, check_choices, explain
from oldrestore.config.folders import register_search_path
from oldrestore.config.location import configuration_root
from oldrestore.config.schema import Component, Settings
from oldrestore.config.signature import check_component, unknown_name
from oldrestore.config.values import describe, is_place
from oldrestore.errors import UserError

CONFIG_NAME = "restoration"


def _none_when_empty(node: Any) -> Any:
    return node or None  # the choice `none` of a stage


Switchable = BeforeValidator(_none_when_empty)


class Colorize(Settings):
    """Which photographs are coloured, and at which size a network sees them."""

    only_gray: Annotated[bool, Field(strict=True)]
    size: Annotated[int, Field(ge=32, le=4096, strict=True)] | None


class Film(Settings):
    """What is special to films."""

    smoothing: Annotated[float, Field(ge=0, le=0.99)]
    quality: Annotated[int, Field(ge=0, le=51, strict=True)]


class Restore(Settings):
    """The stages in their order; a stage that does not run is empty."""

    detect: Annotated[Component | None, Switchable]
    fill: Annotated[Component | None, Switchable]
    restore: dict[str, Component]
    colorize: Annotated[Colorize | None, Switchable]
    film: Film


def compose_restoration(overrides: Sequence[str]) -> DictConfig:
    """Compose and check the configuration of a restoration.

    Parameters
    ----------
    overrides : sequence of str
        As typed: ``restore/fill=telea``, ``restore.fill.radius=5``, ``restore/colorize=none``, ...

    Returns
    -------
    DictConfig
        ``detect``, ``fill``, ``restore``, ``colorize`` and ``film``, resolved.

    Raises
    ------
    UserError
        One sentence that names the override or setting, and the valid choices.
    """
    overrides = check_choices(overrides)
    try:
        composed = OmegaConf.to_container(_compose(overrides), resolve=True, throw_on_missing=True)
    except HYDRA_ERRORS as error:
        raise UserError(_explain(error, overrides)) from None
    plain = composed.get("restore") or {}
    check_restoration(plain)
    return OmegaConf.create(plain)


def check_restoration(config: Mapping[str, Any]) -> None:
    """Check a composed restoration: every name, type and range.

    Raises
    ------
    UserError
        One sentence on the first setting that is wrong.
    """
    try:
        Restore.model_validate(config)
    except ValidationError as error:
        raise UserError(_first_complaint(error)) from None
    for stage, node in (("detect", config["detect"]), ("fill", config["fill"])):
        if node:
            check_component(node, f"restore.{stage}")
    for step, node in config["restore"].items():
        check_component(node, f"restore.restore.{step}")


def _compose(overrides: Sequence[str]) -> DictConfig:
    register_search_path()
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(configuration_root() / "conf")):
        return compose(CONFIG_NAME, overrides=list(overrides))


def _explain(error: Exception, overrides: Sequence[str]) -> str:
    group = re.search(r"Could not override '([^']+)'.\s*No match in the defaults list", str(error))
    cause: BaseException | None = error
    unknown = None
    while cause is not None and unknown is None:
        unknown = re.search(r"Key '([^']+)' is not in struct(?:\s+full_key: (\S+))?", str(cause))
        cause = cause.__cause__ or cause.__context__
    if not group and not unknown:
        return explain(error)
    name = group.group(1) if group else unknown.group(2) or unknown.group(1)
    parent, _, key = name.rpartition(".")
    # With the choices that were made, so that their settings are the ones named.
    groups = [(text, configuration_root() / "conf" / text.partition("=")[0]) for text in overrides]
    choices = [text for text, folder in groups if text.startswith("restore/") and folder.is_dir()]
    defaults = _compose(choices)
    while parent and not isinstance(OmegaConf.select(defaults, parent), DictConfig):
        parent, _, key = parent.rpartition(".")
    section = OmegaConf.select(defaults, parent) if parent else defaults
    if not len(section):
        return f"there is no setting '{name}' here: {parent} is switched off"
    if key in section:
        return f"there is no setting '{name}' here: the {parent or key} chosen does not have it"
    return unknown_name(name, parent, key, [str(known) for known in section])


def _first_complaint(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    parts = [str(part) for part in detail["loc"] if is_place(part)]
    place = ".".join(["restore", *parts])
    if detail["type"] == "extra_forbidden":
        sections = {"colorize": Colorize, "film": Film}
        known = sections.get(parts[0], Restore) if len(parts) > 1 else Restore
        return unknown_name(place, ".".join(["restore", *parts[:-1]]), parts[-1], known.model_fields)
    if detail["type"] == "missing":
        return f"the configuration lacks {place}"
    context = {"type": detail["type"], "loc": (), "input": detail["input"], "ctx": detail.get("ctx", {})}
    return describe(ValidationError.from_exception_data("config", [context]), place, detail["input"])
