"""A checkpoint that was copied from its run says what it is; its path names its run; no header is believed."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from oldrestore.engines.chosen_network import network_of_file, network_of_run
from oldrestore.errors import UserError
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.lite_unet import LiteUnet
from oldrestore.models.weights_header import LONGEST_ENTRY, read_header
from oldrestore.records.finding import find_checkpoint, find_run
from oldrestore.records.run import Run
from oldrestore.restoration.detect.learned import LearnedDetector
from oldrestore.training.checkpoint import load_checkpoint

WIDTH = 0.0625


@pytest.fixture(scope="module")
def copied(tracked_run, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    return Path(shutil.copy(tracked_run / "checkpoints" / "best.safetensors", folder / "w.safetensors"))


@pytest.fixture
def rewritten(copied, tmp_path):
    """Write the checkpoint again, its metadata changed; None takes an entry away."""

    def write(tensors=None, **changes) -> Path:
        with safe_open(copied, framework="numpy") as file:
            metadata = {**file.metadata(), **changes}
        path = tmp_path / "x.safetensors"
        kept = {name: text for name, text in metadata.items() if text is not None}
        save_file(load_file(copied) if tensors is None else tensors, path, metadata=kept)
        return path

    return write


@pytest.fixture
def without_header(rewritten) -> Path:
    """A checkpoint as earlier versions wrote it."""
    return rewritten(model=None, settings=None, reads=None, trained=None)


def test_the_header_holds_the_network_and_the_configuration_but_no_place_of_a_file(tracked_run, copied):
    header = read_header(copied)
    assert header.model == "oldrestore.models.eccv16.Eccv16" and header.reads == ("L_b1hw",)
    assert header.settings == {"width": WIDTH, "decoding": "annealed_mean", "temperature": 0.38, "chroma": None}
    config = Run(tracked_run).composed
    assert header.trained["evaluation"]["size"] == config.evaluation.size == 32
    assert header.trained["loss"] == config.loss and header.trained["dataset"]["root"] is None
    assert not {"model", "outputs", "run_id", "tracking"} & header.trained.keys()
    for place in (config.dataset.root, config.outputs):
        assert str(place).encode() not in copied.read_bytes()


def test_what_a_run_resumes_from_is_as_before(copied, without_header):
    now, before = load_checkpoint(copied), load_checkpoint(without_header)
    assert now.state == before.state and now.tensors.keys() == before.tensors.keys()
    assert all(np.array_equal(value, before.tensors[name]) for name, value in now.tensors.items())


def test_the_copy_colours_is_evaluated_and_reported_as_the_run(tracked_run, copied, tmp_path, cli):
    alone, ours = network_of_file(copied), network_of_run(str(tracked_run), tracked_run.parent)
    assert (alone.label, alone.size, alone.fit) == ("w", ours.size, ours.fit) == ("w", 32, "shorter_side")
    root = Run(tracked_run).composed.dataset.root
    photo = sorted(Path(root).rglob("*.jpg"))[0]
    sha256 = hashlib.sha256(copied.read_bytes()).hexdigest()
    for name, of in (("w", ["--weights", copied]), (tracked_run.name, ["--run", tracked_run])):
        (network,) = cli("colorize", photo, "-o", tmp_path / name, *of, "--no-label", "--json").content["networks"]
        assert (network["name"], network["sha256"]) == (name, sha256)
    colored = [next((tmp_path / name).glob("*-colorized.*")).read_bytes() for name in ("w", tracked_run.name)]
    assert colored[0] == colored[1]
    expected = cli("evaluate", tracked_run, "--json").content
    found = cli("evaluate", copied, "--outputs", tmp_path, f"dataset.root={root}", "--json").content
    assert found["validation"] == expected["validation"] and found["accuracy"] == expected["accuracy"]
    folder = Path(found["folder"])
    assert folder.parent == tmp_path / "w" / "evaluations" and (folder / "per_image.csv").is_file()
    assert "give dataset.root=FOLDER" in cli("evaluate", copied, "--outputs", tmp_path, code=2).err
    # What it was trained with is in the evaluation too, so that it can be compared with the run.
    settings = [Run(one).settings for one in (tracked_run, folder)]
    losses = [{name: value for name, value in one.items() if name.startswith(("loss.", "model."))} for one in settings]
    assert losses[0] == losses[1] and losses[0]["loss._target_"]
    cli("compare", tracked_run, folder)
    cli("report", folder, "-o", tmp_path / "page.html", "--photographs", "1")
    page = (tmp_path / "page.html").read_text()
    assert f"oldrestore evaluate {copied}" in page and "its weights are not there" not in page


def test_a_file_of_an_earlier_version_is_refused_with_what_to_give(without_header, tmp_path, cli):
    assert read_header(without_header) is None
    with pytest.raises(UserError, match=r"does not say which network it is of.*: give the run .* or add --model NAME"):
        network_of_file(without_header)
    with pytest.raises(UserError, match=r"model1\.0\.weight has shape \(4, 1, 3, 3\) instead of \(64, 1, 3, 3\)"):
        network_of_file(without_header, "eccv16")
    assert network_of_file(without_header, f"eccv16,width={WIDTH}").network.model1[0].weight.shape == [4, 1, 3, 3]
    refused = cli("evaluate", without_header, "--outputs", tmp_path, code=2).err
    assert "add model=NAME with its settings" in refused


def test_a_model_that_contradicts_the_file_is_refused(copied, refusal):
    assert isinstance(network_of_file(copied, "eccv16").network, Eccv16)
    for model in ("lite_unet", "eccv16,width=0.0625"):
        assert f"holds weights of Eccv16: leave --model {model} out" in refusal(network_of_file, copied, model)


def test_weights_of_another_network_name_both_and_of_other_settings_what_to_take(copied, without_header):
    with pytest.raises(UserError, match="are of Eccv16 and the configuration builds LiteUnet: choose the same network"):
        LiteUnet(weights=str(copied))
    advice = r"do not fit Eccv16: model1\S+ .*; they were made with width=0\.0625: take model\.width=0\.0625$"
    with pytest.raises(UserError, match=advice):
        Eccv16(width=0.125, weights=str(copied))
    with pytest.raises(UserError, match=r"do not fit LiteUnet: .* \(the file does not say which network it is of\)"):
        LiteUnet(weights=str(without_header))
    for file in (copied, without_header):
        Eccv16(width=WIDTH, weights=str(file))


def test_decoding_of_a_run_is_free_without_a_warning(copied, caplog):
    network = Eccv16(width=WIDTH, weights=str(copied), temperature=1.0)
    assert network.temperature == 1.0 and not caplog.records


LYING = {
    "a program": ({"model": "os.system", "settings": {"command": "true"}}, "'os.system' is not admitted"),
    "a program in its settings": ({"settings": {"_target_": "os.system"}}, "'os.system' is not admitted"),
    "a nested program": ({"settings": {"width": {"_target_": "os.system"}}}, "'os.system' is not admitted"),
    "no network": ({"model": "oldrestore.data.sources.image_folder.ImageFolder", "settings": {}}, "is not a network"),
    "an unknown choice": ({"model": "../../etc", "settings": {}}, "does not say properly"),
    "a part": ({"settings": {"width": WIDTH, "_partial_": True}}, "its settings make none"),
    "positions": ({"settings": {"_args_": [1]}}, "no setting 'model._args_'"),
    "the environment": ({"settings": {"width": "${oc.env:HOME}"}}, "interpolation that is not resolved"),
    "a width out of range": ({"settings": {"width": 1e9}}, "model.width must be less than or equal to 4"),
    "a size out of range": ({"trained": {"evaluation": {"size": 10**9}}}, "must be less than or equal to 4096"),
    "a long entry": ({"settings": {"a": "x" * LONGEST_ENTRY}}, f"and {LONGEST_ENTRY} are allowed"),
    "no table": ({"settings": [1]}, "settings is not a table"),
    "nested without end": ({"settings": "[" * 100_000}, "not a readable safetensors file"),
    "a later format": ({"format": "oldrestore-checkpoint-2"}, "its format is oldrestore-checkpoint-2"),
}


@pytest.mark.parametrize("lie", LYING)
def test_a_header_that_lies_is_one_sentence(rewritten, lie, refusal):
    changes, sentence = LYING[lie]
    entries = {name: value if isinstance(value, str) else json.dumps(value) for name, value in changes.items()}
    path = rewritten(**entries)
    refused = refusal(network_of_file, path)
    assert str(path) in refused and sentence in refused


@pytest.mark.parametrize("name", ["network.pdiparams", "network.onnx"])
def test_an_inference_export_is_refused_as_one(tmp_path, name, refusal):
    (tmp_path / name).write_bytes(b"weights")
    refused = refusal(network_of_file, tmp_path / name)
    assert refused.startswith(f"'{tmp_path / name}' is an inference export") and ".safetensors" in refused


def test_a_network_much_larger_than_its_file_is_not_made(rewritten, refusal):
    path = rewritten({"model.a": np.zeros(3, np.float32)}, settings=json.dumps({"width": 4.0}))
    assert "far more weights than the file holds" in refusal(network_of_file, path)


def test_a_file_names_no_other_file(rewritten, tmp_path):
    settings = json.dumps({"width": WIDTH, "weights": str(tmp_path / "missing.safetensors")})
    assert network_of_file(rewritten(settings=settings)).model.weights is None


def test_a_configuration_in_a_header_is_built_by_the_same_seam(rewritten, copied, tmp_path, cli):
    trained = {**read_header(copied).trained, "loss": {"_target_": "os.system", "command": "true"}}
    refused = cli("evaluate", rewritten(trained=json.dumps(trained)), "--outputs", tmp_path, code=2).err
    assert "'os.system' is not admitted" in refused


def test_the_detector_bounds_the_width_that_a_file_says(rewritten):
    path = rewritten(settings=json.dumps({"width": 1e9}))
    with pytest.raises(UserError, match=r"the width recorded in '.*x\.safetensors' must be within 0\.\.4"):
        LearnedDetector(weights=str(path))


def test_a_path_of_a_checkpoint_names_its_run(tracked_run, copied, cli):
    outputs, checkpoints = tracked_run.parent.parent, tracked_run / "checkpoints"
    best, last = str(checkpoints / "best.safetensors"), str(checkpoints / "last.safetensors")
    assert find_checkpoint(last, outputs) == (tracked_run, "last")
    assert find_checkpoint(best, outputs, "best") == (tracked_run, "best")
    assert find_checkpoint(tracked_run.name, outputs) == (tracked_run, "best")
    assert find_checkpoint(str(checkpoints), outputs, "last") == (tracked_run, "last")
    with pytest.raises(UserError, match="is the checkpoint last and --checkpoint says best: leave one of them out"):
        find_checkpoint(last, outputs, "best")
    for chosen in (network_of_run(last, outputs), network_of_file(Path(last))):
        assert (chosen.label, chosen.weights) == (tracked_run.name, Path(last))
    # Whole runs: the last checkpoint is as the run ended, another one is not.
    assert find_run(last, outputs) == find_run(str(checkpoints), outputs) == tracked_run
    with pytest.raises(UserError, match=f"is one checkpoint, and this takes a whole run: give {tracked_run}$"):
        find_run(best, outputs)
    advice = f"give {tracked_run}, or the folder of an evaluation that `oldrestore evaluate"
    assert advice in cli("compare", best, tracked_run, code=2).err
    with pytest.raises(UserError, match=r"is a weights file and stands in no run folder: give a run$"):
        find_run(str(copied), outputs)
    with pytest.raises(UserError, match="is a weights file and stands in no run folder: give it with --weights"):
        network_of_run(str(copied), outputs)


def test_requests_that_mix_runs_and_files_are_refused(tracked_run, copied, tmp_path, cli):
    assert "without model.weights" in cli("evaluate", tracked_run, f"model.weights={copied}", code=2).err
    for request in (["evaluate", copied], ["weights", "export", copied, "--format", "paddle", "-o", tmp_path / "e"]):
        refused = cli(*request, "--checkpoint", "last", code=2).err
        assert "is one weights file: leave --checkpoint out" in refused
    with pytest.raises(UserError, match=r"is a folder, not a weights file: name a file, such as .*best\.safetensors"):
        network_of_file(tracked_run)


def test_two_checkpoints_of_a_run_stand_side_by_side(tracked_run, tmp_path, cli):
    photo = sorted(Path(Run(tracked_run).composed.dataset.root).rglob("*.jpg"))[0]
    best, last = (tracked_run / "checkpoints" / f"{name}.safetensors" for name in ("best", "last"))
    cli("colorize", photo, "-o", tmp_path / "out", "--run", best, "--run", last)
    names = {path.name.partition("-colorized-")[2] for path in (tmp_path / "out").glob("*-colorized-*")}
    assert {Path(name).stem for name in names} == {"checkpoint-best", "checkpoint-last"}
    # Runs are called by what differs between them, or as somebody chose.
    folders = [tmp_path / "outputs" / "e" / name for name in ("one", "other")]
    for seed, folder in enumerate(folders):
        shutil.copytree(tracked_run, folder)
        config = OmegaConf.load(folder / "config.yaml")
        config.seed, config.design = seed, "our: 1st" if seed else None
        OmegaConf.save(config, folder / "config.yaml")
    cli("colorize", photo, "-o", tmp_path / "runs", "--run", folders[0], "--run", folders[1])
    assert {path.stem.partition("-colorized-")[2] for path in (tmp_path / "runs").glob("*-colorized-*")} == {
        "seed-0",
        "our-1st",
    }
    record = json.loads((tmp_path / "runs" / "colorize.json").read_text())["files"]
    assert {(one["name"], one["design"]) for one in record.values()} == {("one", "seed=0"), ("other", "our: 1st")}
    twice = ["colorize", photo, "-o", tmp_path / "o", "--run", best, "--run", tracked_run]
    assert "was asked for twice" in cli(*twice, code=2).err
    assert "there is no weights file" in cli("evaluate", tmp_path / "missing.safetensors", code=2).err
