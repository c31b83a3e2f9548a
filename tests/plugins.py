"""Plugins that tests write."""

from pathlib import Path

LOSS = '''"""A loss."""

from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.losses.base import Positive
from oldrestore.losses.predicted_color import PredictedColor, Temperature


class Scaled(PredictedColor):
    """Mean absolute error of ab, divided by a scale."""

    @checked
    def __init__(self, scale: Positive = 1.0, annealed_mean: Temperature | None = None) -> None:
        super().__init__(annealed_mean)
        self.scale = scale

    def forward(self, prediction: Prediction, batch: Batch):
        """Value."""
        ab = self.predicted_ab(prediction)
        return (ab - batch.ab_at(*ab.shape[-2:])).abs().mean() / self.scale
'''


def write_plugin(folder: Path, files: dict[str, str] | None = None) -> Path:
    """Write a plugin with these files, by default a loss ``scaled``."""
    choice = f"_target_: {folder.name}.scaled.Scaled\nscale: 100.0\nannealed_mean: 0.38\n"
    usual = {"__init__.py": '__version__ = "1.2"\n', "scaled.py": LOSS, "conf/loss/scaled.yaml": choice}
    for name, text in (usual if files is None else files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
