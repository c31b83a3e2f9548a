"""What a resumed run trains again leaves its files, and is kept; what it does not stays byte for byte."""

from __future__ import annotations

import pytest

from oldrestore.errors import UserError
from oldrestore.records.recorded import panel_iteration
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.run.progress import new_resume_folder, set_aside


def write(folder: RunFolder, iterations, picture) -> None:
    for iteration in iterations:
        folder.scalars(iteration, {"train/loss": iteration / 10})
        folder.scalars(iteration + 1, {"val/loss": iteration / 100})
        score = {"trained_iterations": iteration + 1, "set": "val", "image": "a", "metric": "psnr", "value": 20.0}
        folder.per_image([score])
        folder.panel("validation", iteration + 1, picture, "Input | Output")


def contents(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


def test_files_are_cut_to_the_marks_and_the_rest_is_kept(folder, picture, rows):
    write(folder, [0, 1], picture)
    folder.accuracy(rows, 2)
    marks, before = folder.marks(), contents(folder)
    write(folder, [2, 3], picture)
    folder.accuracy(rows, 4)
    whole = contents(folder)
    folder.close()
    (folder.path / "checkpoints").mkdir()
    (folder.path / "checkpoints" / ".last.safetensors.7.tmp").write_bytes(b"half")
    aside = new_resume_folder(folder.path)
    set_aside(folder.path, marks, 2, aside, again=False)
    assert {name: (folder.path / name).read_bytes() for name in marks} == {name: before[name] for name in marks}
    for name in marks:
        assert before[name] + (aside / name).read_bytes() == whole[name]
    assert Run(folder.path).panels == ("validation-000001.png", "validation-000002.png")
    assert sorted(p.name for p in (aside / "samples").iterdir()) == ["validation-000003.png", "validation-000004.png"]
    assert list((folder.path / "checkpoints").iterdir()) == []
    assert new_resume_folder(folder.path).name == "002"


def test_a_validation_that_is_made_again_takes_its_pictures_along(folder, picture):
    write(folder, [0, 1], picture)
    aside = new_resume_folder(folder.path)
    set_aside(folder.path, folder.marks(), 2, aside, again=True)
    assert Run(folder.path).panels == ("validation-000001.png",)


def test_a_file_that_became_shorter_is_reported(folder, picture):
    write(folder, [0, 1], picture)
    marks = folder.marks()
    (folder.path / "metrics.jsonl").write_text("")
    with pytest.raises(UserError, match=r"metrics\.jsonl has 0 bytes but had \d+ when the checkpoint was made"):
        set_aside(folder.path, marks, 2, new_resume_folder(folder.path), again=False)


def test_the_iteration_of_a_picture_is_in_its_name():
    assert panel_iteration("holes-size-64-001200.png") == 1200
    assert panel_iteration("odd.png") == -1
