"""A resumed run is, bit for bit, the run that never stopped; and what may not be resumed is refused."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from oldrestore.cli import main
from oldrestore.records.liveness import lock_run
from oldrestore.records.run import Run
from oldrestore.run import provenance
from oldrestore.run.run_in_progress import RunInProgress
from oldrestore.scoring.scoring import Scorer
from tests.run.same_run import SHORT, assert_same_run, assert_same_tensors, last, stop_at, stopped_run
from tests.workshop import SETTINGS


@pytest.fixture(autouse=True)
def code_stays_the_same():
    """Changes to the code while the tests run must not count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "code_hash", lambda: "c0de" * 16)
        patch.setattr(provenance, "git_state", lambda root: {"commit": None, "dirty": None})
        yield


@pytest.fixture(scope="module")
def whole_run(make_workshop) -> Path:
    """The run of `SHORT` that never stopped."""
    code, folder = make_workshop().train(*SHORT)
    assert code == 0
    return folder


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


def contents_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_wherever_it_died_a_resumed_run_has_the_same_bits(workshop, monkeypatch):
    moments = {
        "before-any-checkpoint": ("make_batch", 2, 0),
        "before-the-first-validation": ("evaluate", 1, 2),
        "before-the-best-is-kept": ("keep_best", 1, 2),
        "after-a-kept-checkpoint": ("make_batch", 4, 3),
        "before-the-last-validation": ("evaluate", 2, 6),
        "within-the-last-validation": ("keep_best", 2, 6),
        "before-the-end": ("draw_curves", 1, 6),
    }
    settings = [*SHORT, "trainer.keep_every=3", "evaluation.judged=dataset", "evaluation.judge_during_training=true"]
    whole, copies = snapshots_of(workshop, monkeypatch, moments, *settings)
    assert len(copies) == len(moments)
    judged = Run(copies["within-the-last-validation"]).accuracy_rows
    assert [row["trained_iterations"] for row in judged] == [3, 3, 6, 6]
    for label, folder in copies.items():
        assert main(["train", f"resume={folder}"]) == 0, label
        assert_same_run(folder, whole)
        (record,) = (folder / "resumes").glob("*/resume.json")
        resumed = json.loads(record.read_text())
        assert (resumed["iteration"], resumed["differences"]) == (moments[label][2], {})


def test_what_was_trained_beyond_the_checkpoint_is_set_aside_not_lost(workshop, monkeypatch, capsys):
    moments = {"late": ("keep_best", 1, 2)}
    folder = snapshots_of(workshop, monkeypatch, moments, *SHORT)[1]["late"]
    (folder / "checkpoints" / ".last.safetensors.7.tmp").write_bytes(b"half")
    before = contents_of(folder)
    # A file that became shorter is refused.
    metrics = folder / "metrics.jsonl"
    metrics.write_text("")
    assert main(["train", f"resume={folder}"]) == 2
    assert re.search(r"metrics\.jsonl has 0 bytes but had \d+ when the checkpoint was made", capsys.readouterr().err)
    metrics.write_bytes(before[metrics])
    assert main(["train", f"resume={folder}"]) == 0
    aside = folder / "resumes" / "002"
    assert [json.loads(line)["iteration"] for line in (aside / "metrics.jsonl").read_text().splitlines()] == [2, 3]
    for name in ("metrics.jsonl", "per_image.csv"):
        whole, cut = before[folder / name], (aside / name).read_bytes()
        assert cut and whole.endswith(cut)
        assert (folder / name).read_bytes().startswith(whole.removesuffix(cut))
    assert [path.name for path in (aside / "samples").iterdir()] == ["validation-000003.png"]
    assert not list((folder / "checkpoints").glob(".*"))
    assert Run(folder).curves["train/loss"].iterations.tolist() == [0, 1, 2, 3, 4, 5]
    seconds = [line.seconds for line in Run(folder).scalars()]
    assert seconds == sorted(seconds)


def test_a_validation_that_a_signal_prevented_is_carried_out_on_resuming(whole_run, workshop, monkeypatch, capsys):
    folder = stopped_run(workshop, monkeypatch, at=2)  # the third step: a validation was due after it
    assert f"oldrestore train resume={folder}" in capsys.readouterr().out
    assert "val/loss" not in Run(folder).curves
    assert main(["train", "resume=last", f"outputs={workshop.outputs}"]) == 0
    assert_same_run(folder, whole_run)


def test_a_signal_within_a_validation_leaves_none_of_it(whole_run, workshop, monkeypatch):
    folder = workshop.outputs / "tiny" / "stopped"

    def stopped_within(scorer, network):
        with (folder / "per_image.csv").open("a") as file:
            file.write("trained_iterations,set,image,metric,value,weight\n3,val,a,psnr,1.0,1.0\n")
        os.kill(os.getpid(), signal.SIGTERM)
        return original(scorer, network)

    original = Scorer.validate
    monkeypatch.setattr(Scorer, "validate", stopped_within)
    with pytest.raises(SystemExit):
        main(["train", *workshop.arguments(SHORT), "run_id=stopped"])
    monkeypatch.undo()
    assert last(folder).state["evaluation_due"] is True
    assert main(["train", f"resume={folder}"]) == 0
    assert_same_run(folder, whole_run)


@pytest.mark.slow
def test_each_run_of_several_is_resumed(workshop, monkeypatch):
    arguments = ["train", "-m", "seed=0,1", *workshop.arguments([*SHORT, "trainer.max_iterations=4", "resume=auto"])]
    stop_at(2, monkeypatch)
    for _ in range(2):  # the second time the first run is resumed, and the second is stopped
        with pytest.raises(SystemExit):
            main(arguments)
    monkeypatch.undo()
    assert main(["train", "-m", "resume=last", "seed=0,1"]) == 2
    main(arguments)
    states = [(Run(folder).seed, Run(folder).state) for folder in workshop.outputs.glob("tiny/*")]
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
    *(setting for setting in [*SETTINGS, *SHORT] if setting.startswith("trainer.")),
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
def test_every_learner_resumes_to_the_same_bits(overrides, workshop, monkeypatch):
    code, whole = workshop.train(*SHORT, *overrides)
    assert code == 0
    accumulate = 2 if any("accumulate=2" in text for text in overrides) else 1
    folder = stopped_run(workshop, monkeypatch, *overrides, at=3 * accumulate)
    assert main(["train", f"resume={folder}"]) == 0
    assert_same_run(folder, whole)


@pytest.mark.slow
def test_auto_resumes_the_newest_with_these_settings_or_begins_a_run(workshop, monkeypatch, capsys):
    arguments = workshop.arguments([*SHORT, "resume=auto"])
    stop_at(2, monkeypatch)
    with pytest.raises(SystemExit):
        main(["train", *arguments])
    monkeypatch.undo()
    assert "found no run to resume" in capsys.readouterr().out
    (first,) = workshop.outputs.glob("tiny/*")
    other = stopped_run(workshop, monkeypatch, "seed=1", at=1)  # newer, but of another seed
    assert main(["train", *arguments]) == 0
    assert (Run(first).state, Run(other).state) == ("finished", "killed")
    # Nothing but the experiment was typed: the newest of it is meant.
    assert main(["train", "resume=auto", "experiment=tiny", f"outputs={workshop.outputs}"]) == 0
    assert Run(other).state == "finished"
    assert len(list(workshop.outputs.glob("tiny/*"))) == 2


def test_settings_without_effect_may_change_and_others_are_refused(whole_run, workshop, monkeypatch, capsys):
    folder = stopped_run(workshop, monkeypatch)
    before = contents_of(folder)
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
    assert contents_of(folder) == before
    changes = ["trainer.checkpoint_every=1", "trainer.workers=1", "model.width=0.0625", "tracking=visualdl"]
    assert main(["train", f"resume={folder.name}", place, *changes]) == 0
    assert_same_run(folder, whole_run)
    assert Run(folder).config["trainer"]["checkpoint_every"] == 1
    typed = Run(folder).overrides
    assert "trainer.checkpoint_every=1" in typed
    assert not {"trainer.checkpoint_every=2", "tracking=none"} & set(typed)
    (record,) = (folder / "resumes").glob("*/resume.json")
    assert json.loads(record.read_text())["changed"] == {
        "trainer.checkpoint_every": [2, 1],
        "trainer.workers": [0, 1],
        "tracking.visualdl._target_": [None, "oldrestore.tracking.visualdl_sink.VisualDLSink"],
    }
    # The new tracker is sent what came before it.
    from visualdl import LogReader

    reader = LogReader(file_path=str(next((folder / "visualdl").iterdir())))
    assert [point.id for point in reader.get_data("scalar", "train/loss")] == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
def test_a_finished_run_trains_further_unless_its_schedule_has_a_length(workshop, capsys):
    longer = workshop.train(*SHORT, "trainer.max_iterations=9")[1]
    folder = workshop.train(*SHORT)[1]
    capsys.readouterr()
    assert main(["train", f"resume={folder}"]) == 2
    assert "has finished its 6 iterations: raise trainer.max_iterations to go on" in capsys.readouterr().err
    assert main(["train", f"resume={folder}", "trainer.max_iterations=9"]) == 0
    assert_same_tensors(last(folder), last(longer))
    assert (Run(folder).curves["train/loss"].values == Run(longer).curves["train/loss"].values).all()
    cosine = workshop.train(*SHORT, "schedule=cosine", "trainer.max_iterations=3")[1]
    capsys.readouterr()
    assert main(["train", f"resume={cosine}", "trainer.max_iterations=9"]) == 2
    assert "schedule.iterations follows it" in capsys.readouterr().err


def test_other_photographs_are_refused_before_anything_is_touched(workshop, monkeypatch, tmp_path, capsys):
    workshop.photos = shutil.copytree(workshop.photos, tmp_path / "photos")
    folder = stopped_run(workshop, monkeypatch)
    before = contents_of(folder)
    one, other = sorted((workshop.photos / "train").rglob("*.jpg"))[:2]
    one.write_bytes(other.read_bytes() + b"\0")
    capsys.readouterr()
    assert main(["train", f"resume={folder}"]) == 2
    error = capsys.readouterr().err
    assert "the photographs of 'train' are not those of run" in error
    assert f"{one.name}' has other contents or another label" in error
    assert contents_of(folder) == before


def test_what_differs_from_the_beginning_is_said_and_written_down(workshop, monkeypatch, capsys):
    folder = stopped_run(workshop, monkeypatch)
    recorded = Run(folder).provenance
    recorded["code_hash"], recorded["environment"]["OMP_NUM_THREADS"] = "f" * 64, "48"
    (folder / "provenance.json").write_text(json.dumps(recorded))
    capsys.readouterr()
    assert main(["train", f"resume={folder}"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: not as when")]
    assert "OMP_NUM_THREADS 48 -> " in line
    assert "code_hash ffffffffffff... -> " in line
    written = json.loads((folder / "resumes" / "001" / "resume.json").read_text())["differences"]
    assert set(written) == {"code_hash", "OMP_NUM_THREADS"}
    assert (folder / "resumes" / "001" / "provenance.json").is_file()
    assert Run(folder).provenance == recorded


def test_neither_a_locked_folder_nor_a_run_elsewhere_is_resumed(workshop, monkeypatch, capsys):
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
    monkeypatch.setattr("oldrestore.run.resuming.WAIT_FOR_WORKERS", 0.0)
    with lock_run(folder):
        assert not taken()
        assert main(["train", f"resume={folder}"]) == 2
    assert "is still running: another process has its folder" in capsys.readouterr().err
    status = folder / "status.json"
    elsewhere = {"state": "running", "host": "another machine", "slurm_job_id": "12"}
    status.write_text(json.dumps(json.loads(status.read_text()) | elsewhere))
    assert not taken()
    monkeypatch.setenv("SLURM_JOB_ID", "12")  # it is this job, which was put back into the queue
    assert taken()


@pytest.mark.parametrize("resume", ["resume=", "resume=null"])
def test_resume_names_one_run(resume, capsys):
    assert main(["train", resume]) == 2
    assert "resume names one run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("loss.annealed_mean=0.7", "loss.annealed_mean is 0.5 in run 'r' and cannot become 0.7"),
        ("loss.annealed=0.5", "there is no setting 'loss.annealed': did you mean 'annealed_mean'"),
        ("loss=cross_entropy", "and cannot become oldrestore.losses"),
        ("loss.annealed_mean=0.5", None),  # as it is: nothing is changed
    ],
)
def test_a_typed_setting_is_looked_up_in_the_choice_of_the_run(tmp_path, capsys, typed, sentence):
    from oldrestore.config.compose import compose_config, compose_unchecked
    from oldrestore.records.run_folder import RunFolder
    from oldrestore.run.resuming import plan_resume

    began = ["experiment=tiny", "run_id=r", f"outputs={tmp_path}", "loss=annealed_mean_l1", "loss.annealed_mean=0.5"]
    folder = RunFolder.create(tmp_path, "tiny", "r")
    folder.write_config(OmegaConf.to_yaml(compose_config(began)), began, {"loss": "annealed_mean_l1"})
    folder.write_json("status.json", {"state": "killed"})
    if sentence is not None:
        assert main(["train", f"resume={folder.path}", typed]) == 2
        assert sentence in capsys.readouterr().err
        return
    resumption = plan_resume(str(folder.path), compose_unchecked(["loss=annealed_mean_l1", typed]), [typed])
    resumption.lock.close()
    assert (resumption.changed, resumption.config.loss.annealed_mean) == ({}, 0.5)


def test_choices_that_may_change_are_not_taken_from_the_run():
    from oldrestore.records.asked_settings import choices_meant

    choices = {"tracking": "none", "loss": "focal", "model": "eccv16"}
    typed = ["tracking.mlflow.tracking_uri=sqlite:///a.db", "loss.focal_gamma=2", "trainer.workers=1"]
    assert choices_meant(choices, typed) == ["loss=focal"]
    assert choices_meant(choices, [*typed, "loss=l1"]) == choices_meant(choices, [*typed, "experiments=e"]) == []
