"""What users mistype is answered with one sentence that names the thing and what would be right."""

import pytest
from omegaconf import OmegaConf

from oldrestore.config.build import build
from oldrestore.config.compose import compose_config, override_config
from oldrestore.config.location import configuration_root


def test_the_default_configuration_is_whole_and_quickstart_what_its_file_says():
    config = compose_config([])
    assert config.model._target_ == "oldrestore.models.eccv16.Eccv16"
    assert (config.loss.rebalance.lambda_, config.outputs) == (0.5, "outputs")
    assert not {"experiments", "hydra"} & set(config)
    assert compose_config(["experiments=null", "sweeps=null"]) == config
    config = compose_config(["experiments=quickstart", "seed=7"])
    assert (config.model.width, config.seed) == (0.25, 7)
    assert config.trainer.max_iterations >= 400


def test_every_experiment_composes():
    names = [path.stem for path in (configuration_root() / "experiments").glob("*.yaml")]
    assert "quickstart" in names
    for name in names:
        assert compose_config([f"experiments={name}"]).experiment == name


@pytest.mark.parametrize(
    "group", ["model", "loss", "dataset", "optimizer", "schedule", "evaluation", "judge", "tracking"]
)
def test_every_choice_of_a_group_composes_and_fits_its_signature(group):
    names = [path.stem for path in (configuration_root() / "conf" / group).glob("*.yaml")]
    assert names
    for name in names:
        compose_config([f"{group}={name}"])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("model=eccv17", "there is no model 'eccv17': did you mean 'eccv16'?"),
        ("model=transformer", "there is no model 'transformer': choose one of damage_unet, ddcolor"),
        ("experiments=quikstart", "there is no experiment 'quikstart': did you mean 'quickstart'?"),
        ("sweeps=seds", "there is no sweep 'seds': did you mean 'seeds'?"),
        ("los=focal", "there is no setting 'los': did you mean 'loss'?"),
        ("modell=eccv16", "there is no setting 'modell': did you mean 'model'?"),
        ("trainer.max_iteration=5", "there is no setting 'trainer.max_iteration': did you mean 'max_iterations'?"),
        ("model.widht=0.5", "there is no setting 'model.widht': did you mean 'width'?"),
        ("trainer.max_iterations=0", "trainer.max_iterations must be greater than or equal to 1, not 0"),
        ("trainer.max_iterations=many", "trainer.max_iterations must be a valid integer, not 'many'"),
        ("trainer.device=tpu", "trainer.device must be auto, cpu, gpu or gpu:NUMBER, not 'tpu'"),
        ("model.width=-1", "model.width must be greater than 0, not -1"),
        ("model.width='0.5'", "model.width must be a float, not '0.5'"),
        ("loss.rebalance.lambda_=1.5", "loss.rebalance.lambda_ must be less than or equal to 1, not 1.5"),
        ("dataset.crops.crop=wide", "dataset.crops.crop must be a valid integer"),
        ("dataset.crops.size=48", "dataset.crops.crop = 64 is larger than dataset.crops.size = 48"),
        ("evaluation.judged.crops.crop=999", "evaluation.judged.crops.crop = 999 is larger than evaluation.judged"),
        ("model.decoding=median", "model.decoding must be 'annealed_mean' or 'released', not 'median'"),
        ("seed=-1", "seed must be greater than or equal to 0, not -1"),
        ("evaluation.size=100", "evaluation.size must be a multiple of 8, not 100"),
        ("model._target_=os.system", "_target_ 'os.system' is not admitted"),
        ("experiment=../../etc", "experiment may hold letters"),
        ("+trainer.fast=true", "there is no setting 'trainer.fast'"),
        ("model=null", "model takes the name of one choice: damage_unet, ddcolor"),
        ("loss=[a,b]", "loss takes the name of one choice: "),
        ("~model", "the configuration lacks model"),
        ("model.width=null", "model.width must be a valid number, not null"),
        ("evaluation.judged=photos", "evaluation.judged must be a dataset"),
        ("+evaluation.evaluators.a._target_=os.system", "_target_ 'os.system' is not admitted"),
        # A misspelt setting is compared with those of the choice that is made.
        ("loss=l1 loss.scal=1", "there is no setting 'loss.scal': did you mean 'scale'?"),
        ("loss.sigma=1 loss=l1", "'loss.sigma': loss has _target_, scale, gray_threshold, annealed_mean"),
        ("loss=siggraph17_full loss.terms.color.weight=1", "loss.terms has classification, regression"),
        ("loss=focal loss.rebalance.lambda_=1", "'loss.rebalance.lambda_' here: the loss chosen does not have it"),
        ("loss=l1 modell=resnet", "there is no setting 'modell': did you mean 'model'?"),
        ("tracking=none tracking.mlflow.log_model=false", "setting 'tracking.mlflow' here: tracking is switched off"),
        (
            "experiments=sagan_restore_smoke loss/adversarial@trainer.learner.adversarial=nonsense",
            "choose one of hinge, least_squares, vanilla, wasserstein",
        ),
    ],
)
def test_mistakes_are_answered_in_one_sentence(overrides, sentence, refusal):
    assert sentence in refusal(compose_config, overrides.split())


@pytest.mark.parametrize("name", ["hinge", "vanilla", "least_squares", "wasserstein"])
def test_adversarial_losses_are_choices_of_the_trainer_that_has_a_discriminator(name):
    choice = [] if name == "hinge" else [f"loss/adversarial@trainer.learner.adversarial={name}"]  # it is the default
    built = build(compose_config(["experiments=sagan_restore_smoke", *choice]).trainer.learner.adversarial)
    assert type(built).__name__.lower() == name.replace("_", "")
    assert built.gradient_penalty == (10.0 if name == "wasserstein" else 0.0)


def test_a_logged_configuration_is_changed_by_settings_and_groups(tmp_path):
    OmegaConf.save(compose_config(["experiments=quickstart"]), tmp_path / "config.yaml")
    logged = OmegaConf.load(tmp_path / "config.yaml")
    changed = override_config(logged, ["model.temperature=1.0", "dataset=image_folder", "dataset.root=/photos"])
    assert (changed.model.temperature, changed.model.width) == (1.0, 0.25)
    assert changed.dataset._target_.endswith("ImageFolder")
    assert changed.dataset.root == "/photos"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("model.temperatur=1.0", "did you mean 'temperature'"),
        ("modle.x=1", "there is no setting 'modle.x': did you mean 'model'?"),
        ("colours.x=1", "there is no setting 'colours.x': the settings are model, loss"),
        ("seed.x=1", "there is no setting 'seed.x': seed is a single value"),
    ],
)
def test_a_logged_configuration_names_what_it_has_where_a_section_is_misspelt(override, sentence, refusal):
    assert sentence in refusal(override_config, compose_config([]), [override])
