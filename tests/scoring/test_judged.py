"""The prior of the rebalanced AuC is the one that the protocol names; a judge is not the loss's teacher."""

from types import SimpleNamespace

import numpy as np
import pytest

from oldrestore.config.compose import compose_config
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import EfficientNetLite
from oldrestore.models.lite_unet import LiteUnet
from oldrestore.run.components import build_components
from oldrestore.scoring.judged import build_protocol, judges_of, rebalancing_prior, refuse_part_of_network
from oldrestore.scoring.subject import Subject

PRIOR = np.random.default_rng(0).gamma(0.3, size=313) + 1e-9
TRAINING = np.full(313, 1 / 313)


def test_it_is_measured_trained_or_published(tmp_path):
    np.save(tmp_path / "prior_probs.npy", PRIOR)
    np.savetxt(tmp_path / "prior.txt", PRIOR)
    given = [f"evaluation.prior_file={tmp_path / name}" for name in ("prior_probs.npy", "prior.txt")]
    asked = [[], ["evaluation.rebalancing=training"], *(["evaluation.rebalancing=published", g] for g in given)]
    found = [rebalancing_prior(compose_config(a), lambda: TRAINING) for a in asked]
    assert found[0] is None
    assert (found[1] == TRAINING).all()
    for prior in found[2:]:
        np.testing.assert_allclose(prior, PRIOR / PRIOR.sum(), rtol=1e-12)


@pytest.mark.parametrize("content", [np.ones(529), np.zeros(313), np.full(313, np.nan), np.array([{}], dtype=object)])
def test_what_is_no_prior_is_refused(tmp_path, content):
    np.save(tmp_path / "p.npy", content, allow_pickle=True)
    config = compose_config(["evaluation.rebalancing=published", f"evaluation.prior_file={tmp_path / 'p.npy'}"])
    with pytest.raises(UserError, match=r"evaluation\.prior_file=.*p\.npy"):
        rebalancing_prior(config, lambda: TRAINING)


def test_the_published_prior_is_not_shipped():
    config = compose_config(["evaluation=cic_2016"])
    with pytest.raises(UserError, match=r"give evaluation\.prior_file=FILE .* or take evaluation\.rebalancing="):
        rebalancing_prior(config, lambda: TRAINING)
    config.evaluation.prior_file = "gone.npy"
    with pytest.raises(UserError, match=r"evaluation\.prior_file=gone\.npy cannot be read"):
        rebalancing_prior(config, lambda: TRAINING)


def a_run(folder, *overrides):
    config = compose_config(["model=resnet", *overrides])
    return Subject(folder, folder / "checkpoints" / "best.safetensors", "best", config, config)


def test_a_run_is_refused_before_it_starts():
    config = compose_config(["model=resnet", "model.width=0.125", "loss=perceptual", "judge=efficientnet_lite2"])
    with pytest.raises(UserError, match="judge efficientnet_lite2 is the network whose features the loss trains on"):
        build_components(config)


def test_a_further_judge_is_refused_as_the_first_is():
    asked = ["model=resnet", "model.width=0.125", "loss=perceptual", "judge=[efficientnet_lite0,efficientnet_lite2]"]
    with pytest.raises(UserError, match="judge efficientnet_lite2 is the network whose features the loss trains on"):
        build_components(compose_config(asked))


def test_a_further_judge_needs_photographs_to_judge_or_to_agree_on():
    asked = ["judge=[efficientnet_lite0,efficientnet_lite1]", "evaluation.judged=null"]
    with pytest.raises(UserError, match="the judge efficientnet_lite1 has no photographs to judge"):
        build_protocol(compose_config([*asked, "evaluation.agreement=false"]), None, lambda: TRAINING)
    evaluators, _ = build_protocol(compose_config(asked), None, lambda: TRAINING)
    assert {name: (e.judge.name, e.every_time) for name, e in evaluators.items()} == {
        "agreement": ("efficientnet_lite0", True),
        "efficientnet_lite1_agreement": ("efficientnet_lite1", False),
    }
    assert [judge.name for judge in judges_of(None, evaluators)] == ["efficientnet_lite0", "efficientnet_lite1"]


def test_an_encoder_does_not_judge_its_own_network():
    network, judge = LiteUnet(), EfficientNetLite("lite2")
    with pytest.raises(UserError, match="judge efficientnet_lite2 is the encoder of LiteUnet"):
        refuse_part_of_network(network, judge)
    refuse_part_of_network(network, EfficientNetLite("lite0"))


def test_a_run_cannot_be_judged_by_its_teacher_afterwards(tmp_path):
    run, said = a_run(tmp_path, "loss=ddcolor"), []
    narrator = SimpleNamespace(say=said.append)
    with pytest.raises(UserError, match="take another judge"):
        run.refuse_taught_by([EfficientNetLite("lite0"), EfficientNetLite("lite2")], narrator)
    run.refuse_taught_by([EfficientNetLite("lite0")], narrator)
    assert said == []


def test_a_note_says_that_the_files_of_the_loss_are_missing(tmp_path):
    said = []
    run = a_run(tmp_path, "loss=lpips")
    run.refuse_taught_by([EfficientNetLite("lite0")], SimpleNamespace(say=said.append))
    assert len(said) == 1 and "nobody checked that the judge did not teach" in said[0]
