"""Composes and checks the configuration of ``oldrestore restore``: ``conf/restoration.yaml`` and ``conf/restore/``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from omegaconf import DictConfig, OmegaConf
from pydantic import BeforeValidator, Field

from oldrestore.config.compose import compose_unchecked, resolved
from oldrestore.config.schema import Component, Settings, check_settings

Switchable = BeforeValidator(lambda node: node or None)  # the choice `none` of a stage is empty


class Colorize(Settings):
    """Which photographs are coloured, and at which size a network sees them."""

    only_gray: Annotated[bool, Field(strict=True)]
    size: Annotated[int, Field(ge=32, le=4096, strict=True)] | None


class Film(Settings):
    """Settings of films only."""

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
    """Compose and check the settings of the stages, such as ``restore/fill=telea`` and ``restore.fill.radius=5``."""
    plain = resolved(compose_unchecked(overrides, "restoration"), throw_on_missing=True).get("restore") or {}
    check_settings(plain, {"": Restore, "colorize": Colorize, "film": Film}, "restore")
    return OmegaConf.create(plain)
