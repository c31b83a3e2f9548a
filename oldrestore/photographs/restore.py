"""``restore``: all stages; the record keeps their settings and a hash of each result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.files import sha256_of
from oldrestore.photographs.photo_list import RESTORED
from oldrestore.photographs.restorer import Restorer
from oldrestore.photographs.verb import Verb, line_of


class Restoring(Verb):
    """Photographs through all stages of a configuration.

    The configuration, and the network that fills or restores, are for the record.
    """

    name, words, mark = "restore", ("restoring", "restored"), RESTORED
    subject, keys = "files", ("width", "height", "lost", "frames", "colored", "seconds")

    def __init__(self, restorer: Restorer, config: DictConfig, network: ChosenNetwork | None = None) -> None:
        super().__init__(restorer)
        self.config = OmegaConf.to_container(config)
        self.network = network.describe() if network else None

    def facts(self) -> dict[str, Any]:
        """Facts about the stages, for ``--json``."""
        return {"stages": self.restorer.stages, "networks": self.networks, "restorer": self.network}

    def entry(self, number: int, output: Path, data: bytes | None, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Say how a result was made, for the record."""
        return {
            "sha256": sha256_of(output) if data is None else hashlib.sha256(data).hexdigest(),
            "lost": facts.get("lost"),
            # Networks have the outputs' order; without colour there is one output and no network.
            "colored_by": self.networks[number] if facts["colored"] else None,
            "stages": self.restorer.stages,
            "config": self.config,
            "restorer": self.network,
        }

    def header(self) -> Iterator[str]:
        """Lines that open the summary."""
        yield f"stages    {', '.join(self.restorer.stages) or 'none'}"
        if self.network is not None:
            yield line_of("restorer", self.network)
        for network in self.networks:
            yield line_of("colour", network)

    def note(self, done: Mapping[str, Any]) -> str:
        """Return how much of a photograph was filled and whether it was coloured."""
        stages = self.restorer.stages
        facts = [f"{done['lost']:.1%} filled"] if done.get("lost") is not None and "fill" in stages else []
        facts += [f"{done['frames']} frames"] if "frames" in done else []
        if "colorize" in stages:
            facts.append("coloured" if done["colored"] else "keeps its own colours")
        return f"  ({', '.join(facts)})" if facts else ""
