"""Whether a colorizer is as sure as it should be: predicted against true colour, by its certainty.

    python docs/models/measure_certainty.py released                   the shipped weights
    python docs/models/measure_certainty.py RUN/checkpoints/best.safetensors -o certainty

On the validation photographs of a dataset at the network's own size, pixels are sorted into tenths by their certainty
(`oldrestore.photographs.color_options`). Of each tenth: the chroma of the prediction and of the truth, the true colour
along the predicted hue, the error that the network expects and the one it makes, and how far hues are off. A calibrated
network makes the errors that it expects, and its chroma is the true one along its hue: more is guessed, less withheld.
It writes NAME.csv and NAME.png.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from oldrestore import runtime

runtime.prepare()
runtime.quiet_import_of_paddle()

import paddle  # noqa: E402
from PIL import Image  # noqa: E402

from oldrestore.color.lab import rgb_to_lab  # noqa: E402
from oldrestore.config.build import build  # noqa: E402
from oldrestore.config.compose import compose_config  # noqa: E402
from oldrestore.data.loading.loader import evaluation_photos  # noqa: E402
from oldrestore.engines.chosen_network import network_of_file, released_network  # noqa: E402
from oldrestore.photographs.color_options import SPREAD, certainty  # noqa: E402

TENTHS = 10
PIXELS = 1000  # of a photograph, drawn evenly
LEAST_CHROMA = 5.0  # Lab units, of both colours, where hues are compared


@paddle.no_grad()
def sampled(network, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Certainty, predicted a and b, true a and b of some pixels at the network's scale, (pixels, 5)."""
    lab = rgb_to_lab(rgb)
    prediction = network(paddle.to_tensor(np.ascontiguousarray(lab[..., 0])[None, None]))
    sure_hw = certainty(prediction.logits[0].numpy(), network.temperature)
    predicted_2hw = network.decode(prediction)[0].numpy()
    height, width = sure_hw.shape
    true = [Image.fromarray(lab[..., c].copy()).resize((width, height), Image.Resampling.BOX) for c in (1, 2)]
    values = np.stack([sure_hw, *predicted_2hw, *map(np.asarray, true)], axis=-1).reshape(-1, 5)
    return values[rng.permutation(len(values))[:PIXELS]]


def by_tenth(values: np.ndarray) -> list[dict[str, float]]:
    """Sort pixels into tenths of rising certainty, and measure each."""
    rows = []
    for tenth in np.array_split(values[values[:, 0].argsort(kind="stable")], TENTHS):
        sure, predicted, true = tenth[:, 0], tenth[:, 1:3], tenth[:, 3:]
        chroma, true_chroma = np.hypot(*predicted.T), np.hypot(*true.T)
        colored = (chroma > LEAST_CHROMA) & (true_chroma > LEAST_CHROMA)
        hues = np.degrees(np.arctan2(predicted[:, 1], predicted[:, 0]) - np.arctan2(true[:, 1], true[:, 0]))
        off = np.abs((hues[colored] + 180.0) % 360.0 - 180.0)
        rows.append(
            {
                "certainty": sure.mean(),
                "chroma": chroma.mean(),
                "true_chroma": true_chroma.mean(),
                "true_along_hue": ((predicted * true).sum(axis=1) / np.maximum(chroma, 1e-6)).mean(),
                "expected_error": np.sqrt((SPREAD**2 * (1.0 / sure - 1.0)).mean()),
                "error": np.sqrt(((predicted - true) ** 2).sum(axis=1).mean()),
                "hue_off_median": np.median(off) if off.size else np.nan,
                "pixels": len(tenth),
            }
        )
    return rows


def draw(rows: list[dict[str, float]], path: Path, title: str) -> None:
    """Plot chroma and error by certainty."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
    x = [row["certainty"] for row in rows]
    for axis, names in zip(
        axes, (("chroma", "true_chroma", "true_along_hue"), ("expected_error", "error")), strict=True
    ):
        for name in names:
            axis.plot(x, [row[name] for row in rows], ".-", label=name.replace("_", " "))
        axis.set(xlabel="certainty, mean of a tenth of the pixels", ylabel="Lab units", ylim=(0, None))
        axis.legend(frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="released, or a file")
    parser.add_argument("--dataset", default="photos_wide_2", help="whose validation photographs (photos_wide_2)")
    parser.add_argument("-o", "--output", type=Path, default=Path("certainty"), metavar="NAME", help="without ending")
    options = parser.parse_args()
    chosen = released_network() if options.weights == "released" else network_of_file(Path(options.weights))
    config = compose_config([f"dataset={options.dataset}", f"dataset.crops.evaluation_size={chosen.size}"])
    source = build(config.dataset)
    rng = np.random.default_rng(0)
    photos = evaluation_photos(source.split("val"), source.crops)
    values = [sampled(chosen.network, rgb, rng) for _, rgb in photos]
    rows = by_tenth(np.concatenate(values))
    for row in rows:
        print("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
    with options.output.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: round(float(value), 4) for name, value in row.items()} for row in rows)
    title = f"{chosen.title}, {len(values)} validation photographs of {options.dataset}"
    draw(rows, options.output.with_suffix(".png"), title)


if __name__ == "__main__":
    main()
