"""What a file, a name or a configuration from someone else cannot do; the threat model is in SECURITY.md."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf
from safetensors.numpy import save

from oldrestore import runtime
from oldrestore.cli import main
from oldrestore.config import build as seam
from oldrestore.config.build import build, locate
from oldrestore.config.compose import compose_config, resolve_and_check
from oldrestore.config.schema import check_config
from oldrestore.data import debian_package
from oldrestore.data.gcompris import _readable_name
from oldrestore.data.qt_resources import BrokenResource, read_resources
from oldrestore.errors import UserError
from oldrestore.models.weights import read_header, read_tensors
from oldrestore.restoration.film import UnreadableFilm, probe, read_frames
from oldrestore.runs.inference.hint_file import read_hints
from oldrestore.runs.loading import load_run_config, refuse_links_out
from oldrestore.runs.progress import check_state
from oldrestore.runs.reproduction import logged_run
from oldrestore.runs.reproduction.code_state import compare_code
from oldrestore.runs.reproduction.worktree import worktree_of
from oldrestore.tracking import ui
from oldrestore.tracking.reader import read_choices, read_config, read_overrides
from oldrestore.tracking.run_folder import RunFolder
from oldrestore.training.checkpoint import FORMAT, load_checkpoint
from tests.runs.conftest import SETTINGS

PACKAGE = Path(seam.__file__).parents[1]
SECTION = "What others hand you"

# --- code: what is not there cannot be reached ----------------------------------------------------------------------

# Calls that run what a file says, or read it with a reader that does.
FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "breakpoint", "input",
    "os.system", "os.popen", "os.execv", "os.execvp", "os.execve", "os.spawnv", "os.startfile", "pty.spawn",
    "subprocess.getoutput", "subprocess.getstatusoutput",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "cPickle.loads", "dill.loads", "cloudpickle.loads",
    "joblib.load", "marshal.load", "marshal.loads", "shelve.open", "pandas.read_pickle", "pd.read_pickle",
    "torch.load", "paddle.load", "paddle.jit.load", "paddle.static.load", "paddle.fluid.load",
    "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.unsafe_load_all",
    "runpy.run_path", "runpy.run_module", "code.interact", "imp.load_source",
    "tarfile.open", "zipfile.ZipFile", "shutil.unpack_archive",
    "xml.etree.ElementTree.parse", "numpy.fromregex", "ctypes.CDLL",
    "hydra.utils.instantiate", "instantiate", "hydra.utils.call", "hydra.utils.get_class", "hydra.utils.get_method",
}  # fmt: skip
ADMITTED_CALLS = {
    ("tracking/spool.py", "pickle.loads"): "bytes that the same object pickled, from a file without a name",
    ("tracking/run_yaml.py", "yaml.load"): "with SafeLoader, which makes plain values only",
    ("runs/config_lookup.py", "yaml.load"): "with SafeLoader, which makes plain values only",
    ("models/torch_pickle.py", "zipfile.ZipFile"): "read member by member, never unpacked to the disk",
    ("runs/data_parallel/paddle_launcher.py", "ctypes.CDLL"): "the process's own C library, for one call of the kernel",
    ("config/build.py", "instantiate"): "the one seam, behind the checks of targets",
}
NETWORK = {"urllib.request", "http.client", "requests", "ftplib", "smtplib", "telnetlib", "xmlrpc", "aiohttp", "httpx"}
ADMITTED_NETWORK = {"tracking/ui.py": "asks the pages that it has started itself whether they answer"}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call in the package: file, dotted name with imports undone, node."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {
                    alias.asname or alias.name.partition(".")[0]: alias.asname and alias.name for alias in node.names
                }
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                first, dot, rest = ast.unparse(node.func).partition(".")
                yield path.relative_to(PACKAGE).as_posix(), (names.get(first) or first) + dot + rest, node


def test_nothing_runs_what_a_file_says(ledger):
    found, count = {}, 0
    for file, name, node in calls():
        count += 1
        short = name.removeprefix("hydra.utils.")
        if name in FORBIDDEN or short in FORBIDDEN:
            found[file, short if short in FORBIDDEN else name] = node
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert keywords.get("shell", "False") == "False", f"{file}:{node.lineno} hands a command to a shell"
        assert keywords.get("allow_pickle", "False") == "False", f"{file}:{node.lineno} lets NumPy unpickle"
        assert keywords.get("weights_only", "True") == "True", f"{file}:{node.lineno}"
        if name.startswith("subprocess.") and node.args and name != "subprocess.CompletedProcess":
            # A list, never a text that something would have to split.
            assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr | ast.BinOp), f"{file}:{node.lineno}"
    assert found.keys() == ADMITTED_CALLS.keys()
    for (file, name), node in found.items():
        if name == "yaml.load":
            assert {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords} == {"Loader": "LOADER"}, file
    from oldrestore.tracking import run_yaml

    assert issubclass(run_yaml.LOADER, yaml.SafeLoader | getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert count > 5000
    ledger.record(
        SECTION,
        "calls in oldrestore/ that run what a file says (eval, exec, unsafe pickle and YAML, shells)",
        through="the source",
        tried=1,
        right=1,
        sentence=f"none but {len(ADMITTED_CALLS)}, each with its reason in tests/reliability/test_security.py",
    )


def test_nothing_calls_out():
    """No part speaks to a network by itself; MLflow's client does where the user names a server."""
    for path in sorted(PACKAGE.rglob("*.py")):
        imported = {
            name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        outside = {name for name in imported if any(name == n or name.startswith(f"{n}.") for n in NETWORK)}
        assert not outside or path.relative_to(PACKAGE).as_posix() in ADMITTED_NETWORK, f"{path} imports {outside}"


# --- configurations --------------------------------------------------------------------------------------------------

COMPOSITE = "oldrestore.losses.composite.Composite"


def touching(marker: Path) -> dict[str, dict]:
    """Nodes that would make a file, each in another way."""
    command = {"name": "x", "command": ["touch", str(marker)], "url": "", "environment": {}}
    return {
        "a function of Python": {"_target_": "os.system", "command": f"touch {marker}"},
        "a private function of ours that starts programs": {"_target_": "oldrestore.tracking.ui._start", **command},
        "another": {
            "_target_": "oldrestore.data.debian_package._run",
            "command": ["touch", str(marker)],
            "folder": "/tmp",
            "advice": "",
        },
        "a public function of ours that writes files": {
            "_target_": "oldrestore.tracking.files.write_atomically",
            "path": str(marker),
            "content": "x",
        },
        "through a module of ours": {"_target_": "oldrestore.data.cache.os.system", "command": f"touch {marker}"},
        "through a class of ours": {
            "_target_": "oldrestore.tracking.run_folder.RunFolder.create",
            "outputs": str(marker),
            "experiment": "e",
            "run_id": "r",
        },
        "partial": {"_target_": "os.system", "_partial_": True, "command": f"touch {marker}"},
        "not recursive": {"_target_": COMPOSITE, "_recursive_": False, "terms": {"a": {"_target_": "os.mkdir"}}},
        "positional": {"_target_": COMPOSITE, "_args_": [{"_target_": "os.mkdir", "path": str(marker)}]},
        "Hydra's own": {"_target_": "hydra.utils.call", "config": {"_target_": "os.mkdir", "path": str(marker)}},
        "a class looked up": {"_target_": "hydra.utils.get_class", "path": "subprocess.Popen"},
        "deep in lists": {"_target_": COMPOSITE, "terms": [[{"a": [{"_target_": "os.mkdir", "path": str(marker)}]}]]},
    }


def made_of_text(node: dict, escapes: int) -> dict:
    """A component whose argument becomes another only when it is resolved, so many times over."""
    flow = json.dumps(node, separators=(",", ":")).replace('"', "'").replace(":", ": ")
    return {"_target_": COMPOSITE, "terms": "\\" * (2**escapes - 1) + '${oc.create:"' + flow + '"}'}


def test_a_configuration_builds_nothing_else(tmp_path, ledger):
    marker = tmp_path / "made"
    nodes = touching(marker)
    tried = 0
    for how, node in nodes.items():
        for shape in (
            node,
            {"_target_": COMPOSITE, "terms": {"a": {"loss": node, "weight": 1.0}}},
            {"_target_": COMPOSITE, "_partial_": True, "terms": {"a": {"loss": node, "weight": 1.0}}},
            *(made_of_text(node, escapes) for escapes in range(4)),
        ):
            for given in (shape, OmegaConf.create(shape)):
                tried += 1
                with pytest.raises(UserError) as refused:
                    build(given)
                assert "\n" not in str(refused.value), how
                assert not marker.exists(), how
    ledger.record(
        SECTION,
        "configurations that name other targets: nested, partial, positional, made of text by resolvers, escaped",
        through="the build seam",
        tried=tried,
        said=tried,
        sentence="“_target_ 'os.system' is not admitted: only oldrestore. and paddle. targets are built”",
    )


def test_every_component_of_conf_is_admitted_and_no_other_function():
    targets = set()
    for folder in ("conf", "experiments", "sweeps"):
        for path in (PACKAGE.parent / folder).rglob("*.yaml"):
            targets |= set(re.findall(r"^[^#\n]*_target_: ([\w.]+)", path.read_text(), re.MULTILINE))
    assert len(targets) > 60
    for target in targets:
        assert callable(locate(target)), target
    assert {target for target in targets if not isinstance(locate(target), type)} == set(seam.ADMITTED_FUNCTIONS)


@pytest.fixture
def run(tmp_path) -> Path:
    """A run folder as somebody could have made it up."""
    folder = tmp_path / "outputs" / "tiny" / "run-1"
    (folder / "checkpoints").mkdir(parents=True)
    settings = [text for text in SETTINGS if not text.startswith("outputs")]
    config = compose_config([*settings, f"dataset.root={tmp_path}", f"outputs={tmp_path / 'outputs'}", "run_id=run-1"])
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config))
    status = {"state": "failed", "reason": "x", "started": "2026-01-01T00:00:00.000Z", "sinks": {}}
    (folder / "status.json").write_text(json.dumps(status))
    for name in ("provenance.json", "data.json"):
        (folder / name).write_text("{}")
    (folder / "metrics.jsonl").write_text("")
    (folder / "checkpoints" / "best.safetensors").write_bytes(save({"model.x": np.zeros(1, np.float32)}))
    return folder


PLACES = ("tracking.mlflow", "loss", "model", "dataset", "optimizer", "trainer.learner", "evaluation.judged")


def test_a_logged_configuration_is_refused_by_every_verb(run, tmp_path, capsys, ledger):
    marker = tmp_path / "made"
    text = (run / "config.yaml").read_text()
    verbs = ("sync", "evaluate", "train")
    tried = 0
    for number, node in enumerate(touching(marker).values()):
        for evil in (node, made_of_text(node, 0), made_of_text(node, 1)):
            verb = verbs[tried % len(verbs)] if tried else "reproduce"
            config = OmegaConf.create(text)
            # What sends to trackers looks at nothing else.
            place = "tracking.mlflow" if verb == "sync" else PLACES[number % len(PLACES)]
            OmegaConf.update(config, place, evil, merge=False)
            (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
            arguments = ["train", f"resume={run}"] if verb == "train" else [verb, str(run)]
            code = main(arguments)
            said = capsys.readouterr().err
            tried += 1
            assert code == 2, (arguments, evil, said)
            assert said.count("\n") == 1 + said.count("reproducing "), said
            assert not marker.exists(), (arguments, evil)
    ledger.record(
        SECTION,
        "the same, as the logged configuration of a run folder",
        through="sync, evaluate, reproduce, resume",
        tried=tried,
        said=tried,
        sentence="“'config.yaml' was not written by a run: loss.terms holds an interpolation that is not resolved”",
    )


@pytest.mark.parametrize(
    "value", ["${oc.env:OLDRESTORE_SECRET}", "a ${oc.env:OLDRESTORE_SECRET} b", "${now:%f}", "${seed}", "\\${seed}"]
)
def test_a_logged_configuration_reads_nothing_of_this_machine(run, monkeypatch, value):
    monkeypatch.setenv("OLDRESTORE_SECRET", "geheim")
    config = OmegaConf.create((run / "config.yaml").read_text())
    OmegaConf.update(config, "experiment", value)
    (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
    with pytest.raises(UserError, match="experiment holds an interpolation") as refused:
        load_run_config(run)
    assert "geheim" not in str(refused.value)


def test_what_the_user_types_is_resolved_once(tmp_path, monkeypatch):
    """The user's own resolvers work; what they give is not looked at again."""
    monkeypatch.setenv("OLDRESTORE_PLACE", str(tmp_path))
    wanted = [text for text in SETTINGS if not text.startswith("dataset.root")]
    config = compose_config([*wanted, "dataset.root='${oc.env:OLDRESTORE_PLACE}'", f"outputs={tmp_path}"])
    assert config.dataset.root == str(tmp_path)
    monkeypatch.setenv("OLDRESTORE_PLACE", "${oc.env:HOME}")
    with pytest.raises(UserError, match=r"dataset\.root holds an interpolation"):
        resolve_and_check(OmegaConf.create({**config, "dataset": {**config.dataset, "root": "\\${oc.env:HOME}"}}))


def test_yaml_that_unfolds_is_refused_at_once(run, tmp_path, ledger):
    laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for one, next_ in zip("abcdefgh", "bcdefghi", strict=True):
        laughs += f"{next_}: &{next_} [{', '.join([f'*{one}'] * 10)}]\n"
    before = peak_mib()
    tried = 0
    for content in (
        laughs,
        "a: &a [*a]\n",
        "[" * 100_000,
        "a: " * 5000 + "1",
        "!!python/object/apply:os.system ['x']\n",
    ):
        for name in ("config.yaml", "overrides.yaml", "choices.yaml"):
            (run / name).write_text(content)
        for read in (load_run_config, read_config, read_overrides, read_choices):
            tried += 1
            with pytest.raises(UserError):
                read(run)
    with (run / "config.yaml").open("wb") as file:
        file.truncate(2**40)
    for read in (load_run_config, read_config):
        tried += 1
        with pytest.raises(UserError, match="16,777,216 bytes"):
            read(run)
    assert peak_mib() - before < 200
    sentence = "“line 2 has an alias, which no run writes”"
    ledger.record(SECTION, "YAML that unfolds, nests without end or is endless", through="run folders", tried=tried,
                  said=tried, sentence=sentence)  # fmt: skip


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- names and places ------------------------------------------------------------------------------------------------

ESCAPES = [
    "../x",
    "..",
    ".",
    "/tmp/x",
    "a/../../x",
    "~/x",
    "a\\..\\x",
    "x\ny",
    "",
    " ",
    "a b",
    "-rf",
    "x" * 300,
    "\x1b[2J",
]


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
    count = 2 * len(ESCAPES)
    sentence = "“experiment may hold letters, digits, '_', '-' and '.', and starts with a letter or digit”"
    what = "experiments and run ids that are paths, empty, endless or escape codes"
    ledger.record(SECTION, what, through="train", tried=count, said=count, sentence=sentence)


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
    links = {"texts/a.md": secret, "log.txt": secret, "samples": tmp_path, "checkpoints/last.safetensors": secret,
             "provenance.json": "../../../secret.md"}  # fmt: skip
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
    ledger.record(SECTION, "links in a run folder to files outside of it", through="sync", tried=len(links),
                  said=len(links), sentence="“'texts/a.md' in the run 'run-1' is a link to …, outside of it: put the "
                  "file itself there”")  # fmt: skip


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
    assert runtime.restorable({"OMP_NUM_THREADS": "2,1", "MKL_CBWR": None}) == {
        "OMP_NUM_THREADS": "2,1",
        "MKL_CBWR": None,
    }


# --- archives and artifacts ------------------------------------------------------------------------------------------


def test_paths_in_qt_resources_become_names(tmp_path, ledger):
    paths = ["../../../etc/x.webp", "/etc/x.webp", "..\\..\\x.webp", "a/./../b/x.webp", "....//x.webp", "x.webp"]
    for path in paths:
        name = _readable_name("erase", path)
        assert name == Path(name).name and name.startswith("erase-") and name.endswith("x.webp")
        assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    for content in (b"qres", b"qres" + b"\xff" * 16, b"qres" + struct.pack(">4I", 3, 20, 20, 20) + b"\0" * 7):
        (tmp_path / "x.rcc").write_bytes(content)
        with pytest.raises(BrokenResource):
            list(read_resources(tmp_path / "x.rcc"))
    what, count = "paths in Qt resources: ../, absolute, backslashes", len(paths)
    ledger.record(SECTION, what, through="data prepare", tried=count, right=count, sentence="a name within the folder")


def deb(members: list[tarfile.TarInfo], content: bytes = b"x") -> bytes:
    """A Debian package with these members."""

    def packed(infos: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
            for info, data in infos:
                info.size = len(data) if info.isreg() else 0
                archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
        return buffer.getvalue()

    control = tarfile.TarInfo("./control")
    described = b"Package: bad\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
    files = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": packed([(control, described)]),
        "data.tar.gz": packed([(info, content) for info in members]),
    }
    made = b"!<arch>\n"
    for name, data in files.items():
        made += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return made


def test_members_of_a_debian_package_stay_in_its_folder(tmp_path, monkeypatch, ledger):
    if shutil.which("dpkg-deb") is None:
        pytest.skip("this machine has no dpkg-deb")
    outside = tmp_path / "outside"
    outside.mkdir()

    def link(name: str, to: str) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, to
        return info

    cases = {
        "parent": [tarfile.TarInfo("./../../../outside/a")],
        "absolute": [tarfile.TarInfo(str(outside / "b"))],
        "through a link": [link("./way", str(outside)), tarfile.TarInfo("./way/c")],
        "through a relative link": [link("./way", "../../../outside"), tarfile.TarInfo("./way/d")],
    }
    (tmp_path / "bin").mkdir()
    fetch = tmp_path / "bin" / "apt-get"
    fetch.write_text(f"#!/bin/sh\ncp {tmp_path}/next.deb bad_1_all.deb\n")
    fetch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    held = 0
    for name, members in cases.items():
        (tmp_path / "next.deb").write_bytes(deb(members))
        work = tmp_path / name.replace(" ", "-") / "work"
        work.mkdir(parents=True)
        try:
            unpacked = debian_package.download_and_unpack("bad", work, "")
        except UserError as refused:
            assert "dpkg-deb -x" in str(refused)
        else:
            assert all(path.resolve().is_relative_to(work) or path.is_symlink() for path in unpacked.rglob("*"))
        assert not list(outside.iterdir()), name
        held += 1
    ledger.record(SECTION, "members of a .deb: ../, absolute, through links", through="data prepare", tried=len(cases),
                  right=held, sentence="nothing is written outside of the folder")  # fmt: skip


def test_artifact_paths_of_a_server_lead_nowhere(tmp_path):
    """Only files of known names are asked for, whatever a server lists; a model's name must be one."""
    fetched = []
    listed = ["../../../etc/x", "/etc/x", "config.yaml/../../x", "config.yaml", "metrics.jsonl", "a/config.yaml"]
    client = SimpleNamespace(
        list_artifacts=lambda run_id: [SimpleNamespace(path=p, is_dir=p == "metrics.jsonl") for p in listed],
        download_artifacts=lambda run_id, name, place: fetched.append((name, place)),
    )
    record = SimpleNamespace(
        info=SimpleNamespace(run_id="r", artifact_uri="mlflow-artifacts:/1/r"), data=SimpleNamespace(tags={})
    )
    logged_run._fetch_records(client, record, None, tmp_path / "held")
    assert fetched == [("config.yaml", str(tmp_path / "held"))]
    beside = tmp_path / "store"
    hidden = beside / "artifacts" / "artifacts" / "best.safetensors"
    hidden.parent.mkdir(parents=True)
    hidden.write_bytes(b"x")
    for uri in ("models:/..", "..", "models:/a\\b", "models:/a b", "models:/é"):
        record.data.tags["model_uri"] = uri
        assert logged_run._fetch_best(client, record, beside, "http://127.0.0.1:9", tmp_path / "m") is None


# --- programs --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Five frames of a film that nobody was to see."""
    import imageio_ffmpeg

    path = tmp_path_factory.mktemp("films") / "private.mp4"
    made = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1"]
    subprocess.run([*made, f"file:{path}"], check=True, stdin=subprocess.DEVNULL)
    return path


NAMES = ["-i.mp4", "-y.mp4", "concat:a.mp4|b.mp4", "http:example.mp4", "file:x.mp4", "pipe:0.mp4", "x%03d.mp4",
         "$(touch made).mp4", "`touch made`.mp4", ";touch made;.mp4", "a\nb.mp4", "subfile,,start,0,end,9,,:x.mp4",
         "data:video;base64,x.mp4", "cache:x.mp4", "'\".mp4"]  # fmt: skip


def test_names_of_films_are_names(film, tmp_path, monkeypatch, ledger):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        for path in (Path(name), tmp_path / name):
            shutil.copyfile(film, path)
            assert probe(path).rate == "5"
            assert len(list(read_frames(path))) == 5
            path.unlink()
    assert not list(tmp_path.iterdir())
    what, count = "names of films that look like options, protocols, patterns or shell commands", 2 * len(NAMES)
    ledger.record(SECTION, what, through="ffmpeg", tried=count, right=count, sentence="the file of that name")


def test_a_film_names_no_other_file(film, tmp_path, ledger):
    """A playlist under a film's name would have ffmpeg read other files of this machine, or addresses."""
    shutil.copyfile(film, tmp_path / "private.mp4")
    lists = {
        "concat": "ffconcat version 1.0\nfile private.mp4\n",
        "concat, a path": f"ffconcat version 1.0\nfile {film}\n",
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{film}\n#EXT-X-ENDLIST\n",
        "hls, an address": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    }
    for number, content in enumerate(lists.values()):
        path = tmp_path / f"{number}.mp4"
        path.write_text(content)
        with pytest.raises(UnreadableFilm):
            probe(path)
        with pytest.raises(UnreadableFilm):
            list(read_frames(path))
    assert len(list(read_frames(tmp_path / "private.mp4"))) == 5
    ledger.record(SECTION, "playlists (ffconcat, HLS, DASH, SDP) under a film's name", through="ffmpeg",
                  tried=len(lists), said=len(lists), sentence="“not a film that can be read”")  # fmt: skip


def test_pages_listen_on_loopback(tmp_path, monkeypatch, capsys):
    started = []

    def start(name, command, url, environment):
        started.append(command)
        return ui.Server(name, url)

    monkeypatch.setattr(ui, "_start", start)
    ui.serve(tmp_path).stop()
    assert len(started) == 2
    for command in started:
        assert command[command.index("--host") + 1] == "127.0.0.1"
        assert command[0] == sys.executable
    # The verb has no way to say otherwise.
    with pytest.raises((SystemExit, UserError)):
        main(["ui", "--host", "0.0.0.0", f"outputs={tmp_path}"]) == 2 and sys.exit(2)
    assert "--host" in capsys.readouterr().err


# --- weights, checkpoints, hints -------------------------------------------------------------------------------------


def safetensors_file(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def lying_headers() -> dict[str, bytes]:
    def tensor(shape, offsets, dtype="F32"):
        return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}

    return {
        "a header of 2^63 bytes": safetensors_file({}, length=2**63),
        "of 2^40 bytes": safetensors_file({}, length=2**40),
        "longer than the file": safetensors_file({}, length=100),
        "no JSON": safetensors_file(b"{" * 1000),
        "nested without end": safetensors_file(b'{"a":' * 50_000),
        "a tensor beyond the file": safetensors_file(tensor([1000], [0, 4000]), b"\0" * 4),
        "of 2^60 numbers": safetensors_file(tensor([2**60], [0, 2**62]), b"\0" * 4),
        "whose shape overflows": safetensors_file(tensor([2**33, 2**33], [0, 4]), b"\0" * 4),
        "of a negative shape": safetensors_file(tensor([-1], [0, 4]), b"\0" * 4),
        "that ends before it begins": safetensors_file(tensor([1], [4, 0]), b"\0" * 4),
        "smaller than its shape": safetensors_file(tensor([4], [0, 4]), b"\0" * 4),
        "of an unknown type": safetensors_file(tensor([1], [0, 4], "OBJECT"), b"\0" * 4),
        "two in one place": safetensors_file({**tensor([1], [0, 4]), "b": tensor([1], [0, 4])["a"]}, b"\0" * 4),
        "data that nobody declares": safetensors_file(tensor([1], [0, 4]), b"\0" * 400),
        "metadata that is no table": safetensors_file({"__metadata__": [1]}),
    }


def test_headers_that_lie_are_refused_and_cost_nothing(tmp_path, ledger):
    before = peak_mib()
    path = tmp_path / "x.safetensors"
    for what, content in lying_headers().items():
        path.write_bytes(content)
        for read in (read_tensors, load_checkpoint):
            with pytest.raises(UserError) as refused:
                read(path)
            assert str(path) in str(refused.value), what
        try:
            read_header(path)
        except UserError as refused:
            assert str(path) in str(refused), what
    assert peak_mib() - before < 100
    count = 2 * len(lying_headers())
    ledger.record(SECTION, "safetensors with headers that lie", through="weights and checkpoints", tried=count,
                  said=count, sentence="“'x.safetensors' is not a readable safetensors file: …”")  # fmt: skip


WRITTEN = {"iteration": 4, "best": 0.5, "marks": {"metrics.jsonl": 10}, "summary": {"val/loss": float("nan")}}
NOT_WRITTEN = [
    {"iteration": -1}, {"iteration": "4"}, {"iteration": 1e300}, {"iteration": None}, {"iteration": 2**80},
    {"best": "x"}, {"best": []}, {"marks": {"metrics.jsonl": -10}}, {"marks": ["x"]}, {"marks": {"../x": "1"}},
    {"marks_before_evaluation": 3}, {"summary": {"x": "y"}}, {"summary": 1}, {"seconds": {}},
]  # fmt: skip


def test_states_that_no_run_writes_are_refused(tmp_path):
    path = tmp_path / "last.safetensors"
    check_state(WRITTEN, path)
    check_state({**WRITTEN, "best": float("inf"), "marks": None, "seconds": 3}, path)
    for change in NOT_WRITTEN:
        with pytest.raises(UserError, match="a state that no run writes"):
            check_state({**WRITTEN, **change}, path)
    for lacks in ("iteration", "best"):
        with pytest.raises(UserError, match=lacks):
            check_state({name: value for name, value in WRITTEN.items() if name != lacks}, path)
    for state in ("[" * 100_000, "[]", "3", "nul", '{"a":' * 50_000):
        path.write_bytes(save({"x": np.zeros(1, np.float32)}, metadata={"format": FORMAT, "state": state}))
        with pytest.raises(UserError):
            load_checkpoint(path)


def test_hints_that_are_bombs(tmp_path, ledger):
    before = peak_mib()
    path = tmp_path / "hints.json"
    point = '{"x": 1, "y": 1, "radius": 1, "ab": [1, 1]}'
    bombs = {
        "deep": "[" * 200_000,
        "deep table": '{"a":' * 200_000,
        "a long number": point.replace('"x": 1', '"x": ' + "9" * 400_000),
        "a huge number": point.replace('"x": 1', '"x": 1e999'),
        "not a number": point.replace('"x": 1', '"x": NaN'),
        "a long name": '{"' + "x" * 5_000_000 + '": 3}',
    }
    for what, text in bombs.items():
        path.write_text(f"[{text}]" if text.startswith('{"x": ') else text)
        with pytest.raises(UserError) as refused:
            read_hints(path)
        assert len(str(refused.value)) < 6_000_000, what
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="more than 67,108,864 bytes"):
        read_hints(path)
    for device in ("/dev/zero", "/dev/random"):
        with pytest.raises(UserError, match="are not a file"):
            read_hints(Path(device))
    assert peak_mib() - before < 300
    count = len(bombs) + 3
    ledger.record(SECTION, "hints that nest without end, or are endless", through="colorize --hints", tried=count,
                  said=count, sentence="“the hints 'hints.json' have more than 67,108,864 bytes”")  # fmt: skip
