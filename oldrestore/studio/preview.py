"""One photograph at screen size through the stages of a session; only what has changed is computed again."""

from __future__ import annotations

import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import paddle

from oldrestore.color.bins import AB_BINS
from oldrestore.config.restoration import compose_restoration
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.engines.fast_network import Running
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import resize
from oldrestore.evaluation.prediction import lightness
from oldrestore.photographs.color_options import ColorOptions
from oldrestore.photographs.coloring import Coloring, reduced, require_reading_hints
from oldrestore.photographs.hint_file import Hint
from oldrestore.photographs.restorer import build_restorer
from oldrestore.restoration.stages import Detection, Mended, Pipeline
from oldrestore.studio.likely import LikelyColor, likely_colors, shown_color
from oldrestore.studio.mask import PaintedDetector
from oldrestore.studio.replay import overrides_of
from oldrestore.studio.session import BrushStroke, Session, SessionSettings

DYNAMIC = Running(dynamic=True)
FEATURES_KEPT = 6  # of a network: of two photographs, two scales with their mirror images, and one without
AVERAGED = {"mirror": False, "second_scale": None}  # what a network averages over, if it does, and how it would not
AROUND = 1  # places on each side whose distributions are averaged with that of a click's

Value = TypeVar("Value")


def remember_features(network: Any) -> None:
    """Let a network with an encoder (``encode``) compute the features of what it has just seen only once.

    So a hint costs the decoder alone. What it has seen is recognized by its content.
    """
    encode: Callable[[paddle.Tensor], Any] | None = getattr(network, "encode", None)
    if encode is None:
        return
    features: OrderedDict[bytes, Any] = OrderedDict()

    def remembered(L_b1hw: paddle.Tensor) -> Any:
        pixels = np.ascontiguousarray(L_b1hw.numpy())
        key = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
        if key not in features:
            features[key] = encode(L_b1hw)
        features.move_to_end(key)
        while len(features) > FEATURES_KEPT:
            features.popitem(last=False)
        return features[key]

    network.__dict__["encode"] = remembered  # in place of the method: all that is around it stays as it is written


@lru_cache(maxsize=16)
def stages_before_color(settings: SessionSettings) -> Pipeline:
    """Build the stages that repair."""
    config = compose_restoration(overrides_of(settings.model_copy(update={"colorize": False})))
    return build_restorer(config, [], None, None, DYNAMIC).pipeline


class Preview:
    """A photograph at screen size, and what became of it last.

    `original` is uint8 (H, W, 3); `networks` are by the sha256 of their weights, and shared by all photographs.
    """

    def __init__(self, original: np.ndarray, networks: Mapping[str, ChosenNetwork]) -> None:
        self.height, self.width = original.shape[:2]
        self.original = reduced(original)
        self.networks = networks
        self._made: dict[str, tuple[Hashable, Any]] = {}

    def mended(self, session: Session) -> Mended:
        """Return the photograph after the stages before colour."""
        settings, strokes = self._repairs(session)
        return self._once("mended", (settings, strokes), lambda: self._mend(settings, strokes))

    def result(self, session: Session, quick: bool = False) -> np.ndarray:
        """Return the photograph after all stages, uint8 (H, W, 3).

        A `quick` one is in the colours of a single pass, where a network averages over the mirror image and a second
        scale: four times as fast, and nearly the same.
        """
        made = self.mended(session)
        if not session.settings.colorize:
            return made.picture
        network = self._chosen(session).network
        averaged = [name for name in AVERAGED if getattr(network, name, None)] if quick else []
        settings = session.settings
        of_color = (settings.strength, settings.variant, settings.network)
        key = (self._repairs(session), session.hints, *of_color)
        if not averaged:
            return self._once("result", key, lambda: self._colored(session, self._lightness(session, made)))
        with _set(network, {name: AVERAGED[name] for name in averaged}):
            return self._once("quick", key, lambda: self._colored(session, self._lightness(session, made)))

    def likely(self, session: Session, x: float, y: float) -> tuple[float, list[LikelyColor]]:
        """Return the lightness at a place of the photograph, 0..100, and the likely colours there, likeliest first.

        Of a network that gives no distribution, the only one is its answer. Hints do not count.
        """
        if not (0 <= x < self.width and 0 <= y < self.height):
            raise UserError(f"({x:g}, {y:g}) is outside of the photograph, {self.width} x {self.height} pixels")
        chosen = self._chosen(session)
        made = self.mended(session)
        key = (self._repairs(session), session.settings.network)
        L_hw = self._lightness(session, made)
        ab_hw2, p_hwq = self._once("likely", key, lambda: self._distribution(chosen, L_hw))
        L = float(L_hw[self._at(x, y, L_hw)])
        row, column = self._at(x, y, ab_hw2)
        if p_hwq is None:
            return L, [shown_color(L, ab_hw2[row, column], 1.0)]
        near = p_hwq[max(0, row - AROUND) : row + AROUND + 1, max(0, column - AROUND) : column + AROUND + 1]
        return L, likely_colors(near.mean(axis=(0, 1)), L)

    def _lightness(self, session: Session, made: Mended) -> np.ndarray:
        return self._once("lightness", self._repairs(session), lambda: lightness(made.picture))

    def _at(self, x: float, y: float, values: np.ndarray) -> tuple[int, int]:
        rows, columns = values.shape[:2]
        return int(y * rows / self.height), int(x * columns / self.width)

    def _chosen(self, session: Session) -> ChosenNetwork:
        wanted = session.settings.network
        if wanted is None:
            return next(iter(self.networks.values()))
        if wanted.sha256 not in self.networks:
            raise UserError(f"the session was coloured by {wanted.name}: name it with --run or --weights")
        return self.networks[wanted.sha256]

    @staticmethod
    def _repairs(session: Session) -> tuple[SessionSettings, tuple[BrushStroke, ...]]:
        """Return what decides on the stages before colour."""
        named = ("detect", "threshold", "fill", "restore")
        return SessionSettings(**{name: getattr(session.settings, name) for name in named}), session.strokes

    def _mend(self, settings: SessionSettings, strokes: tuple[BrushStroke, ...]) -> Mended:
        pipeline = stages_before_color(settings)
        detect = pipeline.detect
        if detect is not None:
            key = (settings.detect, settings.threshold)
            found: Detection = self._once("detected", key, lambda: detect(self.original))
            detect = PaintedDetector(lambda _: found, strokes, self.height, self.width)
        elif strokes:
            detect = PaintedDetector(None, strokes, self.height, self.width)
        return replace(pipeline, detect=detect)(self.original)

    def _colored(self, session: Session, L_hw: np.ndarray) -> np.ndarray:
        settings, chosen = session.settings, self._chosen(session)
        if session.hints:
            require_reading_hints([chosen])
        options = ColorOptions(
            settings.strength, settings.variant, take=settings.variant if settings.variant > 1 else None
        )
        coloring = Coloring([chosen], None, DYNAMIC, options)
        scale = self.original.shape[1] / self.width
        hints = [
            Hint((one.x + 0.5) * scale - 0.5, (one.y + 0.5) * scale - 0.5, one.radius * scale, one.ab)
            for one in session.hints
        ]
        return coloring.colored(L_hw, hints).pictures[0]

    @paddle.no_grad()
    def _distribution(self, chosen: ChosenNetwork, L_hw: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a network's answer (h, w, 2) and distribution (h, w, 313), or None, at its scale."""
        (colorizer,) = Coloring([chosen], None, DYNAMIC).colorizers
        network = colorizer.network
        prediction = network(paddle.to_tensor(resize(L_hw, colorizer.network_shape(*L_hw.shape))[None, None]))
        ab_hw2 = network.decode(prediction)[0].transpose([1, 2, 0]).numpy()
        if prediction.logits is None or prediction.logits.shape[1] != len(AB_BINS):
            return ab_hw2, None
        logits = prediction.logits[0].astype("float32") / (getattr(network, "temperature", None) or 1.0)
        return ab_hw2, paddle.nn.functional.softmax(logits, axis=0).transpose([1, 2, 0]).numpy()

    def _once(self, what: str, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return what was made last if its key is equal, else make it."""
        if what not in self._made or self._made[what][0] != key:
            self._made[what] = key, make()
        return self._made[what][1]


@contextlib.contextmanager
def _set(network: Any, attributes: Mapping[str, Any]) -> Iterator[None]:
    """Set attributes of a network in the block."""
    before = {name: getattr(network, name) for name in attributes}
    try:
        for name, value in attributes.items():
            setattr(network, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(network, name, value)
