"""Images a second of the training loader on one core, beside a straightforward Pillow and scikit-image pipeline.

    OMP_NUM_THREADS=1 python benchmarks/loader.py [--photographs 64] [--rounds N] [--json]

The photographs are JPEG files of 500 x 375 or 375 x 500 pixels (quality 90), as in ImageNet, made in a temporary folder
from those that packages ship. Each side runs in this process, on one core, and gives Lab of random crops, mirrored at
random, in batches of 16: at 176 (squashed to 256 x 256, as in the published training) and at 64 (shorter side 96).

- ours, cold: the first epoch of `training_loader` with the default settings: each photograph is read, decoded and
  resized, and kept in memory (``trainer.cache_mib``); then `Batch.from_rgb`, the conversion to Lab that each training
  step begins with;
- ours, cold, full: the same with ``dataset.crops.decoding=full``, by Pillow;
- ours: the epochs after the first one of such a training;
- ours, prepared: a first epoch from the file that ``oldrestore data prepare`` makes, whose making is not in the time;
- straightforward: `PIL.Image.open`, `convert("RGB")`, `resize` (bicubic, as ours), random crop, mirror,
  `skimage.color.rgb2lab`, `numpy.stack`: no more than what each line says, and no file read twice in a round.

Paddle's loader fetches ahead in a thread; here the process may use one core only, so that this gains nothing. One
round is every photograph once. Seconds are processor time; the ways are measured in turn, round by round, and ratios
are those of pairs.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pairs import alternate, machine, timed, times_faster

from oldrestore import runtime

BATCH = 16
WARM_UP = 1  # rounds that do not count


def make_photographs(folder: Path, count: int) -> None:
    """Write JPEG files of ImageNet's usual size, different ones."""
    from PIL import Image, ImageOps

    from oldrestore.data.cropping.crops import Crops
    from oldrestore.data.sources.photos import Photos

    photos = Photos(Crops(96, 64)).split("train").photos
    for number in range(count):
        with Image.open(photos[number % len(photos)].path) as picture:
            size = (500, 375) if picture.width >= picture.height else (375, 500)
            small = ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.LANCZOS)
        if number >= len(photos):
            small = ImageOps.mirror(small)
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=90)
        (folder / f"{number:05}.jpg").write_bytes(buffer.getvalue())


def straightforward(paths: list[Path], size: int, crop: int, squash: bool) -> Iterator:
    """Yield batches of Lab crops, float (16, crop, crop, 3)."""
    import numpy as np
    from PIL import Image
    from skimage.color import rgb2lab

    rng = np.random.default_rng(0)
    order = rng.permutation(len(paths))
    for start in range(0, len(order) - BATCH + 1, BATCH):
        batch = []
        for number in order[start : start + BATCH]:
            image = Image.open(paths[number]).convert("RGB")
            scale = size / min(image.size)
            new = (size, size) if squash else (round(image.width * scale), round(image.height * scale))
            rgb = np.asarray(image.resize(new, Image.Resampling.BICUBIC))
            top, left = rng.integers(0, rgb.shape[0] - crop + 1), rng.integers(0, rgb.shape[1] - crop + 1)
            rgb = rgb[top : top + crop, left : left + crop]
            if rng.random() < 0.5:
                rgb = rgb[:, ::-1]
            batch.append(rgb2lab(rgb))
        yield np.stack(batch)


def ours(source, epochs: int = 1) -> Iterator:
    """Yield batches of some epochs: L and ab as tensors (16, ., crop, crop)."""
    from oldrestore.batch import Batch
    from oldrestore.data.loading.loader import training_loader

    split = source.split("train")
    batches = epochs * len(split.photos) // BATCH
    for rgb, names in training_loader(split, source.crops, BATCH, 0, batches):
        yield Batch.from_rgb(rgb, names)


def measure(folder: Path, size: int, crop: int, fit: str, rounds: int) -> dict:
    """Images a second of each way, and how many times faster ours are."""
    from oldrestore.data.cropping.crops import Crops
    from oldrestore.data.loading.prepared import prepare_photographs
    from oldrestore.data.sources.image_folder import ImageFolder

    def source(prepared: str, decoding: str = "fast") -> ImageFolder:
        crops = Crops(size, crop, fit=fit, decoding=decoding)
        found = ImageFolder(crops, str(folder), validation_fraction=0, prepared=prepared)
        found.split("train")  # the folder is looked through once, before a training
        return found

    paths = sorted(folder.glob("*.jpg"))
    sources = {"cold": source("off"), "full": source("off", "full"), "prepared": source("required")}
    prepare_photographs(sources["prepared"].split("train"), sources["prepared"].crops)

    def count(batches: Iterator) -> None:
        given = sum(1 for _ in batches)
        if given != len(paths) // BATCH:
            raise SystemExit(f"{given} batches of {len(paths)} photographs")

    # One training as long as the benchmark: an epoch of it for each round, the first one before all.
    training = ours(sources["cold"], epochs=1 + WARM_UP + rounds)
    epoch = len(paths) // BATCH
    count(islice(training, epoch))
    ways = {
        "straightforward": lambda: count(straightforward(paths, size, crop, fit == "squash")),
        "ours, cold": lambda: count(ours(sources["cold"])),
        "ours, cold, full": lambda: count(ours(sources["full"])),
        "ours": lambda: count(islice(training, epoch)),
        "ours, prepared": lambda: count(ours(sources["prepared"])),
    }
    seconds = alternate({name: timed(work, time.process_time) for name, work in ways.items()}, rounds, WARM_UP)
    images = len(paths) // BATCH * BATCH
    rates = {name: images / sorted(times)[len(times) // 2] for name, times in seconds.items()}
    ratios = {name: times_faster(seconds, name, "straightforward") for name in ways if name != "straightforward"}
    return {"images_per_second": rates, "ratios": ratios}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    runtime.prepare()
    runtime.quiet_import_of_paddle()
    results = {}
    with tempfile.TemporaryDirectory() as name:
        os.environ["OLDRESTORE_CACHE"] = f"{name}/cache"
        folder = Path(name, "photographs")
        folder.mkdir()
        make_photographs(folder, options.photographs)
        if not options.json:
            print(machine())
        for size, crop, fit in ((256, 176, "squash"), (96, 64, "shorter_side")):
            found = measure(folder, size, crop, fit, options.rounds)
            results[str(crop)] = found | {"ratios": {way: vars(ratio) for way, ratio in found["ratios"].items()}}
            if options.json:
                continue
            print(f"\ncrops of {crop} ({fit} {size}), {options.photographs} photographs a round")
            for way, rate in found["images_per_second"].items():
                ratio = found["ratios"].get(way)
                faster = f"  times faster than straightforward: {ratio}" if ratio else ""
                print(f"{way:20}{rate:8.0f} images/s{faster}", flush=True)
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
