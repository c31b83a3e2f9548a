"""Photographs that a list names, or the first so many of a folder: the splits of published protocols."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.image_folder import NUMBER_OF_CLASSES, class_labels
from oldrestore.data.sources.photo import Photo, printable
from oldrestore.data.sources.source import Candidate, Offer, PhotoSource, Prepared
from oldrestore.data.sources.walk import walk_folder
from oldrestore.errors import UserError, in_words

LARGEST_LIST = 64 * 2**20  # bytes: more than any list of names, less than what would fill the memory


class ListedPhotos(PhotoSource):
    """The photographs under a folder that a text file names, for evaluation only.

    The list has one photograph a line: its path below the folder, or its file name alone where it occurs once; after a
    space, tab or comma its ImageNet class index may follow, as in the lists of Caffe. Without a class there,
    photographs in class folders have theirs as `ImageFolder` says. Empty lines and those that begin with # are skipped.
    """

    split_names = ("val",)

    @checked
    def __init__(
        self,
        crops: Crops,
        root: str | None = None,
        list: str | None = None,  # without it, every photograph in the order of file names
        first: Annotated[int, Field(ge=1)] | None = None,  # only the first so many of these
        list_needed: bool = False,  # the protocol's split is defined by a list: the whole folder would be another
        validation_fraction: Annotated[float, Field(ge=0, le=1)] = 1.0,  # has no effect: everything is "val"
        name: str = "listed_photos",
        prepared: Prepared = "auto",
    ):
        super().__init__(crops, root, validation_fraction, prepared)
        self.list, self.first, self.list_needed = list, first, list_needed
        self.name = name

    def offer(self) -> Offer:
        """Find the photographs that are named."""
        root = self.checked_root()
        wanted = self._listed() if self.list is not None or self.list_needed else None
        try:
            photographs = [e.path for e in walk_folder(root) if not e.is_folder and e.is_photograph_by_name]
        except OSError as error:
            raise UserError(f"the folder {root} of {self.name} cannot be listed ({in_words(error)})") from None
        if not photographs:
            raise UserError(f"the folder {root} of {self.name} holds no photograph")
        classes = class_labels([root])
        if wanted is None:
            chosen = [(path, None) for path in sorted(photographs, key=lambda path: (path.name, path.as_posix()))]
        else:
            chosen = self._resolve(wanted, root, photographs)
        if self.first is not None and len(chosen) < self.first:
            raise UserError(
                f"{self.name} needs {self.first} photographs, and {self.list or root} has {len(chosen)}: give all, or "
                f"another dataset.first"
            )
        candidates = []
        for path, label in chosen[: self.first]:
            below = path.relative_to(root)
            class_index = classes.get(below.parts[0]) if len(below.parts) > 1 else None
            photo = Photo(printable(below), path, class_index if label is None else label)
            candidates.append(Candidate(photo, "val"))
        return Offer(tuple(candidates), (), place=str(root))

    def _listed(self) -> list[tuple[str, int | None, int]]:
        """Names, classes and line numbers of the list."""
        if self.list is None:
            raise UserError(
                f"the split of {self.name} is defined by a list of file names, which is not shipped: give "
                "dataset.list=FILE, one name a line"
            )
        path = Path(self.list).expanduser()
        try:
            if path.stat().st_size > LARGEST_LIST:
                raise UserError(f"{path} is too large for a list of file names")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"the list {path} of {self.name} cannot be read ({in_words(error)})") from None
        except UnicodeDecodeError:
            raise UserError(f"the list {path} of {self.name} is not a text of file names") from None
        lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), start=1)]
        listed = [(*_parted(line), n) for n, line in lines if line and not line.startswith("#")]
        if not listed:
            raise UserError(f"the list {path} of {self.name} names no photograph")
        for name, label, number in listed:
            if label is not None and label >= NUMBER_OF_CLASSES:
                raise UserError(f"line {number} of {path}: '{name}' has the class {label}, and ImageNet's are 0..999")
        return listed

    def _resolve(
        self, wanted: list[tuple[str, int | None, int]], root: Path, photographs: list[Path]
    ) -> list[tuple[Path, int | None]]:
        below = {path.relative_to(root).as_posix(): path for path in photographs}
        by_name: dict[str, list[Path]] = defaultdict(list)
        for path in photographs:
            by_name[path.name].append(path)
        chosen: dict[Path, int | None] = {}
        for name, label, number in wanted:
            here = f"line {number} of {self.list}"
            written = PurePosixPath(name).as_posix()
            several = [below[written]] if written in below else by_name.get(written, [])
            if not several:
                raise UserError(f"{here} names '{name}', which is not in {root}: give the folder that has all of them")
            if len(several) > 1:
                raise UserError(f"{here} names '{name}', and {root} has {len(several)} of that name: write the paths")
            if several[0] in chosen:
                raise UserError(f"{here} names '{name}' a second time")
            chosen[several[0]] = label
        return [*chosen.items()]


def _parted(line: str) -> tuple[str, int | None]:
    """Part a line into name and class; names may hold spaces, so only a last word of digits is a class."""
    for separator in ("\t", ",", " "):
        name, separated, last = line.rpartition(separator)
        if separated and last.strip().isdecimal() and name.strip():
            return name.strip(), int(last)
    return line, None
