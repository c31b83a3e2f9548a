"""Each bad input comes out right or is left out with a sentence; the rest of the batch comes out."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import paddle
import pytest

from oldrestore.color.lab import rgb_to_lab
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_photo
from oldrestore.data.sources.photo import printable
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.weights import WeightsHeader, save_weights
from tests.reliability.cases import Case
from tests.reliability.child import Said, run_verbs
from tests.reliability.corpus import corpus, write_cases

SECTION = "Photograph files"
SECONDS = 150
MIB = 1000  # of a batch: the largest picture of the corpus has 9 megapixels, and 100 are allowed
JPEG_AGAIN = 3  # what encoding flat blocks as JPEG of quality 95 once more may change
NO_STAGE = [word for stage in ("detect", "fill", "restore", "colorize") for word in ("--skip", stage)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_cases(corpus(), tmp_path_factory.mktemp("corpus") / "bad files")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A network that colours without a colour: what comes out is the photograph's own lightness."""
    network = Eccv16(width=0.0625, decoding="released")
    network.model_out.weight.set_value(paddle.zeros(network.model_out.weight.shape))
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "gray.safetensors"
    save_weights(path, tensors, WeightsHeader("eccv16", {"width": 0.0625, "decoding": "released"}))
    return path


@pytest.fixture(scope="module")
def said(folder, weights, tmp_path_factory) -> dict[str, Said]:
    """What each verb said of the whole corpus, in one process."""
    out = tmp_path_factory.mktemp("out")
    verbs = {
        "data describe": ["data", "describe", "--json", "dataset=image_folder", f"dataset.root='{folder}'"],
        "restore": ["restore", folder, "-o", out / "restored", "--json", *NO_STAGE],
        "colorize": ["colorize", folder, "-o", out / "colored", "--json", "--weights", weights, "--size", "32"],
    }
    found = run_verbs(*verbs.values(), seconds=SECONDS, cache=tmp_path_factory.mktemp("cache"))
    return dict(zip(verbs, found, strict=True))


def record(ledger, through: str, right: dict[str, int], said: dict[str, list[str]]) -> None:
    """Record a row for each class, in the order of the corpus."""
    for kind in dict.fromkeys(case.kind for case in corpus()):
        reasons = said[kind]
        # The one that is said most often.
        sentence = f"“{min(set(reasons), key=lambda text: (-reasons.count(text), len(text), text))}”" if reasons else ""
        varies = "flipped" in kind
        ledger.record(
            SECTION,
            kind,
            through=through,
            tried=right[kind] + len(reasons),
            right=right[kind],
            said=len(reasons),
            sentence=sentence,
            varies=varies,
        )


def judge(
    cases: Iterator[tuple[Case, str | None, Callable[[], np.ndarray] | None]],
    check: Callable[[Case, np.ndarray], None] = Case.check_came_out,
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Check every case; returns how many of each class came out, and the reasons of those that were left out."""
    right, said = defaultdict(int), defaultdict(list)
    for case, reason, picture in cases:
        assert (reason is None) != (picture is None), f"{case.printed} is neither out nor told, or both"
        if reason is not None:
            case.check_left_out(reason)
            said[case.kind].append(reason)
        else:
            check(case, picture())
            right[case.kind] += 1
    return right, said


def test_the_decoder(folder, ledger):
    def results():
        for case in corpus():
            path = case.path_in(folder)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    rgb = decode_photo(path)
            except UnreadablePhoto as problem:
                yield case, problem.reason, None
            else:
                yield case, None, lambda rgb=rgb: rgb

    record(ledger, "decoding", *judge(results()))


def test_data_describe(said, folder, ledger):
    found = said["data describe"]
    assert found.code == 0, found.err
    assert found.err == ""
    assert found.mib < MIB
    splits = found.json
    taken = set().union(*(split["photographs"] for split in splits.values()))
    left = {item["name"]: item["reason"] for split in splits.values() for item in split["left_out"]}
    names = {printable(os.fsdecode(case.name)): case for case in corpus()}
    assert len(names) == len(corpus())
    assert taken | set(left) == set(names)

    def results():
        for name, case in names.items():
            path = case.path_in(folder)
            yield case, left.get(name), (lambda path=path: decode_photo(path)) if name in taken else None

    record(ledger, "data describe", *judge(results()))


def of_batch(found: Said, folder: Path) -> Iterator[tuple[Case, str | None, Callable[[], np.ndarray] | None]]:
    assert found.code == 1, found.err
    assert found.mib < MIB
    summary = found.json
    done = {entry["photograph"]: entry for entry in summary["done"]}
    failed = {entry["photograph"]: entry["reason"] for entry in summary["failed"]}
    assert len(summary["done"]) + len(summary["failed"]) == len(corpus())
    # One line each, whatever is in a name.
    assert found.err.count("\nfailed    ") + found.err.startswith("failed    ") == len(failed)
    assert "\x1b" not in found.err
    for case in corpus():
        name = str(case.path_in(folder))
        picture = None if name not in done else lambda name=name: decode_photo(done[name]["outputs"][0])
        yield case, failed.get(name), picture


def again(case: Case) -> int:
    """How far the output may be from what was decoded: it is JPEG once more where the input was named so."""
    return JPEG_AGAIN if case.name.lower().endswith((b".jpg", b".jpeg")) else 0


def test_restore(said, folder, ledger):
    """Without a stage, what comes out is what went in: upright, in sRGB."""

    def check(case: Case, rgb: np.ndarray) -> None:
        case.check_came_out(rgb, again(case))

    record(ledger, "restore", *judge(of_batch(said["restore"], folder), check))


def test_colorize(said, folder, ledger):
    """With a network that gives no colour, what comes out is the photograph's lightness."""

    def check(case: Case, rgb: np.ndarray) -> None:
        assert case.reason is None or case.either
        if case.rgb is None:
            assert rgb.ndim == 3
            return
        assert rgb.shape == case.rgb.shape
        found, wanted = (rgb_to_lab(picture)[..., 0] for picture in (rgb, case.rgb))
        assert np.abs(found - wanted).max() <= 1.0 + 0.4 * (case.tolerance + again(case)), case.printed
        assert np.ptp(rgb.astype(int), axis=-1).max() <= 2 + again(case), case.printed

    def results():
        for case, reason, picture in of_batch(said["colorize"], folder):
            if case.kind.startswith("1 x 1,") and b"10000" in case.name:
                # The network sees the shorter side at its own size: such strips would be gigabytes there.
                assert "longer strip than 1 : 16" in reason
                case = Case(case.kind, case.name, b"", reason="strip")
            yield case, reason, picture

    record(ledger, "colorize", *judge(results(), check))


@pytest.mark.slow
def test_restore_with_every_stage(folder, weights, tmp_path, ledger):
    """All stages on all of them: what each makes of a picture is tested elsewhere, here that each comes out."""
    verb = ["restore", folder, "-o", tmp_path / "out", "--json", "--weights", weights]
    sizes = ["restore.detect.size=64", "restore.colorize.size=32"]
    (found,) = run_verbs([*verb, *sizes], seconds=500, cache=tmp_path)

    def check(case: Case, rgb: np.ndarray) -> None:
        assert case.reason is None or case.either
        assert case.rgb is None or rgb.shape == case.rgb.shape

    def results():
        for case, reason, picture in of_batch(found, folder):
            if reason is not None and case.kind.startswith("1 x 1"):
                case = Case(case.kind, case.name, b"", reason="strip|pixels|small")
            yield case, reason, picture

    record(ledger, "restore, every stage", *judge(results(), check))


def test_no_input_was_changed(folder):
    for case in corpus():
        if isinstance(case.content, bytes):
            assert case.path_in(folder).read_bytes() == case.content
