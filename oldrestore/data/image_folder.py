"""Photographs in a folder: flat, in class folders, or in train/ and val/ as ImageNet-mini has them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from oldrestore.data.crops import Crops
from oldrestore.data.photo import PHOTO_EXTENSIONS, Photo, printable
from oldrestore.data.source import Candidate, LeftOut, Offer, PhotoSource, Prepared
from oldrestore.data.walk import Entry, walk_folder
from oldrestore.errors import UserError, in_words

SPLIT_FOLDERS = {"train": "train", "val": "val", "validation": "val", "test": "test"}
"""Folder names that mean a split."""

NUMBER_OF_CLASSES = 1000


class ImageFolder(PhotoSource):
    """The photographs under a folder, found recursively.

    Three layouts are understood. With a folder ``train`` (and ``val``, ``validation`` or ``test``) the
    folders are the splits; without a validation folder, a fraction of ``train`` is held out by content
    hash. Otherwise everything is one set, flat or in class folders, of which a fraction is held out.

    The first folder below the split is the class. Folders that are all named with an integer 0..999 are
    ImageNet class indices; exactly 1000 folders with WordNet ids (``n01440764``) are, in sorted order, the
    classes 0..999 (as in ImageNet and ImageNet-mini). In any other case photographs have no label.

    Files and folders whose name starts with a dot are ignored. Links to folders are followed, each folder
    once. Links that lead nowhere and folders that may not be read are listed among what is left out.

    Parameters
    ----------
    crops : Crops
        Resizing and cropping.
    root : str or None
        The folder.
    validation_fraction : float
        Share that is held out for validation where no folder says it. 1 makes a set for evaluation only.
    name : str
        How the source is called in `data.json`.
    prepared : {"auto", "off", "required"}
        Whether what ``oldrestore data prepare`` has made is used: it changes no pixel.

    Raises
    ------
    UserError
        On first use: when the folder is not given, missing, not a folder, or holds no photograph.
    """

    def __init__(
        self,
        crops: Crops,
        root: str | None = None,
        validation_fraction: Annotated[float, Field(ge=0, le=1)] = 0.2,
        name: str = "image_folder",
        prepared: Prepared = "auto",
    ):
        super().__init__(crops, validation_fraction, prepared)
        self.root = root
        self.name = name

    @property
    def split_names(self) -> tuple[str, ...]:
        """Splits that the folders name; a validation split is drawn where there is only ``train`` or none."""
        places = _split_places(self._checked_root())
        drawn = {"train", "val"} if "train" in places or not places else set()
        names = drawn | set(places)
        return tuple(name for name in ("train", "val", "test") if name in names)

    def offer(self) -> Offer:
        """Walk through the folder."""
        root = self._checked_root()
        places = _split_places(root)
        # Without a folder for validation, the photographs of train/ are drawn by hash like those of one set.
        draw = "val" not in places
        roots = [(folder, split) for split, folders in places.items() for folder in folders] or [(root, "train")]
        classes = _class_labels([folder for folder, _ in roots])
        candidates, left_out = [], []
        for folder, split in roots:
            for path, problem in _photo_paths(folder):
                if problem:
                    left_out.append(LeftOut(printable(path.relative_to(root)), problem))
                    continue
                parts = path.relative_to(folder).parts
                label = classes.get(parts[0]) if len(parts) > 1 else None
                photo = Photo(printable(path.relative_to(root)), path, label)
                candidates.append(Candidate(photo, None if draw and split == "train" else split))
        if places:
            inside = {candidate.photo.path for candidate in candidates}
            left_out += [
                LeftOut(printable(path.relative_to(root)), problem or f"outside of {', '.join(sorted(places))}")
                for path, problem in _photo_paths(root)
                if path not in inside and not any(path.is_relative_to(folder) for folder, _ in roots)
            ]
        if not candidates:
            endings = ", ".join(sorted(PHOTO_EXTENSIONS))
            raise UserError(f"the folder {root} of {self.name} holds no photograph ({endings})")
        return Offer(tuple(candidates), tuple(left_out), place=str(root))

    def _checked_root(self) -> Path:
        if self.root is None:
            raise UserError(f"the dataset {self.name} needs a folder of photographs: give dataset.root=FOLDER")
        root = Path(self.root).expanduser()
        if not root.exists():
            raise UserError(f"the folder {root} of {self.name} does not exist; give dataset.root=FOLDER")
        if not root.is_dir():
            raise UserError(f"{root}, the root of {self.name}, is not a folder; give dataset.root=FOLDER")
        if not os.access(root, os.R_OK | os.X_OK):
            raise UserError(f"the folder {root} of {self.name} may not be read by this user")
        return root


def _split_places(root: Path) -> dict[str, list[Path]]:
    """Folders of each split; empty when the folder is one set.

    A folder called ``test`` beside class folders is a class: the names count only when there is ``train``, or
    when all folders are splits.
    """
    folders = _subfolders(root)
    named = [path for path in folders if path.name in SPLIT_FOLDERS]
    if not any(path.name == "train" for path in named) and len(named) != len(folders):
        return {}
    places: dict[str, list[Path]] = {}
    for path in named:
        places.setdefault(SPLIT_FOLDERS[path.name], []).append(path)
    return places


def _class_labels(roots: list[Path]) -> dict[str, int]:
    names = sorted({path.name for root in roots for path in _subfolders(root)})
    if all(re.fullmatch(r"[0-9]+", name) and int(name) < NUMBER_OF_CLASSES for name in names):
        return {name: int(name) for name in names}
    if len(names) == NUMBER_OF_CLASSES and all(re.fullmatch(r"n[0-9]{8}", name) for name in names):
        return {name: index for index, name in enumerate(names)}
    return {}


def _subfolders(root: Path) -> list[Path]:
    try:
        return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    except OSError as error:
        raise UserError(f"the folder {root} cannot be listed ({in_words(error)})") from None


def _photo_paths(root: Path) -> Iterator[tuple[Path, str]]:
    """Files with a photograph's ending, and folders that may not be read with the reason."""
    try:
        entries: list[Entry] = list(walk_folder(root))
    except OSError as error:
        raise UserError(f"the folder {root} cannot be listed ({in_words(error)})") from None
    for entry in entries:
        if entry.is_folder:
            yield entry.path, entry.problem
        elif entry.is_photograph_by_name:
            # Pipes, links that lead nowhere and the like are told when they are opened, as broken files are.
            yield entry.path, ""
