"""What each shipped protocol measures is pinned, and stands with every score."""

import importlib.util
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from oldrestore.cli import main
from oldrestore.config.compose import compose_config, override_config
from oldrestore.config.location import configuration_root
from oldrestore.evaluation.protocol import Protocol, protocol_settings
from oldrestore.records.run import Run
from oldrestore.scoring.protocols import protocol_of, shipped_evaluation

PAGE = configuration_root() / "docs" / "protocols.md"
SHIPPED = sorted(path.stem for path in (configuration_root() / "conf" / "evaluation").glob("*.yaml"))
# sha256 of each protocol's name, version and settings on the defaults, without files that the user has. A hash that
# moves says that other things are measured than before: raise the protocol's `version`, then write the new hash here.
PINNED = {
    "agreement": (1, "8cfabd46a5ece8fb0b004953903764a6ad0f1174ed4adc7d21ce69d330dd0284"),
    "cic_2016": (1, "b329dd43b32f5b20f318fcb49d69c326ceffda5a099b4ca8af58bc940da9a179"),
    "ddcolor_val5k": (1, "34f6a302adb99e421a6ad5229f14306d053630781c773fe0e4be12ea90b4083f"),
    "detection": (1, "0c30fd0fc7e211e2e3338a3b605765021aaabe845f148f0e1ddc5e27d65896c9"),
    "holes": (1, "3e514d0ed32c3734cb28662605104589983662aa183ed9613b0f14ce93852fa0"),
    "photos": (1, "59e990449184084379a35514356e1ae1fd4af33647900286704745fd3db2a7ed"),
    "recognition": (1, "3b580fce876796487f5768dbbfd55c2e96411d09ab22d56338fe6c97e0a96815"),
    "restoration": (1, "e11b8782e6e9c7e0c5f01d43736fda8a20d170ee65ced38c73f1d153b018fe33"),
    "seed_report": (1, "f97704163970394cf35ab2beda1a4a1c58a34cd67c9421a402a363f990833549"),
    "siggraph17_hints": (1, "388f54576f7f5d462d8477960b3018d8e1cb16f19fb4546ef717492ddc1a9495"),
    "wide": (1, "82df311bebc0d5647df1717cee0cf83b5c46cb1214b251868c7b7f9a77248574"),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_a_protocol_measures_is_pinned(name):
    shipped = shipped_evaluation(name)
    version = shipped["evaluation"]["version"]
    assert shipped["evaluation"]["name"] == name
    assert (version, Protocol(name, version, protocol_settings(shipped)).hash) == PINNED[name]


def test_the_page_says_what_the_protocols_say():
    specification = importlib.util.spec_from_file_location("protocol_table", PAGE.with_name("protocol_table.py"))
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    assert script.table() in PAGE.read_text(), "run: python docs/protocol_table.py"


def test_the_commands_of_the_page_can_be_composed():
    commands = [line for line in PAGE.read_text().splitlines() if line.startswith("oldrestore evaluate RUN ")]
    assert {name for name in SHIPPED if any(f"evaluation={name}" in line for line in commands)} == set(SHIPPED)
    run = compose_config([])
    for line in commands:
        words = shlex.split(line, comments=True)[3:]
        config = override_config(run, words)
        assert not words or f"evaluation={config.evaluation.name}" in words
        if "judge.weights=vgg16.pth" in words:
            assert config.judge._target_.endswith("Vgg16")


def evaluated(capsys, run: Path, *overrides: str) -> tuple[str, Run]:
    """Evaluate a run, and return what was printed and the evaluation."""
    capsys.readouterr()
    assert main(["evaluate", str(run), *overrides]) == 0
    printed = capsys.readouterr().out
    return printed, Run(printed.strip().splitlines()[-1])


def measured(evaluation: Run) -> dict[str, float]:
    return json.loads((evaluation.folder / "summary.json").read_text())["validation"]


def test_a_run_stores_its_protocol_and_says_what_is_changed(tracked_run, capsys):
    run = Run(tracked_run)
    stored = run.data["protocol"]
    changed = ["dataset.crops.evaluation_size", "judged", "judged_split", "size"]
    assert (stored["name"], stored["version"], stored["changed"]) == ("photos", 1, changed)
    settings = stored["settings"]
    assert settings["judge.fingerprint"] == run.data["judge"]["fingerprint"]
    assert "bicubic" in settings["judge.sees"]
    assert (settings["evaluation.size"], settings["dataset.crops.evaluation_size"]) == (32, 32)
    assert protocol_of(run.composed).hash != stored["hash"], "the judge's weights count"
    assert f"protocol  photos 1, changed: {', '.join(changed)}" in (tracked_run / "log.txt").read_text()
    capsys.readouterr()
    for condition, count in (("protocol=photos", 1), ("protocol=photos 1*", 1), ("protocol=seed_report", 0)):
        assert main(["runs", f"outputs={tracked_run.parent.parent}", "--json", "--where", condition]) == 0
        assert len(json.loads(capsys.readouterr().out)) == count, condition


def test_an_evaluation_stores_its_own_and_compare_refuses_another(tracked_run, capsys):
    printed, other = evaluated(capsys, tracked_run, "evaluation.size=64", "evaluation.judged=null")
    stored = other.data["protocol"]
    summary = json.loads((other.folder / "summary.json").read_text())["protocol"]
    assert stored["settings"]["evaluation.size"] == 64
    assert summary == {name: stored[name] for name in ("name", "version", "hash", "changed")}
    assert [line.split(maxsplit=1) for line in printed.splitlines()[:5]] == [
        ["run", str(tracked_run)],
        ["checkpoint", "best, 6 iterations"],
        ["changed", "evaluation.size=64 (was 32)"],
        ["changed", "evaluation.judged=null (was dataset)"],
        ["protocol", f"photos 1, changed: {', '.join(stored['changed'])} ({stored['hash'][:8]})"],
    ]
    assert stored["hash"] != Run(tracked_run).data["protocol"]["hash"]
    _, same = evaluated(capsys, tracked_run, "evaluation.judged=null")
    assert main(["compare", str(same.folder), str(other.folder)]) == 2
    error = capsys.readouterr().err
    assert "evaluation.size is 64 and 32" in error and "photos 1, changed:" in error
    assert main(["compare", str(same.folder)]) == 0
    assert "protocol photos 1, changed: dataset.crops.evaluation_size, judged" in capsys.readouterr().out


def test_a_run_from_before_there_were_protocols_is_evaluated_and_compared(tracked_run, tmp_path, capsys):
    old = tmp_path / "outputs" / "tiny" / "old"
    shutil.copytree(tracked_run, old, ignore=shutil.ignore_patterns("evaluations"))
    config = OmegaConf.load(old / "config.yaml")
    for name in ("version", "crops", "count", "rebalancing", "prior_file"):
        config.evaluation.pop(name, None)
    OmegaConf.save(config, old / "config.yaml")
    data = Run(old).data
    now = data.pop("protocol")
    (old / "data.json").write_text(json.dumps(data))
    printed, evaluation = evaluated(capsys, old, "evaluation.judged=null")
    assert "the protocol photos without a version, which is now version 1: add evaluation=photos" in printed
    stored = evaluation.data["protocol"]
    assert (stored["name"], stored["version"], stored["changed"]) == ("photos", None, [])
    assert stored["hash"] != now["hash"]
    # Beside a run that has stored one, settings are compared, and they are the same.
    assert main(["compare", str(old), str(tracked_run), "--by", "run"]) == 0
    assert "protocol photos (" in capsys.readouterr().out
    assert main(["runs", f"outputs={tmp_path / 'outputs'}", "--sort", "protocol", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["values"] == {"protocol": "photos"}


def test_choosing_a_protocol_on_an_old_run_takes_it_as_it_is_now():
    config = compose_config(["evaluation.size=64", "judge=efficientnet_lite2"])
    config.evaluation.pop("version")
    again = override_config(config, ["evaluation=photos"])
    assert protocol_of(again).label == "photos 1, changed: judge.variant"
    assert again.judge.variant == "lite2", "a protocol that names no judge keeps the run's"


def test_a_protocol_that_names_its_judge_brings_it_along():
    run = compose_config(["judge=efficientnet_lite2"])
    assert override_config(run, ["evaluation=cic_2016", "judge.weights=w.pth"]).judge.weights == "w.pth"
    chosen = override_config(run, ["evaluation=cic_2016", "judge=efficientnet_lite0"])
    assert chosen.judge.variant == "lite0"
    assert protocol_of(chosen).changed == ["judge"]
    assert compose_config(["evaluation=cic_2016"]).judge._target_.endswith("Vgg16")


@pytest.fixture
def listed(tracked_run, tmp_path) -> list[str]:
    """Settings that evaluate a run on a list of its own three photographs that it has not seen."""
    run = Run(tracked_run)
    names = [f"{name} {number % 3}" for number, name in enumerate(run.data["val"]["photographs"])]
    (tmp_path / "list.txt").write_text("\n".join(names))
    dataset = ["dataset=imagenet_ctest10k", f"dataset.root={run.composed.dataset.root}"]
    small = ["evaluation.crops.size=32", "evaluation.size=32", "evaluation.samples=0"]
    return [*dataset, f"dataset.list={tmp_path / 'list.txt'}", *small]


def test_cic_2016_on_a_list_with_the_prior_of_a_file(tracked_run, listed, tmp_path, capsys):
    np.save(tmp_path / "prior_probs.npy", np.random.default_rng(0).gamma(0.3, size=313) + 1e-6)
    cic = [*listed, "evaluation=cic_2016", "judge=efficientnet_lite0"]
    printed, by_file = evaluated(capsys, tracked_run, *cic, f"evaluation.prior_file={tmp_path / 'prior_probs.npy'}")
    assert "cic_2016 1, changed: count, crops.size, judge, size (" in printed
    assert "judge efficientnet_lite0, n = 3" in printed
    settings = by_file.data["protocol"]["settings"]
    assert settings["evaluation.count"] == 3
    assert all(settings[f"evaluation.{name}"].startswith("sha256:") for name in ("prior_file", "prior"))
    training = ["evaluation.rebalancing=training", "evaluation.judged=null"]
    by_training = evaluated(capsys, tracked_run, *cic, *training)[1]
    assert measured(by_training)["auc"] == measured(by_file)["auc"]
    assert measured(by_training)["auc_rebalanced"] != measured(by_file)["auc_rebalanced"]


def test_ddcolor_without_weights_is_refused_and_without_fid_measured(tracked_run, listed, capsys):
    ddcolor = [*listed, "evaluation=ddcolor_val5k"]
    assert main(["evaluate", str(tracked_run), *ddcolor]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "FID needs the weights of Inception v3" in error
    printed, evaluation = evaluated(capsys, tracked_run, *ddcolor, "evaluation.evaluators.set.fid=false")
    assert "ddcolor_val5k 1, changed: count, crops.size, evaluators.set.fid, size (" in printed
    values = measured(evaluation)
    assert values["set/delta_cf"] == pytest.approx(abs(values["set/cf"] - values["set/cf_original"]))
    assert "set/fid" not in values


def test_a_protocols_crops_cut_what_colour_is_measured_on(tracked_run, capsys):
    for crops, pixels in (("null", 32 * 32), ("{size: 40, fit: squash, filter: box}", 40 * 40)):
        _, evaluation = evaluated(capsys, tracked_run, "evaluation.judged=null", f"evaluation.crops={crops}")
        assert {row["weight"] for row in evaluation.per_image_rows if row["metric"] == "auc"} == {pixels}
    assert main(["evaluate", str(tracked_run), "evaluation.crops={size: 40, fit: squash}"]) == 2
    assert "evaluation.crops.filter" in capsys.readouterr().err
