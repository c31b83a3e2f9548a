"""Tiny runs that meet a fault, and what must hold of each afterwards."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.files import whole_lines
from oldrestore.records.liveness import state_in_words
from oldrestore.records.run import Run
from oldrestore.training.checkpoint import load_checkpoint
from tests.reliability.nursery import Ended, Nursery
from tests.run.same_run import assert_same_run, records
from tests.workshop import SETTINGS

SHORT = ["tracking=none", "evaluation.judged=null", "trainer.log_every=4", "trainer.checkpoint_every=2"]


@dataclass
class Yard:
    """Photographs, a place for runs, and a run to compare with, which met no fault."""

    photos: Path
    outputs: Path
    nursery: Nursery
    whole: Path | None = None

    def train(
        self,
        *overrides: str,
        faults: Sequence[Sequence[Any]] = (),
        environment: Mapping[str, Any] | None = None,
        several: int = 1,
    ) -> list[Ended]:
        """Train, in as many processes at once."""
        places = [f"dataset.root={self.photos}", f"outputs={self.outputs}"]
        return self.nursery.run(["train", *SETTINGS, *places, *SHORT, *overrides], faults, environment, several=several)

    def finish(self, *overrides: str, **how: Any) -> tuple[Ended, Path]:
        """Train once, which must finish; returns what was said, and the newest run folder."""
        (ended,) = self.train(*overrides, **how)
        assert (ended.code, ended.sentence) == (0, ""), ended.err
        return ended, max(self.outputs.glob("tiny/*"))

    def fail(self, *faults: Sequence[Any], overrides: Sequence[str] = ()) -> tuple[Ended, Path]:
        """Train with a fault that ends it; check exit code, sentence, status and records, and return the run folder."""
        (ended,) = self.train(*overrides, faults=faults)
        (folder,) = self.outputs.glob("tiny/*")
        self.check(folder)
        state = state_in_words(Run(folder).status)
        if ended.code == 1:
            assert ended.sentence.startswith("the run failed: "), ended.err
            # Where even the status could not be written, it says that the process is gone.
            assert state in ("failed", "running (process gone)")
        else:
            assert (ended.code, state) == (-9, "running (process gone)"), (ended, state)
        if state == "failed":
            assert Run(folder).status["reason"] == ended.sentence.removeprefix("the run failed: ")
        return ended, folder

    def check(self, folder: Path) -> int:
        """Check that every checkpoint loads, and that metrics.jsonl is what the whole run's begins with."""
        for path in (folder / "checkpoints").glob("[!.]*"):
            checkpoint = load_checkpoint(path)
            assert all(np.isfinite(value).all() for value in checkpoint.tensors.values() if value.dtype.kind == "f")
        _ = Run(folder).curves
        lines = [json.loads(line)["values"] for line in whole_lines(folder / "metrics.jsonl")]
        if self.whole is not None:
            for ours, (_, theirs) in zip(lines, records(self.whole), strict=False):
                assert {name: value for name, value in ours.items() if not name.startswith("time/")} == theirs
        return len(lines)

    def resume(self, folder: Path) -> None:
        """Go on, and end as the run that met no fault."""
        for path in (folder, *filter(Path.is_dir, folder.rglob("*"))):
            path.chmod(0o755)
        (ended,) = self.nursery.run(["train", f"resume={folder}"])
        assert (ended.code, ended.sentence) == (0, ""), ended.err
        assert not list(folder.rglob("*.tmp"))
        if self.whole is not None:
            assert_same_run(folder, self.whole)


def quoted(sentence: str, *folders: Path) -> str:
    """Return a sentence for the page: what changes from machine to machine becomes an ellipsis."""
    for folder in folders:
        sentence = sentence.replace(f"{folder}/", "…/")
    return f"“{sentence}”"
