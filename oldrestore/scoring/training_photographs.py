"""The photographs that a network was trained on, which may stand elsewhere by now."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from oldrestore.config.build import build
from oldrestore.config.roles import is_place_of_photographs
from oldrestore.data.sources.source import PhotoSource, Split
from oldrestore.errors import UserError
from oldrestore.plain import flatten
from oldrestore.records.run import Run


def training_photographs(trained: DictConfig, config: DictConfig, folder: Path) -> tuple[PhotoSource, Split]:
    """Return what a run was trained on: from where it was then, or from where another configuration has the same.

    Parameters
    ----------
    trained : DictConfig
        The run's configuration.
    config : DictConfig
        Says where its photographs may stand now.
    folder : Path
        The run folder, which knows their fingerprint.

    Raises
    ------
    UserError
        They are at neither place.
    """
    try:
        source = build(trained.dataset)
        return source, source.split("train")
    except UserError:
        now = OmegaConf.create(OmegaConf.to_container(trained))
        for name, value in flatten(OmegaConf.to_container(config)).items():
            if is_place_of_photographs(name) and value not in (None, OmegaConf.select(now, name, default=value)):
                OmegaConf.update(now, name, value, merge=False)
        source = build(now.dataset)
        train = source.split("train")
        if train.fingerprint != Run(folder).data.get("train", {}).get("fingerprint"):
            raise
        return source, train
