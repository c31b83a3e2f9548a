"""Feeds photographs: random crops in batches in a seeded order for training, squares one by one for evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_photo, read_photo_file
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.loading.prepared import open_prepared
from oldrestore.data.sources.photo import Photo
from oldrestore.data.sources.source import Split
from oldrestore.errors import UserError

if TYPE_CHECKING:
    import paddle

DEFAULT_CACHE_MIB = 512
"""Memory for decoded photographs. At a shorter side of 96 pixels this holds about 13,000."""

# NumPy takes a seed of fewer numbers for one that goes on with zeros, so each purpose begins with a number of its own.
ORDER, CROP = 7_101, 7_102


class TrainingSequence:
    """An endless sequence of photographs, each epoch in a new random order.

    Everything follows from (seed, position) alone: the order within an epoch from the generator
    ``default_rng([ORDER, seed, epoch])``, a photograph's crop from ``default_rng([CROP, seed, epoch, index])``. This
    is stronger than a seed for each loader worker: a batch is the same whichever worker makes it
    and however many there are, and training resumes at iteration k by starting there.
    """

    def __init__(self, number_of_photographs: int, seed: int):
        if number_of_photographs < 1:
            raise ValueError("a training sequence needs at least one photograph")
        self.number_of_photographs = number_of_photographs
        self.seed = seed
        # Batches run across the ends of epochs, so that two orders are in use at a time.
        self._order = lru_cache(maxsize=4)(self._shuffle)

    def _shuffle(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([ORDER, self.seed, epoch]).permutation(self.number_of_photographs)

    def at(self, position: int) -> tuple[int, int]:
        """Return (epoch, index of the photograph) at a position, both counted from 0."""
        epoch, offset = divmod(position, self.number_of_photographs)
        return epoch, int(self._order(epoch)[offset])


class BatchPositions:
    """The positions of each batch from iteration `start` to `iterations` - 1.

    Every batch is full; one may hold the end of an epoch and the beginning of the next. Of several processes, each
    is given its `part` of every batch. If a number is `repeated`, so many batches come again and again.
    """

    def __init__(
        self, batch_size: int, start: int, iterations: int, part: slice | None = None, repeated: int | None = None
    ):
        self.batch_size = batch_size
        self.start = start
        self.iterations = iterations
        self.part = part or slice(None)
        self.repeated = repeated

    def __iter__(self) -> Iterator[list[int]]:
        for iteration in range(self.start, self.iterations):
            first = (iteration % self.repeated if self.repeated else iteration) * self.batch_size
            yield list(range(first, first + self.batch_size)[self.part])

    def __len__(self) -> int:
        return max(0, self.iterations - self.start)


class TrainingCrops:
    """A map from position to training crop, as Paddle's loader wants it.

    Photographs come from the file of prepared ones, if any (`oldrestore.data.loading.prepared`). Otherwise each is
    decoded once and kept in memory, until they take `cache_bytes`.
    """

    def __init__(self, split: Split, crops: Crops, sequence: TrainingSequence, cache_bytes: int):
        self.photos = in_content_order(split)
        self.hashes = sorted(split.hashes)
        self.prepared = open_prepared(split, crops)
        self.crops = crops
        self.sequence = sequence
        self._kept: dict[int, np.ndarray] = {}
        self._room = cache_bytes

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, position: int) -> tuple[np.ndarray, np.int64]:
        """Return (uint8 (crop, crop, 3), index of the photograph), or -1 - index if it cannot be read.

        An exception here would arrive as the text of a worker's traceback, so the main process raises it (`problem`).
        """
        epoch, index = self.sequence.at(position)
        try:
            prepared = self._whole(index)
        except (UnreadablePhoto, UserError):
            return np.zeros((self.crops.crop, self.crops.crop, 3), np.uint8), np.int64(-1 - index)
        rng = np.random.default_rng([CROP, self.sequence.seed, epoch, index])
        return self.crops.train(prepared, rng), np.int64(index)

    def problem(self, index: int) -> UserError:
        """Say why a photograph could not be given."""
        if self.prepared is not None:
            try:
                self.prepared[self.hashes[index]]
            except UserError as error:
                return error
        return _became_unreadable(self.photos[index])

    def _whole(self, index: int) -> np.ndarray:
        if self.prepared is not None:
            return self.prepared[self.hashes[index]]
        prepared = self._kept.get(index)
        if prepared is None:
            prepared = self.crops.prepare_bytes(read_photo_file(self.photos[index].path))
            if prepared.nbytes <= self._room:
                self._room -= prepared.nbytes
                self._kept[index] = prepared
        return prepared


def lost_worker(error: BaseException) -> str | None:
    """Say in a sentence that a process of the loader was killed; None for any other error.

    Paddle raises it wherever the program happens to be when the system tells of the end of the process.
    """
    if not isinstance(error, SystemError | RuntimeError) or "DataLoader" not in str(error):
        return None
    how = re.search(r"killed by signal: ([^.(]+)|exit(?:ed)? (?:abnormally|unexpectedly)[^.(]*", str(error))
    if how is None:
        return None
    return (
        f"a process that loads photographs has ended ({(how[1] or how[0]).strip().lower()}), as the system does to it "
        "when memory runs out: take fewer trainer.workers or a smaller trainer.cache_mib"
    )


class TrainingLoader:
    """Batches of training crops; see `training_loader`. ``len()`` is the number of batches left to give."""

    def __init__(self, crops_at: TrainingCrops, positions: BatchPositions, workers: int):
        self._crops_at = crops_at
        self._positions = positions
        self._workers = workers

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[tuple[paddle.Tensor, tuple[str, ...]]]:
        if not len(self):
            return  # Paddle's workers would be started for nothing, and wait
        import paddle.io

        loader = paddle.io.DataLoader(
            self._crops_at,
            batch_sampler=self._positions,
            collate_fn=_stack,
            num_workers=self._workers,
            use_buffer_reader=False,
        )
        batches = iter(loader)
        try:
            for rgb_bhw3, indices in batches:
                yield rgb_bhw3, self._names(indices.numpy())
        finally:
            # Whoever stops in the middle of training leaves no process behind.
            if self._workers:
                batches._try_shutdown_all(1)

    def _names(self, indices: np.ndarray) -> tuple[str, ...]:
        for index in indices:
            if index < 0:
                raise self._crops_at.problem(-1 - index)
        return tuple(self._crops_at.photos[index].name for index in indices)


@checked
def training_loader(
    split: Split,
    crops: Crops,
    batch_size: Annotated[int, Field(ge=1)],
    seed: Annotated[int, Field(ge=0)],
    iterations: Annotated[int, Field(ge=0)],
    start: Annotated[int, Field(ge=0)] = 0,
    workers: Annotated[int, Field(ge=0)] = 0,
    cache_mib: Annotated[float, Field(ge=0)] = DEFAULT_CACHE_MIB,
    part: slice | None = None,
    repeated: Annotated[int, Field(ge=1)] | None = None,
) -> TrainingLoader:
    """Return the training batches of iterations `start` to `iterations` - 1.

    They are (uint8 paddle.Tensor (batch_size, crop, crop, 3), names of the photographs); `UserError` is raised when a
    photograph can no longer be read. A batch depends on the photographs' contents, `crops`, `seed` and its iteration,
    and on nothing else: not on file names or places, nor on `workers` or `start` (see `TrainingSequence`). In each
    epoch every photograph comes exactly once; no batch is short, and one may be larger than the split.

    `workers` processes decode and crop (0: this one does), and share `cache_mib` of memory for decoded photographs.
    `part` says which photographs of each batch to return, if several processes share it. With `repeated`, the first so
    many batches, crops included, come again and again.
    """
    # OpenCV's threads do not survive the fork of a worker, which would wait for them.
    cv2.setNumThreads(1)
    sequence = TrainingSequence(len(split.photos), seed)
    cache_bytes = int(cache_mib * 2**20) // max(1, workers)
    crops_at = TrainingCrops(split, crops, sequence, cache_bytes)
    return TrainingLoader(crops_at, BatchPositions(batch_size, start, iterations, part, repeated), workers)


def evaluation_photos(split: Split, crops: Crops) -> Iterator[tuple[Photo, np.ndarray]]:
    """Yield every photograph of a split in name order, with the uint8 (side, side, 3) square that evaluation sees.

    `UserError` names a photograph that can no longer be read.
    """
    for photo in sorted(split.photos, key=lambda photo: photo.name):
        yield photo, crops.evaluation(decode_known_photo(photo))


def decode_known_photo(photo: Photo) -> np.ndarray:
    """Decode a photograph that its source found readable; `UserError` when it no longer is."""
    try:
        return decode_photo(photo.path)
    except UnreadablePhoto as problem:
        raise _became_unreadable(photo) from problem


def photos_at_training_size(split: Split, crops: Crops) -> Iterator[np.ndarray]:
    """Yield every photograph of a split, whole, uint8 (H, W, 3), as training crops are cut from it.

    They come in the order of ``split.photos``, and from the file of prepared ones, if any.
    """
    prepared = open_prepared(split, crops)
    for number, photo in enumerate(split.photos):
        if prepared is not None:
            yield prepared[split.hashes[number]]
            continue
        try:
            rgb = crops.prepare_bytes(read_photo_file(photo.path))
        except UnreadablePhoto as problem:
            raise _became_unreadable(photo) from problem
        yield rgb


def in_content_order(split: Split) -> tuple[Photo, ...]:
    """Photographs in the order of their content hashes, in which names and places play no part."""
    if not split.hashes:
        return split.photos
    ordered = sorted(zip(split.hashes, split.photos, strict=True), key=lambda item: item[0])
    return tuple(photo for _, photo in ordered)


def _became_unreadable(photo: Photo) -> UserError:
    try:
        decode_photo(photo.path)
        reason = "it was unreadable for a moment"
    except UnreadablePhoto as problem:
        reason = problem.reason
    return UserError(
        f"the photograph {photo.name} ({photo.path}) can no longer be read ({reason}); repair or remove it "
        "and start again"
    )


def _stack(samples: list[tuple[np.ndarray, np.int64]]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([crop for crop, _ in samples]), np.array([index for _, index in samples], np.int64)
