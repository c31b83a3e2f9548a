"""Tells by their names which folders of a dataset are its splits: train/, val2017/, seg_test/, images/validation/."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oldrestore.data.sources.walk import walk_folder
from oldrestore.errors import UserError, in_words

SPLITS = ("train", "val", "test")
WORDS = {
    **dict.fromkeys(("train", "training", "trainset", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "valset", "dev", "devel"), "val"),
    **dict.fromkeys(("test", "testing", "testset"), "test"),
}
"""Words that mean a split (COCO, ImageNet, Places, DIV2K, Kaggle, Roboflow and others)."""

PLAIN = frozenset({"train", "val", "validation", "test"})
"""Names that mean a split wherever they stand beside others. ``valid`` and ``dev`` may be classes."""

NEUTRAL = frozenset({
    "data", "dataset", "file", "files", "folder", "full", "hr", "image", "images", "img", "imgs", "jpeg", "jpegs",
    "jpg", "large", "original", "originals", "photo", "photos", "picture", "pictures", "png", "px", "raw", "resized",
    "rgb", "set", "small", "split",
})  # fmt: skip
"""Words beside that of the split which say nothing else: train_images, test_set."""

DEPTH = 4  # folders below the root among which splits are looked for where the root itself has none
SHOWN = 3  # folders named in a sentence


@dataclass(frozen=True)
class SplitFolders:
    """Where the splits of a folder of photographs stand."""

    places: dict[str, list[Path]]  # folders of each split by its name; empty if everything is one set
    rest: Path | None  # its photographs outside of `places` are trained on and, without a folder "val", drawn from
    notes: tuple[str, ...]  # a line on each thing that is not what its name suggests


@dataclass(frozen=True)
class _Named:
    """A folder whose name holds the word of a split, other words (`frame`), and numbers or single letters (`marks`)."""

    path: Path
    split: str
    word: str
    frame: tuple[str, ...]
    marks: tuple[str, ...]

    @property
    def bare(self) -> bool:
        """Whether it is the word alone, in any case; trainval holds another split."""
        return not self.frame and not self.marks and self.word != "trainval"

    @property
    def plain(self) -> bool:
        """Whether it means a split wherever it stands."""
        return self.word in PLAIN and NEUTRAL.issuperset(self.frame)


def split_folders(root: Path) -> SplitFolders:
    """Find the splits of a folder by the names in it, or in a folder of it such as ``images/``.

    Names count in any case, with numbers and neutral words (``train2017``, ``Test_Images``), and with any words that
    folders of two splits share (``seg_train``, ``seg_test``). Since a class may have such a name too, they count
    where they stand beside another split, where there is nothing else, or where they are plain: ``train``, ``val``,
    ``validation``, ``test``. A folder for testing is never trained on. `UserError` names two folders that may be the
    same split, or several that have splits.
    """
    folders = subfolders(root)
    named = _split_names(folders)
    others = [folder for folder in folders if folder not in {one.path for one in named}]
    counted = _counted(named, others)
    notes = [_unused(one, root, "no other split stands beside it") for one in named if one not in counted]
    if counted:
        return _beside(root, counted, others, notes)
    within = list(_within(root, DEPTH))
    whole = [folders for folders in within if len({one.split for one in folders}) > 1]
    alone = [folders[0] for folders in within if folders not in whole]
    if len(whole) > 1:
        holders = [folders[0].path.parent for folders in whole]
        likely = next((folder for folder in holders if folder.name.lower() in NEUTRAL), holders[0])
        names = _listed([_shown(folder, root) for folder in holders])
        raise UserError(f"the folder {root} has splits in {names}: give one of them, as in dataset.root={likely}")
    notes += [_unused(one, root, "no other split stands beside it") for one in alone if one.word != "test"]
    places = _places(root, whole[0], notes) if whole else {}
    for one in alone:
        if one.word == "test":
            places.setdefault("test", []).append(one.path)
    if not places:
        return SplitFolders({}, root, tuple(notes))
    used = [folder for folders in places.values() for folder in folders]
    rest = root if _holds_photograph(root, used) else None
    return SplitFolders(places, rest, (*notes, _what_is_what(places, root, rest)))


def _beside(root: Path, counted: list[_Named], others: Sequence[Path], notes: list[str]) -> SplitFolders:
    """Say what is used of a root that has splits itself."""
    places = _places(root, counted, notes)
    used = [folder for folders in places.values() for folder in folders]
    rest = None
    if "train" in places:
        unused = [f"{folder.name}/" for folder in others if _holds_photograph(folder, [])]
        if unused:
            notes.append(f"{_listed(unused)} beside the splits {'is' if len(unused) == 1 else 'are'} not used")
    elif _holds_photograph(root, used):
        rest = root
    if rest is not None or any(folder.name not in PLAIN for folder in used):
        notes.append(_what_is_what(places, root, rest))
    return SplitFolders(places, rest, tuple(notes))


def _what_is_what(places: dict[str, list[Path]], root: Path, rest: Path | None) -> str:
    said = [
        f"{split} is {_listed([_shown(folder, root) for folder in places[split]])}"
        for split in SPLITS
        if split in places and not (split == "train" and rest is not None)
    ]
    return ", ".join(said + (["all other photographs are trained on"] if rest is not None else []))


def _unused(one: _Named, root: Path, why: str) -> str:
    return f"{_shown(one.path, root)} looks like the split {one.split} and is not used as one, as {why}"


def _split_names(folders: Sequence[Path]) -> list[_Named]:
    """Folders whose names may mean a split."""
    candidates = [named for folder in folders for named in _read_name(folder)]
    return [
        one
        for one in candidates
        if NEUTRAL.issuperset(one.frame)
        or any(other.frame == one.frame and other.split != one.split for other in candidates)
    ]


def _read_name(folder: Path) -> Iterator[_Named]:
    """Read the words of a folder's name, if exactly one of them is that of a split."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", folder.name)
    words = [part.lower() for part in parts if part.isalpha() and len(part) > 1]
    recognised = [word for word in words if word in WORDS]
    if len(recognised) == 1:
        frame = tuple(word for word in words if word not in WORDS)
        marks = tuple(part for part in parts if not part.isalpha() or len(part) == 1)
        yield _Named(folder, WORDS[recognised[0]], recognised[0], frame, marks)


def _counted(named: list[_Named], others: Sequence[Path]) -> list[_Named]:
    """Those of the names that do mean a split."""
    several = len({one.split for one in named}) > 1
    if several or any(one.path.name == "train" for one in named):
        return named
    if any(one.split == "train" for one in named):
        # Of train_0/ and train_1/ alone, everything is one set in any case.
        return named if len(named) == 1 and not others else []
    return [one for one in named if one.plain or not others]


def _places(root: Path, named: Sequence[_Named], notes: list[str]) -> dict[str, list[Path]]:
    """Folders of each split; several of one split are parts of it (train_0, train_1), or one too many."""
    places: dict[str, list[_Named]] = {}
    for one in named:
        places.setdefault(one.split, []).append(one)
    for split, folders in places.items():
        bare = [one for one in folders if one.bare]
        if len(bare) == 1 and "train" in places:
            # val/ beside val_original/: what is called as the split is the split.
            notes += [_unused(one, root, f"{bare[0].path.name}/ is") for one in folders if one not in bare]
            places[split] = bare
        elif not all(_are_parts(folders[0], other) for other in folders[1:]):
            both = " and ".join(_shown(one.path, root) for one in (bare if len(bare) > 1 else folders)[:2])
            raise UserError(
                f"{both} in {root} both look like the split {split}: rename one of them, or move it elsewhere"
            )
    return {split: [one.path for one in folders] for split, folders in places.items()}


def _are_parts(one: _Named, other: _Named) -> bool:
    """Whether two folders are parts of one split, as train_0 and train_1 or trainA and trainB: years are editions."""
    years = any(re.fullmatch(r"(19|20)[0-9]{2}", mark) for mark in (*one.marks, *other.marks))
    alike = (one.word, one.frame, len(one.marks)) == (other.word, other.frame, len(other.marks))
    return alike and bool(one.marks) and not years


def _within(folder: Path, depth: int) -> Iterator[list[_Named]]:
    """Splits that stand below a folder, with photographs, as lists of folders side by side.

    Where there are several beside one another, what is deeper is theirs; one alone counts where it is plain.
    """
    for inner in _subfolders_if_any(folder):
        named = [one for one in _split_names(_subfolders_if_any(inner)) if _holds_photograph(one.path, [])]
        if len({one.split for one in named}) > 1:
            yield named
            continue
        yield from ([one] for one in named if one.plain and one.split != "train")
        if depth > 1:
            yield from _within(inner, depth - 1)


def _holds_photograph(folder: Path, outside: Sequence[Path]) -> bool:
    try:
        return any(
            entry.is_photograph_by_name and not any(entry.path.is_relative_to(place) for place in outside)
            for entry in walk_folder(folder)
        )
    except OSError:  # it may not be listed, which is said where it is walked through
        return False


def subfolders(root: Path) -> list[Path]:
    """Folders in a folder that are not hidden, sorted."""
    try:
        with os.scandir(root) as entries:  # which, unlike a path, knows folders from files without a look at each
            names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry))
    except OSError as error:
        raise UserError(f"the folder {root} cannot be listed ({in_words(error)})") from None
    return [root / name for name in names]


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle: it is listed among what is left out
        return False


def _subfolders_if_any(folder: Path) -> list[Path]:
    try:
        return subfolders(folder)
    except UserError:  # it is listed among what is left out
        return []


def _shown(folder: Path, root: Path) -> str:
    return f"{folder.relative_to(root).as_posix()}/"


def _listed(names: Sequence[str]) -> str:
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
