"""A run whose photographs, folders and names have characters of every kind is logged, resumed, repeated and swept."""

import json
import shutil
from pathlib import Path

import pytest

from oldrestore.cli import main
from oldrestore.config.compose import compose_config
from oldrestore.records.run import Run
from tests.workshop import SETTINGS

SHORT = [text for text in SETTINGS if not text.startswith("experiment=")]
SHORT += ["tracking=none", "evaluation.judged=null", "trainer.max_iterations=3"]


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home folder, so that ``~`` may be typed; a working folder elsewhere."""
    home, here = tmp_path / "home of O'Brien", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    return home


@pytest.fixture
def photos(make_workshop, home) -> Path:
    return Path(shutil.copytree(make_workshop().photos, home / "[1930] a=b, c#(d)'e ü {x}"))


def test_a_run_is_logged_as_it_was_meant_and_goes_on_from_that(photos, home, capfd):
    typed = [*SHORT, f"dataset.root=~/{photos.name}", "experiment=李明", "run_id=2023", "outputs=~/my runs"]
    assert main(["train", *typed]) == 0
    folder = home / "my runs" / "李明" / "2023"
    assert capfd.readouterr().out.splitlines()[-1] == str(folder)
    config = Run(folder).composed
    assert (config.dataset.root, config.experiment, config.run_id) == (str(photos), "李明", "2023")
    # What is logged is read back as it was: typed again, it is the same configuration, but for what "auto" chose.
    assert compose_config([*Run(folder).overrides, f"trainer.kernels={config.trainer.kernels}"]) == config
    assert main(["reproduce", "2023", "outputs=~/my runs", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["verdict"] == "identical"
    for again in (["resume=2023", "outputs='~/my runs'", "trainer.max_iterations=4"], ["resume='~/my runs/李明/2023'"]):
        main(["train", *again])
    assert (Run(folder).state, Run(folder).composed.trainer.max_iterations) == ("finished", 4)
    assert main(["evaluate", "2023", "--outputs=~/my runs", f"dataset.root={photos}"]) == 0
    assert list(Path.cwd().iterdir()) == []


def test_a_sweep_of_such_a_run_is_planned_and_carried_out(photos, home, capfd):
    quoted = str(photos).replace("'", r"\'")
    typed = [*SHORT, f"dataset.root='{quoted}'", "experiment=O'Brien", "outputs=~/swept", "--name=Zoë", "seed=0,1"]
    assert main(["sweep", *typed]) == 0
    configs = [Run(folder).composed for folder in (home / "swept" / "O'Brien").iterdir()]
    assert sorted((config.seed, config.dataset.root) for config in configs) == [(0, str(photos)), (1, str(photos))]
    assert (home / "swept" / "sweeps" / "Zoë").is_dir()
    capfd.readouterr()
    assert main(["sweep", *typed, "--dry-run"]) == 0
    assert capfd.readouterr().out.count("done") == 2
