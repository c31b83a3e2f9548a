"""The versions of a damaged photograph that a restoration is measured on: each stage, combinations, and nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.data.damage.base import Damaged
from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.evaluation.prediction import recolor

# Versions of a photograph, in the order of tables; what each is stands in `make_versions`.
VERSIONS = {
    "nothing": "nothing",
    "fill_known": "fill, true mask",
    "fill": "detect, fill",
    "restore": "restore",
    "classical": "detect, fill, restore",
    "network_fill_known": "network fill, true mask",
    "network_fill": "detect, network fill",
    "network_restore": "network restore",
    "network": "all, by network",
    "colorized": "all, then colour",
}


@dataclass(frozen=True)
class Stages:
    """The stages that a protocol measures, on uint8 (H, W, 3); a stage that is None is left out."""

    detect: Callable[[np.ndarray], Any] | None = None  # gives a detection with a `mask_hw`
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    restore: Sequence[Callable[[np.ndarray], np.ndarray]] = ()
    network_fill: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    network_restore: Callable[[np.ndarray], np.ndarray] | None = None
    colorize: Callable[[np.ndarray], np.ndarray] | None = None

    def of_network(
        self,
        network: Any,
        fill: Callable[..., Any] | None,
        restore: Callable[..., Any] | None,
        color_size: int,
    ) -> Stages:
        """Add what a network can do: fill and restore if it predicts photographs, colour if it predicts that.

        `fill` and `restore` build a stage when called with ``network=``.
        """
        added: dict[str, Any] = {}
        if "rgb" in network.predicts and fill is not None:
            added["network_fill"] = fill(network=network)
        # A network that keeps the pixels it is given has nothing to restore outside of holes.
        if "rgb" in network.predicts and restore is not None and getattr(network, "output", "full") == "full":
            added["network_restore"] = restore(network=network)
        if hasattr(network, "decode"):
            added["colorize"] = _in_color(Colorizer(network, color_size))
        return Stages(**(vars(self) | added))


def make_versions(stages: Stages, damaged: Damaged) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Run every combination of stages that is measured; return the pictures, and the detector's mask.

    By the names of `VERSIONS`: ``nothing`` as it is; ``fill_known`` filled where the true mask says (the only versions
    that know it); ``fill`` where the detector says; ``restore`` restored and not filled; ``classical`` all three;
    ``network_...`` the same by the network, with the classical stage where the network has none; ``colorized`` coloured
    at the end. Only those whose stages are there, and with a mask known only for damage that has one.
    """
    rgb = damaged.rgb_hw3
    detected = None if stages.detect is None else stages.detect(rgb).mask_hw
    versions = {"nothing": rgb}
    for version, fill in (("fill", stages.fill), ("network_fill", stages.network_fill)):
        if fill is not None:
            if damaged.masks:  # there is a mask to know, be it empty
                versions[f"{version}_known"] = _filled(fill, rgb, damaged.mask_hw)
            if detected is not None:
                versions[version] = _filled(fill, rgb, detected)
    if stages.restore:
        versions["restore"] = _restored(stages.restore, rgb)
    if stages.fill is not None or stages.restore:
        versions["classical"] = _restored(stages.restore, versions.get("fill", rgb))
    if stages.network_restore is not None:
        versions["network_restore"] = stages.network_restore(rgb)
    if stages.network_fill is not None or stages.network_restore is not None:
        start = versions.get("network_fill", versions.get("fill", rgb))
        repaint = stages.restore if stages.network_restore is None else (stages.network_restore,)
        versions["network"] = _restored(repaint, start)
    if stages.colorize is not None:
        versions["colorized"] = stages.colorize(versions.get("classical", rgb))
    return {name: versions[name] for name in VERSIONS if name in versions}, detected


def _filled(fill: Callable[[np.ndarray, np.ndarray], np.ndarray], rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return fill(rgb, mask) if mask.any() else rgb


def _restored(steps: Sequence[Callable[[np.ndarray], np.ndarray]], rgb: np.ndarray) -> np.ndarray:
    for step in steps:
        rgb = step(rgb)
    return rgb


def _in_color(colorizer: Colorizer) -> Callable[[np.ndarray], np.ndarray]:
    def colorize(rgb: np.ndarray) -> np.ndarray:
        lightness = np.ascontiguousarray(rgb_to_lab(rgb)[..., 0])
        return recolor(lightness, colorizer([lightness])[0].ab_hw2)

    return colorize
