"""The protocol of a configuration, compared with what ships under the same name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from oldrestore.config.compose import compose_unchecked
from oldrestore.config.location import choices_of
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import Judge
from oldrestore.evaluation.protocol import Protocol, protocol_settings


def protocol_of(
    config: DictConfig, count: int | None = None, judge: Judge | None = None, prior: np.ndarray | None = None
) -> Protocol:
    """Return the protocol that a configuration is measured under.

    `count` is of the photographs that colour is measured on; `prior` weighs the rebalanced AuC, unless it is their own.
    """
    facts = {"fingerprint": judge.fingerprint, "sees": judge.sees} if judge is not None else None
    settings = protocol_settings(OmegaConf.to_container(config, resolve=True), count, facts)
    if prior is not None:
        # To 12 decimals: the last bits of a sum may differ from machine to machine.
        settings["evaluation.prior"] = f"sha256:{hashlib.sha256(np.round(prior, 12).tobytes()).hexdigest()}"
    name, version = config.evaluation.name, config.evaluation.get("version")
    shipped = shipped_evaluation(name)
    same = shipped is not None and version is not None and shipped["evaluation"].get("version") == version
    return Protocol(name, version, settings, protocol_settings(shipped) if same else None)


def outdated(config: DictConfig) -> str | None:
    """Return a note if a logged run's protocol has another version now; otherwise None."""
    name, version = config.evaluation.name, config.evaluation.get("version")
    shipped = shipped_evaluation(name)
    now = shipped["evaluation"].get("version") if shipped is not None else None
    if now is None or now == version:
        return None
    then = "without a version" if version is None else f"version {version}"
    return f"note: this run has the protocol {name} {then}, which is now version {now}: add evaluation={name} for that"


@cache
def shipped_evaluation(name: str) -> Mapping[str, Any] | None:
    """Return the configuration of ``evaluation=NAME`` with the defaults; None if no such protocol ships."""
    if name not in choices_of("evaluation"):
        return None
    try:
        composed = compose_unchecked([f"evaluation={name}"])
    except UserError:
        return None
    sections = ("evaluation", "judge", "dataset")
    return {section: OmegaConf.to_container(composed[section], resolve=True) for section in sections}
