"""What every source of photographs gives: splits that depend on the photographs' contents alone."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.grouping import GroupBy, groups_of, is_held_out, is_trained_on
from oldrestore.data.sources.index import PhotoFile, examine_all
from oldrestore.data.sources.photo import Photo
from oldrestore.errors import UserError

TrainingFraction = Annotated[float, Field(gt=0, le=1)]
Prepared = Literal["auto", "off", "required"]
"""Whether prepared photographs are used: if there are any, never, or always (an error without them)."""


@dataclass(frozen=True)
class LeftOut:
    """A file that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Split:
    """The photographs of one split of a source."""

    source: str
    name: str
    photos: tuple[Photo, ...]  # in the order of their names
    left_out: tuple[LeftOut, ...]  # what is not used: of this folder if splits are folders, else of the whole set
    # sha256 over the sorted (content hash, label) of the photographs: it changes with any pixel and any label, and not
    # with names, places or order.
    fingerprint: str
    bytes: int = 0
    hashes: tuple[str, ...] = ()  # content hash of each of `photos`
    prepared: Prepared = "auto"
    ignored: tuple[LeftOut, ...] = ()  # hidden files, and those without the ending of a photograph
    notes: tuple[str, ...] = ()  # for users, as of a folder that looks like a split and is not used as one
    group_by: GroupBy | None = None  # what photographs share that are in one split together
    groups: tuple[tuple[str, ...], ...] = ()  # names of those of each group of several, if grouped

    def __len__(self) -> int:
        return len(self.photos)

    def describe(self) -> dict:
        """Return what `data.json` records of a split; ``photographs`` has the lines that the fingerprint is made of."""
        ignored = Counter(left.reason for left in self.ignored)
        return {
            "source": self.source,
            "split": self.name,
            "count": len(self.photos),
            "labelled": sum(photo.label is not None for photo in self.photos),
            "bytes": self.bytes,
            "fingerprint": self.fingerprint,
            "left_out": [{"name": left.name, "reason": left.reason} for left in self.left_out],
            "photographs": {
                photo.name: f"{sha256} {photo.label_text}"
                for photo, sha256 in zip(self.photos, self.hashes, strict=False)
            },
            # Sources without groups, such files or notes are described as ever.
            **({"group_by": self.group_by, "groups": [list(group) for group in self.groups]} if self.group_by else {}),
            **({"ignored": dict(sorted(ignored.items()))} if ignored else {}),
            **({"notes": list(self.notes)} if self.notes else {}),
        }

    def shared_with(self, other: Split) -> tuple[str, ...]:
        """Names of this split's photographs whose very file is in the other split too.

        No photograph that is judged may be trained on: for a training and a judged split this is empty.
        """
        others = set(other.hashes)
        return tuple(photo.name for photo, sha256 in zip(self.photos, self.hashes, strict=True) if sha256 in others)


@dataclass(frozen=True)
class Candidate:
    """A photograph that a source offers, and the split whose folder it stands in (None: drawn by hash)."""

    photo: Photo
    split: str | None = None


@dataclass(frozen=True)
class Offer:
    """All that a source finds before any file is opened; `place` is where it looked, for messages."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    place: str
    ignored: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def split_fingerprint(contents: Sequence[tuple[str, int | str | None]]) -> str:
    """Return the sha256 (hex) over sorted pairs of content hash and label, a class or a `Photo.label_text`."""
    lines = sorted(f"{sha256} {'-' if label is None else label}\n" for sha256, label in contents)
    return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()


class PhotoSource(ABC):
    """A set of photographs with splits.

    A subclass says what it offers and which splits it has; hashing, decoding once, dropping duplicates and
    splitting are the same for all. Nothing is read before the first split is asked for: then `UserError` says what is
    missing.
    """

    name: str  # as it stands in `data.json`
    packaged = False  # whether its photographs stand in installed packages
    split_names: tuple[str, ...] = ("train", "val")

    @checked
    def __init__(
        self,
        crops: Crops,
        root: str | None = None,  # folder of the photographs; refused by a source that is `packaged`
        validation_fraction: Annotated[float, Field(ge=0, le=1)] = 0.2,  # held out, drawn by content hash
        prepared: Prepared = "auto",  # whether what ``oldrestore data prepare`` has made is used: it changes no pixel
        group_by: GroupBy | None = None,  # what photographs share that are held out together; see `groups_of`
        training_fraction: TrainingFraction | None = None,  # of the photographs to train on, by content hash; None: all
    ):
        self.crops = crops
        self.root = root
        self.validation_fraction = validation_fraction
        self.prepared = prepared
        self.group_by = group_by
        self.training_fraction = training_fraction
        if self.packaged and root is not None:
            raise UserError(
                f"{self.name} reads photographs of installed packages and takes no dataset.root; "
                f"for photographs of your own use dataset=image_folder dataset.root={root}"
            )

    @abstractmethod
    def offer(self) -> Offer:
        """Find the photographs, without opening them; `UserError` if there are none."""

    def split(self, name: str) -> Split:
        """Return one split; `UserError` when the source has no such split, or no readable photograph for it."""
        if name not in self.split_names:
            raise UserError(f"{self.name} has no split {name!r}; choose {' or '.join(self.split_names)}")
        used, left_out = self._sorted_out
        photos = [(photo, file) for photo, file, split in used if split == name]
        if name == "train" and self.training_fraction is not None:
            photos = [(photo, file) for photo, file in photos if is_trained_on(file.sha256, self.training_fraction)]
        if not photos:
            raise UserError(self._why_empty(name))
        photos.sort(key=lambda item: item[0].name)
        contents = [(file.sha256, photo.label_text) for photo, file in photos]
        return Split(
            source=self.name,
            name=name,
            photos=tuple(photo for photo, _ in photos),
            left_out=tuple(left for left, split in left_out if split in (None, name)),
            fingerprint=split_fingerprint(contents),
            bytes=sum(file.bytes for _, file in photos),
            hashes=tuple(sha256 for sha256, _ in contents),
            prepared=self.prepared,
            ignored=self._offered.ignored,
            notes=self._notes,
            group_by=self.group_by,
            groups=tuple(tuple(names) for names, split in self._groups if split == name and len(names) > 1),
        )

    def describe(self) -> dict:
        """Return name, crops and every split that is not empty, as plain values."""
        filled = {split for _, _, split in self._sorted_out[0]}
        return {
            "source": self.name,
            "crops": self.crops.describe(),
            "splits": {name: self.split(name).describe() for name in self.split_names if name in filled},
        }

    @property
    def _notes(self) -> tuple[str, ...]:
        return self._offered.notes

    @cached_property
    def _offered(self) -> Offer:
        return self.offer()

    @cached_property
    def _examined(self) -> list[tuple[Candidate, PhotoFile]]:
        candidates = sorted(self._offered.candidates, key=lambda candidate: candidate.photo.name)
        files = examine_all([candidate.photo.path for candidate in candidates])
        if all(file.reason for file in files):
            first = f"{candidates[0].photo.name}: {files[0].reason}"
            raise UserError(
                f"none of the {len(files)} photographs in {self._offered.place} can be read ({first}); "
                "give a folder with whole JPEG, PNG, WebP, TIFF or BMP files"
            )
        return list(zip(candidates, files, strict=True))

    def checked_root(self) -> Path:
        """Return the folder `root`; `UserError` if it is not given or cannot be read."""
        if self.root is None:
            raise UserError(f"the dataset {self.name} needs a folder of photographs: give dataset.root=FOLDER")
        root = Path(self.root).expanduser()
        if not root.exists():
            raise UserError(f"the folder {root} of {self.name} does not exist; give dataset.root=FOLDER")
        if not root.is_dir():
            raise UserError(f"{root}, the root of {self.name}, is not a folder; give dataset.root=FOLDER")
        if not os.access(root, os.R_OK | os.X_OK):
            raise UserError(f"the folder {root} of {self.name} is not readable by this user")
        return root

    def check_contents(self, contents: Sequence[tuple[Photo, PhotoFile]]) -> None:  # noqa: B027 (optional)
        """Refuse photographs that are not what this source expects; called once, after they were examined."""

    def why_left_out(self, candidate: Candidate, file: PhotoFile) -> str:
        """Say why a photograph that can be read is not used; empty if it is."""
        return ""

    @property
    def _sorted_out(self) -> tuple[list[tuple[Photo, PhotoFile, str]], list[tuple[LeftOut, str | None]]]:
        """Photographs to use with their splits, and what is left out with the split it stood in."""
        return self._in_splits[:2]

    @property
    def _groups(self) -> list[tuple[list[str], str]]:
        """Names of the photographs of each group that are used, and their split."""
        return self._in_splits[2]

    @cached_property
    def _in_splits(self) -> tuple[list, list, list]:
        self.check_contents([(candidate.photo, file) for candidate, file in self._examined])
        usable = []
        left_out: list[tuple[LeftOut, str | None]] = [(left, None) for left in self._offered.left_out]
        first_of: dict[str, str] = {}
        for candidate, file in self._examined:
            photo = candidate.photo
            reason = file.reason or self.why_left_out(candidate, file)
            if not reason and file.sha256 in first_of:
                reason = f"duplicate of {first_of[file.sha256]}"
            if reason:
                left_out.append((LeftOut(photo.name, reason), candidate.split))
            else:
                first_of[file.sha256] = photo.name
                usable.append((candidate, file))
        places = [[place] for place in range(len(usable))]
        if self.group_by is not None and usable:
            photos = [candidate.photo for candidate, _ in usable]
            places = groups_of(photos, [file.sha256 for _, file in usable], self.group_by)
        used, groups = [], []
        for group in places:
            members = [usable[place] for place in group]
            for split, several in self._split_of(members, left_out).items():
                used += [(candidate.photo, file, split) for candidate, file in several]
                groups.append((sorted(candidate.photo.name for candidate, _ in several), split))
        return used, left_out, sorted(groups)

    def _split_of(
        self, members: Sequence[tuple[Candidate, PhotoFile]], left_out: list[tuple[LeftOut, str | None]]
    ) -> dict[str, list[tuple[Candidate, PhotoFile]]]:
        """Photographs of a group by their splits: one, unless folders name several.

        Those of a folder to train on are added to `left_out` if another of their group stands in a folder that is held
        out. Those that are drawn go where a folder has others of their group.
        """
        fixed = {candidate.split: candidate.photo.name for candidate, _ in reversed(members) if candidate.split}
        held_out = min(fixed.keys() - {"train"}, key=self.split_names.index, default=None)
        drawn = held_out or next(iter(fixed), None)
        if drawn is None:
            drawn = "val" if is_held_out([file.sha256 for _, file in members], self.validation_fraction) else "train"
        by_split: dict[str, list[tuple[Candidate, PhotoFile]]] = {}
        for candidate, file in members:
            if held_out and candidate.split == "train":
                reason = f"of one group with {fixed[held_out]}, which is held out"
                left_out.append((LeftOut(candidate.photo.name, reason), "train"))
            else:
                by_split.setdefault(candidate.split or drawn, []).append((candidate, file))
        return by_split

    def _why_empty(self, name: str) -> str:
        return (
            f"the split {name!r} of {self.name} is empty: none of the {len(self._sorted_out[0])} photographs in "
            f"{self._offered.place} falls into it with validation_fraction={self.validation_fraction}; give "
            "more photographs or another dataset.validation_fraction"
        )
