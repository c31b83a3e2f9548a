"""The study of loss designs after its trainings: decodings chosen on validation photographs, then one judging.

    oldrestore sweep sweeps=loss_designs --jobs 2
    python docs/studies/losses.py decode outputs/sweeps/loss_designs    chooses; writes decodings.csv into that folder
    python docs/studies/losses.py judge outputs/sweeps/loss_designs     judges each run as its design is decoded

What is chosen and measured was written down before the runs: losses_plan.md. `decode` sees validation photographs and
no judge. `judge` leaves out what is judged already, and prints the folders of the evaluations, for compare and report.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from oldrestore import runtime

runtime.prepare()
runtime.quiet_import_of_paddle()

import numpy as np  # noqa: E402
import paddle  # noqa: E402

from oldrestore.api import Run  # noqa: E402
from oldrestore.batch import Prediction  # noqa: E402
from oldrestore.color.difference import ciede2000  # noqa: E402
from oldrestore.color.lab import rgb_to_lab  # noqa: E402
from oldrestore.config.build import build  # noqa: E402
from oldrestore.config.compose import override_config  # noqa: E402
from oldrestore.data.loading.loader import evaluation_photos  # noqa: E402
from oldrestore.evaluation.colorizer import at_full_size  # noqa: E402
from oldrestore.evaluation.prediction import recolor  # noqa: E402
from oldrestore.narrator import Narrator  # noqa: E402
from oldrestore.records.finding import runs_of_sweep  # noqa: E402
from oldrestore.scoring.evaluation import evaluate  # noqa: E402
from oldrestore.scoring.subject import subject_named  # noqa: E402

TEMPERATURES = (0.38, 0.6, 0.8, 1.0)
CHROMAS = (0.8, 1.0, 1.25, 1.5)
LEAST_CHROMA = 0.4  # of the originals' mean chroma: calm is not gray
TABLE = "decodings.csv"
PROTOCOL = ("evaluation=recognition", "dataset=labelled_photos_wide", "judge=[efficientnet_lite0,squeezenet]")


def decodings_of(run: Run) -> Iterator[dict[str, float]]:
    """Yield, for each decoding, the mean CIEDE2000 and the mean chroma over that of the originals."""
    config = run.composed
    network, source = run.network(), build(config.dataset)
    labs = [rgb_to_lab(rgb) for _, rgb in evaluation_photos(source.split("val"), source.crops)]
    with paddle.no_grad():
        logits = [network(paddle.to_tensor(lab[None, None, ..., 0])).logits for lab in labs]
    true_chroma = np.mean([np.hypot(*lab[..., 1:].transpose(2, 0, 1)).mean() for lab in labs])
    network.chroma = 1.0
    for network.temperature in TEMPERATURES:
        small = [network.decode(Prediction(logits=said)).numpy()[0].transpose(1, 2, 0) for said in logits]
        colors = [at_full_size(network, ab, lab[..., 0]) for ab, lab in zip(small, labs, strict=True)]
        for chroma in CHROMAS:
            recolored = [rgb_to_lab(recolor(lab[..., 0], chroma * ab)) for lab, ab in zip(labs, colors, strict=True)]
            yield {
                "temperature": network.temperature,
                "chroma": chroma,
                "de2000": float(np.mean([ciede2000(*pair).mean() for pair in zip(recolored, labs, strict=True)])),
                "chroma_share": chroma * float(np.mean([np.hypot(*ab.T).mean() for ab in colors]) / true_chroma),
            }


def rule(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of a design's decodings, means over its seeds: truest among those of enough chroma, else the most chroma."""
    lively = [row for row in rows if row["chroma_share"] >= LEAST_CHROMA]
    if not lively:
        return max(rows, key=lambda row: row["chroma_share"])
    return min(lively, key=lambda row: row["de2000"])


def runs_by_design(sweep: Path) -> dict[str, list[Run]]:
    """Runs of a sweep that are done, by the choice of the loss."""
    by_design = defaultdict(list)
    for folder in runs_of_sweep(sweep) or []:
        run = Run(folder)
        by_design[run.choices["loss"]].append(run)
    return dict(by_design)


def decode(sweep: Path) -> None:
    """Measure every decoding of every run and write the table, with what is chosen for each design."""
    table = []
    for design, runs in runs_by_design(sweep).items():
        measured = [list(decodings_of(run)) for run in runs]
        means = [
            {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
            for rows in zip(*measured, strict=True)
        ]
        chosen = rule(means)
        table += [{"design": design, "seeds": len(runs), **row, "chosen": int(row is chosen)} for row in means]
        print(design, {name: round(value, 3) for name, value in chosen.items()}, flush=True)
    with (sweep / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def judge(sweep: Path) -> None:
    """Judge each run once, decoded as chosen for its design."""
    with (sweep / TABLE).open(newline="", encoding="utf-8") as file:
        chosen = {row["design"]: row for row in csv.DictReader(file) if row["chosen"] == "1"}
    for design, runs in runs_by_design(sweep).items():
        decoding = [f"model.{name}={chosen[design][name]}" for name in ("temperature", "chroma")]
        for run in runs:
            subject = subject_named(str(run.folder), run.folder.parent, None, [])
            config = override_config(subject.config, [*PROTOCOL, *decoding])
            judged = next((done for done in run.evaluations if done.composed == config), None)
            folder = evaluate(subject, config, Narrator(on_stderr=True)).folder if judged is None else judged.folder
            print(folder, flush=True)


if __name__ == "__main__":
    steps = {"decode": decode, "judge": judge}
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("step", choices=steps)
    options.add_argument("sweep", type=Path)
    asked = options.parse_args()
    steps[asked.step](asked.sweep)
