"""Photographs of a run that may stand elsewhere by now: they are the same where their fingerprints are."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from oldrestore.config.build import build
from oldrestore.run.then_and_now import check_data


def check_photographs(folder: Path, config: DictConfig) -> None:
    """Refuse a configuration whose photographs are not those of a run; nothing but the photographs is read.

    Raises
    ------
    UserError
        They are others, or not there.
    """
    source = build(config.dataset)
    splits = {"train": source.split("train"), "val": source.split("val")}
    judged = config.evaluation.judged
    if judged is not None:
        judged_source = source if judged == "dataset" else build(judged)
        splits["judged"] = judged_source.split(config.evaluation.judged_split)
    check_data(folder, {name: split.describe() for name, split in splits.items()})
