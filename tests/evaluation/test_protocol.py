"""A protocol's hash moves with what changes scores, and with nothing else."""

import copy
import hashlib
import json

import pytest
from omegaconf import OmegaConf

from oldrestore.evaluation.protocol import Protocol, protocol_settings

CONFIG = {
    "evaluation": {
        "name": "photos",
        "version": 1,
        "crops": None,
        "count": None,
        "rebalancing": "measured",
        "prior_file": None,
        "size": 128,
        "fit": "shorter_side",
        "batch_size": 16,
        "judged": {
            "_target_": "oldrestore.data.sources.labelled_photos.LabelledPhotos",
            "root": None,
            "crops": {"_target_": "oldrestore.data.cropping.crops.Crops", "size": 256},
        },
        "judged_split": "test",
        "every": 20,
        "judge_during_training": False,
        "samples": 8,
        "color": True,
        "evaluators": {"hints": {"_target_": "x.HintCurve", "seed": 0, "samples": 4, "every_time": False}},
    },
    "dataset": {
        "_target_": "x.Photos",
        "root": "/a",
        "crops": {"evaluation_size": 128, "fit": "shorter_side", "size": 9},
    },
    "judge": {"_target_": "x.EfficientNetLite", "variant": "lite0", "batch_size": 16},
}


def protocol(changes: dict | None = None, **found) -> Protocol:
    config = OmegaConf.create(copy.deepcopy(CONFIG))
    for name, value in (changes or {}).items():
        OmegaConf.update(config, name, value, merge=False, force_add=True)
    plain = OmegaConf.to_container(config)
    name, version = plain["evaluation"]["name"], plain["evaluation"].get("version")
    return Protocol(name, version, protocol_settings(plain, **found), protocol_settings(CONFIG))


def test_the_hash_is_of_name_version_and_settings():
    # A class counts by the path that it had first.
    moved = {"evaluation.judged._target_": "oldrestore.data.labelled_photos.LabelledPhotos"}
    whole = {"name": "photos", "version": 1, "settings": {**protocol_settings(CONFIG), **moved}}
    assert protocol().hash == hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    assert protocol().describe()["hash"] == protocol().hash


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("evaluation.batch_size", 2),
        ("evaluation.every", 100),
        ("evaluation.samples", 0),
        ("evaluation.judge_during_training", True),
        ("evaluation.evaluators.hints.samples", 1),
        ("evaluation.evaluators.hints.every_time", True),
        ("evaluation.judged.root", "/elsewhere"),
        ("evaluation.judged.crops.size", 64),
        ("dataset.root", "/elsewhere"),
        ("dataset._target_", "x.ImageFolder"),
        ("dataset.crops.size", 48),
        ("judge.batch_size", 1),
        ("seed", 7),
    ],
)
def test_what_changes_no_score_leaves_the_hash(name, value):
    assert protocol({name: value}).hash == protocol().hash
    assert protocol({name: value}).label == "photos 1"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("evaluation.size", 64, "size"),
        ("evaluation.fit", "squash", "fit"),
        ("evaluation.color", False, None),
        ("evaluation.judged", None, "judged"),
        ("evaluation.judged", "dataset", "judged"),
        ("evaluation.judged_split", "val", "judged_split"),
        ("evaluation.rebalancing", "training", "rebalancing"),
        ("evaluation.evaluators.hints.seed", 1, "evaluators.hints.seed"),
        ("evaluation.evaluators.hints._target_", "x.Other", "evaluators.hints"),
        ("evaluation.evaluators", {}, None),
        ("evaluation.crops", {"size": 128, "fit": "shorter_side", "filter": "bicubic"}, None),
        ("dataset.crops.evaluation_size", 64, "dataset.crops.evaluation_size"),
        ("dataset.crops.fit", "squash", "dataset.crops.fit"),
        ("judge.variant", "lite2", "judge.variant"),
        ("judge._target_", "x.Vgg16", "judge"),
    ],
)
def test_what_changes_scores_moves_the_hash_and_is_named(name, value, shown):
    changed = protocol({name: value})
    assert changed.hash != protocol().hash
    assert changed.changed
    if shown is not None:
        assert changed.label == f"photos 1, changed: {shown}"


def test_a_component_that_is_added_is_named_once():
    further = {"_target_": "x.FurtherJudge", "every": 20, "judge": {"_target_": "x.SqueezeNet", "weights": None}}
    shipped = {**CONFIG, "evaluation": {**CONFIG["evaluation"], "evaluators": {}}}
    added = copy.deepcopy(shipped)
    added["evaluation"]["evaluators"]["squeezenet"] = further
    changed = Protocol("photos", 1, protocol_settings(added), protocol_settings(shipped))
    assert changed.label == "photos 1, changed: evaluators.squeezenet"


def test_settings_of_color_do_not_count_where_no_color_is_measured():
    blind = protocol({"evaluation.color": False})
    other = {"evaluation.size": 64, "evaluation.fit": "squash", "judge.variant": "lite2", "evaluation.judged": None}
    assert protocol({"evaluation.color": False, **other}).hash == blind.hash
    seed = {"evaluation.color": False, "evaluation.evaluators.hints.seed": 1}
    assert protocol(seed).hash != blind.hash


def test_the_judge_counts_by_its_weights_and_what_it_sees_and_which_file_is_no_change():
    first, second = (protocol(judge={"fingerprint": f, "sees": "224"}) for f in ("a", "b"))
    assert len({first.hash, second.hash, protocol(judge={"fingerprint": "a", "sees": "260"}).hash}) == 3
    assert first.changed == second.changed == []


def test_weights_count_by_their_contents(tmp_path):
    paths = [tmp_path / name for name in ("a.pth", "b.pth", "c.pth")]
    for path, content in zip(paths, (b"1", b"1", b"2"), strict=True):
        path.write_bytes(content)
    found = [protocol({"evaluation.evaluators.fid": {"_target_": "x.Fid", "weights": str(path)}}) for path in paths]
    assert found[0].hash == found[1].hash != found[2].hash
    assert found[0].settings["evaluation.evaluators.fid.weights"] == f"sha256:{hashlib.sha256(b'1').hexdigest()}"


def test_a_number_of_photographs_counts_where_the_protocol_names_one():
    assert protocol(count=31).hash == protocol(count=40).hash
    pinned = copy.deepcopy(CONFIG)
    pinned["evaluation"]["count"] = 10000
    whole, part = (Protocol("p", 1, protocol_settings(pinned, n), protocol_settings(pinned)) for n in (10000, 40))
    assert whole.hash != part.hash
    assert (whole.label, part.label) == ("p 1", "p 1, changed: count")


def test_a_run_from_before_there_were_versions_has_a_name_alone():
    old = {k: v for k, v in CONFIG["evaluation"].items() if k not in ("version", "crops", "count", "rebalancing")}
    found = Protocol("photos", None, protocol_settings({**CONFIG, "evaluation": old}))
    assert (found.label, found.changed) == ("photos", [])
    assert len(found.hash) == 64
