"""Bundles in place of run folders: compared, reported and reproduced as the runs that they are of."""

import json
from pathlib import Path

import pytest

from oldrestore.cli import main
from oldrestore.records.run import Run

SHORT = ["evaluation.judged=null", "trainer.max_iterations=3", "tracking=none"]


@pytest.fixture(scope="module")
def runs(make_workshop) -> list[Path]:
    workshop = make_workshop()
    return [workshop.train(*SHORT, f"seed={seed}")[1] for seed in (0, 1)]


@pytest.fixture
def bundle(runs, tmp_path) -> Path:
    file = tmp_path / "two.zip"
    assert main(["bundle", *map(str, runs), "-o", str(file), "--checkpoints", "all"]) == 0
    return file


def figures(content: dict) -> list:
    return [(design["runs"], design["figures"], design["differences"]) for design in content["designs"]]


def test_a_bundle_is_compared_as_its_folders_and_beside_others(runs, bundle, cli):
    folders = cli("compare", *runs, "--json", "--by", "run").content
    bundled = cli("compare", bundle, "--json", "--by", "run").content
    mixed = cli("compare", f"{bundle}#{runs[0].name}", runs[1], "--json", "--by", "run").content
    assert figures(folders) == figures(bundled) == figures(mixed)
    assert bundled["measured_on"] == folders["measured_on"] and bundled["baselines"] == folders["baselines"]
    assert [design["folders"] for design in bundled["designs"]] == [[f"{bundle}#{run.name}"] for run in runs]


def test_a_report_needs_no_photographs_and_shows_the_bundles_panels(runs, tmp_path, cli):
    file, page = tmp_path / "two.zip", tmp_path / "page.html"
    cli("bundle", *runs, "-o", file)
    cli("report", file, "-o", page)
    text = page.read_text()
    assert f"{file}#{runs[0].name}" in text
    assert "its weights are not there" in text and text.count("data:image/webp") == 2
    assert str(runs[0]) not in text and "best tint" in text


def test_a_run_of_a_bundle_is_reproduced_where_the_photographs_are(runs, bundle, tmp_path, capfd):
    photos = Run(runs[0]).config["dataset"]["root"]
    asked = f"{bundle}#{runs[0].name}", f"outputs={tmp_path / 'outputs'}"
    for wrong, sentence in (
        (str(bundle), f"has 2 runs: name one, as {asked[0]}"),
        (asked[0], "the bundle does not say where dataset.root was: add dataset.root=PLACE"),
    ):
        assert main(["reproduce", wrong, asked[1]]) == 2
        assert sentence in capfd.readouterr().err
    assert main(["reproduce", *asked, f"dataset.root={photos}", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["verdict"] == "identical" and found["origin"] == asked[0]
    assert found["comparison"]["weights"][0]["differing"] == 0
    new = Path(found["new_folder"])
    assert new.parent == tmp_path / "outputs" / "tiny" and Run(new).config["dataset"]["root"] == photos
    assert found["places"]["dataset.root"][1] == photos


def test_an_unpacked_bundle_is_an_outputs_folder(runs, bundle, tmp_path, cli):
    target = tmp_path / "elsewhere"
    cli("bundle", "--unpack", bundle, "-o", target)
    listed = cli("runs", f"outputs={target}", "--json").content
    assert [run["run_id"] for run in listed] == [run.name for run in runs]
    weights = (target / "tiny" / runs[0].name / "checkpoints" / "best.safetensors").read_bytes()
    assert weights == (runs[0] / "checkpoints" / "best.safetensors").read_bytes()
    assert "exists: unpack into another folder" in cli("bundle", "--unpack", bundle, "-o", target, code=2).err


def test_what_is_packed_is_said(runs, tmp_path, cli):
    file = tmp_path / "two.zip"
    said = cli("bundle", *runs, "-o", file).out.splitlines()
    assert said[0].startswith("runs        2, ") and said[-1] == str(file)
    content = cli("bundle", *runs, "-o", file, "--json", "--samples", "none").content
    assert content["size"] == file.stat().st_size and content["parts"]["samples"] == 0
    for arguments, sentence in (
        (["-o", tmp_path / "two.tar"], "a bundle is a zip file: name one"),
        (["-o", tmp_path], "a bundle is a zip file"),
        (["-o", file, "no-such-run"], "there is no run 'no-such-run'"),
    ):
        assert sentence in cli("bundle", *runs, *arguments, code=2).err
    (tmp_path / "mine.zip").write_text("mine")
    assert "exists and is no bundle" in cli("bundle", *runs, "-o", tmp_path / "mine.zip", code=2).err
    assert (tmp_path / "mine.zip").read_text() == "mine"


@pytest.mark.parametrize("verb", ["evaluate", "sync"])
def test_other_verbs_ask_for_a_run_folder(verb, bundle, cli):
    assert "for anything else unpack it" in cli(verb, bundle, code=2).err
    said = cli("train", f"resume={bundle}", code=2).err
    assert "for anything else unpack it" in said


def test_a_damaged_bundle_is_one_sentence(bundle, cli):
    bundle.write_bytes(bundle.read_bytes()[:-100])
    for verb in ("compare", "report", "reproduce"):
        said = cli(verb, bundle, code=2).err
        assert said == f"oldrestore: the bundle '{bundle}' is refused: it is cut short, or something follows its end\n"
