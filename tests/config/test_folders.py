"""Files of experiments/ and sweeps/ that users write: found by their names, and read as a whole configuration."""

import shutil
from pathlib import Path

import pytest

from oldrestore.config import compose, folders, location
from oldrestore.config.compose import compose_config
from oldrestore.config.location import choices_of, configuration_root
from oldrestore.config.multirun import expand_jobs


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A working folder with folders of the user's own."""
    for name in ("experiments", "sweeps"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("header", ["", "# @package _global_\n", "# a remark\n", "\ufeff# @package _global_\n"])
@pytest.mark.parametrize("file", ["mine.yaml", "mine.yml", "O'Brien.yaml", "李明.yml", "a b.yaml"])
def test_an_experiment_is_of_the_whole_configuration_whatever_its_first_line(own, header, file):
    lines = "defaults:\n  - override /model: resnet\nseed: 42\ntrainer:\n  max_iterations: 7\n"
    (own / "experiments" / file).write_text(header + lines, encoding="utf-8")
    for name in (file, Path(file).stem):
        config = compose_config([f"experiments={name}"])
        assert (config.seed, config.trainer.max_iterations) == (42, 7)
        assert config.model == compose_config(["model=resnet"]).model
    assert Path(file).stem in choices_of("experiments")


def test_a_sweep_needs_no_first_line_either_and_its_paths_are_read_as_typed_ones(own, cli):
    text = "seed: 7\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      dataset.root: /a#1,~/b\n"
    (own / "sweeps" / "mine.yml").write_text(text)
    assert expand_jobs(["sweeps=mine"], training=True) == [
        ["sweeps=mine", "dataset.root='/a#1'"],
        ["sweeps=mine", f"dataset.root='{Path.home()}/b'"],
    ]
    assert compose_config(["sweeps=mine"]).seed == 7
    assert sorted(cli("train", "-m", "sweeps=mine", "dataset=image_folder", code=2).err.splitlines()) == [
        f"oldrestore: the folder {name} of image_folder does not exist; give dataset.root=FOLDER"
        for name in ("/a#1", f"{Path.home()}/b")
    ]


def test_paths_in_an_experiment_begin_at_home(own):
    (own / "experiments" / "mine.yaml").write_text("outputs: ~/runs\nmodel: {weights: ~/w.safetensors}\n")
    config = compose_config(["experiments=mine"])
    assert config.outputs == str(Path.home() / "runs")
    assert config.model.weights == str(Path.home() / "w.safetensors")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "'experiments/mine.yaml' is empty: write the settings that it changes, such as seed: 1"),
        ("# @package\nseed: 1\n", "the first line of 'experiments/mine.yaml' cannot be read: write # @package NAME"),
        (
            "model: resnet\n",
            "model cannot be set to 'resnet': choose it by model=resnet on the command line, or by "
            "'override /model: resnet' in the defaults of a file",
        ),
        (
            "defaults:\n  - model: resnet\n",
            "in the defaults of a file of experiments/ write 'override /model: resnet', not 'model: resnet'",
        ),
        ("sed: 4\n", "there is no setting 'sed': did you mean 'seed'?"),
        ("run_id: 2023\n", "run_id must be text, not 2023: write '2023', in quotes"),
        ("outputs: ''\n", "outputs is empty: name a file or folder"),
    ],
)
def test_an_experiment_that_cannot_be_meant_is_answered_in_one_sentence(own, content, sentence, refusal):
    (own / "experiments" / "mine.yaml").write_text(content)
    assert refusal(compose_config, ["experiments=mine"]) == sentence


def test_an_experiment_that_one_of_the_project_hides_is_refused_and_a_copy_of_it_is_not(own, refusal):
    copy = own / "experiments" / "quickstart.yaml"
    copy.write_bytes((configuration_root() / "experiments" / "quickstart.yaml").read_bytes())
    assert compose_config(["experiments=quickstart"]).experiment == "quickstart"
    copy.write_text("seed: 9\n")
    hidden = "'experiments/quickstart.yaml' has the name of a file of oldrestore: rename it"
    assert refusal(compose_config, ["experiments=quickstart"]) == hidden


@pytest.mark.parametrize(
    ("verb", "folder"),
    [
        ("train", "experiments"),
        ("train --cfg job", "experiments"),
        ("train -m", "experiments"),
        ("data describe", "experiments"),
        ("data prior", "experiments"),
        ("data prepare", "experiments"),
        ("sweep --name x seed=0,1", "experiments"),
        ("train", "sweeps"),
        ("train --cfg job", "sweeps"),
        ("sweep", "sweeps"),
    ],
)
def test_every_verb_answers_yaml_that_cannot_be_read_in_one_sentence(verb, folder, own, cli):
    (own / folder / "broken.yaml").write_text("trainer:\n\tmax_iterations: 2\n")
    refused = cli(*verb.split(), f"{folder}=broken", code=2).err
    assert refused == f"oldrestore: '{folder}/broken.yaml' cannot be read: line 2 has a tab, use spaces\n"
    assert list(own.glob("outputs/*/*")) == []


def test_the_projects_own_files_are_read_alike(tmp_path, monkeypatch, cli):
    """Whoever works in a clone edits conf/ too."""
    for name in ("conf", "experiments"):
        shutil.copytree(configuration_root() / name, tmp_path / name)
    (tmp_path / "conf" / "dataset" / "photos.yaml").write_text("_target_: a\n_target_: b\n")
    whole = (configuration_root() / "conf" / "dataset" / "image_folder.yaml").read_text(encoding="utf-8")
    (tmp_path / "conf" / "dataset" / "mine.yml").write_text(whole.replace("root: null", "root: ~/photos"))
    monkeypatch.chdir(tmp_path)
    for module in (compose, folders, location):
        monkeypatch.setattr(module, "configuration_root", lambda: tmp_path)
    complaint = "oldrestore: 'conf/dataset/photos.yaml' cannot be read: line 2 gives _target_ again\n"
    assert cli("data", "describe", code=2).err == complaint
    assert str(Path.home() / "photos") in cli("data", "describe", "dataset=mine", code=2).err
    assert "mine" in choices_of("dataset")
