"""Colours one photograph or frame with each of the chosen networks, at full resolution and with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from oldrestore.color.lab import gray_rgb8, rgb_to_lightness
from oldrestore.engines.chosen_network import ChosenNetwork, network_of_file, network_of_run, released_network
from oldrestore.engines.fast_network import Running
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.evaluation.prediction import in_bands, recolor, recolor_rows
from oldrestore.photographs.hint_file import Hint, draw_hints
from oldrestore.restoration.film import SteadyColor

LARGEST_IN_PANEL = 1024  # longer side of a picture in a panel, pixels
# The network sees the shorter side at a fixed size: a longer strip than this would become gigabytes.
MAX_ASPECT = 16


class Coloring:
    """Networks that colour, and the size at which each sees photographs.

    Parameters
    ----------
    size : int, optional
        Pixels of the shorter side at the network; by default each network's own.
    what : str
        The stage or verb that needs them, for messages.
    running : Running
        How networks are run; by default the fastest way with the network's own results.

    Raises
    ------
    UserError
        If a network predicts no colour.
    """

    def __init__(
        self, networks: Sequence[ChosenNetwork], size: int | None, what: str, running: Running | None = None
    ) -> None:
        for chosen in networks:
            chosen.require_color(what)
        running = running or Running()
        self.networks = tuple(networks)
        self.colorizers = tuple(
            Colorizer(running.network(chosen), size or chosen.size, "shorter_side" if size else chosen.fit)
            for chosen in networks
        )

    @property
    def titles(self) -> list[str]:
        """Headings of the outputs in a panel."""
        return [f"Output ({chosen.title})" for chosen in self.networks]

    def __call__(
        self, L_hw: np.ndarray, hints: Sequence[Hint] = (), steady: Sequence[SteadyColor] | None = None
    ) -> Iterator[np.ndarray]:
        """Yield the photograph in the colours of each network, uint8 (H, W, 3).

        Parameters
        ----------
        L_hw : np.ndarray
            Lightness, float32 (H, W), 0..100.
        steady : sequence of SteadyColor, optional
            One for each network, if the photograph is a frame of a film.

        Raises
        ------
        UserError
            For a strip longer than 1 : 16.
        """
        height, width = L_hw.shape
        if max(height, width) > MAX_ASPECT * min(height, width):
            raise UserError(f"{width} x {height} pixels are a longer strip than 1 : {MAX_ASPECT}: cut it first")
        for number, colorizer in enumerate(self.colorizers):
            drawn = [draw_hints(hints, height, width, colorizer.network_shape(height, width))] if hints else None
            color_of_rows = colorizer.color_of_rows(colorizer.small([L_hw], drawn)[0], L_hw)
            if steady is None:
                yield recolor_rows(L_hw, color_of_rows)
            else:
                yield recolor(L_hw, steady[number](L_hw, color_of_rows(slice(0, height))))


def coloring_networks(
    runs: Sequence[str], weights: Sequence[Path], model: str | None, outputs: Path, checkpoint: str | None
) -> list[ChosenNetwork]:
    """Load the networks of runs and weights files; by default the network that is shipped.

    Raises
    ------
    UserError
        If one cannot be loaded, or is named twice.
    """
    networks = [network_of_run(name, outputs, checkpoint) for name in runs]
    networks += [network_of_file(file, model) for file in weights]
    networks = networks or [released_network()]
    of_runs = [network.label for network in networks[: len(runs)]]
    # Checkpoints of the same run are told apart by their names.
    networks = [
        replace(network, label=f"{network.label}-{network.weights.stem}")
        if of_runs.count(network.label) > 1
        else network
        for network in networks
    ]
    labels = [network.label for network in networks]
    if len(set(labels)) < len(labels):
        raise UserError(f"'{max(labels, key=labels.count)}' was asked for twice: name each network once")
    return networks


def lightness(rgb_hw3: np.ndarray) -> np.ndarray:
    """Return the lightness of a photograph, float32 (H, W), 0..100."""
    height, width = rgb_hw3.shape[:2]
    L_hw = np.empty((height, width), dtype=np.float32)

    def convert(band: slice) -> None:
        L_hw[band] = rgb_to_lightness(rgb_hw3[band])

    in_bands(convert, height, width)
    return L_hw


def in_gray(L_hw: np.ndarray) -> np.ndarray:
    """Return lightness as a gray photograph, uint8 (H, W, 3)."""
    gray = np.empty((*L_hw.shape, 3), dtype=np.uint8)

    def convert(band: slice) -> None:
        gray[band] = gray_rgb8(L_hw[band])

    in_bands(convert, *L_hw.shape)
    return gray


def reduced(picture: np.ndarray) -> np.ndarray:
    """Return a picture at its size in a panel."""
    height, width = picture.shape[:2]
    scale = LARGEST_IN_PANEL / max(height, width)
    if scale >= 1:
        return picture
    sides = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(sides, Image.Resampling.LANCZOS))
