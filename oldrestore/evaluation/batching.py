"""Cuts a stream of photographs into batches, and shares them among processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import TypeVar

from oldrestore import parallel

Item = TypeVar("Item")
Result = TypeVar("Result")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items, the last one shorter when they do not divide."""
    if size < 1:
        raise ValueError(f"a batch holds at least one item, not {size}")
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def own_share(items: Sequence[Item], size: int) -> list[Item]:
    """Return the items of this process's batches: each takes one in turn, and none is taken twice.

    `batches` cuts them into the very batches that a single process has, so that a batch's numbers are the same.
    """
    return [item for index, item in enumerate(items) if index // size % parallel.size() == parallel.rank()]


def shared(work: Callable[[], list[Result]], size: int) -> list[Result]:
    """Have each process work on its `own_share`, one result an item; return all in the order of a single process.

    Every process must call this; what one of them raises, all raise.
    """
    parts = [list(batches(results, size)) for results in parallel.gathered(work)]
    rounds = zip_longest(*parts, fillvalue=[])
    return [result for of_round in rounds for batch in of_round for result in batch]
