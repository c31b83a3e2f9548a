"""What can be asked for besides a network's answer: its strength, other plausible colourings, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import paddle
from PIL import Image
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.color.bins import AB_BINS
from oldrestore.config.values import checked
from oldrestore.engines.fast_network import ExportedColorNetwork
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import Colorizer, resize

DISTANCE = 5.0  # mean CIEDE2000: clearly another colouring
SPREAD = 23.4  # Lab units: of all colours of 100 photographs of photos_wide_2, which is what one knows beforehand


@checked
@dataclass(frozen=True)
class ColorOptions:
    """What is asked for."""

    strength: Annotated[float, Field(ge=0, le=1.5)] = 1.0  # multiplies chroma
    variants: Annotated[int, Field(ge=1, le=8)] = 1  # colourings, the network's answer among them
    distance: Annotated[float, Field(gt=0)] = DISTANCE  # between any two, at strength 1: least mean CIEDE2000
    certainty: bool = False  # a map of it
    take: Annotated[int, Field(ge=1, le=8)] | None = None  # which of them is the result, the only one; None: all are

    @property
    def need_distribution(self) -> bool:
        """Whether a network's distribution over the bins is needed."""
        return self.variants > 1 or self.certainty

    @property
    def parts(self) -> dict[str, str]:
        """Further outputs of a photograph, as `oldrestore.photographs.output_files.PARTS`."""
        count = self.variants if self.take is None else 1
        further = {f"variant{number}": "" for number in range(2, count + 1)}
        return further | ({"certainty": ".png"} if self.certainty else {})

    def missing(self, found: int) -> list[str]:
        """Say that there are fewer colourings than were asked for, if that is so."""
        if found == self.variants or self.take is not None:
            return []
        there = f"{found} colourings that differ" if found > 1 else "no other colouring that differs"
        return [f"the network finds {there} by {self.distance:g}, of {self.variants} that were asked for"]

    def describe(self) -> dict[str, Any]:
        """Return what is not as usual, for records."""
        usual = ColorOptions()
        return {name: value for name, value in vars(self).items() if value != getattr(usual, name)}


@dataclass(frozen=True)
class Chosen:
    """What a network gives of a photograph, at its own scale."""

    colors: list[np.ndarray]  # float32 (h, w, 2), Lab units, its answer first
    certainty_hw: np.ndarray  # float32, 0..1; see `certainty`

    def certainty_map(self, shape: tuple[int, int]) -> np.ndarray:
        """Return certainty at a photograph's size, uint8 (H, W): 255 is 1."""
        small = Image.fromarray(np.rint(255.0 * self.certainty_hw).astype(np.uint8))
        return np.asarray(small.resize(shape[::-1], Image.Resampling.BILINEAR))


def require_distribution(colorizers: Mapping[str, Colorizer], asked: str) -> None:
    """Refuse several networks, and one that gives no distribution over the bins where it is asked."""
    if len(colorizers) > 1:
        raise UserError(f"{asked} is of one network: name one, not {', '.join(colorizers)}")
    ((label, colorizer),) = colorizers.items()
    network = colorizer.network
    if "logits" not in network.predicts:
        raise UserError(f"{asked} needs a network that predicts a distribution over the ab bins, and {label} does not")
    if isinstance(network, ExportedColorNetwork):
        raise UserError(f"{asked} needs the distribution over the ab bins, which {label} gives with --dynamic only")


@paddle.no_grad()
def chosen_colors(colorizer: Colorizer, L_hw: np.ndarray, hints: np.ndarray | None, options: ColorOptions) -> Chosen:
    """Predict what is asked for of lightness, float32 (H, W); hints are as for `Colorizer`."""
    from oldrestore.photographs.variants import variants  # late: its libraries take a second

    network = colorizer.network
    inputs = [resize(L_hw, colorizer.network_shape(*L_hw.shape))[None, None]]
    inputs += [] if hints is None else [hints[None]]
    logits_qhw = network(*map(paddle.to_tensor, inputs)).logits[0].astype("float32").numpy()

    def decode(logits_qhw: np.ndarray) -> np.ndarray:
        ab_b2hw = network.decode(Prediction(logits=paddle.to_tensor(logits_qhw[None])))
        return ab_b2hw.numpy()[0].transpose(1, 2, 0)

    temperature = getattr(network, "temperature", None) or 1.0
    small = resize(L_hw, logits_qhw.shape[1:])
    colors = variants(logits_qhw, small, decode, temperature, options.variants, options.distance)
    if options.take is not None:
        if len(colors) < options.take:
            raise UserError(f"there is no variant {options.take}: the network finds {len(colors)} that differ")
        colors = [colors[options.take - 1]]
    return Chosen(colors, certainty(logits_qhw, temperature))


def certainty(logits_qhw: np.ndarray, temperature: float) -> np.ndarray:
    """Return how sure a network is of each colour, float32 (h, w), 0..1: S^2 / (S^2 + spread^2), S being `SPREAD`.

    The spread is the root mean square distance, in Lab units, of a colour of the annealed distribution from its mean:
    what the network itself expects its error to be. 1/2 is as little as one knows of any colour beforehand.
    """
    p_qhw = np.exp((logits_qhw - logits_qhw.max(axis=0)) / temperature)
    p_qhw /= p_qhw.sum(axis=0)
    mean_2hw = np.tensordot(AB_BINS.T, p_qhw, 1)
    variance = np.tensordot((AB_BINS**2).sum(axis=1), p_qhw, 1) - (mean_2hw**2).sum(axis=0)
    return (SPREAD**2 / (SPREAD**2 + np.maximum(variance, 0.0))).astype(np.float32)
