"""A run that is gone on with is, bit for bit, the run that never stopped; and what may not go on is refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml

from oldrestore.cli import main
from oldrestore.records.liveness import lock_run
from oldrestore.records.run import Run
from oldrestore.run import provenance
from oldrestore.run.run_in_progress import RunInProgress
from oldrestore.training.checkpoint import load_checkpoint
from tests.workshop import SETTINGS


@pytest.fixture(autouse=True)
def code_stays_the_same():
    """Whoever works on the code while its tests run is not what they look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "code_hash", lambda: "c0de" * 16)
        patch.setattr(provenance, "git_state", lambda root: {"commit": None, "dirty": None})
        yield


SHORT = ["tracking=none", "evaluation.judged=null", "trainer.log_every=4", "trainer.checkpoint_every=2"]


@pytest.fixture(scope="module")
def whole_run(make_workshop) -> Path:
    """The run of `SHORT` that never stopped."""
    code, folder = make_workshop().train(*SHORT)
    assert code == 0
    return folder


def records(folder: Path) -> list:
    """Every line of metrics.jsonl, times aside."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        (line["iteration"], {k: v for k, v in line["values"].items() if not k.startswith("time/")}) for line in lines
    ]


def assert_same_run(folder: Path, whole: Path) -> None:
    """Compare all that does not depend on the clock."""
    assert records(folder) == records(whole)
    for name in ("per_image.csv", "accuracy.csv"):
        assert (folder / name).exists() == (whole / name).exists()
        if (whole / name).exists():
            assert (folder / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == sorted(
        p.name for p in (whole / "checkpoints").iterdir()
    )
    for path in (whole / "checkpoints").iterdir():
        ours, theirs = load_checkpoint(folder / "checkpoints" / path.name), load_checkpoint(path)
        assert ours.tensors.keys() == theirs.tensors.keys()
        for name, value in theirs.tensors.items():
            np.testing.assert_array_equal(ours.tensors[name], value, err_msg=f"{path.name} {name}")
        for name in ("iteration", "best"):
            assert ours.state[name] == theirs.state[name]
    assert sorted(p.name for p in (folder / "samples").iterdir()) == sorted(
        p.name for p in (whole / "samples").iterdir()
    )
    assert Run(folder).status["state"] == "finished"
    assert Run(folder).status["summary"] == Run(whole).status["summary"]


def snapshots_of(workshop, monkeypatch, moments: dict[str, tuple[str, int, int]], *overrides: str) -> tuple[Path, dict]:
    """Train once; before the nth call of a method, copy the run folder as a process that dies there would leave it.

    `moments`: label to (method, which call of it, iteration of the checkpoint that the copy goes on from).
    """
    copies: dict[str, Path] = {}
    counts: dict[str, int] = {}

    def watched(name, original):
        def method(run, *arguments):
            count = counts[name] = counts.get(name, 0) + 1
            for label, moment in moments.items():
                if moment[:2] == (name, count):
                    copies[label] = workshop.outputs.parent / f"{workshop.outputs.name}-{label}" / "tiny"
                    shutil.copytree(run.folder.path, copies[label] / run.folder.run_id)
            return original(run, *arguments)

        return method

    for name in {name for name, *_ in moments.values()}:
        monkeypatch.setattr(RunInProgress, name, watched(name, getattr(RunInProgress, name)))
    code, whole = workshop.train(*overrides)
    assert code == 0
    monkeypatch.undo()
    # The process that wrote them lives on: what they say of it would be of a run that still runs.
    for place in copies.values():
        status = place / whole.name / "status.json"
        status.write_text(json.dumps(json.loads(status.read_text()) | {"pid": 2**22 - 1}))
    return whole, {label: place / whole.name for label, place in copies.items()}


@pytest.mark.slow
def test_from_wherever_it_died_a_run_goes_on_to_the_same_bits(workshop, monkeypatch):
    moments = {
        "before-any-checkpoint": ("make_batch", 2, 0),
        "before-the-first-validation": ("evaluate", 1, 2),
        "before-the-best-is-kept": ("keep_best", 1, 2),
        "after-a-kept-checkpoint": ("make_batch", 4, 3),
        "before-the-last-validation": ("evaluate", 2, 6),
        "within-the-last-validation": ("keep_best", 2, 6),
        "before-the-end": ("draw_curves", 1, 6),
    }
    whole, copies = snapshots_of(workshop, monkeypatch, moments, *SHORT, "trainer.keep_every=3")
    assert len(copies) == len(moments)
    for label, folder in copies.items():
        assert main(["train", f"resume={folder}"]) == 0, label
        assert_same_run(folder, whole)
        (own,) = (folder / "resumes").iterdir()
        kept = json.loads((own / "resume.json").read_text())
        assert (kept["iteration"], kept["differences"]) == (moments[label][2], {})


def test_what_was_trained_beyond_the_checkpoint_is_set_aside_not_lost(workshop, monkeypatch):
    _, copies = snapshots_of(workshop, monkeypatch, {"late": ("evaluate", 1, 2)}, *SHORT)
    folder = copies["late"]
    before = (folder / "metrics.jsonl").read_text()
    assert main(["train", f"resume={folder}"]) == 0
    aside = (folder / "resumes" / "001" / "metrics.jsonl").read_text()
    assert before.endswith(aside)
    assert [json.loads(line)["iteration"] for line in aside.splitlines()] == [2]
    metrics = Run(folder).curves
    assert metrics["train/loss"].iterations.tolist() == [0, 1, 2, 3, 4, 5]
    seconds = [json.loads(line)["time"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert seconds == sorted(seconds)


@pytest.mark.slow
def test_judged_twice_the_table_is_written_once(workshop, monkeypatch):
    overrides = ["tracking=none", "evaluation.judge_during_training=true"]
    whole, copies = snapshots_of(workshop, monkeypatch, {"late": ("keep_best", 2, 6)}, *overrides)
    rows = list(csv.DictReader((copies["late"] / "accuracy.csv").open()))
    assert [row["trained_iterations"] for row in rows] == ["3", "3", "6", "6"]
    assert main(["train", f"resume={copies['late']}"]) == 0
    assert_same_run(copies["late"], whole)


def killed_at(position: int, monkeypatch):
    """Send this process SIGTERM when the batch of a position is made."""
    original = RunInProgress.make_batch

    def method(run, rgb, names, at):
        if at == position:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(run, rgb, names, at)

    monkeypatch.setattr(RunInProgress, "make_batch", method)


def stopped_run(workshop, monkeypatch, *overrides: str, at: int = 2) -> Path:
    before = set(workshop.outputs.glob("tiny/*"))
    killed_at(at, monkeypatch)
    with pytest.raises(SystemExit):
        main(["train", *workshop.arguments([*SHORT, *overrides])])
    monkeypatch.undo()
    (folder,) = set(workshop.outputs.glob("tiny/*")) - before
    assert Run(folder).status["state"] == "killed"
    return folder


def test_after_a_signal_before_a_validation_the_validation_is_made_up_for(whole_run, workshop, monkeypatch, capsys):
    folder = stopped_run(workshop, monkeypatch, at=2)  # the third step: a validation was due after it
    assert f"oldrestore train resume={folder}" in capsys.readouterr().out
    assert "val/loss" not in Run(folder).curves
    assert main(["train", "resume=last", f"outputs={workshop.outputs}"]) == 0
    assert_same_run(folder, whole_run)


def test_a_signal_within_a_validation_leaves_none_of_it(whole_run, workshop, monkeypatch):
    def stopped_within(run, network, iteration):
        run.folder.per_image(
            [{"trained_iterations": iteration, "set": "val", "image": "a", "metric": "psnr", "value": 1}]
        )
        os.kill(os.getpid(), signal.SIGTERM)
        return original(run, network, iteration)

    original = RunInProgress._measure_color
    monkeypatch.setattr(RunInProgress, "_measure_color", stopped_within)
    with pytest.raises(SystemExit):
        main(["train", *workshop.arguments(SHORT), "run_id=stopped"])
    monkeypatch.undo()
    folder = workshop.outputs / "tiny" / "stopped"
    assert load_checkpoint(folder / "checkpoints" / "last.safetensors").state["evaluation_due"] is True
    assert main(["train", f"resume={folder}"]) == 0
    assert_same_run(folder, whole_run)


@pytest.mark.slow
def test_each_run_of_several_goes_on_from_its_own(workshop, monkeypatch):
    arguments = ["train", "-m", "seed=0,1", *workshop.arguments([*SHORT, "trainer.max_iterations=4", "resume=auto"])]
    killed_at(2, monkeypatch)
    for _ in range(2):  # the second time the first run goes on, and the second is stopped
        with pytest.raises(SystemExit):
            main(arguments)
    monkeypatch.undo()
    assert main(["train", "-m", "resume=last", "seed=0,1"]) == 2
    main(arguments)
    folders = sorted(workshop.outputs.glob("tiny/*"))
    states = [(json.loads((f / "provenance.json").read_text())["seed"], Run(f).status["state"]) for f in folders]
    assert states.count((1, "finished")) == 1
    assert not any(state == "killed" for _, state in states)


ADVERSARIAL = [
    "trainer=adversarial",
    "trainer.learner.discriminator.judges=ab",
    "trainer.learner.discriminator.width=0.0625",
    "trainer.learner.pretrain_iterations=1",
    "model=sagan_colorize",
    "loss=l1",
    "optimizer=adam_adversarial",
    *(setting for setting in SETTINGS if setting.startswith("trainer.")),
    *(setting for setting in SHORT if setting.startswith("trainer.")),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["trainer.learner.ema_decay=0.9", "trainer.learner.accumulate=2", "schedule=cosine"],
        ADVERSARIAL,
        ["model=larsson", "model.dropout=0.5", "model.width=0.03125", "loss=hue_chroma", "inputs=sparse_positions"],
    ],
    ids=["average, accumulation and cosine", "two optimizers and spectral norm", "dropout and sampled positions"],
)
def test_every_learner_goes_on_to_the_same_bits(overrides, workshop, monkeypatch):
    code, whole = workshop.train(*SHORT, *overrides)
    assert code == 0
    accumulate = 2 if any("accumulate=2" in text for text in overrides) else 1
    folder = stopped_run(workshop, monkeypatch, *overrides, at=3 * accumulate)
    assert main(["train", f"resume={folder}"]) == 0
    assert_same_run(folder, whole)


@pytest.mark.slow
def test_auto_goes_on_with_the_newest_that_was_asked_for_and_begins_one_where_there_is_none(
    workshop, monkeypatch, capsys
):
    arguments = workshop.arguments([*SHORT, "resume=auto"])
    killed_at(2, monkeypatch)
    with pytest.raises(SystemExit):
        main(["train", *arguments])
    monkeypatch.undo()
    assert "found no run to resume" in capsys.readouterr().out
    (first,) = workshop.outputs.glob("tiny/*")
    other = stopped_run(workshop, monkeypatch, "seed=1", at=1)  # newer, but of another seed
    assert main(["train", *arguments]) == 0
    assert (Run(first).status["state"], Run(other).status["state"]) == ("finished", "killed")
    assert len(list(workshop.outputs.glob("tiny/*"))) == 2
    # Nothing but the experiment was typed: the newest of it is meant.
    assert main(["train", "resume=auto", "experiment=tiny", f"outputs={workshop.outputs}"]) == 0
    assert Run(other).status["state"] == "finished"
    assert len(list(workshop.outputs.glob("tiny/*"))) == 2


def test_settings_without_effect_may_change_and_others_are_refused(whole_run, workshop, monkeypatch, capsys):
    folder = stopped_run(workshop, monkeypatch)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    place = f"outputs={workshop.outputs}"
    capsys.readouterr()
    for override, sentence in [
        ("seed=1", "seed is 0 in run"),
        ("model.width=0.125", "model.width is 0.0625 in run"),
        ("loss=l1", "and cannot become"),
        ("trainer.max_iterations=5", "can only be raised"),
        ("trainer.batch_size=4", "trainer.batch_size is 2 in run"),
    ]:
        assert main(["train", f"resume={folder.name}", place, override]) == 2
        error = capsys.readouterr().err
        assert sentence in error, error
        assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    changes = ["trainer.checkpoint_every=1", "trainer.workers=1", "model.width=0.0625", "tracking=visualdl"]
    assert main(["train", f"resume={folder.name}", place, *changes]) == 0
    assert_same_run(folder, whole_run)
    assert yaml.safe_load((folder / "config.yaml").read_text())["trainer"]["checkpoint_every"] == 1
    typed = yaml.safe_load((folder / "overrides.yaml").read_text())
    assert "trainer.checkpoint_every=1" in typed
    assert "trainer.checkpoint_every=2" not in typed
    (own,) = (folder / "resumes").iterdir()
    assert json.loads((own / "resume.json").read_text())["changed"] == {
        "trainer.checkpoint_every": [2, 1],
        "trainer.workers": [0, 1],
        "tracking.visualdl._target_": [None, "oldrestore.tracking.visualdl_sink.VisualDLSink"],
    }
    assert "tracking=none" not in typed
    # The new tracker is told what it had not been there for.
    from visualdl import LogReader

    reader = LogReader(file_path=str(next((folder / "visualdl").iterdir())))
    assert [point.id for point in reader.get_data("scalar", "train/loss")] == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
def test_a_finished_run_goes_further_unless_its_schedule_knew_the_end(workshop, capsys):
    longer = workshop.train(*SHORT, "trainer.max_iterations=9")[1]
    folder = workshop.train(*SHORT)[1]
    capsys.readouterr()
    assert main(["train", f"resume={folder}"]) == 2
    assert "has finished its 6 iterations: raise trainer.max_iterations to go on" in capsys.readouterr().err
    assert main(["train", f"resume={folder}", "trainer.max_iterations=9"]) == 0
    ours, theirs = (load_checkpoint(run / "checkpoints" / "last.safetensors") for run in (folder, longer))
    for name, value in theirs.tensors.items():
        np.testing.assert_array_equal(ours.tensors[name], value, err_msg=name)
    loss = Run(folder).curves["train/loss"]
    assert loss.values.tolist() == Run(longer).curves["train/loss"].values.tolist()
    cosine = workshop.train(*SHORT, "schedule=cosine", "trainer.max_iterations=3")[1]
    capsys.readouterr()
    assert main(["train", f"resume={cosine}", "trainer.max_iterations=9"]) == 2
    assert "schedule.iterations follows it" in capsys.readouterr().err


def test_other_photographs_are_refused_before_anything_is_touched(make_workshop, monkeypatch, tmp_path, capsys):
    workshop = make_workshop()
    workshop.photos = shutil.copytree(workshop.photos, tmp_path / "photos")
    folder = stopped_run(workshop, monkeypatch)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    one, other = sorted((workshop.photos / "train").rglob("*.jpg"))[:2]
    one.write_bytes(other.read_bytes() + b"\0")
    capsys.readouterr()
    assert main(["train", f"resume={folder}"]) == 2
    error = capsys.readouterr().err
    assert "the photographs of 'train' are not those of run" in error
    assert f"{one.name}' has other contents or another label" in error
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_differs_from_the_beginning_is_said_and_written_down(workshop, monkeypatch, capsys):
    folder = stopped_run(workshop, monkeypatch)
    provenance = json.loads((folder / "provenance.json").read_text())
    provenance["code_hash"], provenance["environment"]["OMP_NUM_THREADS"] = "f" * 64, "48"
    (folder / "provenance.json").write_text(json.dumps(provenance))
    capsys.readouterr()
    assert main(["train", f"resume={folder}"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: not as when")]
    assert "OMP_NUM_THREADS 48 -> " in line
    assert "code_hash ffffffffffff... -> " in line
    written = json.loads((folder / "resumes" / "001" / "resume.json").read_text())["differences"]
    assert set(written) == {"code_hash", "OMP_NUM_THREADS"}
    assert (folder / "resumes" / "001" / "provenance.json").is_file()
    assert json.loads((folder / "provenance.json").read_text()) == provenance


def test_auto_takes_neither_what_is_held_nor_what_may_run_elsewhere(workshop, monkeypatch):
    from oldrestore.config.compose import compose_unchecked
    from oldrestore.run.resuming import plan_resume

    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    folder = stopped_run(workshop, monkeypatch)
    overrides = workshop.arguments(SHORT)
    composed = compose_unchecked(overrides)

    def taken() -> bool:
        resumption = plan_resume("auto", composed, overrides)
        if resumption is not None:
            assert resumption.folder == folder
            resumption.lock.close()
        return resumption is not None

    assert taken()
    with lock_run(folder):
        assert not taken()
    status = folder / "status.json"
    elsewhere = {"state": "running", "host": "another machine", "slurm_job_id": "12"}
    status.write_text(json.dumps(json.loads(status.read_text()) | elsewhere))
    assert not taken()
    monkeypatch.setenv("SLURM_JOB_ID", "12")  # it is this job, which was put back into the queue
    assert taken()


def test_a_folder_that_is_held_is_not_gone_on_with(workshop, monkeypatch, capsys):
    folder = stopped_run(workshop, monkeypatch)
    monkeypatch.setattr("oldrestore.run.resuming.WAIT_FOR_WORKERS", 0.0)
    capsys.readouterr()
    with lock_run(folder):
        assert main(["train", f"resume={folder}"]) == 2
    assert "is still running: another process has its folder" in capsys.readouterr().err
    with lock_run(folder):
        pass


@pytest.mark.parametrize("resume", ["resume=", "resume=null"])
def test_resume_names_one_run(resume, workshop, capsys):
    assert main(["train", resume]) == 2
    assert "resume names one run" in capsys.readouterr().err
    assert main(["train", "resume=nothing", f"outputs={workshop.outputs}"]) == 2
    assert "there is no run 'nothing'" in capsys.readouterr().err
