"""What a score was taken under: a named, versioned protocol, and a hash over all that changes scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oldrestore.config.aliases import with_current_targets, with_first_targets
from oldrestore.config.roles import Role, role_of
from oldrestore.files import sha256_of
from oldrestore.plain import flatten, plain

# What every protocol has in common and no setting changes. It is part of the hash: whoever changes what is measured
# changes these words, or raises the version of the protocols that it touches.
FIXED = {
    "photographs": "the central square, 8-bit sRGB, resized by Pillow, which averages over what falls into a pixel",
    "color": "CIE 1976 L*a*b*, D65, 2 degree observer; true lightness with predicted ab, clipped to 8-bit sRGB",
    "network input": "lightness resized bilinearly; colour back the same way, unless the network joins it itself",
}
# Settings that earlier runs do not have, as they were measured.
EARLIER = {"evaluation.crops": None, "evaluation.count": None, "evaluation.prior_file": None}
EARLIER |= {"evaluation.rebalancing": "measured"}
# What is known only once judge and prior are there.
KNOWN_LATER = ("judge.fingerprint", "judge.sees", "evaluation.prior")


@dataclass(frozen=True)
class Protocol:
    """A protocol as a run was measured under."""

    name: str
    version: int | None  # None in runs recorded before protocols had versions
    settings: Mapping[str, Any]  # everything that changes scores, by dotted name
    shipped: Mapping[str, Any] | None = None  # as the protocol of this name and version ships, if there is one

    @cached_property
    def hash(self) -> str:
        """sha256 (hex) over name, version and settings; classes by the path that they had first."""
        whole = {"name": self.name, "version": self.version, "settings": plain(with_first_targets(self.settings))}
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    @property
    def changed(self) -> list[str]:
        """Names of settings that are not those of the shipped protocol; which files the user has is no change."""
        if self.shipped is None:
            return []
        names = {
            name
            for name in self.settings.keys() | self.shipped.keys()
            if self.settings.get(name) != self.shipped.get(name)
            and name not in KNOWN_LATER
            and Role.FILE not in role_of(name)
        }
        # Another component has other settings: its own name says enough.
        replaced = {name.removesuffix("._target_") for name in names if name.endswith("._target_")}
        inside = {name for name in names | replaced if any(name.startswith(f"{part}.") for part in replaced)}
        inside |= {name for name in names if any(part.startswith(f"{name}.") for part in replaced)}  # which was empty
        judges = any(name.startswith("judge.") for name in self.settings)
        unasked = {name for name in names | replaced if Role.JUDGING in role_of(name) and not judges}
        return sorted(name.removeprefix("evaluation.") for name in (names | replaced) - inside - unasked)

    @property
    def label(self) -> str:
        """``photos 1``, or ``photos 1, changed: size``."""
        return label_of(self.name, self.version, self.changed)

    def describe(self) -> dict[str, Any]:
        """Return what ``data.json`` records, as plain values."""
        return {
            "name": self.name,
            "version": self.version,
            "hash": self.hash,
            "changed": self.changed,
            "settings": plain(dict(self.settings)),
        }


def label_of(name: str, version: int | None, changed: Sequence[str]) -> str:
    """Write a protocol's name, version and what is changed in it, in a few words."""
    named = name if version is None else f"{name} {version}"
    return f"{named}, changed: {', '.join(changed)}" if changed else named


def protocol_settings(
    config: Mapping[str, Any], count: int | None = None, judge: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return everything in a configuration that scores depend on, by dotted name.

    Left out is what changes none: batch size, rows of the table, pictures shown, the places of files. A file of weights
    stands for its contents. Which photographs are measured is no part of it: their fingerprints say that.

    `config` is a run's, in plain containers. The number of photographs measured, `count`, counts where the protocol
    says how many there should be. `judge` is the judge's fingerprint, and what it sees of a photograph.
    """
    settings = config["evaluation"].items()
    evaluation = {n: value for n, value in settings if value is not None and EARLIER.get(f"evaluation.{n}") != value}
    color = evaluation.get("color", True)
    # Elsewhere agreement is measured beside the protocol's own scores; here it is what the protocol is about.
    judging = "judged" in evaluation or evaluation.get("name") == "agreement"
    kept: dict[str, Any] = {f"fixed.{name}": words for name, words in FIXED.items()}
    for name, value in flatten({"evaluation": evaluation}).items():
        role = role_of(name)
        unused = (Role.COLOR in role and not color) or (Role.JUDGING in role and not judging)
        if Role.SCORE in role and not unused:
            kept[name] = _content(name, value)
    if "crops" not in evaluation:
        # Late: lists of runs read this module and no photograph.
        from oldrestore.data.cropping.crops import RESIZE_FILTER

        crops = (config.get("dataset") or {}).get("crops") or {}
        kept |= {f"dataset.crops.{name}": crops.get(name) for name in ("evaluation_size", "fit")}
        kept["dataset.crops.filter"] = RESIZE_FILTER.name.lower()
    if "count" in evaluation and count is not None:
        kept["evaluation.count"] = count
    if color and judging:
        of_judge = {f"judge.{name}": value for name, value in flatten(config.get("judge") or {}).items()}
        kept |= {name: _content(name, value) for name, value in of_judge.items() if Role.SCORE in role_of(name)}
        kept |= {f"judge.{name}": value for name, value in (judge or {}).items()}
    return with_current_targets(kept)


def _content(name: str, value: Any) -> Any:
    """Replace the name of a file by the sha256 of what it holds."""
    if Role.FILE in role_of(name) and isinstance(value, str) and Path(value).expanduser().is_file():
        return f"sha256:{sha256_of(Path(value).expanduser())}"
    return value
