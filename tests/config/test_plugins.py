"""Plugins: what the user names is admitted with its choices, what is named otherwise or wrongly is not."""

import hashlib
import os
import sys

import pytest

from oldrestore.config import plugins
from oldrestore.config.build import build, locate
from oldrestore.config.compose import compose_config
from oldrestore.config.location import choices_of, configuration_root
from oldrestore.config.plugins import VARIABLE, admitted, use_plugins
from oldrestore.errors import UserError
from tests.plugins import LOSS, write_plugin


@pytest.fixture(autouse=True)
def _nothing_is_named_yet(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")


@pytest.fixture
def mine(tmp_path):
    return write_plugin(tmp_path / "my_plugin")


def test_a_folder_is_admitted_with_its_choices_and_nothing_is_added_to_the_path(mine, refusal):
    path, target = list(sys.path), "my_plugin.scaled.Scaled"
    assert refusal(locate, target).endswith("and those of plugins that you name with --plugins")
    use_plugins(mine)
    assert locate(target).__module__ == "my_plugin.scaled"
    config = compose_config(["loss=scaled", "loss.scale=5"])
    assert build(config.loss).scale == 5 and choices_of("loss")["scaled"] == mine / "conf" / "loss" / "scaled.yaml"
    assert "loss.scale must be greater than 0, not -1" in refusal(compose_config, ["loss=scaled", "loss.scale=-1"])
    assert "did you mean 'scaled'?" in refusal(compose_config, ["loss=scald"])
    assert sys.path == path and os.environ[VARIABLE] == str(mine)


def test_a_plugin_is_known_by_name_version_and_content(mine):
    (plugin,) = (use_plugins(mine), admitted())[1]
    files = ["__init__.py", "conf/loss/scaled.yaml", "scaled.py"]
    expected = hashlib.sha256(b"".join(f.encode() + b"\0" + (mine / f).read_bytes() for f in files)).hexdigest()
    assert plugin.describe() == {"name": "my_plugin", "version": "1.2", "hash": expected}
    for name in ("notes.txt", ".hidden.py", "outputs/sweeps/a.py", "outputs/x/r/config.yaml", "__pycache__/a.py"):
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        (mine / name).write_text("of no run")
    assert plugin.describe()["hash"] == expected
    (mine / "scaled.py").write_text(LOSS + "\n")
    assert plugin.describe()["hash"] != expected
    assert [each["name"] for each in plugins.used_by({"loss": {"_target_": "my_plugin.scaled.Scaled"}})] == [
        "my_plugin"
    ]
    assert plugins.used_by({"loss": {"_target_": "oldrestore.losses.regression.L1"}}) == []


def test_an_installed_package_is_named_by_its_name(tmp_path, monkeypatch):
    write_plugin(tmp_path / "installed_plugin")
    monkeypatch.syspath_prepend(tmp_path)
    use_plugins("installed_plugin")
    assert build({"_target_": "installed_plugin.scaled.Scaled", "scale": 3.0}).scale == 3.0
    assert "scaled" in choices_of("loss")


def test_a_folder_without_a_first_file_is_a_plugin_too(tmp_path):
    write_plugin(tmp_path / "bare", {"scaled.py": LOSS})
    use_plugins(tmp_path / "bare")
    assert locate("bare.scaled.Scaled").__name__ == "Scaled"
    assert admitted()[0].version is None


def test_several_are_named_and_a_folder_replaces_another_of_its_name(mine, tmp_path, refusal):
    other = write_plugin(tmp_path / "other_plugin", {"thing.py": LOSS})
    use_plugins(mine, other)
    assert locate("my_plugin.scaled.Scaled") is not locate("other_plugin.thing.Scaled")
    twin = write_plugin(tmp_path / "elsewhere" / "my_plugin", {"scaled.py": LOSS.replace("Scaled", "Renamed")})
    assert "two plugins are called my_plugin" in refusal(use_plugins, twin)
    os.environ[VARIABLE] = ""
    use_plugins(twin)
    assert locate("my_plugin.scaled.Renamed").__name__ == "Renamed"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("oldrestore", "the plugin 'oldrestore' has the name of oldrestore itself: rename its folder"),
        ("paddle", "the plugin 'paddle' has the name of paddle itself"),
        ("json", "the plugin 'json' has the name of a module of Python"),
        ("os", "the plugin 'os' has the name of a module of Python"),
        ("numpy", "the plugin 'numpy' has the name of an installed package ("),
        ("google", "the plugin 'google' has the name of an installed package ("),
        ("my-losses", "'my-losses' cannot be a plugin: "),
        ("_mine", "'_mine' cannot be a plugin: "),
        ("class", "'class' cannot be a plugin: "),
        ("a:b", "'a:b' cannot be a plugin: "),
    ],
)
def test_a_folder_that_would_shadow_something_is_refused(name, sentence, tmp_path, refusal):
    folder = write_plugin(tmp_path / name)
    assert refusal(use_plugins, folder).startswith(sentence)
    assert os.environ[VARIABLE] == ""


@pytest.mark.parametrize("place", ["", "no_such_plugin", "no/such/folder", "x.y", "\0", "a" * 5000])
def test_what_does_not_exist_is_refused(place, refusal):
    assert refusal(use_plugins, place) == f"there is no plugin '{place}': name its folder, or an installed package"


def test_a_single_module_is_no_plugin(tmp_path, monkeypatch, refusal):
    (tmp_path / "one_module.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert "is a single file" in refusal(use_plugins, "one_module")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("1 / 0\n", "the plugin broken cannot be imported: ZeroDivisionError: division by zero ("),
        ("import no_such_module\n", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module' ("),
        ("raise SystemExit\n", "cannot be imported: SystemExit: without a message ("),
        ("def f(:\n", "cannot be imported: SyntaxError: invalid syntax ("),
        ("raise OSError('a\\nb')\n", "cannot be imported: OSError: a b ("),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_one_sentence(code, sentence, tmp_path, refusal):
    use_plugins(write_plugin(tmp_path / "broken", {"loss.py": f"# first\n{code}"}))
    said = refusal(locate, "broken.loss.Mine")
    assert sentence in said and said.endswith("broken/loss.py line 2)")


def test_of_a_plugin_only_its_own_public_classes_are_built(tmp_path, refusal):
    code = "import os\nfrom pathlib import Path\n\n\ndef act(path):\n    os.mkdir(path)\n\n\nclass _Hidden: ...\n"
    use_plugins(write_plugin(tmp_path / "tools", {"acts.py": code}))
    for target in (
        "tools.acts.act",
        "tools.acts.Path",
        "tools.acts.os.mkdir",
        "tools.acts._Hidden",
        "tools",
        "tools.x.Y",
    ):
        refusal(build, {"_target_": target, "path": str(tmp_path / "made")})
    assert not (tmp_path / "made").exists()
    assert refusal(locate, "tools.acts.Nothing") == "_target_ 'tools.acts.Nothing' does not exist"


def test_annotations_that_cannot_be_read_are_said(tmp_path, refusal):
    code = "from __future__ import annotations\n\n\nclass Mine:\n    def __init__(self, x: Nothing = 1): ...\n"
    files = {"a.py": code, "conf/loss/mine.yaml": "_target_: odd.a.Mine\nx: 2\n"}
    use_plugins(write_plugin(tmp_path / "odd", files))
    assert "of 'odd.a.Mine' cannot be read: name 'Nothing' is not defined" in refusal(compose_config, ["loss=mine"])


def test_a_choice_that_hides_another_is_refused(tmp_path, mine, refusal):
    own = (configuration_root() / "conf" / "loss" / "l1.yaml").read_text()
    use_plugins(mine, write_plugin(tmp_path / "taken", {"conf/loss/l1.yaml": own, "conf/loss/scaled.yaml": own}))
    for name in ("l1", "scaled"):
        assert f"/taken/conf/loss/{name}.yaml' has the name of '" in refusal(compose_config, [f"loss={name}"])
    compose_config(["loss=l2"])


def test_the_run_says_which_plugin_to_bring(mine):
    recorded, config = (
        [{"name": "my_plugin", "version": None, "hash": "0123456789abcdef"}],
        {"_target_": "my_plugin.a.B"},
    )
    with pytest.raises(UserError, match=r"used the plugin my_plugin \(no version, hash 0123456789ab\): add --plugins"):
        plugins.require(recorded, config)
    plugins.require(recorded, {"_target_": "oldrestore.a.B"})
    use_plugins(mine)
    plugins.require(recorded, config)
    now = [{"name": "my_plugin", "version": "1.2", "hash": "f" * 64}]
    assert plugins.changes(recorded, now) == {
        "plugin my_plugin": ["no version, hash 0123456789ab", f"version 1.2, hash {'f' * 12}"]
    }
    assert plugins.changes(now, now) == {} == plugins.changes([], [])
    assert plugins.changes(now, []) == {"plugin my_plugin": [f"version 1.2, hash {'f' * 12}", None]}


@pytest.mark.parametrize("recorded", [None, 3, "x", [3], [{}], [{"name": "a\nb"}], [{"name": ["x"]}], {"name": "x"}])
def test_a_record_that_no_run_wrote_describes_nothing(recorded):
    assert plugins.recorded_in({"plugins": recorded}) == []
