"""Jobs that are composed together have the configurations that Hydra composes one by one."""

import random

import pytest
from omegaconf import OmegaConf

from oldrestore.config.compose import HYDRA_ERRORS, check_choices, composed
from oldrestore.config.location import choices_of
from oldrestore.config.multirun import JobComposer, expand_jobs

VALUES = {
    "seed": ("3", "0"),
    "experiment": ("other", "'O\\'Brien'"),
    "model.width": ("0.5", "${oc.decode:'0.25'}"),
    "optimizer.learning_rate": ("0.01", "1e-5", "${trainer.learner.gradient_clip}"),
    "trainer.max_iterations": ("7", "${trainer.batch_size}"),
    "trainer.learner.gradient_clip": ("1", "${seed}"),
    "schedule.warmup": ("5", "${trainer.log_every}"),
    "dataset.root": ("/photos", "~/photos", "null"),
    "dataset.crops": ("{size: 40}", "{variants: 2}"),
    "evaluation.evaluators": ("{}", "{mine: {a: [1, 2]}}"),
    "evaluation.judged": ("null", "dataset", "{a: ${seed}}"),
    "model": ("siggraph17", "lite_unet"),
    "loss": ("focal", "ddcolor"),
    "trainer": ("cached_encoder", "adversarial"),
    "schedule": ("cosine",),
    "experiments": ("quickstart", "sagan_colorize_smoke"),
    "dataset@evaluation.judged": ("photos",),
    "loss/adversarial@trainer.learner.adversarial": ("least_squares",),
    "hydra.job.name": ("mine",),
    "no.such": ("1",),
    "model.no_such": ("1",),
}
PREFIXED = ("+trainer.fast=true", "++model.width=0.1", "~judge", "~evaluation.size", "+new={a: 1}", "+loss=focal")


def outcome(compose, overrides):
    """The configuration with its references, its choices, and how it resolves; or the words of what is refused."""
    try:
        config, choices = compose(overrides)
        whole = OmegaConf.to_container(config, resolve=False)
    except HYDRA_ERRORS as error:
        return type(error), str(error), str(error.__cause__)
    try:
        resolved = OmegaConf.to_container(OmegaConf.create(whole), resolve=True)
    except HYDRA_ERRORS as error:
        resolved = str(error)
    return whole, resolved, choices, OmegaConf.is_struct(config)


def by_hydra(overrides):
    choices = composed(overrides, with_hydra=True).hydra.runtime.choices
    return composed(overrides), OmegaConf.to_container(choices)


def drawn(rng: random.Random) -> list[str]:
    names = rng.sample(sorted(VALUES), rng.randint(0, 5))
    settings = [f"{name}={rng.choice(VALUES[name])}" for name in names]
    return settings + (rng.sample(PREFIXED, 1) if rng.random() < 0.2 else [])


@pytest.mark.parametrize("sweep", [None, *choices_of("sweeps")])
def test_every_job_is_as_hydra_composes_it(sweep):
    rng, composer = random.Random(f"jobs of {sweep}"), JobComposer()
    jobs = [[]] if sweep in (None, "temperature") else expand_jobs([f"sweeps={sweep}"], training=True)
    for _ in range(8):
        overrides = check_choices([*rng.choice(jobs), *drawn(rng)])
        assert outcome(composer, overrides) == outcome(by_hydra, overrides), overrides


def test_jobs_do_not_share_what_they_change():
    composer = JobComposer()
    given = (["trainer.batch_size=3", "loss=focal"], ["loss=focal", "dataset.crops={size: 99}"], ["loss=focal"])
    first, second, third = (composer(overrides)[0] for overrides in given)
    assert first.trainer.batch_size == 3 != second.trainer.batch_size == third.trainer.batch_size
    assert second.dataset.crops.size == 99 != first.dataset.crops.size == third.dataset.crops.size
