"""The stages of ``oldrestore restore`` as a session wants them: what replays it, and what the studio saves with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.config.restoration import compose_restoration
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.engines.fast_network import Running
from oldrestore.photographs.color_options import ColorOptions
from oldrestore.photographs.coloring import require_reading_hints
from oldrestore.photographs.restorer import build_restorer
from oldrestore.photographs.verb import Restoring
from oldrestore.restoration.stages import Detection, Pipeline
from oldrestore.studio.mask import PaintedDetector
from oldrestore.studio.session import Session, SessionSettings, require_network

# Called with the name of a stage before it runs; what it raises ends the work.
Step = Callable[[str], None]


def overrides_of(settings: SessionSettings) -> list[str]:
    """Return what settings mean for the configuration of ``restore``."""
    detect = [f"restore.detect.threshold={settings.threshold!r}"] if settings.detect else ["restore/detect=none"]
    off = [f"restore/{stage}=none" for stage in ("fill", "restore") if not getattr(settings, stage)]
    return [*detect, *off, f"restore/colorize={'all' if settings.colorize else 'none'}"]


def restoring_of(
    session: Session,
    photo: Path,
    networks: Sequence[ChosenNetwork],
    running: Running,
    step: Step | None = None,
) -> Restoring:
    """Return ``restore`` as a session has it for its photograph, the file `photo`.

    `networks` are those that the user named, or the shipped one; another than the session's is a `UserError`, as are
    hints for a network that reads none. `step` is told of each stage.
    """
    settings = session.settings
    networks = networks if settings.colorize else []
    if networks:
        require_network(session, [(chosen.label, chosen.describe()["sha256"]) for chosen in networks])
        if session.hints:
            require_reading_hints(networks)
    config = compose_restoration(overrides_of(settings))
    options = ColorOptions(settings.strength, settings.variant, take=settings.variant if settings.variant > 1 else None)
    restorer = build_restorer(config, networks, None, None, running, options)
    pipeline = painted(restorer.pipeline, session)
    if step is not None:
        pipeline = watched(pipeline, step)
    hints = {photo: session.hint_discs} if networks else {}
    return Restoring(replace(restorer, pipeline=pipeline, hints=hints), config)


def painted(pipeline: Pipeline, session: Session) -> Pipeline:
    """Return the stages with the session's strokes over what is detected."""
    if pipeline.detect is None and not session.strokes:
        return pipeline
    photograph = session.photograph
    detector = PaintedDetector(pipeline.detect, session.strokes, photograph.height, photograph.width)
    return replace(pipeline, detect=detector)


def watched(pipeline: Pipeline, step: Step) -> Pipeline:
    """Return the stages with `step` called before each."""
    detect, fill = (_Watched(name, getattr(pipeline, name), step) for name in ("detect", "fill"))
    steps = [_Watched("restore", enhance, step) for enhance in pipeline.restore]
    return Pipeline(detect if pipeline.detect else None, fill if pipeline.fill else None, steps)


@dataclass(frozen=True)
class _Watched:
    name: str
    component: Any
    step: Step

    def __call__(self, *arrays: np.ndarray) -> np.ndarray | Detection:
        self.step(self.name)
        return self.component(*arrays)
