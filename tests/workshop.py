"""One tiny run on generated photographs, shared by the tests that only look at it."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from oldrestore.cli import main
from tests.generated_photographs import make_folder

SETTINGS = shlex.split("""
    experiment=tiny model.width=0.0625 optimizer.learning_rate=0.002
    dataset=image_folder dataset.crops.size=48 dataset.crops.crop=32 dataset.crops.evaluation_size=32
    evaluation=photos evaluation.size=32 evaluation.judged=dataset evaluation.judged_split=val
    evaluation.every=2 evaluation.samples=2
    trainer.max_iterations=6 trainer.batch_size=2 trainer.log_every=3 trainer.evaluate_every=3
    trainer.checkpoint_every=3 trainer.device=cpu
""")


@dataclass
class Workshop:
    """Photographs and a place for runs."""

    photos: Path
    outputs: Path

    def train(self, *overrides: str) -> tuple[int, Path | None]:
        """Run ``oldrestore train``; the exit code, and the newest run folder if a new one came."""
        before = set(self.outputs.glob("*/*/config.yaml"))
        code = main(["train", *self.arguments(overrides)])
        new = set(self.outputs.glob("*/*/config.yaml")) - before
        return code, new.pop().parent if new else None

    def arguments(self, overrides: Sequence[str] = ()) -> list[str]:
        return [*SETTINGS, f"dataset.root={self.photos}", f"outputs={self.outputs}", *overrides]


@pytest.fixture(scope="session")
def make_workshop(tmp_path_factory) -> Callable[[], Workshop]:
    photos = make_folder(tmp_path_factory.mktemp("photographs") / "set")
    return lambda: Workshop(photos, tmp_path_factory.mktemp("outputs"))


@pytest.fixture
def workshop(make_workshop) -> Workshop:
    return make_workshop()


@pytest.fixture(scope="session")
def tracked_run(make_workshop) -> Path:
    """A finished run with every tracker on."""
    code, folder = make_workshop().train("tracking.mlflow.system_metrics=false")
    assert code == 0
    return folder
