"""The configuration of the restoration: its choices, and what is mistyped."""

import pytest

from oldrestore.config.location import configuration_root
from oldrestore.config.restoration import compose_restoration


def test_the_default_has_every_stage():
    config = compose_restoration([])
    assert list(config) == ["detect", "fill", "restore", "colorize", "film"]
    assert config.fill._target_.endswith("FillBySize")
    assert list(config.restore) == ["denoise", "levels"]
    assert config.colorize.only_gray is True


@pytest.mark.parametrize("stage", ["detect", "fill", "restore", "colorize", "film"])
def test_every_choice_composes_and_fits_its_signature(stage):
    names = [path.stem for path in (configuration_root() / "conf" / "restore" / stage).glob("*.yaml")]
    assert names
    for name in names:
        path = ["restore.detect.path=a.png"] if (stage, name) == ("detect", "mask") else []
        chosen = compose_restoration([f"restore/{stage}={name}", *path])[stage]
        assert bool(chosen) == (name != "none")


@pytest.mark.parametrize("off", [["fill"], ["detect", "restore"], ["detect", "fill", "restore", "colorize"]])
def test_stages_are_switched_off_by_none(off):
    config = compose_restoration([f"restore/{stage}=none" for stage in off])
    assert [stage for stage in config if not config[stage]] == off


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["restore/fill=tela"], "there is no restore/fill 'tela': did you mean 'telea'?"),
        (["restore/fil=telea"], "there is no setting 'restore/fil'"),
        (["restore.fill.largest_smal=3"], "did you mean 'largest_small'?"),
        (["restore/fill=telea", "restore.fill.radios=3"], "did you mean 'radius'?"),
        (["restore.fill.largest_small=-1"], "restore.fill.largest_small must be greater than or equal to 0, not -1"),
        (["restore.fill.small.largest=1"], "restore.fill.small.largest must be greater than or equal to 64"),
        (["restore.fill.measure=volume"], "restore.fill.measure must be 'depth' or 'area', not 'volume'"),
        (["restore.restore.denoise.strength=x"], "restore.restore.denoise.strength must be a valid number"),
        (["restore.colorize.only_gray=maybe"], "restore.colorize.only_gray must be a valid boolean"),
        (["restore.colorize.size=7"], "restore.colorize.size must be greater than or equal to 32, not 7"),
        (["restore/colorize=none", "restore.colorize.size=64"], "restore.colorize is switched off"),
        (["+restore.colorize.sizes=3"], "there is no setting 'restore.colorize.sizes': did you mean 'size'?"),
        (["restore.film.smoothing=1"], "restore.film.smoothing must be less than or equal to 0.99, not 1"),
        (["+restore.sharpen=1"], "there is no setting 'restore.sharpen'"),
        (["restore/detect=mask"], "there is no value for restore.detect.path: add restore.detect.path=VALUE"),
        (["restore.fill._target_=os.system"], "_target_ 'os.system' is not admitted"),
        (["+restore.restore.own._target_=os.system"], "_target_ 'os.system' is not admitted"),
        (["+restore.restore.own.strength=1"], "restore.restore.own must be a choice of its group"),
        (["restore.fill"], "the override 'restore.fill' cannot be read"),
        (["restore/fill=[telea,split]"], "restore/fill takes the name of one choice"),
        (["model=eccv16"], "there is no setting 'model'"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(overrides, sentence, refusal):
    assert sentence in refusal(compose_restoration, overrides)
