"""Photographs in a folder: flat, in class folders, or in folders of splits such as train/ and val/."""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.grouping import GroupBy
from oldrestore.data.sources.index import PhotoFile
from oldrestore.data.sources.photo import PHOTO_EXTENSIONS, Photo, printable
from oldrestore.data.sources.source import Candidate, LeftOut, Offer, PhotoSource, Prepared, TrainingFraction
from oldrestore.data.sources.split_folders import SPLITS, SplitFolders, split_folders, subfolders
from oldrestore.data.sources.walk import FolderEntry, walk_folder
from oldrestore.errors import UserError, in_words

NUMBER_OF_CLASSES = 1000
GRAY = "gray: it teaches no colour"  # why a photograph is left out


class ImageFolder(PhotoSource):
    """The photographs under a folder, found recursively.

    Three layouts are understood. With folders of splits (``train``, ``val2017``, ``Test_Images``; see
    `oldrestore.data.sources.split_folders`) these are the splits; without a validation folder, a fraction of what is
    trained on is held out by content hash. Otherwise everything is one set, flat or in class folders, of which a
    fraction is held out.

    The first folder below the split is the class. Folders that are all named with an integer 0..999 are
    ImageNet class indices; exactly 1000 folders with WordNet ids (``n01440764``) are, in sorted order, the
    classes 0..999 (as in ImageNet and ImageNet-mini). In any other case photographs have no label.

    Files and folders whose name starts with a dot and files without a photograph's ending are ignored, and counted.
    Links to folders are followed, each folder once. Links that lead nowhere and folders that may not be read are
    listed among what is left out. A `validation_fraction` of 1 makes a set for evaluation only.

    Photographs without colour teach none: with ``gray="leave_out"`` they are left out of training, and of what is drawn
    from it to validate. Folders of validation and test photographs are used as they are.
    """

    @checked
    def __init__(
        self,
        crops: Crops,
        root: str | None = None,
        validation_fraction: Annotated[float, Field(ge=0, le=1)] = 0.2,
        name: str = "image_folder",
        prepared: Prepared = "auto",
        group_by: GroupBy | None = None,
        gray: Literal["keep", "leave_out"] = "keep",
        training_fraction: TrainingFraction | None = None,
    ):
        super().__init__(crops, root, validation_fraction, prepared, group_by, training_fraction)
        self.name, self.gray = name, gray

    @property
    def split_names(self) -> tuple[str, ...]:
        """Splits that the folders name; a validation split is drawn if there is only ``train``, or none."""
        folders = self._split_folders
        drawn = {"train", "val"} if folders.rest is not None or "train" in folders.places else set()
        return tuple(name for name in SPLITS if name in drawn | set(folders.places))

    def offer(self) -> Offer:
        """Walk through the folder."""
        root, folders = self.checked_root(), self._split_folders
        places = folders.places
        # Without a folder for validation, the photographs to train on are drawn by hash like those of one set.
        draw = "val" not in places
        of_folder = {folder: split for split, several in places.items() for folder in several}
        classes = class_labels([*of_folder, *([folders.rest] if folders.rest is not None else [])], of_folder)
        candidates, left_out, ignored = [], [], []
        depths: dict[str, set[int]] = {}
        for entry in _entries(root, of_folder):
            name = printable(entry.path.relative_to(root))
            if entry.is_hidden or not (entry.is_folder or entry.is_photograph_by_name):
                ignored.append(LeftOut(name, _why_ignored(entry)))
                continue
            place = next((folder for folder in of_folder if entry.path.is_relative_to(folder)), folders.rest)
            # Pipes, links that lead nowhere and the like are told when they are opened, as broken files are.
            problem = entry.problem if entry.is_folder else ""
            if problem or place is None:
                left_out.append(LeftOut(name, problem or f"outside of {', '.join(sorted(places))}"))
                continue
            split = of_folder.get(place, "train")
            parts = entry.path.relative_to(place).parts
            depths.setdefault(split, set()).add(min(len(parts), 2))
            label = classes.get(parts[0]) if len(parts) > 1 else None
            candidates.append(Candidate(Photo(name, entry.path, label), None if draw and split == "train" else split))
        if not candidates:
            endings = ", ".join(sorted(PHOTO_EXTENSIONS))
            raise UserError(f"the folder {root} of {self.name} holds no photograph ({endings})")
        notes = (*folders.notes, *(_flat_beside_classes(root, places, depths) if classes else ()))
        return Offer(tuple(candidates), tuple(left_out), str(root), tuple(ignored), notes)

    def why_left_out(self, candidate: Candidate, file: PhotoFile) -> str:
        """Say that a photograph to train on is gray."""
        return GRAY if self.gray == "leave_out" and file.gray and candidate.split in (None, "train") else ""

    @property
    def _notes(self) -> tuple[str, ...]:
        gray = sum(left.reason == GRAY for left, _ in self._sorted_out[1])
        are, them = ("photograph is", "it") if gray == 1 else ("photographs are", "them")
        said = f"{gray} gray {are} left out of training: dataset.gray=keep uses {them}"
        return (*self._offered.notes, *([said] if gray else []))

    def _why_empty(self, name: str) -> str:
        places = self._split_folders.places.get(name)
        if places is None or self._notes != self._offered.notes:
            return "; ".join([super()._why_empty(name), *self._notes[len(self._offered.notes) :]])
        named = " and ".join(str(folder) for folder in places)
        return f"the split {name!r} of {self.name} is empty: {named} holds no photograph that can be used"

    @cached_property
    def _split_folders(self) -> SplitFolders:
        return split_folders(self.checked_root())


def class_labels(roots: Iterable[Path], none: Collection[Path] = ()) -> dict[str, int]:
    """ImageNet classes of the folders in `roots` by their names, those of `none` aside; empty where they have none."""
    names = sorted({path.name for root in roots for path in subfolders(root) if path not in none})
    if all(re.fullmatch(r"[0-9]+", name) and int(name) < NUMBER_OF_CLASSES for name in names):
        return {name: int(name) for name in names}
    if len(names) == NUMBER_OF_CLASSES and all(re.fullmatch(r"n[0-9]{8}", name) for name in names):
        return {name: index for index, name in enumerate(names)}
    return {}


def _entries(root: Path, of_folder: Collection[Path]) -> Iterator[FolderEntry]:
    """Everything below a folder, each once; folders of splits are walked for themselves, whatever links lead there."""
    for folder in (*of_folder, root):
        try:
            for entry in walk_folder(folder, hidden=True):
                if folder in of_folder or not any(entry.path.is_relative_to(place) for place in of_folder):
                    yield entry
        except OSError as error:
            raise UserError(f"the folder {folder} cannot be listed ({in_words(error)})") from None


def _why_ignored(entry: FolderEntry) -> str:
    if entry.is_hidden:
        return "a hidden folder" if entry.is_folder else "a hidden file"
    return f"not a photograph by its name ({printable(entry.path.suffix) or 'without an ending'})"


def _flat_beside_classes(root: Path, places: dict[str, list[Path]], depths: dict[str, set[int]]) -> Iterator[str]:
    """Say which splits are flat where the training photographs stand in folders of ImageNet classes."""
    if 1 in depths.get("train", {1}):
        return
    for split in ("val", "test"):
        if depths.get(split) == {1}:
            flat = " and ".join(f"{folder.relative_to(root).as_posix()}/" for folder in places[split])
            yield f"{flat} has no class folders, as train has: its photographs are unlabelled"
