"""Run folders with made-up scores, written as runs write them."""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder

CONFIG: dict[str, Any] = {
    "seed": 0,
    "run_id": None,
    "experiment": "e",
    "outputs": "outputs",
    "model": {"_target_": "oldrestore.models.eccv16.Eccv16", "width": 0.25},
    "loss": {"_target_": "oldrestore.losses.classification.SoftCrossEntropy", "sigma": 5.0},
    "dataset": {"root": None, "crops": {"evaluation_size": 32, "fit": "shorter_side"}},
    "evaluation": {"name": "photos", "size": 32, "samples": 2},
    "judge": {"_target_": "oldrestore.evaluation.judge.EfficientNetLite", "variant": "lite0"},
    "trainer": {"max_iterations": 20, "workers": 0},
}
DATA: dict[str, Any] = {
    "train": {"source": "photos", "count": 100, "fingerprint": "t"},
    "val": {"source": "photos", "count": 40, "fingerprint": "v", "photographs": {"00.jpg": "aa -", "01.jpg": "bb -"}},
    "judged": {"source": "labelled", "count": 60, "fingerprint": "j"},
    "judge": {"name": "efficientnet_lite0", "fingerprint": "w"},
}


def scores(shift: float = 0.0, seed: int = 0, images: int = 40, judged: int = 60) -> dict[str, Any]:
    """Scores of photographs that are as hard for every run; `shift` makes the run better."""
    hard, own = np.random.default_rng(99), np.random.default_rng([seed, round(1000 * shift) + 5000])
    names = [f"{i:02}.jpg" for i in range(images)]
    auc, weight = 0.8 + 0.05 * hard.normal(size=images), hard.gamma(2.0, 1e4, images)
    psnr, colorful = 20 + 3 * hard.normal(size=images), hard.gamma(4.0, 10.0, images)
    noise = own.normal(size=(3, images))
    val = {
        "auc": (auc + shift + 0.01 * noise[0], np.full(images, 1024.0)),
        "auc_rebalanced": (auc - 0.2 + shift + 0.02 * noise[1], weight),
        "psnr": (psnr + 20 * shift + 0.5 * noise[2], np.ones(images)),
        "colorfulness": (colorful, np.ones(images)),
    }
    level = hard.random(judged)
    right = {
        "orig": (level < 0.9).astype(float),
        "gray": (level < 0.6).astype(float),
        "iter": (level < 0.7 + shift + 0.02 * own.normal()).astype(float),
    }
    shown = {f"{version}_correct": (found, np.ones(judged)) for version, found in right.items()}
    return {"val": (names, val), "judged": ([f"j{i:02}" for i in range(judged)], shown)}


def make_run(
    outputs: Path,
    run_id: str,
    settings: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    scored: Mapping[str, Any] | None = None,
    choices: Mapping[str, str] | None = None,
    state: str = "finished",
    iteration: int = 20,
) -> Path:
    """Write a run; `settings` and `data` by dotted name. An earlier validation of zeros stands before the last."""
    config, described = (OmegaConf.create(copy.deepcopy(part)) for part in (CONFIG, DATA))
    for part, changes in ((config, settings or {}), (described, data or {})):
        for name, value in changes.items():
            OmegaConf.update(part, name, value, force_add=True)
    folder = RunFolder.create(outputs, config.experiment, run_id)
    folder.write_config(OmegaConf.to_yaml(config), [], choices)
    folder.write_json("data.json", OmegaConf.to_container(described))
    for at in (iteration // 2, iteration):
        for name, (images, metrics) in (scored if scored is not None else scores()).items():
            for metric, (values, weights) in metrics.items():
                row = {"trained_iterations": at, "set": name, "metric": metric}
                folder.per_image(
                    {**row, "image": image, "value": float(value) if at == iteration else 0.0, "weight": float(weight)}
                    for image, value, weight in zip(images, values, weights, strict=True)
                )
    folder.scalars(iteration, {"train/loss": 1.5, "time/training_seconds": 12.0})
    folder.status("running")
    folder.status(state, **{"summary": {"val/auc": 0.8}})
    folder.close()
    return folder.path


def make_designs(
    outputs: Path, shifts: Mapping[str, float], seeds: Sequence[int] = (0,), length: int = 0, **settings: Any
) -> list[Run]:
    """Write runs ``d0-0``, ``d0-1``, ... of designs that chose a loss each, shifted so; `length` is that of curves."""
    runs = []
    for index, (loss, shift) in enumerate(shifts.items()):
        for seed in seeds:
            changed = {"seed": seed, "design": loss, "loss.sigma": 5.0 + index, **settings}
            scored = scores(shift, seed)
            folder = make_run(outputs, f"d{index}-{seed}", changed, scored=scored, choices={"loss": loss})
            if length:
                write_metrics(folder, curve(loss, seed, length))
            runs.append(Run(folder))
    return runs


def write_metrics(folder: Path, values: Mapping[int, Mapping[str, Any]]) -> None:
    """Replace the metrics of a run by values by name and iteration."""
    lines = [json.dumps({"iteration": at, "time": float(at), "values": named}) for at, named in values.items()]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))


def curve(loss: str, seed: int, length: int = 20) -> dict[int, dict[str, float]]:
    """A training loss at each iteration, and two validations."""
    rng = np.random.default_rng([len(loss), seed])
    values = {at: {"train/loss": float(4 + rng.normal()), "time/data_wait_share": 0.5} for at in range(1, length + 1)}
    for at in (length // 2, length):
        values[at] |= {"val/loss": float(rng.normal()), "val/auc": float(rng.random()), "judged/iter_accuracy": 0.5}
    return values
