"""Chooses how lite_unet is decoded, on validation photographs, and measures the choice on labelled_photos.

    python docs/models/measure_lite_unet.py choose WEIGHTS    writes lite_unet_tradeoff.csv and .png beside this file
    python docs/models/measure_lite_unet.py measure WEIGHTS   writes lite_unet_results.json beside this file
    python docs/models/measure_lite_unet.py panel WEIGHTS     writes docs/images/lite_unet_panel.jpg

WEIGHTS is a checkpoint of experiments=release_lite_unet, or ``released``. `choose` sees the validation photographs of
photos_plus alone. `measure` and `panel` decode as the weights' header says, or as the options say.
"""

from __future__ import annotations

import argparse
import csv
import json
from itertools import product
from pathlib import Path

from oldrestore import runtime

runtime.prepare()
runtime.quiet_import_of_paddle()

import numpy as np  # noqa: E402
import paddle  # noqa: E402
from PIL import Image  # noqa: E402

from oldrestore.batch import Prediction  # noqa: E402
from oldrestore.color.joining import join_color  # noqa: E402
from oldrestore.color.lab import gray_rgb8, rgb_to_lab  # noqa: E402
from oldrestore.color.prior import smooth_prior  # noqa: E402
from oldrestore.data.cropping.crops import Crops  # noqa: E402
from oldrestore.data.loading.loader import decode_known_photo, evaluation_photos, in_content_order  # noqa: E402
from oldrestore.data.sources.labelled_photos import LabelledPhotos  # noqa: E402
from oldrestore.data.sources.photos_plus import PhotosPlus  # noqa: E402
from oldrestore.evaluation import metrics  # noqa: E402
from oldrestore.evaluation.accuracy import accuracy_table, judge_photos  # noqa: E402
from oldrestore.evaluation.colorizer import Colorizer  # noqa: E402
from oldrestore.evaluation.judge import EfficientNetLite  # noqa: E402
from oldrestore.evaluation.prediction import ColorPrediction, recolor  # noqa: E402
from oldrestore.models.lite_unet import LiteUnet  # noqa: E402
from oldrestore.models.released import SIZE, released_weights  # noqa: E402
from oldrestore.panels import side_by_side  # noqa: E402
from oldrestore.statistics import wilson_interval  # noqa: E402

HERE = Path(__file__).resolve().parent
PIXELS = SIZE["lite_unet"]
TEMPERATURES = (0.38, 1.0, 2.0)
CONFIDENCES = (0.0, 0.7)
CHROMAS = (0.8, 1.2, 1.5, 1.8)
RESAMPLES = 2000


class Measured:
    """Colourings of a set of photographs against their originals, with gray beside them."""

    def __init__(self, originals: list[np.ndarray], judge: EfficientNetLite, labels: list[int] | None = None):
        self.originals = originals
        self.judge = judge
        labs = [rgb_to_lab(rgb) for rgb in originals]
        self.lightness = [np.ascontiguousarray(lab[..., 0]) for lab in labs]
        self.true_ab = [lab[..., 1:] for lab in labs]
        self.gray_area = [metrics.area_by_bin(np.zeros_like(ab), ab) for ab in self.true_ab]
        self.prior = smooth_prior(sum(count for _, count in self.gray_area), sigma=5.0)
        self.original_colorfulness = np.array([metrics.colorfulness(rgb) for rgb in originals])
        original = judge.probabilities(originals)
        # Without labels, the class that the judge sees in the original stands for the true one.
        self.labels = original.argmax(axis=1) if labels is None else np.array(labels)
        self.original_p = original[np.arange(len(originals)), self.labels]
        self.gray_p = self.probabilities([gray_rgb8(L) for L in self.lightness])

    def probabilities(self, photos: list[np.ndarray]) -> np.ndarray:
        """Judge's probability of each photograph's class."""
        return self.judge.probabilities(photos)[np.arange(len(photos)), self.labels]

    def rebalanced(self, area: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """(value, weight) of the rebalanced AuC of each photograph."""
        return np.array([metrics.rebalance(*one, self.prior) for one in area])

    def values(self, colors: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Per-photograph figures of colours (H, W, 2)."""
        area = [metrics.area_by_bin(ab, true) for ab, true in zip(colors, self.true_ab, strict=True)]
        recolored = [recolor(L, ab) for L, ab in zip(self.lightness, colors, strict=True)]
        return {
            "rebalanced": self.rebalanced(area),
            "auc": np.array([(a.sum() / c.sum(), c.sum()) for a, c in area]),
            "colorfulness": np.array([metrics.colorfulness(rgb) for rgb in recolored]),
            "p": self.probabilities(recolored),
        }


def weighted(pairs: np.ndarray) -> float:
    """Value of the whole set from (value, weight) of each photograph."""
    return float((pairs[:, 0] * pairs[:, 1]).sum() / pairs[:, 1].sum())


def choose(network: LiteUnet) -> None:
    """Try every decoding on the validation photographs."""
    source = PhotosPlus(Crops(size=PIXELS, crop=128, evaluation_size=PIXELS))
    photos = [rgb for _, rgb in evaluation_photos(source.split("val"), source.crops)]
    measured = Measured(photos, EfficientNetLite("lite0"))
    with paddle.no_grad():
        logits = [network(paddle.to_tensor(L[None, None])).logits.numpy() for L in measured.lightness]
    gray = weighted(measured.rebalanced(measured.gray_area))
    original = measured.original_colorfulness.mean()
    rows = []
    for temperature, confidence in product(TEMPERATURES, CONFIDENCES):
        network.temperature, network.confidence, network.chroma = temperature, confidence, 1.0
        small = [network.decode(Prediction(logits=paddle.to_tensor(x))).numpy()[0].transpose(1, 2, 0) for x in logits]
        joined = [join_color(ab, L, network.edge_range) for ab, L in zip(small, measured.lightness, strict=True)]
        for chroma in CHROMAS:
            found = measured.values([chroma * ab for ab in joined])
            row = {
                "temperature": temperature,
                "confidence": confidence,
                "chroma": chroma,
                "auc_rebalanced_over_gray": weighted(found["rebalanced"]) - gray,
                "auc": weighted(found["auc"]),
                "colorfulness_over_original": found["colorfulness"].mean() / original,
                "recognition": found["p"].mean(),
                "recognition_gray": measured.gray_p.mean(),
                "recognition_original": measured.original_p.mean(),
                "n": len(photos),
            }
            rows.append(row)
            print("  ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
    with (HERE / "lite_unet_tradeoff.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: round(float(v), 5) for k, v in row.items()} for row in rows)
    draw(rows)


def draw(rows: list[dict[str, float]]) -> None:
    """Plot colourfulness against accuracy and recognition, a line for each temperature and confidence."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    names = ("auc_rebalanced_over_gray", "recognition")
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.92, len(TEMPERATURES)))
    for axis, name in zip(axes, names, strict=True):
        for (t, temperature), (style, confidence) in product(
            enumerate(TEMPERATURES), zip(("-", "--"), CONFIDENCES, strict=True)
        ):
            line = [r for r in rows if (r["temperature"], r["confidence"]) == (temperature, confidence)]
            label = f"T {temperature}" if confidence == CONFIDENCES[0] else None
            x, y = ([r[key] for r in line] for key in ("colorfulness_over_original", name))
            axis.plot(x, y, style, marker=".", color=shades[t], label=label)
        axis.axvspan(0.7, 1.3, color="0.92", zorder=0)
        axis.set_xlabel("colourfulness over the originals'")
    axes[0].axhline(0.05, color="k", lw=0.8)
    axes[0].set_ylabel("rebalanced AuC over gray's")
    axes[1].axhline(rows[0]["recognition_gray"], color="k", lw=0.8)
    axes[1].set_ylabel("judge's probability of the original's class\n(black: gray photographs)")
    axes[0].legend(fontsize=8)
    styles = ", ".join(f"{mark} {c}" for mark, c in zip(("solid", "dashed"), CONFIDENCES, strict=True))
    figure.suptitle(
        f"lite_unet on {rows[0]['n']} validation photographs; confidence: {styles}; points: chroma "
        f"{', '.join(map(str, CHROMAS))}",
        fontsize=10,
    )
    figure.savefig(HERE / "lite_unet_tradeoff.png", dpi=80)


def labelled() -> list[tuple[str, np.ndarray, int]]:
    """Every labelled photograph, in content order, at full size."""
    split = LabelledPhotos(Crops(size=256, crop=224)).split("test")
    return [(photo.name, decode_known_photo(photo), photo.label) for photo in in_content_order(split)]


def measure(network: LiteUnet, settings: dict[str, float]) -> None:
    """Measure on labelled_photos at full size, with 95% intervals over photographs."""
    photos = labelled()
    judge = EfficientNetLite("lite0")
    colorizer = Colorizer(network, size=PIXELS)
    kept: dict[bytes, ColorPrediction] = {}

    def colorize(lightness: list[np.ndarray]) -> list[ColorPrediction]:
        keys = [L.tobytes() for L in lightness]
        new = {key: L for key, L in zip(keys, lightness, strict=True) if key not in kept}
        kept.update(zip(new, colorizer(list(new.values())), strict=True))
        return [kept[key] for key in keys]

    table = accuracy_table(judge, judge_photos(colorize, photos, judge), every=100)
    measured = Measured([rgb for _, rgb, _ in photos], judge, [label for *_, label in photos])
    found = measured.values([prediction.ab_hw2 for prediction in colorize(measured.lightness)])
    gray = measured.rebalanced(measured.gray_area)
    ours, n = found["rebalanced"], len(photos)

    def of(chosen: np.ndarray) -> dict[str, float]:
        return {
            "auc_rebalanced": weighted(ours[chosen]),
            "auc_rebalanced_gray": weighted(gray[chosen]),
            "auc_rebalanced_over_gray": weighted(ours[chosen]) - weighted(gray[chosen]),
            "auc": weighted(found["auc"][chosen]),
            "colorfulness": found["colorfulness"][chosen].mean(),
            "colorfulness_original": measured.original_colorfulness[chosen].mean(),
            "colorfulness_over_original": found["colorfulness"][chosen].mean()
            / measured.original_colorfulness[chosen].mean(),
            "p": found["p"][chosen].mean(),
            "p_gray": measured.gray_p[chosen].mean(),
            "p_original": measured.original_p[chosen].mean(),
            "p_over_gray": (found["p"] - measured.gray_p)[chosen].mean(),
        }

    rng = np.random.default_rng(0)
    resampled = [of(rng.integers(0, n, n)) for _ in range(RESAMPLES)]
    whole = of(np.arange(n))
    intervals = {name: [float(q) for q in np.quantile([r[name] for r in resampled], (0.025, 0.975))] for name in whole}
    right = {v: sum(photo.correct for photo in table.judged if photo.version == v) for v in ("iter", "orig", "gray")}
    result = {
        "settings": settings | {"size": PIXELS},
        "n": n,
        "judge": judge.name,
        "figures": {name: {"value": float(value), "interval_95": intervals[name]} for name, value in whole.items()},
        "top1": {v: {"right": k, "interval_95": list(wilson_interval(k, n))} for v, k in right.items()},
        "gap_closed": table.final.gap_closed,
        "gap_closed_probability": table.final.gap_closed_probability,
    }
    text = json.dumps(result, indent=1)
    (HERE / "lite_unet_results.json").write_text(text + "\n")
    print(text)


def panel(network: LiteUnet, path: Path, count: int = 12, side: int = 136) -> None:
    """Show every (n / count)-th labelled photograph in the order of content hashes: gray, coloured, original."""
    photos = [rgb for _, rgb, _ in labelled()]
    chosen = [photos[index * len(photos) // count] for index in range(count)]
    lightness = [np.ascontiguousarray(rgb_to_lab(rgb)[..., 0]) for rgb in chosen]
    predictions = Colorizer(network, size=PIXELS)(lightness)
    crops = Crops(size=side, crop=side)
    triples = [
        [crops.evaluation(x) for x in (gray_rgb8(L), recolor(L, prediction.ab_hw2), rgb)]
        for rgb, L, prediction in zip(chosen, lightness, predictions, strict=True)
    ]
    rows = [triples[2 * i] + triples[2 * i + 1] for i in range(count // 2)]
    titles = ("Input", "lite_unet", "Original") * 2
    Image.fromarray(side_by_side(rows, titles=titles)).save(path, quality=78)
    print(path, path.stat().st_size, "bytes")


def main() -> None:
    """Carry out what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("choose", "measure", "panel"))
    parser.add_argument("weights")
    for name in ("temperature", "confidence", "chroma", "edge_range"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=None)
    options = parser.parse_args()
    settings = dict(released_weights("lite_unet").settings) if options.weights == "released" else {"edge_range": 6.0}
    chosen = {name: getattr(options, name) for name in ("temperature", "confidence", "chroma", "edge_range")}
    settings |= {name: value for name, value in chosen.items() if value is not None}
    network = LiteUnet(weights=options.weights, **settings)
    network.eval()
    if options.action == "choose":
        choose(network)
    elif options.action == "measure":
        measure(network, settings)
    else:
        panel(network, HERE.parent / "images" / "lite_unet_panel.jpg")


if __name__ == "__main__":
    main()
