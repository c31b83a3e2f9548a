"""Every setting that conf/ offers has a role, and the table of roles holds nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from oldrestore.config import roles
from oldrestore.config.compose import compose_config
from oldrestore.config.location import configuration_root
from oldrestore.config.roles import ROLES, Role, role_of, row_of, settings_that_count
from oldrestore.config.yaml_file import read_yaml
from oldrestore.plain import flatten

CONF = configuration_root() / "conf"


def under(package: str, name: str) -> str:
    return ".".join(part for part in (package, name) if part)


def settings_in(file: Path, package: str, seen: set[Path]) -> Iterator[str]:
    """Dotted names of the leaves of a file and of everything that its defaults place beside or below it."""
    seen.add(file)
    config: dict[str, Any] = OmegaConf.to_container(read_yaml(file))
    defaults = config.pop("defaults", [])
    config.pop("hydra", None)  # how Hydra works: no setting of a run
    yield from (under(package, name) for name in flatten(config))
    for entry in defaults:
        text = next(iter(entry)) if isinstance(entry, dict) else entry
        if text == "_self_" or text.startswith("override ") or text in ("experiments", "sweeps"):
            continue
        path, at, place = text.partition("@")
        folder = CONF / path[1:] if path.startswith("/") else file.parent / path
        # Without a package, a group of the root stands under its own name, and another file where this one does.
        place = under(package, place) if at else path.replace("/", ".") if isinstance(entry, dict) else package
        # Of a group any choice may be taken; a single file is itself.
        files = sorted(folder.glob("*.yaml")) if isinstance(entry, dict) else [folder.with_suffix(".yaml")]
        assert files, f"{file}: {text}"
        for other in files:
            yield from settings_in(other, place, seen)


SEEN: set[Path] = set()
SETTINGS = {name for root in ("config", "restoration") for name in settings_in(CONF / f"{root}.yaml", "", SEEN)}
# A list of judges adds settings that stand in no file.
SETTINGS |= flatten(OmegaConf.to_container(compose_config(["judge=[efficientnet_lite0,squeezenet]"]))).keys()


def test_every_file_is_walked():
    assert set(CONF.rglob("*.yaml")) - SEEN == set()
    placed = {
        "seed",
        "trainer.learner.adversarial.gradient_penalty",
        "evaluation.judged.stamps_root",
        "evaluation.evaluators.restoration.damages.medium.steps.blur.sigma",
        "inputs.damage.steps.creases.folds",
        "restore.restore.contrast.limit",
    }
    assert placed - SETTINGS == set()


def test_every_setting_has_a_role():
    without = sorted(name for name in SETTINGS if row_of(name) is None)
    assert without == [], "give them a row in oldrestore/config/roles.py"


def test_a_new_setting_of_a_section_has_none():
    assert [row_of(name) for name in ("trainer.new", "evaluation.new", "new", "tracking2.new")] == [None] * 4


def test_every_row_decides_on_a_setting():
    assert ROLES.keys() - {row_of(name) for name in SETTINGS} == set()


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("seed", Role.SEED),
        ("evaluation.evaluators.squeezenet.judge.batch_size", Role.SHOWN),
        ("evaluation.evaluators.squeezenet.every", Role.SHOWN),
        ("evaluation.evaluators.squeezenet.judge.weights", Role.SCORE | Role.FILE),
        ("tracking", Role.FREE | Role.LOCAL),
        ("tracking.mlflow.tracking_uri", Role.FREE | Role.LOCAL),
        ("dataset.stamps_root", Role.PLACE),
        ("dataset.parts.0.root", Role.PLACE),
        ("dataset.list", Role.PLACE),
        ("dataset.list_needed", Role.RESULT),
        ("dataset.crops.fit", Role.RESULT | Role.SCORE),
        ("dataset.crops.size", Role.RESULT),
        ("model.weights", Role.RESULT | Role.FILE),
        ("loss.terms.lpips.loss.network.backbone_weights", Role.RESULT | Role.FILE),
        ("judge", Role.SCORE | Role.COLOR | Role.JUDGING),
        ("judge.weights", Role.PLACE | Role.FILE),
        ("evaluation.judged", Role.SCORE | Role.COLOR),
        ("evaluation.judged.crops.size", Role.COMPARED),
        ("evaluation.evaluators.set.weights", Role.SCORE | Role.FILE),
        ("evaluation.evaluators.hints.samples", Role.SHOWN),
        ("evaluation.evaluators.hints.counts.0", Role.SCORE),
        ("evaluation.evaluators", Role.SCORE),
    ],
)
def test_the_role_of_a_setting(name, role):
    assert role_of(name) == role


def test_what_is_not_in_the_table_counts():
    """Runs of other versions have settings that this one does not know."""
    assert role_of("evaluation.of_another_version") == Role.SCORE
    assert role_of("trainer.of_another_version") == role_of("section.of_another_version") == Role.RESULT


def test_free_settings_and_places():
    trainer = "workers cache_mib log_every log_gradients checkpoint_every keep_every requeue kernels"
    named = {"design", "outputs", "dataset.prepared", "evaluation.agreement"}
    free = named | {f"trainer.{name}" for name in trainer.split()}
    assert {name for name in SETTINGS if roles.is_free(name) and not name.startswith("tracking")} == free
    photographs = {f"{node}.{n}" for node in ("dataset", "evaluation.judged") for n in ("root", "stamps_root", "list")}
    assert {name for name in SETTINGS if roles.is_place_of_photographs(name)} == photographs
    assert {name for name in SETTINGS if roles.is_place(name)} == photographs | {"judge.weights"}


def test_settings_that_count():
    uncounted = {"experiment": "a", "run_id": "b", "seed": 1, "outputs": "o", "tracking": {}}
    config = {
        "dataset": {"root": "/p", "prepared": "auto", "crops": {"size": 96}},
        "trainer": {"workers": 2, "max_iterations": 5},
        "evaluation": {"samples": 8},
    }
    counted = {"dataset.crops.size": 96, "trainer.max_iterations": 5, "evaluation.samples": 8}
    assert roles.settings_that_count(uncounted | config) == counted


def test_which_photographs_are_used_counts_by_the_fingerprints_of_the_splits():
    """So that runs from before the settings existed stay the same designs and jobs, if their photographs are."""
    assert settings_that_count({"dataset": {"group_by": "name", "gray": "keep"}}) == {}


def test_a_setting_that_is_off_is_as_if_it_were_not_there():
    before = {"model": {"width": 1.0}, "inputs": {"p": 0.125}, "trainer": {"max_iterations": 5}}
    off = {
        "model": {"hints": False, "encoder_rate": None},
        "inputs": {"none": 0.0},
        "trainer": {"overfit_batches": None},
    }
    on = {"model": {"hints": True, "encoder_rate": 0.1}, "inputs": {"none": 0.2}, "trainer": {"overfit_batches": 2}}
    plain = settings_that_count(before)
    assert settings_that_count({group: before[group] | off[group] for group in before}) == plain
    assert len(settings_that_count({group: before[group] | on[group] for group in before})) == len(plain) + 4
