"""Trains a decoder on a frozen encoder whose features are computed once and kept on disk."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import paddle
from paddle import nn
from pydantic import Field

from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.data.cache import cache_directory
from oldrestore.errors import UserError
from oldrestore.files import whole_file
from oldrestore.losses.base import Loss
from oldrestore.models.engine import exported
from oldrestore.training.learner import Amp, Count, Decay
from oldrestore.training.schedules import Schedule
from oldrestore.training.supervised import SupervisedLearner

CACHE_VERSION = 1
"""Raise it when the stored format changes, so that stored features are computed again."""


class CachedEncoderLearner(SupervisedLearner):
    """The supervised learner for a network with a frozen encoder: the encoder sees each crop once.

    The network must have ``encode(L) -> features``, ``predict(L, features, *others) -> Prediction`` and
    ``encoder_sha256``, as `LiteUnet` has; others is what it reads besides lightness. Features are kept by the content
    of the crop, so that a crop that comes again, in a later epoch or another run, costs the reading of a file; give a
    dataset with a fixed set of crops (``dataset/crops: GridCrops``), and with ``inputs=old_film`` one or two
    ``inputs.versions`` of each. They are float16 and computed one crop at a time, so that a crop's features are the
    same regardless of the rest of its batch, and of whether they were stored or computed.

    Parameters
    ----------
    lightness_jitter : float
        In training, lightness becomes 50 + (L - 50) c + s with c within 1 -+ jitter and s within
        -+ 20 jitter, clipped to 0..100; the colour stays. Both follow from the content of the crop.
    cache_gib : float
        Room on disk for kept features; beyond it they are computed each time.
    """

    @checked
    def __init__(
        self,
        network: nn.Layer,
        loss: Loss,
        optimizer: Callable[..., Any],
        schedule: Schedule | None = None,
        gradient_clip: Annotated[float, Field(ge=0)] = 0.0,
        accumulate: Count = 1,
        amp: Amp = "off",
        ema_decay: Decay = 0.0,
        lightness_jitter: Annotated[float, Field(ge=0, le=1)] = 0.0,
        cache_gib: Annotated[float, Field(ge=0)] = 4.0,
    ) -> None:
        if not hasattr(network, "encode") or getattr(network, "train_encoder", True):
            raise UserError(
                f"this learner needs a network with a frozen encoder, and {type(network).__name__} has none: take "
                "trainer=supervised, or model=lite_unet with model.train_encoder=false"
            )
        super().__init__(network, loss, optimizer, schedule, gradient_clip, accumulate, amp, ema_decay)
        self.lightness_jitter = lightness_jitter
        self._features = FeatureStore(network, int(cache_gib * 2**30))

    def step(
        self, batches: Sequence[Batch], iteration: int, measure_gradients: bool = False
    ) -> Mapping[str, paddle.Tensor]:
        """Make one update, from jittered lightness if asked to."""
        if self.lightness_jitter:
            batches = [_jittered(batch, self.lightness_jitter) for batch in batches]
        return super().step(batches, iteration, measure_gradients)

    def predict(self, batch: Batch) -> Prediction:
        """Predict from kept features."""
        L_b1hw, *others = self.read(batch)
        return self.network.predict(L_b1hw, self._features(L_b1hw), *others)


def _jittered(batch: Batch, jitter: float) -> Batch:
    """Change what the network reads; of photographs as they are, the loss sees it too."""
    if batch.film_b1hw is None:
        return replace(batch, L_b1hw=jittered(batch.L_b1hw, jitter))
    return replace(batch, film_b1hw=jittered(batch.film_b1hw, jitter))


def jittered(L_b1hw: paddle.Tensor, jitter: float) -> paddle.Tensor:
    """Change contrast and brightness by two numbers that follow from each crop's content."""
    crops = []
    for L_1hw in L_b1hw.numpy():
        seed = int.from_bytes(hashlib.blake2b(np.ascontiguousarray(L_1hw), digest_size=8).digest())
        contrast, shift = np.random.default_rng(seed).uniform(-jitter, jitter, 2)
        crops.append(np.clip(50.0 + (L_1hw - 50.0) * (1.0 + contrast) + 20.0 * shift, 0.0, 100.0))
    return paddle.to_tensor(np.stack(crops).astype(np.float32))


class FeatureStore:
    """A frozen encoder as a function of lightness, with a memory on disk of at most `room` bytes.

    Each crop's features have a file of their own under `cache_directory`, named by the hash of the crop's lightness
    and replaced in one step: several runs may use it at once, and any file may be deleted.
    """

    def __init__(self, network: nn.Layer, room: int) -> None:
        self._room = room
        self._encoder = functools.cache(functools.partial(_fast_encoder, network))
        # What features depend on besides the crop, down to the last bit.
        parts = (
            CACHE_VERSION,
            network.encoder_sha256.numpy().tobytes().hex(),
            paddle.__version__,
            paddle.device.get_device(),
            os.environ.get("OMP_NUM_THREADS"),
            os.environ.get("MKL_DEBUG_CPU_TYPE"),
        )
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        self.folder = cache_directory() / "features" / key
        self._used: int | None = None

    def __call__(self, L_b1hw: paddle.Tensor) -> list[paddle.Tensor]:
        """Return features of lightness (B, 1, H, W), rounded to float16, as float32 tensors."""
        features = [self._one(np.ascontiguousarray(L_1hw)) for L_1hw in L_b1hw.numpy()]
        return [paddle.to_tensor(np.stack(level).astype(np.float32)) for level in zip(*features, strict=True)]

    def _one(self, L_1hw: np.ndarray) -> list[np.ndarray]:
        digest = hashlib.blake2b(repr(L_1hw.shape).encode(), digest_size=20)
        digest.update(L_1hw)
        name = digest.hexdigest()
        path = self.folder / name[:2] / f"{name}.npz"
        kept = _load(path)
        if kept is None:
            kept = [level[0].astype(np.float16) for level in self._encoder(L_1hw.shape[1:])(L_1hw[None])]
            self._keep(path, kept)
        return kept

    def _keep(self, path: Path, levels: list[np.ndarray]) -> None:
        if self._used is None:
            self._used = sum(file.stat().st_size for file in self.folder.glob("*/*.npz"))
        size = sum(level.nbytes for level in levels)
        if self._used + size <= self._room:
            self._used += size
            # Features that cannot be kept only cost time.
            with contextlib.suppress(OSError), whole_file(path) as neighbour, neighbour.open("wb") as file:
                np.savez(file, **{f"level{index}": level for index, level in enumerate(levels)})


class _Encoder(nn.Layer):
    def __init__(self, network: nn.Layer) -> None:
        super().__init__()
        self.network = network

    def forward(self, L_b1hw: paddle.Tensor) -> list[paddle.Tensor]:
        return self.network.encode(L_b1hw)


def _fast_encoder(network: nn.Layer, shape: tuple[int, int]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return the encoder through Paddle Inference with oneDNN, which folds batch norm into the convolutions."""
    encoder = _Encoder(network)
    was_training = network.training
    encoder.eval()
    on_cpu = paddle.device.get_device() == "cpu"
    try:
        spec = paddle.static.InputSpec([None, 1, *shape], "float32", name="lightness")
        predictor = exported(encoder, spec) if on_cpu else None
    finally:
        if was_training:
            network.train()
    if predictor is not None:
        return lambda L_b1hw: predictor([L_b1hw])

    def in_paddle(L_b1hw: np.ndarray) -> list[np.ndarray]:
        with paddle.no_grad():
            return [level.numpy() for level in network.encode(paddle.to_tensor(L_b1hw))]

    return in_paddle


def _load(path: Path) -> list[np.ndarray] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return [stored[f"level{index}"] for index in range(len(stored.files))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
