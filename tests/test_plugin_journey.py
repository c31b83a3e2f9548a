"""A plugin package in a folder from its first run to its report: trained, swept, scored, reported, reproduced, resumed.

Each command is a process of its own, as a user types it, in a folder beside the plugin; one network, few iterations.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import oldrestore
from oldrestore.api import UserError, use_plugins
from oldrestore.config.plugins import VARIABLE
from oldrestore.records.run import Run
from tests.plugins import write_plugin
from tests.workshop import SETTINGS

pytestmark = pytest.mark.slow

METRIC = '''"""A metric."""

from oldrestore.evaluation.photograph_metric import PhotographMetric


class Redness(PhotographMetric):
    """Mean of red, 0..1."""

    def measure(self, photo) -> float:
        """Measure."""
        return float(photo.rgb[..., 0].mean() / 255)
'''
ADDED = ["+metric@evaluation.evaluators.redness=redness"]
TINY = [*(text for text in SETTINGS if not text.startswith("evaluation.judged")), "evaluation.judged=null"]
TINY += ["tracking=none", "trainer.max_iterations=4", "trainer.evaluate_every=2", "trainer.checkpoint_every=2"]
MINE = ["--plugins", "my_plugin"]


class Desk:
    """A working folder with a plugin; `type_` runs a command in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_plugin(folder / "my_plugin")
        (folder / "my_plugin" / "redness.py").write_text(METRIC)
        (folder / "my_plugin" / "conf" / "metric").mkdir()
        choice = "_target_: my_plugin.redness.Redness\nbetter: min\n"
        (folder / "my_plugin" / "conf" / "metric" / "redness.yaml").write_text(choice)

    def type_(self, *arguments: object, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        root = Path(oldrestore.__file__).parents[1]
        environment = {
            **os.environ,
            "PYTHONPATH": str(root),
            "PYTHONSAFEPATH": "1",
            "OMP_NUM_THREADS": "1",
            **variables,
        }
        command = [sys.executable, "-m", "oldrestore", *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def tiny(make_workshop) -> list[str]:
    return [*TINY, f"dataset.root={make_workshop().photos}"]


@pytest.fixture(scope="module")
def trained(desk, tiny) -> Path:
    """A run with the plugin's loss and metric, its loader in two workers."""
    done = desk.type_("train", *MINE, *tiny, "loss=scaled", "trainer.workers=2", *ADDED)
    return desk.folder / done.stdout.splitlines()[-1]


@pytest.fixture
def copied(trained, desk, tmp_path) -> Callable[[], Path]:
    """The run once more, in another outputs folder."""
    folder = tmp_path / "outputs" / trained.parent.name / trained.name
    shutil.copytree(trained, folder)
    return lambda: folder


def test_a_run_records_what_it_used(desk, trained):
    (plugin,) = Run(trained).plugins
    assert (plugin["name"], plugin["version"]) == ("my_plugin", "1.2") and re.fullmatch("[0-9a-f]{64}", plugin["hash"])
    curves = Run(trained).curves
    assert len(curves["train/loss"]) == 4 and 0 < curves["redness/value"].values[-1] < 1
    scores = Run(trained).scores
    redness = scores[scores["set"] == "redness"]["value"]
    assert redness.mean() == pytest.approx(curves["redness/value"].values[-1]) and len(redness) == 3
    assert f"evaluate outputs/tiny/{trained.name} --plugins my_plugin" in (trained / "log.txt").read_text()
    listed = desk.type_("runs", "--where", "plugins=my_plugin").stdout
    assert trained.name in listed and "my_plugin" in listed.splitlines()[1]


def test_without_the_plugin_it_is_asked_for_by_name(desk, trained, tiny):
    hash_ = Run(trained).plugins[0]["hash"][:12]
    wanted = f"this run used the plugin my_plugin (version 1.2, hash {hash_}): add --plugins PATH, its folder\n"
    for verb in (["reproduce"], ["evaluate"]):
        assert desk.type_(*verb, trained, code=2).stderr.endswith(f"oldrestore: {wanted}")
    assert (
        desk.type_("train", f"resume={trained}", "trainer.max_iterations=6", code=2).stderr == f"oldrestore: {wanted}"
    )
    # Its choice is not found, and its class not built.
    unknown = desk.type_("train", *tiny, "loss=scaled", code=2).stderr
    assert "there is no loss 'scaled'" in unknown and unknown.endswith("or add --plugins FOLDER if it is your own\n")
    named = desk.type_("train", *tiny, "loss._target_=my_plugin.scaled.Scaled", code=2).stderr
    assert "'my_plugin.scaled.Scaled' is not admitted" in named
    # Its network is oldrestore's own: colouring needs no plugin.
    photograph = next(Path(Run(trained).config["dataset"]["root"]).rglob("*.jpg"))
    desk.type_("colorize", photograph, "-o", "coloured", "--run", trained)


def test_it_is_reproduced_bit_for_bit(desk, trained):
    done = desk.type_("reproduce", trained, *MINE, "outputs=again")
    assert done.stdout.splitlines()[-1].startswith("identical: ")


def test_a_changed_plugin_is_said_and_its_result_differs(desk, trained, copied):
    other = Desk(copied().parents[2])
    code = (other.folder / "my_plugin" / "scaled.py").read_text()
    (other.folder / "my_plugin" / "scaled.py").write_text(code.replace(".mean() /", ".square().mean() /"))
    done = other.type_("reproduce", copied(), *MINE, code=1)
    assert re.search(
        r"not as then .*plugin my_plugin version 1.2, hash \w{12} -> version 1.2, hash \w{12}", done.stdout
    )
    assert "differs" in done.stdout.splitlines()[-1]
    said = other.type_("evaluate", copied(), *MINE).stdout
    assert re.search("^note: the plugin my_plugin is not that of the run: version 1.2, hash ", said, re.MULTILINE)
    resumed = other.type_("train", *MINE, f"resume={copied()}", "trainer.max_iterations=6").stdout
    assert "note: not as when the run began: plugin my_plugin version 1.2" in resumed
    assert Run(copied()).state == "finished" and len(Run(copied()).curves["train/loss"]) == 6


def test_it_is_resumed_and_scored_with_a_metric_that_is_new(desk, copied):
    desk.type_("train", f"resume={copied()}", "trainer.max_iterations=6", **{VARIABLE: str(desk.folder / "my_plugin")})
    assert len(Run(copied()).curves["train/loss"]) == 6
    again = ["+metric@evaluation.evaluators.second=redness"]
    printed = desk.type_("evaluate", copied(), *MINE, *again).stdout
    assert re.search(r"^second/value +0\.\d{4}$", printed, re.MULTILINE)
    (evaluation,) = Run(copied()).evaluations
    assert json.loads((evaluation.folder / "provenance.json").read_text())["plugins"][0]["name"] == "my_plugin"


def test_a_sweep_knows_its_code_and_the_report_shows_it(desk, tiny):
    typed = ["sweep", "--name", "scales", *MINE, *tiny, *ADDED, "loss=scaled", "loss.scale=10,100", "experiment=swept"]
    desk.type_(*typed)
    code = desk.folder / "my_plugin" / "scaled.py"
    before = code.read_text()
    for added, state, why in (("# A comment.\n", "done", None), ("ADDED = 1\n", "new", "my_plugin/scaled.py changed")):
        code.write_text(before + added)
        jobs = json.loads(desk.type_(*typed, "--dry-run", "--json").stdout)["jobs"]
        assert [(job["state"], job["why"]) for job in jobs] == [(state, why)] * 2
    code.write_text(before)
    copies = desk.folder.glob("outputs/sweeps/scales/configuration/*/plugins/my_plugin/*.py")
    assert {copy.name for copy in copies} == {"__init__.py", "redness.py", "scaled.py"}
    chosen = ["--experiment", "swept", "--resamples", "100"]
    # Which way a plugin's metric is better is known without the plugin.
    compared = json.loads(desk.type_("compare", *chosen, "--figures", "redness/value", "--json").stdout)
    assert compared["better"] == {"redness/value": "min"}
    desk.type_("report", *chosen, "--photographs", "2", "-o", "page.html")
    page = (desk.folder / "page.html").read_text().replace("<wbr>", "")
    recorded = Run(next(desk.folder.glob("outputs/swept/*"))).plugins[0]
    assert "plugin my_plugin" in page and f"version 1.2, hash {recorded['hash'][:12]}" in page
    assert "--plugins my_plugin" in page


def test_several_processes_train_with_it(desk, tiny):
    done = desk.type_("train", *MINE, *tiny, "loss=scaled", "trainer.processes=2", "outputs=parallel", *ADDED)
    run = Run(desk.folder / done.stdout.splitlines()[-1])
    assert run.plugins[0]["name"] == "my_plugin" and len(run.provenance["processes"]) == 2


def test_an_installed_plugin_with_judge_dataset_and_network_is_named_by_its_name(desk, tiny, tmp_path, monkeypatch):
    judge = '''"""A judge, a dataset and a network."""

import numpy as np

from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.evaluation.judge import CLASSES, Judge
from oldrestore.models.eccv16 import Eccv16


class Zero(Judge):
    """Class 0 for whatever it sees."""

    name, fingerprint, sees = "zero", "0" * 64, "nothing"

    def probabilities(self, photos) -> np.ndarray:
        """See Judge."""
        return np.eye(CLASSES, dtype=np.float32)[[0] * len(photos)]


class Own(ImageFolder):
    """A folder."""


class Net(Eccv16):
    """A network."""
'''
    choices = {"conf/judge/zero.yaml": "_target_: installed_one.parts.Zero\n"}
    write_plugin(tmp_path / "installed_one", {"__init__.py": "", "parts.py": judge, **choices})
    paths = os.pathsep.join([str(Path(oldrestore.__file__).parents[1]), str(tmp_path)])
    judged = [text for text in tiny if not text.startswith("evaluation.judged")]
    judged += ["evaluation.judged=dataset", "evaluation.judged_split=val", "judge=zero", "outputs=judged"]
    judged += ["dataset._target_=installed_one.parts.Own", "model._target_=installed_one.parts.Net"]
    done = desk.type_("train", "--plugins", "installed_one", *judged, PYTHONPATH=paths)
    run = Run(desk.folder / done.stdout.splitlines()[-1])
    assert run.accuracy_rows[-1]["orig_accuracy"] == pytest.approx(1 / 3)
    assert run.plugins[0]["name"] == "installed_one" and run.plugins[0]["version"] is None
    photograph = next(Path(run.config["dataset"]["root"]).rglob("*.jpg"))
    coloring = ["colorize", photograph, "--run", run.folder]
    assert "this run used the plugin installed_one (" in desk.type_(*coloring, "-o", "without", code=2).stderr
    desk.type_(*coloring, "-o", "with", "--plugins", "installed_one", PYTHONPATH=paths)
    # In Python.
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(UserError, match="used the plugin installed_one"):
        run.network()
    use_plugins(tmp_path / "installed_one")
    assert type(run.network()).__name__ == "Net"
