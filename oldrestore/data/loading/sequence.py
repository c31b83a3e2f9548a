"""The order of training: which photograph stands at each position of an endless sequence, and its crop."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

# NumPy takes a seed of fewer numbers for one that goes on with zeros, so each purpose begins with a number of its own.
ORDER, CROP = 7_101, 7_102


class TrainingSequence:
    """An endless sequence of photographs, each epoch in a new random order.

    Everything follows from (seed, position) alone: the order within an epoch from the generator
    ``default_rng([ORDER, seed, epoch])``, a photograph's crop from ``default_rng([CROP, seed, epoch, index])``. This
    is stronger than a seed for each loader worker: a batch is the same whichever worker makes it
    and however many there are, and training resumes at iteration k by starting there.

    Parameters
    ----------
    number_of_photographs : int
        Photographs in the split, at least 1.
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

    def crop_generator(self, epoch: int, index: int) -> np.random.Generator:
        """Return the generator of a photograph's crop in an epoch."""
        return np.random.default_rng([CROP, self.seed, epoch, index])


class BatchPositions:
    """The positions of each batch from iteration `start` to `iterations` - 1.

    Every batch is full; one may hold the end of an epoch and the beginning of the next. Of several processes, each
    is given its `part` of every batch.
    """

    def __init__(self, batch_size: int, start: int, iterations: int, part: slice | None = None):
        self.batch_size = batch_size
        self.start = start
        self.iterations = iterations
        self.part = part or slice(None)

    def __iter__(self) -> Iterator[list[int]]:
        for iteration in range(self.start, self.iterations):
            yield list(range(iteration * self.batch_size, (iteration + 1) * self.batch_size)[self.part])

    def __len__(self) -> int:
        return max(0, self.iterations - self.start)
