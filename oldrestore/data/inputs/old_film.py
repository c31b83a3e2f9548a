"""Inputs of which a network sees the lightness that old film would have recorded; the colour is still the truth."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import paddle
from pydantic import Field

from oldrestore.batch import Batch
from oldrestore.color.lab_paddle import rgb_to_lab_nchw
from oldrestore.config.values import checked
from oldrestore.data.damage.base import Share
from oldrestore.data.inputs.colors import Colors
from oldrestore.data.inputs.damaged import DamagedPhotos


@checked
@dataclass
class OldFilm(DamagedPhotos):
    """Batches of other inputs, with ``film_b1hw``: the lightness of the photographs after damage.

    Networks read it in place of L. Everything else stays that of the photograph: losses compare with its true colour,
    at its true lightness, and hints show its true colour. Validation draws film too, the same for every run, so that
    the loss there is that of photographs as film saw them; all other measures are of photographs as they are.
    """

    fill: None = field(default=None, init=False)
    of: Any = field(default_factory=Colors)  # the inputs that make the rest of a batch
    share: Share = 0.75  # of the photographs that are seen so; the others are seen as they are
    # How many ways one crop may be seen in; they follow from its content, so that a cache of features holds them all.
    # None: any number, drawn anew each time.
    versions: Annotated[int, Field(ge=1)] | None = None

    def __call__(self, rgb_bhw3: paddle.Tensor, names: Sequence[str], rng: np.random.Generator) -> Batch:
        """Make a batch of the other inputs, then draw film; see `oldrestore.data.inputs.colors.Inputs`."""
        batch = self.of(rgb_bhw3, names, rng)
        seen_bhw3 = np.stack([self.seen(rgb, rng) for rgb in rgb_bhw3.numpy()])
        lab_b3hw = rgb_to_lab_nchw(paddle.to_tensor(seen_bhw3.transpose(0, 3, 1, 2), place=rgb_bhw3.place))
        return replace(batch, film_b1hw=lab_b3hw[:, :1])

    def seen(self, rgb_hw3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw how film sees one photograph, uint8 (H, W, 3). One number is drawn from `rng`."""
        drawn = int(rng.integers(self.versions or 2**63))
        if self.versions is not None:
            content = hashlib.blake2b(np.ascontiguousarray(rgb_hw3), digest_size=16).digest()
            drawn = [drawn, int.from_bytes(content)]
        film = np.random.default_rng(drawn)
        return rgb_hw3 if film.random() >= self.share else self.draw(rgb_hw3, film).rgb_hw3
