"""What a configuration cannot do: build what is not admitted, read this machine, unfold without end."""

import json
import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import oldrestore
from oldrestore.cli import main
from oldrestore.config import build as seam
from oldrestore.config.build import build, locate
from oldrestore.config.compose import compose_config, resolve_and_check
from oldrestore.errors import UserError
from oldrestore.records.run import Run
from tests.workshop import SETTINGS

PACKAGE = Path(oldrestore.__file__).parent

COMPOSITE = "oldrestore.losses.composite.Composite"


def touching(marker: Path) -> dict[str, dict]:
    """Nodes that would make a file, each in another way."""
    touch, mkdir = f"touch {marker}", {"_target_": "os.mkdir", "path": str(marker)}
    command = {"command": ["touch", str(marker)]}
    start = {"_target_": "oldrestore.tracking.ui._start", "name": "x", "url": "", "environment": {}, **command}
    package = "oldrestore.data.packages.debian_package._run"
    create = {"_target_": "oldrestore.records.run_folder.RunFolder.create", "experiment": "e", "run_id": "r"}
    write = {"_target_": "oldrestore.files.write_atomically", "path": str(marker), "content": "x"}
    return {
        "a function of Python": {"_target_": "os.system", "command": touch},
        "a private function of ours that starts programs": start,
        "another": {"_target_": package, "folder": "/tmp", "advice": "", **command},
        "a public function of ours that writes files": write,
        "through a module of ours": {"_target_": "oldrestore.data.cache.os.system", "command": touch},
        "through a class of ours": {**create, "outputs": str(marker)},
        "partial": {"_target_": "os.system", "_partial_": True, "command": touch},
        "not recursive": {"_target_": COMPOSITE, "_recursive_": False, "terms": {"a": {"_target_": "os.mkdir"}}},
        "positional": {"_target_": COMPOSITE, "_args_": [mkdir]},
        "Hydra's own": {"_target_": "hydra.utils.call", "config": mkdir},
        "a class looked up": {"_target_": "hydra.utils.get_class", "path": "subprocess.Popen"},
        "deep in lists": {"_target_": COMPOSITE, "terms": [[{"a": [mkdir]}]]},
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
    what = "configurations that name other targets: nested, partial, positional, made of text by resolvers, escaped"
    sentence = (
        "“_target_ 'os.system' is not admitted: only oldrestore. and paddle. targets are built, and those of plugins "
        "that you name with --plugins”"
    )
    ledger.record(what, through="the build seam", said=tried, sentence=sentence)


def test_every_component_of_conf_is_admitted_and_no_other_function():
    targets = set()
    for folder in ("conf", "experiments", "sweeps"):
        for path in (PACKAGE.parent / folder).rglob("*.yaml"):
            targets |= set(re.findall(r"^[^#\n]*_target_: ([\w.]+)", path.read_text(), re.MULTILINE))
    assert len(targets) > 60
    for target in targets:
        assert callable(locate(target)), target
    assert {target for target in targets if not isinstance(locate(target), type)} == set(seam.ADMITTED_FUNCTIONS)


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
    what, through = "the same, as the logged configuration of a run folder", "sync, evaluate, reproduce, resume"
    sentence = "“'config.yaml' was not written by a run: loss.terms holds an interpolation that is not resolved”"
    ledger.record(what, through=through, said=tried, sentence=sentence)


@pytest.mark.parametrize(
    "value", ["${oc.env:OLDRESTORE_SECRET}", "a ${oc.env:OLDRESTORE_SECRET} b", "${now:%f}", "${seed}", "\\${seed}"]
)
def test_a_logged_configuration_reads_nothing_of_this_machine(run, monkeypatch, value):
    monkeypatch.setenv("OLDRESTORE_SECRET", "geheim")
    config = OmegaConf.create((run / "config.yaml").read_text())
    OmegaConf.update(config, "experiment", value)
    (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
    with pytest.raises(UserError, match="experiment holds an interpolation") as refused:
        _ = Run(run).composed
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


def test_yaml_that_unfolds_is_refused_at_once(run, within_mib, ledger):
    laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for one, next_ in zip("abcdefgh", "bcdefghi", strict=True):
        laughs += f"{next_}: &{next_} [{', '.join([f'*{one}'] * 10)}]\n"
    endless = ("a: &a [*a]\n", "[" * 100_000, "a: " * 5000 + "1")
    tried = 0
    with within_mib(200):
        for content in (laughs, *endless, "!!python/object/apply:os.system ['x']\n"):
            for name in ("config.yaml", "overrides.yaml", "choices.yaml"):
                (run / name).write_text(content)
            for name in ("composed", "config", "overrides", "choices"):
                tried += 1
                with pytest.raises(UserError):
                    getattr(Run(run), name)
        with (run / "config.yaml").open("wb") as file:
            file.truncate(2**40)
        for name in ("composed", "config"):
            tried += 1
            with pytest.raises(UserError, match="16,777,216 bytes"):
                getattr(Run(run), name)
    sentence = "“line 2 has an alias, which no run writes”"
    what = "YAML that unfolds, nests without end or is endless"
    ledger.record(what, through="run folders", said=tried, sentence=sentence)
