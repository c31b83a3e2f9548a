"""``oldrestore new``: what it writes passes its test, is checked, and is found by the commands that it prints."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import oldrestore
from oldrestore.config.location import configuration_root
from oldrestore.config.plugins import VARIABLE

KINDS = ("loss", "metric", "dataset")
PACKAGE = Path(oldrestore.__file__).parent


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)


def printed_command(out: str) -> list[str]:
    (line,) = re.findall(r"^try +oldrestore (.*)$", out, re.MULTILINE)
    return shlex.split(line)


def test_what_is_written_passes_its_test_as_it_stands(cli, tmp_path):
    for kind in KINDS:
        cli("new", kind, f"my_{kind}", "-o", "mine")
    written = sorted(path.relative_to("mine").as_posix() for path in Path("mine").rglob("*") if path.is_file())
    of_each = [(f"my_{k}.py", f"conf/{k}/my_{k}.yaml", f"test_my_{k}.py") for k in KINDS]
    assert written == sorted(["__init__.py", *(name for names in of_each for name in names)])
    # As somebody does who has oldrestore installed: from any folder, without anything else on the path.
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider", str(tmp_path / "mine")]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and re.search(r"^5 passed", done.stdout, re.MULTILINE), done.stdout[-3000:]
    assert all(re.search(r"^ +assert .* == ", Path("mine", f"test_my_{k}.py").read_text(), re.MULTILINE) for k in KINDS)
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is not None:
        for check in (["check", "--config", "lint.isort.known-third-party=['oldrestore']"], ["format", "--check"]):
            options = ["--config", "line-length=120", "--isolated"]
            done = subprocess.run([ruff, *check, *options, "mine"], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_command_composes_and_its_choice_fits_the_default_network(kind, cli):
    verb, *arguments = printed_command(cli("new", kind, f"my_{kind}", "-o", "plugins of mine/mine").out)
    assert verb == "train"
    config = cli("train", *arguments, "--cfg", "job").out
    assert f"_target_: mine.my_{kind}.My{kind.capitalize()}" in config
    if kind == "loss":
        listed = {loss["name"]: loss for loss in cli("losses", "--json", "--plugins", "plugins of mine/mine").content}
        assert listed["my_loss"]["reads"] == ["logits"] and listed["my_loss"]["source"] == "Charbonnier et al. 1994"
        assert "eccv16" in listed["my_loss"]["models"] and listed["my_loss"]["problem"] is None
        assert "my_loss" not in {loss["name"] for loss in cli("losses", "--json").content}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_command_runs(kind, cli):
    arguments = printed_command(cli("new", kind, f"my_{kind}").out)
    folder = Path(cli(*arguments).out.splitlines()[-1])
    (plugin,) = json.loads((folder / "provenance.json").read_text())["plugins"]
    assert (plugin["name"], plugin["version"]) == ("my_plugins", "0.1")


def test_the_page_shows_what_is_written(cli):
    cli("new", "loss", "charbonnier", "-o", "my_losses")
    page = (configuration_root() / "docs" / "add_a_loss.md").read_text()
    blocks = [text for _, text in re.findall(r"```(python|yaml)\n(.*?)```", page, re.DOTALL)]
    assert blocks[0] == Path("my_losses/charbonnier.py").read_text()
    assert blocks[1] == Path("my_losses/conf/loss/charbonnier.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("loss My-Loss", "a loss cannot be named 'My-Loss': use small letters, digits and '_', such as my_loss"),
        ("loss ''", "a loss cannot be named ''"),
        ("loss ../x", "a loss cannot be named '../x'"),
        ("loss _x", "a loss cannot be named '_x'"),
        ("metric class", "a metric cannot be named 'class'"),
        ("dataset test_x", "a dataset cannot be named 'test_x', which has another meaning in a plugin"),
        ("dataset conf", "a dataset cannot be named 'conf'"),
        ("loss focal", "there is a loss 'focal' in oldrestore already: choose another name"),
        ("dataset photos", "there is a dataset 'photos' in oldrestore already"),
        ("loss mine -o json", "the plugin 'json' has the name of a module of Python: rename its folder"),
        ("loss mine -o oldrestore", "the plugin 'oldrestore' has the name of oldrestore itself"),
        ("loss mine -o numpy", "the plugin 'numpy' has the name of an installed package"),
        ("loss mine -o my-losses", "'my-losses' cannot be a plugin"),
        ("judge mine", "invalid choice: 'judge'"),
    ],
)
def test_a_bad_name_writes_nothing(arguments, sentence, cli, tmp_path):
    assert sentence in cli("new", *shlex.split(arguments), code=2).err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(cli):
    cli("new", "loss", "mine")
    Path("my_plugins/__init__.py").write_text("KEPT = 1\n")
    before = {path: path.read_bytes() for path in Path("my_plugins").rglob("*") if path.is_file()}
    for kind in ("loss", "metric"):
        said = cli("new", kind, "mine", code=2).err
        assert said == "oldrestore: 'my_plugins/mine.py' exists already: choose another name\n"
    cli("new", "metric", "other")
    assert {path: path.read_bytes() for path in before} == before
