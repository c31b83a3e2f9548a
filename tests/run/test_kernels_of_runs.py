"""A run writes down the kernels it was trained with, and a resumed or repeated run has the same ones."""

import json
import re

import pytest

from oldrestore.cli import main
from oldrestore.kernels import choice, library
from oldrestore.kernels.library import load
from oldrestore.records.run import Run
from tests.run.same_run import SHORT, assert_same_run, stopped_run

PADDLES = "trainer.kernels=paddle"


def kernels_of(folder) -> tuple[str, str]:
    """As the configuration and the provenance of a run name them."""
    return Run(folder).config["trainer"]["kernels"], Run(folder).provenance["kernels"]


@pytest.fixture(autouse=True)
def _as_before():
    with choice.using("auto"):
        yield


def test_what_auto_chose_is_written_down(workshop):
    code, folder = workshop.train(*SHORT, "trainer.max_iterations=1", "trainer.kernels=auto")
    assert code == 0
    assert kernels_of(folder) == ("onednn", f"onednn {load().version}")


@pytest.mark.parametrize(
    "why",
    [
        "this Paddle brings no oneDNN library",
        "oneDNN is 2.7.3, and versions from 3.1 to before 4.0 are used",
    ],
)
def test_without_the_library_auto_is_paddle_and_onednn_is_refused(workshop, monkeypatch, capsys, why):
    for module in (choice, library):
        monkeypatch.setattr(module, "load", lambda: why)
    code, folder = workshop.train(*SHORT, "trainer.max_iterations=1", "trainer.kernels=auto")
    assert code == 0
    assert kernels_of(folder) == ("paddle", "paddle")
    assert workshop.train(*SHORT, "trainer.kernels=onednn") == (2, None)
    said = capsys.readouterr().err
    assert f"trainer.kernels=onednn is not available: {why}; use auto or paddle" in said
    main(["doctor"])
    assert capsys.readouterr().out.count(f"Paddle's own: {why}") == 1


def test_a_resumed_run_keeps_its_kernels(workshop, monkeypatch):
    code, whole = workshop.train(*SHORT, PADDLES)
    assert code == 0
    named = stopped_run(workshop, monkeypatch, PADDLES)
    assert main(["train", *workshop.arguments(SHORT), f"resume={named}"]) == 0
    found = stopped_run(workshop, monkeypatch, PADDLES)
    assert main(["train", *workshop.arguments([*SHORT, PADDLES]), "resume=auto"]) == 0
    for folder in (named, found):
        assert kernels_of(folder)[0] == "paddle"
        assert_same_run(folder, whole)


def test_a_run_from_before_the_setting_is_repeated_with_paddles(workshop, capfd):
    code, folder = workshop.train(*SHORT, "trainer.max_iterations=3", PADDLES)
    assert code == 0
    for name in ("config.yaml", "config.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(re.sub(r'\s*"?kernels"?: "?paddle"?,?(?=\n)', "", text))
    provenance = json.loads((folder / "provenance.json").read_text())
    del provenance["kernels"]
    (folder / "provenance.json").write_text(json.dumps(provenance))
    assert "kernels" not in Run(folder).config["trainer"]
    capfd.readouterr()
    assert main(["reproduce", str(folder), "--json"]) == 0
    certificate = json.loads(capfd.readouterr().out)
    assert certificate["verdict"] == "identical"
    assert certificate["environment"] == {}


def test_the_kernels_differ_in_the_last_bits_alone(workshop):
    losses = {}
    for kernels in ("onednn", "paddle"):
        code, folder = workshop.train(*SHORT, f"trainer.kernels={kernels}")
        assert code == 0
        losses[kernels] = Run(folder).curves["val/loss"].values
    # Six steps of Adam took them 6e-6 apart, on the path without AVX-512 8e-6.
    assert losses["onednn"] == pytest.approx(losses["paddle"], rel=1e-4)
