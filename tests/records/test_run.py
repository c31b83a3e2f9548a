"""A run as its folder says it: what belongs to what, and one sentence for each file that is damaged."""

from pathlib import Path

import pytest

from oldrestore.errors import UserError
from oldrestore.records.listing import read_condition
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder


def make_run(outputs: Path, experiment: str = "e") -> Path:
    folder = RunFolder.create(outputs, experiment, "r1")
    folder.write_config("experiment: e\nseed: 3\nloss: {_target_: a.b.TwoWords}\n", ["loss=l1", "loss=focal", "seed=3"])
    folder.status("finished")
    folder.close()
    return folder.path


def test_an_evaluation_belongs_to_its_run(tmp_path):
    folder = make_run(tmp_path)
    for name in ("20260102", "20260101"):
        (folder / "evaluations" / name).mkdir(parents=True)
        own = RunFolder(folder / "evaluations" / name, tmp_path)
        own.write_config("experiment: e\n", ["weights=a/x.safetensors", "weights=/b/y.safetensors"])
    run = Run(folder)
    assert [one.run_id for one in run.evaluations] == ["r1/20260101", "r1/20260102"]
    assert run.training is run
    assert (run.run_id, run.experiment, run.seed, run.state) == ("r1", "e", 3, "finished")
    assert run.weights_file is None
    evaluation = run.evaluations[0]
    assert evaluation.is_evaluation and evaluation.evaluations == []
    assert evaluation.training.folder == folder
    assert evaluation.state == "finished"
    assert evaluation.weights_file == Path("/b/y.safetensors")


def test_a_run_of_an_experiment_called_evaluations_is_a_run(tmp_path):
    run = Run(make_run(tmp_path, "evaluations"))
    assert not run.is_evaluation
    assert (run.run_id, run.status["host"] is not None) == ("r1", True)


def test_what_was_chosen_of_a_group_is_typed_or_a_class(tmp_path):
    """As in folders of earlier versions, which do not say what was chosen."""
    run = Run(make_run(tmp_path))
    assert run.choices == {}
    assert (run.typed("loss"), run.typed("los"), run.typed("model")) == ("focal", None, None)
    assert run.all_of("loss.name") == ["focal", "TwoWords", "two_words"]
    held = [read_condition(text).holds(run) for text in ("loss.name=focal", "loss=TwoWords", "loss=l1", "seed<3")]
    assert held == [True, True, False, False]


def test_checkpoints_and_notes_by_name(tmp_path):
    folder = make_run(tmp_path)
    assert (Run(folder).checkpoints, Run(folder).texts, Run(folder).panels) == ({}, (), ())
    for name in ("checkpoints/last.safetensors", "checkpoints/best.safetensors", "texts/b.md", "texts/.a.md.1.tmp",
                 "samples/b-000010.png", "samples/a-000010.png", "samples/z-000002.png"):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    run = Run(folder)
    assert run.checkpoints == {name: folder / "checkpoints" / f"{name}.safetensors" for name in ("best", "last")}
    assert run.texts == ("b.md",)
    assert run.panels == ("z-000002.png", "a-000010.png", "b-000010.png")
    with pytest.raises(UserError, match="run 'r1' has no checkpoint 'first': it has best, last"):
        run.network("first")


@pytest.mark.parametrize(
    ("name", "content", "attribute", "sentence"),
    [
        ("config.yaml", None, "config", "is not a run folder: it has no config.yaml"),
        ("config.yaml", "- 1\n", "config", "config.yaml is not a mapping of names to values"),
        ("config.yaml", "a: 1\na: 2\n", "config", "is not valid YAML: line 1 begins a mapping that gives a name twice"),
        ("config.yaml", "a: ${b}\n", "composed", "was not written by a run: a holds an interpolation"),
        ("overrides.yaml", "{a: 1}\n", "overrides", "overrides.yaml is damaged: it holds a dict"),
        ("overrides.yaml", "[1]\n", "overrides", "overrides.yaml is damaged: it holds other things than texts"),
        ("choices.yaml", "[\n", "choices", "choices.yaml is not valid YAML"),
        ("status.json", "{", "state", "status.json is not valid JSON"),
        ("status.json", None, "state", "has no status.json"),
        ("provenance.json", "[]", "environment", "provenance.json is damaged: it holds a list"),
        ("data.json", None, "data", "has no data.json"),
        ("metrics.jsonl", '{"iteration": 1}\n', "curves", "metrics.jsonl line 1 is damaged"),
        ("accuracy.csv", "n\n1\n1,2\n", "accuracy", "damaged after 1 rows: it has more cells than names"),
        ("per_image.csv", "set,value\nval,x\n", "per_image", "per_image.csv is damaged after 0 rows"),
        ("per_image.csv", "set,value\nval,1\n", "scores", "per_image.csv is damaged"),
    ],
)
def test_a_damaged_file_is_one_sentence_and_has_no_value_in_lists(tmp_path, name, content, attribute, sentence):
    folder = make_run(tmp_path)
    if content is None:
        (folder / name).unlink(missing_ok=True)
    else:
        (folder / name).write_text(content)
    with pytest.raises(UserError) as refused:
        getattr(Run(folder), attribute)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    for asked in ("seed", "loss.name", "state", "protocol", "val/auc", "iter_accuracy", "started"):
        Run(folder).all_of(asked)
