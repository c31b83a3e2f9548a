"""Foreign code runs only if the user names it: a run folder alone brings none."""

import json
import shutil
import sys

import pytest
from omegaconf import OmegaConf

from oldrestore.cli import main
from oldrestore.config.plugins import VARIABLE
from oldrestore.records.run import Run
from tests.plugins import write_plugin

VERBS = ("evaluate", "reproduce", "sync", "resume", "colorize", "export")


@pytest.fixture
def marking(tmp_path):
    """A plugin that leaves a mark when any of its code runs, in the working folder and beside a run."""
    mark = tmp_path / "ran"
    code = f"from pathlib import Path\n\nPath({str(mark)!r}).touch()\n\n\nclass Mine: ...\n"
    return mark, write_plugin(tmp_path / "foreign", {"__init__.py": code, "mine.py": code})


def arguments(verb: str, run) -> list[str]:
    return {
        "resume": ["train", f"resume={run}"],
        "colorize": ["colorize", str(run), "-o", str(run / "out"), "--run", str(run)],
        "export": ["weights", "export", str(run), "--format", "paddle", "-o", str(run / "out")],
    }.get(verb, [verb, str(run)])


def test_a_logged_configuration_brings_no_plugin(run, marking, monkeypatch, capsys, ledger):
    mark, plugin = marking
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(plugin.parent)
    # Whatever a stranger may write beside the configuration: the plugin itself, its record, its place, the option.
    shutil.copytree(plugin, run / "foreign")
    shutil.copytree(plugin, run / "conf" / "foreign")
    whole, path, tried = (run / "config.yaml").read_text(), list(sys.path), 0
    described = {"name": "foreign", "version": "1", "hash": "0" * 64, "path": str(plugin)}
    environment = {"environment": {VARIABLE: str(plugin)}, "command": ["train", "--plugins", "foreign"]}
    for place in ("model", "loss", "tracking.mlflow", "evaluation.evaluators.mine"):
        config = OmegaConf.create(whole)
        OmegaConf.update(config, place, {"_target_": "foreign.mine.Mine"}, merge=False, force_add=True)
        for name in ("plugins", VARIABLE):
            OmegaConf.update(config, name, str(plugin), force_add=True)
        (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
        (run / "overrides.yaml").write_text(f"- --plugins={plugin}\n- +plugins={plugin}\n")
        for recorded in ([], [described], "foreign"):
            (run / "provenance.json").write_text(json.dumps({"plugins": recorded, **environment}))
            for verb in VERBS:
                tried += 1
                code = main(arguments(verb, run))
                said = capsys.readouterr().err
                assert code == 2 or (verb == "sync" and place != "tracking.mlflow"), (verb, place, said)
                assert said.count("\n") <= 2 and "Traceback" not in said, said
                assert not mark.exists() and sys.path == path and "foreign" not in sys.modules
    sentence = "“this run used the plugin my_losses (version 0.1, hash 94479438ee7a): add --plugins PATH, its folder”"
    what = "run folders that name, describe and hold a plugin which the user did not name"
    ledger.record(what, through=", ".join(VERBS), said=tried, sentence=sentence)


def test_a_run_that_records_a_standard_module_as_its_plugin_gains_nothing(run, capsys):
    config = OmegaConf.create((run / "config.yaml").read_text())
    OmegaConf.update(config, "loss", {"_target_": "os.system", "command": "true"}, merge=False)
    (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
    recorded = [{"name": "os", "version": "1\n\x1b[2J", "hash": "x"}]
    (run / "provenance.json").write_text(json.dumps({"plugins": recorded}))
    with pytest.raises(ValueError, match="used the plugin os") as refused:
        Run(run).require_plugins()
    assert "\n" not in str(refused.value) and "\x1b" not in str(refused.value)
    assert main(["evaluate", str(run), "--plugins", "os"]) == 2
    assert "the plugin 'os' has the name of a module of Python" in capsys.readouterr().err


def test_a_named_plugin_runs_only_when_it_is_used_and_is_forgotten_after_the_command(run, marking, capsys, monkeypatch):
    mark, plugin = marking
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["runs", f"outputs={run.parent.parent}"]) == 0
    assert main(["train", "--plugins", str(plugin), "--cfg", "job"]) == 0
    assert not mark.exists()
    assert main(["train", "+x._target_=foreign.mine.Mine", "--cfg", "job"]) in (0, 2) and not mark.exists()
    config = OmegaConf.create((run / "config.yaml").read_text())
    OmegaConf.update(config, "evaluation.evaluators.mine", {"_target_": "foreign.mine.Mine"}, force_add=True)
    (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
    assert main(["evaluate", str(run)]) == 2 and not mark.exists()
    main(["evaluate", str(run), "--plugins", str(plugin)])
    assert mark.exists()
    capsys.readouterr()
