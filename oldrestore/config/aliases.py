"""Classes that configurations name and that moved since: run folders and weights files of earlier versions stay valid.

To move or rename such a class, add a row with its path before and its path now, and correct the rows that lead to the
path before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOVED = {
    "oldrestore.data.crops.Crops": "oldrestore.data.cropping.crops.Crops",
    "oldrestore.data.damage.inputs.DamagedPhotos": "oldrestore.data.inputs.damaged.DamagedPhotos",
    "oldrestore.data.detection_inputs.DetectionInputs": "oldrestore.data.inputs.damaged.DetectionInputs",
    "oldrestore.data.grid_crops.GridCrops": "oldrestore.data.cropping.grid_crops.GridCrops",
    "oldrestore.data.hints.Hints": "oldrestore.data.inputs.hints.Hints",
    "oldrestore.data.hole_inputs.Holes": "oldrestore.data.inputs.holes.HoleInputs",
    "oldrestore.data.image_folder.ImageFolder": "oldrestore.data.sources.image_folder.ImageFolder",
    "oldrestore.data.inputs.Colors": "oldrestore.data.inputs.colors.Colors",
    "oldrestore.data.labelled_photos.LabelledPhotos": "oldrestore.data.sources.labelled_photos.LabelledPhotos",
    "oldrestore.data.listed_photos.ListedPhotos": "oldrestore.data.sources.listed_photos.ListedPhotos",
    "oldrestore.data.photos.Photos": "oldrestore.data.sources.photos.Photos",
    "oldrestore.data.photos_plus.PhotosPlus": "oldrestore.data.sources.photos_plus.PhotosPlus",
    "oldrestore.data.photos_wide.PhotosWide": "oldrestore.data.sources.photos_wide.PhotosWide",
    "oldrestore.data.sparse_positions.SparsePositions": "oldrestore.data.inputs.sparse_positions.SparsePositions",
    "oldrestore.losses.weight_schedule.Step": "oldrestore.losses.weight_schedule.PiecewiseConstant",
    "oldrestore.restoration.fill.split.Split": "oldrestore.restoration.fill.split.FillBySize",
}
_FIRST = {now: before for before, now in reversed(MOVED.items())}


def current_target(target: str) -> str:
    """Return where the class that a ``_target_`` names is now."""
    return MOVED.get(target, target)


def with_current_targets(node: Any) -> Any:
    """Return plain containers, nested or flat (``dataset._target_``), in which every ``_target_`` is current."""
    return _renamed(node, MOVED)


def with_first_targets(node: Any) -> Any:
    """Return plain containers with every class under its oldest path, for hashes: they outlive a move."""
    return _renamed(with_current_targets(node), _FIRST)


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, Mapping):
        return {
            key: names.get(value, value)
            if isinstance(value, str) and (key == "_target_" or str(key).endswith("._target_"))
            else _renamed(value, names)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [_renamed(value, names) for value in node]
    return node
