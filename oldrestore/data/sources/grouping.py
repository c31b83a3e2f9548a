"""Groups of photographs that belong together, so that no split has one of them and another split the next."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from oldrestore.data.sources.index import near_duplicates_of
from oldrestore.data.sources.photo import Photo
from oldrestore.errors import UserError

GroupBy = Literal["folder", "name", "similarity"]
"""What photographs of one group share."""

MOST_COMPARED = 20_000
"""Photographs that are compared with one another: some two minutes, and four times as long for twice as many."""

EDITS = (
    "bw|copy|crop|cropped|colou?r|colou?ri[sz]ed|edit|edited|enhanced|final|flip|flipped|gr[ae]y|large|medium|mirror|"
    "mirrored|orig|original|resized|restored|retouched|rotated|scaled|scan|small|thumb|thumbnail|web"
)
"""Words at the end of a file name, behind a dash, an underscore, a dot or a space, that say how a photograph was made
from another of the same name; a number of up to two digits may follow."""

_EDITED = re.compile(rf"(.*[^-_. ])[-_. ]+(?:(?:{EDITS})[-_ ]?\d{{0,2}}|\d+x\d+)")
_COUNTED = re.compile(r"(.*[^-_. ])(?:[-_ ]\d{1,2}| ?\(\d{1,2}\))")


def groups_of(photos: Sequence[Photo], hashes: Sequence[str], group_by: GroupBy) -> list[list[int]]:
    """Places of the photographs of each group; each photograph is in one group, often alone.

    ``folder``
        The folder that they stand in.
    ``name``
        Folder and stem, in whatever case and without endings that say how a file was made: `EDITS`, sizes as
        ``-640x480``, and a number (``_2``, ``-2``, `` (2)``) if the stem without it is a photograph too. So
        ``IMG_1234``, ``IMG_1234-crop`` and ``IMG_1234_2`` are one, and ``photo_1`` and ``photo_2`` are not.
    ``similarity``
        Chains of near-duplicates, as `oldrestore.data.sources.similarity` finds them. `hashes` are those of the files'
        contents.
    """
    if group_by == "similarity":
        return _chains(photos, hashes)
    if group_by == "folder":
        return _alike([PurePosixPath(photo.name).parent for photo in photos])
    return _alike(_stems([PurePosixPath(photo.name) for photo in photos]))


def is_held_out(sha256s: Sequence[str], validation_fraction: float) -> bool:
    """Say whether a group of photographs with these content hashes is held out for validation.

    The first 64 bits of the hash, read as a number in [0, 1), are compared with the fraction: adding, renaming or
    reordering photographs never moves another one, and a larger fraction only adds to validation. Of several
    photographs it is the hash of their sorted hashes: a new member may move its group, and no other.
    """
    several = len(sha256s) > 1
    sha256 = hashlib.sha256("".join(sorted(sha256s)).encode("ascii")).hexdigest() if several else sha256s[0]
    # Multiplying by a power of two and comparing an int with a float are exact; dividing would round.
    return int(sha256[:16], 16) < validation_fraction * 2.0**64


def is_trained_on(sha256: str, training_fraction: float) -> bool:
    """Say whether a photograph with this content hash is of a share of those to train on.

    As `is_held_out`, by the next 64 bits, which say nothing of what is held out: a smaller share is part of a larger.
    """
    return int(sha256[16:32], 16) < training_fraction * 2.0**64


def _stems(names: Sequence[PurePosixPath]) -> list[tuple[PurePosixPath, str]]:
    stems = [(name.parent, name.stem.casefold()) for name in names]
    there = set(stems)
    return [(folder, _bare(folder, stem, there)) for folder, stem in stems]


def _bare(folder: PurePosixPath, stem: str, there: set[tuple[PurePosixPath, str]]) -> str:
    while True:
        edited, counted = _EDITED.fullmatch(stem), _COUNTED.fullmatch(stem)
        if edited:
            stem = edited[1]
        elif counted and (folder, counted[1]) in there:
            stem = counted[1]
        else:
            return stem


def _alike(keys: Sequence[Hashable]) -> list[list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        groups[key].append(place)
    return list(groups.values())


def _chains(photos: Sequence[Photo], hashes: Sequence[str]) -> list[list[int]]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if len(photos) > MOST_COMPARED:
        raise UserError(
            f"group_by=similarity compares up to {MOST_COMPARED:,} photographs, and there are {len(photos):,}: "
            "give dataset.group_by=folder or name"
        )
    # In the order of contents, so that neither names nor places play a part.
    order = sorted(range(len(photos)), key=lambda place: hashes[place])
    found = near_duplicates_of([photos[place].path for place in order], [hashes[place] for place in order])
    pairs = np.array(found, np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(order), len(order)))
    _, labels = connected_components(links, directed=False)
    of_photo = np.empty(len(order), np.int64)
    of_photo[order] = labels
    return _alike(of_photo.tolist())
