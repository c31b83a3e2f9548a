"""Each bad input comes out right or is left out with a sentence; the rest of the batch comes out.

The corpus is made anew by each test run from seeds, never kept as files.
"""

import re
import warnings
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import paddle
import pytest
import tifffile

from oldrestore.color.lab import rgb_to_lab
from oldrestore.data.codecs import sample_depth
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_photo
from oldrestore.data.sources.photo import printable
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.weights import WeightsHeader, save_weights
from tests.reliability.cases import NO_STAGE, Case, png
from tests.reliability.damaged import damaged_files, odd_entries
from tests.reliability.nursery import Ended
from tests.reliability.pictures import whole_pictures

SECTION = "Photograph files"
MIB = 1000  # of a batch: the largest picture of the corpus has 9 megapixels, and 100 are allowed
LARGE_MIB = 4000  # of two pictures of 100 megapixels at once, each some copies of 300 to 400 MB
JPEG_AGAIN = 3  # what encoding flat blocks as JPEG of quality 95 once more may change

# A case, why it was left out, or how to get the picture that came out.
Result = tuple[Case, str | None, Callable[[], np.ndarray] | None]


@cache
def corpus() -> dict[str, Case]:
    """Every case by its file name, in the order of the table."""
    cases = (*damaged_files(), *whole_pictures(), *odd_entries())
    named = {case.file_name: case for case in cases}
    assert len(named) == len(cases), "two cases have one name"
    return named


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "bad files"
    folder.mkdir()
    for name, case in corpus().items():
        if callable(case.content):
            case.content(folder / name)
        else:
            (folder / name).write_bytes(case.content)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A network that colours without a colour: what comes out is the photograph's own lightness."""
    network = Eccv16(width=0.0625, decoding="released")
    network.model_out.weight.set_value(paddle.zeros(network.model_out.weight.shape))
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "gray.safetensors"
    save_weights(path, tensors, WeightsHeader("eccv16", {"width": 0.0625, "decoding": "released"}))
    return path


@pytest.fixture
def ended(nursery, folder, tmp_path) -> Callable[..., Ended]:
    """Run a verb on the whole corpus."""

    def run(*arguments: object, seconds: float = 150) -> Ended:
        own = {"OLDRESTORE_CACHE": tmp_path, "HOME": tmp_path}
        (found,) = nursery.run(arguments, environment=own, seconds=seconds)
        assert found.mib < MIB
        return found

    return run


@pytest.fixture
def record(ledger) -> Callable[..., None]:
    """Check every result, and record a row for each class, in the order of the corpus."""

    def record(through: str, results: Iterator[Result], check: Callable[[Case, np.ndarray], None]) -> None:
        right, said = defaultdict(int), defaultdict(list)
        for case, reason, picture in results:
            assert (reason is None) != (picture is None), f"{case.name!r} is neither out nor told, or both"
            if reason is not None:
                case.check_left_out(reason)
                said[case.kind].append(reason)
            else:
                check(case, picture())
                right[case.kind] += 1
        for kind in dict.fromkeys(case.kind for case in corpus().values()):
            reasons = said[kind]
            # The one that is said most often.
            often = min(set(reasons), key=lambda text: (-reasons.count(text), len(text), text), default="")
            counted = {"right": right[kind], "said": len(reasons), "varies": "flipped" in kind}
            ledger.record(kind, through=through, sentence=often and f"“{often}”", **counted)

    return record


def test_the_decoder(folder, record):
    def results() -> Iterator[Result]:
        for name, case in corpus().items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    rgb = decode_photo(folder / name)
            except UnreadablePhoto as problem:
                yield case, problem.reason, None
            else:
                yield case, None, lambda rgb=rgb: rgb

    record("decoding", results(), Case.check_came_out)


def test_data_describe(ended, folder, record):
    found = ended("data", "describe", "--json", "dataset=image_folder", f"dataset.root='{folder}'", "dataset.gray=keep")
    assert found.code == 0, found.err
    assert found.err == ""
    splits = found.json.values()
    taken = set().union(*(split["photographs"] for split in splits))
    left = {item["name"]: item["reason"] for split in splits for item in split["left_out"]}
    names = {printable(name): case for name, case in corpus().items()}
    assert len(names) == len(corpus()) and taken | set(left) == set(names)
    results = (
        (case, left.get(name), (lambda case=case: decode_photo(folder / case.file_name)) if name in taken else None)
        for name, case in names.items()
    )
    record("data describe", results, Case.check_came_out)


def of_batch(found: Ended, folder: Path) -> Iterator[Result]:
    assert found.code == 1, found.err
    # Of the scans of several pages the first.
    done = {entry["photograph"]: entry["outputs"][0] for entry in found.json["done"] if entry.get("page", 1) == 1}
    failed = {entry["photograph"]: entry["reason"] for entry in found.json["failed"]}
    assert len(done) + len(failed) == len(corpus())
    # One line each, whatever is in a name.
    assert f"\n{found.err}".count("\nfailed    ") == len(failed)
    assert "\x1b" not in found.err
    for file_name, case in corpus().items():
        name = str(folder / file_name)
        yield case, failed.get(name), (lambda name=name: decode_photo(done[name])) if name in done else None


def again(case: Case) -> int:
    """How far the output may be from what was decoded: it is JPEG once more where the input was named so."""
    return JPEG_AGAIN if case.file_name.lower().endswith((".jpg", ".jpeg")) else 0


def test_restore(ended, folder, tmp_path, record):
    """Without a stage, what comes out is what went in: upright, in sRGB."""
    found = ended("restore", folder, "-o", tmp_path / "out", "--json", *NO_STAGE)
    record("restore", of_batch(found, folder), lambda case, rgb: case.check_came_out(rgb, again(case)))


def test_colorize(ended, folder, weights, tmp_path, record):
    """With a network that gives no colour, what comes out is the photograph's lightness."""

    def check(case: Case, rgb: np.ndarray) -> None:
        case.check_may_come_out()
        assert rgb.ndim == 3
        if case.rgb is not None:
            assert rgb.shape == case.rgb.shape
            found, wanted = (rgb_to_lab(picture)[..., 0] for picture in (rgb, case.rgb))
            assert np.abs(found - wanted).max() <= 1.0 + 0.4 * (case.tolerance + again(case)), case.name
            assert np.ptp(rgb.astype(int), axis=-1).max() <= 2 + again(case), case.name

    found = ended("colorize", folder, "-o", tmp_path / "out", "--json", "--weights", weights, "--size", "32")
    # The network sees the shorter side at its own size: strips would be gigabytes there.
    results = without_strips(of_batch(found, folder), "longer strip than 1 : 16", "10000")
    record("colorize", results, check)


def without_strips(results: Iterator[Result], reason: str, named: str = "") -> Iterator[Result]:
    """Let strips and single pixels be left out for this reason."""
    for case, said, picture in results:
        if said is not None and case.kind.startswith("1 x 1,") and named in case.file_name:
            case = Case(case.kind, case.name, b"", reason=reason)
        yield case, said, picture


@pytest.mark.slow
def test_restore_with_every_stage(ended, folder, weights, tmp_path, record):
    """All stages on all of them: what each makes of a picture is tested elsewhere, here that each comes out."""

    def check(case: Case, rgb: np.ndarray) -> None:
        case.check_may_come_out()
        assert case.rgb is None or rgb.shape == case.rgb.shape

    sizes = ["restore.detect.size=64", "restore.colorize.size=32"]
    found = ended("restore", folder, "-o", tmp_path / "out", "--json", "--weights", weights, *sizes, seconds=500)
    record("restore, every stage", without_strips(of_batch(found, folder), "strip|pixels|small"), check)


def test_no_input_was_changed(folder):
    for name, case in corpus().items():
        if isinstance(case.content, bytes):
            assert (folder / name).read_bytes() == case.content


def flat_png(side: int, depth: int, color_type: int, sample: bytes) -> bytes:
    """Return a picture of one colour without ever holding its pixels."""
    packer = zlib.compressobj(1)
    row = b"\0" + sample * (side if depth >= 8 else side * depth // 8)
    packed = b"".join([packer.compress(row) for _ in range(side)]) + packer.flush()
    return png(side, side, depth, color_type, packed)


@pytest.mark.slow
def test_100_megapixels_of_every_depth(tmp_path, nursery, ledger):
    pictures = {
        "train/1-bit.png": (10_000, 1, 0, b"\xaa"),
        "train/8-bit.png": (10_000, 8, 2, b"\x10\x20\x30"),
        "train/alpha.png": (10_000, 8, 6, b"\x10\x20\x30\x80"),
        "train/16-bit.png": (10_000, 16, 0, b"\x12\x34"),
        "train/larger.png": (10_001, 8, 2, b"\x10\x20\x30"),
        "val/small.png": (8, 8, 2, b"\x10\x20\x30"),
    }
    for name, kind in pictures.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(flat_png(*kind))
    # As TIFF of 32-bit numbers without compression: 400 MB, and 1.2 GB in colour.
    side = (10_000, 10_000)
    tifffile.memmap(tmp_path / "train" / "float.tif", shape=side, dtype="float32", photometric="minisblack")
    tifffile.memmap(tmp_path / "train" / "float-rgb.tif", shape=(*side, 3), dtype="float32", photometric="rgb")
    verb = ["data", "describe", "--json", "dataset=image_folder", f"dataset.root={tmp_path}"]
    (found,) = nursery.run(verb, environment={"OLDRESTORE_CACHE": tmp_path}, seconds=400)
    train = found.json["train"]
    whole = ("1-bit.png", "16-bit.png", "8-bit.png", "alpha.png", "float.tif")
    assert sorted(train["photographs"]) == [f"train/{name}" for name in whole]
    left = {item["name"]: item["reason"] for item in train["left_out"]}
    assert left.pop("train/larger.png") == "10001 x 10001 pixels, above the limit of 100000000"
    (reason,) = left.values()
    assert re.fullmatch(r"12000\d{5} bytes, above the limit of 1073741824", reason)
    assert found.mib < LARGE_MIB, found.mib
    what, sentence = (
        "pictures of 100 megapixels: 1, 8, 16 and 32 bits, transparency; larger ones",
        f"at most {LARGE_MIB} MiB",
    )
    ledger.record(what, through="data describe", right=5, said=2, sentence=f"{sentence} for two at once")


def test_to_uint8_in_bands_is_as_in_one(monkeypatch):
    """Cutting a picture into bands changes no sample."""
    rng = np.random.default_rng(0)
    deep = [
        rng.integers(0, 65536, (37, 20), np.uint16),
        rng.normal(0, 3, (37, 20, 3)).astype(np.float32),
        rng.random((37, 20)),
        rng.integers(-5, 90_000, (37, 20), np.int32),
    ]
    deep[1][3, 4] = np.nan
    in_one = [sample_depth.to_uint8(samples) for samples in deep]
    monkeypatch.setattr(sample_depth, "SAMPLES_AT_ONCE", 50)
    for samples, whole in zip(deep, in_one, strict=True):
        np.testing.assert_array_equal(sample_depth.to_uint8(samples), whole)
