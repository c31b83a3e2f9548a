"""Where names, links and commits of others cannot lead, and what a recorded environment cannot set."""

import shutil
import subprocess

import numpy as np
import pytest
from omegaconf import OmegaConf

from oldrestore import runtime
from oldrestore.cli import main
from oldrestore.config.compose import compose_config
from oldrestore.config.schema import check_config
from oldrestore.errors import UserError
from oldrestore.records.finding import refuse_links_out
from oldrestore.records.run_folder import RunFolder
from oldrestore.reproduction.code_state import compare_code, worktree_of

ESCAPES = ["../x", "..", ".", "/tmp/x", "a/../../x", "~/x", "a\\..\\x"]
ESCAPES += ["x\ny", "", " ", "a b", "-rf", "x" * 300, "\x1b[2J"]


def test_names_lead_nowhere_else(tmp_path, capsys, ledger):
    outputs = tmp_path / "outputs"
    before = set(tmp_path.rglob("*"))
    config = OmegaConf.to_container(compose_config([f"outputs={outputs}"]))
    for name in ESCAPES:
        for setting in ("experiment", "run_id"):
            with pytest.raises(UserError, match=setting) as refused:
                check_config({**config, setting: name})
            assert "\n" not in str(refused.value) and "\x1b" not in str(refused.value)
    assert main(["train", "experiment='../x'", f"outputs={outputs}"]) == 2
    assert capsys.readouterr().err.startswith("oldrestore: experiment may hold letters, digits,")
    assert set(tmp_path.rglob("*")) == before
    sentence = "“experiment may hold letters, digits, '_', '-' and '.', and starts with a letter or digit”"
    what = "experiments and run ids that are paths, empty, endless or escape codes"
    ledger.record(what, through="train", said=2 * len(ESCAPES), sentence=sentence)


def test_names_of_records_stay_in_the_run_folder(tmp_path):
    folder = RunFolder.create(tmp_path / "outputs", "e", "r")
    for name in ("../../x", "/etc/x", "..", "a/b"):
        made = [
            folder.panel(name, 1, np.zeros((2, 2, 3), np.uint8)),
            folder.text(name, "x"),
            folder.write_table(name, [{"a": 1}]),
        ]
        assert all(path.resolve().is_relative_to(folder.path.resolve()) and path.is_file() for path in made), name
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}


def test_links_in_a_run_folder_send_no_other_file(run, tmp_path, capsys, ledger):
    """Trackers are sent what stands in a run folder, and a configuration names the server."""
    secret = tmp_path / "secret.md"
    secret.write_text("geheim")
    (run / "texts").mkdir()
    links = dict.fromkeys(("texts/a.md", "log.txt", "checkpoints/last.safetensors"), secret)
    links |= {"samples": tmp_path, "provenance.json": "../../../secret.md"}
    for name, target in links.items():
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(target)
        assert main(["sync", str(run)]) == 2
        said = capsys.readouterr().err
        assert f"'{name}' in the run 'run-1' is a link to " in said
        assert "geheim" not in said
        (run / name).unlink()
    # A folder of checkpoints on another disk, and links within the run, are nobody's secret.
    shutil.move(run / "checkpoints", tmp_path / "disk")
    (run / "checkpoints").symlink_to(tmp_path / "disk")
    (run / "checkpoints" / "newest.safetensors").symlink_to("best.safetensors")
    refuse_links_out(run)
    sentence = "“'texts/a.md' in the run 'run-1' is a link to …, outside of it: put the file itself there”"
    ledger.record("links in a run folder to files outside of it", through="sync", said=len(links), sentence=sentence)


def test_commits_are_no_options_of_git(tmp_path):
    marker = tmp_path / "made"
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    for commit in (f"--output={marker}", "-O" + str(marker), "HEAD", "a" * 6, "master", None, 7, "../x"):
        found = compare_code({"commit": commit, "code_hash": "a"}, {"commit": "b" * 40, "code_hash": "b"}, repository)
        assert not found.same
        if commit is not None:
            with pytest.raises(UserError, match="which is none"), worktree_of({"commit": commit}, repository):
                pass
    assert not marker.exists()


def test_a_recorded_environment_sets_only_what_numbers_depend_on():
    evil = {"LD_PRELOAD": "/tmp/x.so", "PYTHONPATH": "/tmp", "PATH": "/tmp", "PYTHONSTARTUP": "/tmp/x.py"}
    assert runtime.restorable({**evil, "OMP_NUM_THREADS": "1"}) == {"OMP_NUM_THREADS": "1"}
    for value in (7, ["1"], "1; rm", "x" * 33, "$(x)", "\n"):
        assert runtime.restorable({"OMP_NUM_THREADS": value}) == {}
    allowed = {"OMP_NUM_THREADS": "2,1", "MKL_CBWR": None}
    assert runtime.restorable(allowed) == allowed
