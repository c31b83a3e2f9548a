"""Run folders torn at any byte or damaged: what was whole is read, the rest is one sentence, runs are listed."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oldrestore.errors import UserError
from oldrestore.files import LineFile
from oldrestore.records.listing import list_runs
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.records.tail import Tail
from tests.reliability.conftest import examples
from tests.reliability.test_reader_properties import mutated, mutations

SECTION = "Run folders"
ATTRIBUTES = {
    "metrics.jsonl": "curves",
    "accuracy.csv": "accuracy_rows",
    "per_image.csv": "per_image_rows",
    "status.json": "status",
    "config.yaml": "config",
    "data.json": "data",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run folder with every file that is read by others."""
    outputs = tmp_path_factory.mktemp("outputs")
    folder = RunFolder.create(outputs, "torn", "r1")
    for iteration in range(1, 6):
        folder.scalars(iteration, {"loss": 1 / iteration, "val/auc": float("nan") if iteration == 3 else 0.5})
    row = {"iteration": 10, "iter_accuracy": 0.5, "orig_accuracy": 0.9, "gray_accuracy": 0.8, "n": 10}
    folder.accuracy([row, {**row, "iteration": 20}], 3)
    names = ["plain.jpg", "ä ☺.jpg", 'comma, "quote".jpg', "line\nbreak.jpg", "again\n\n.jpg"]
    score = {"trained_iterations": 3, "set": "val", "metric": "psnr", "value": 20.5, "weight": 2.0}
    folder.per_image({**score, "image": name} for name in names)
    folder.close()
    # The same bytes in every run: the times alone are the clock's.
    lines = [json.loads(line) for line in (folder.path / "metrics.jsonl").read_text().splitlines()]
    fixed = [json.dumps({**line, "time": 0.25 * line["iteration"]}) + "\n" for line in lines]
    (folder.path / "metrics.jsonl").write_text("".join(fixed))
    status = {"state": "finished", "started": "2026-01-01T00:00:00", "pid": 1, "summary": {"loss": 0.2}}
    (folder.path / "status.json").write_text(json.dumps(status))
    (folder.path / "config.yaml").write_text("seed: 3\nmodel: {width: 0.25}\nloss: [1, 2]\n")
    (folder.path / "data.json").write_text(json.dumps({"train": {"count": 3, "photographs": {"a": "b -"}}}))
    return folder.path


def copy(run: Path, folder: Path, **contents: bytes) -> Path:
    """Return a run folder with other contents in some files."""
    target = folder / "torn" / "r1"
    target.mkdir(parents=True, exist_ok=True)
    for name in ATTRIBUTES:
        (target / name).write_bytes(contents.get(name, (run / name).read_bytes()))
    return target


def points(curves: dict) -> list[tuple]:
    """Flatten curves to what was written, in order; NaN as text, so that it equals itself."""
    return sorted(
        (int(iteration), name, str(value))
        for name, curve in curves.items()
        for iteration, value in zip(curve.iterations, curve.values, strict=True)
    )


@pytest.mark.parametrize("name", ["metrics.jsonl", "accuracy.csv", "per_image.csv"])
def test_every_prefix_of_a_growing_file_is_read_up_to_its_last_whole_line(run, tmp_path, name, ledger):
    whole = (run / name).read_bytes()
    of_whole = getattr(Run(run), ATTRIBUTES[name])
    folder = copy(run, tmp_path)
    tail, told = Tail(folder), 0
    for length in range(len(whole) + 1):
        (folder / name).write_bytes(whole[:length])
        found = getattr(Run(folder), ATTRIBUTES[name])
        if name == "metrics.jsonl":
            written = whole[:length].count(b"\n")
            assert points(found) == [point for point in points(of_whole) if point[0] <= written]
            assert sum(len(part) for part in tail.scalars()) == written - told
        else:
            # No row that is whole is missing: the next one is not all there.
            written = sum(length >= end for end in ends_of_rows(whole, of_whole, name))
            assert found == of_whole[:written]
            assert name == "per_image.csv" or len(tail.accuracy()) == written - told
        told = written
        assert length % 11 or len(list_runs(tmp_path)) == 1
    sentence = "every whole line is read, a torn one is not"
    ledger.record(f"{name}: cut at every byte", through="readers, runs", right=len(whole) + 1, sentence=sentence)


def ends_of_rows(whole: bytes, rows: list, name: str) -> list[int]:
    """Byte after each row of a table."""
    column = {"per_image.csv": "image", "accuracy.csv": "iteration"}[name]
    ends, at = [], whole.index(b"\n") + 1
    for row in rows:
        # A quote within a name is written twice; after the name comes no other line break.
        text = str(row[column]).replace('"', '""').encode()
        at = whole.index(b"\n", whole.index(text, at) + len(text)) + 1
        ends.append(at)
    return ends


@pytest.mark.parametrize("name", ["status.json", "config.yaml", "data.json"])
def test_every_prefix_of_a_file_that_is_written_at_once(run, tmp_path, name, ledger):
    whole = (run / name).read_bytes()
    read = 0
    folder = copy(run, tmp_path)
    for length in range(len(whole)):
        (folder / name).write_bytes(whole[:length])
        try:
            assert isinstance(getattr(Run(folder), ATTRIBUTES[name]), dict)
        except UserError as error:
            assert "\n" not in str(error)
        else:
            read += 1
        (listed,) = list_runs(tmp_path)
        assert listed.get("state") == ("unreadable" if name == "status.json" else "finished")
    assert name == "config.yaml" or read == 0
    counted = {"right": read, "said": len(whole) - read}
    sentence = f"“... is not valid {'YAML' if name == 'config.yaml' else 'JSON'}”"
    ledger.record(f"{name}: cut at every byte", through="readers, runs", sentence=sentence, **counted)


@pytest.mark.parametrize("name", ATTRIBUTES)
@examples(40, 600)
@given(changes=mutations)
def test_damaged_files_are_read_or_refused(run, tmp_path, name, changes):
    folder = copy(run, tmp_path, **{name: mutated((run / name).read_bytes(), changes)})
    try:
        getattr(Run(folder), ATTRIBUTES[name])
    except UserError as error:
        assert str(error).strip()
    assert len(list_runs(tmp_path, sort="val/auc")) == 1
    assert len(list_runs(tmp_path, sort="model.width")) == 1


@pytest.mark.parametrize(
    "text", ["[]", "3", "null", '"x"', "{", "[" * 50_000, '{"state": 5}', '{"state": "running", "host": 7, "pid": "x"}']
)
def test_status_of_another_shape(run, tmp_path, text):
    folder = copy(run, tmp_path, **{"status.json": text.encode()})
    try:
        _ = Run(folder).status
    except UserError as error:
        assert "\n" not in str(error)
    (listed,) = list_runs(tmp_path)
    assert isinstance(listed.get("state"), str)


one_line = st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=8)


@given(st.lists(one_line, max_size=5), st.integers(0, 60))
def test_appending_after_a_torn_end_loses_no_whole_line(tmp_path, lines, cut):
    path = tmp_path / "lines"
    whole = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(whole[:cut])
    file = LineFile(path)
    file.append("last\n")
    file.close()
    kept = whole[:cut].count(b"\n")
    assert path.read_bytes().decode().split("\n")[:-1] == [*lines[:kept], "last"]
