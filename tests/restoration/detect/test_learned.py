"""The learned detector: tiles do not show, sizes do not matter, and the shipped weights find what they should."""

import numpy as np
import paddle
import pytest

from oldrestore.batch import Prediction
from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.loading.loader import evaluation_photos
from oldrestore.data.sources.photos import Photos
from oldrestore.errors import UserError
from oldrestore.evaluation.detection import finds_with
from oldrestore.models.released import released_weights
from oldrestore.restoration.detect import learned
from oldrestore.restoration.detect.classical import ClassicalDetector
from oldrestore.restoration.detect.learned import LearnedDetector
from oldrestore.restoration.stages import Detector
from tests.restoration.detect.pictures import scratched, smooth


@pytest.fixture(scope="module")
def detector() -> LearnedDetector:
    return LearnedDetector()


class Lightness:
    """Says of each pixel how light it is: a network whose answer is known."""

    predicts = frozenset({"damage_logits"})
    stride = 16

    def eval(self) -> None:
        """Nothing changes."""

    def __call__(self, damaged_b3hw: paddle.Tensor) -> Prediction:
        return Prediction(damage_logits=(damaged_b3hw.mean(axis=1, keepdim=True) - 0.5) * 10.0)


def test_the_confidence_is_the_networks_probability_and_the_mask_continues_from_where_damage_is_detected():
    rgb = np.arange(0, 250, 5, dtype=np.uint8)[None, :, None].repeat(37, axis=0).repeat(3, axis=2)
    rgb[:, :3] = 200
    found = LearnedDetector(network=Lightness(), threshold=0.9, lower=0.7)(rgb)
    wanted = 1 / (1 + np.exp(-10 * (rgb.mean(axis=2) / 255 - 0.5)))
    np.testing.assert_allclose(found.confidence_hw, wanted, atol=1e-5)
    # From the light end on down to 0.7; of the first columns, at 0.95, all; what is at 0.7 only is left out.
    np.testing.assert_array_equal(found.mask_hw, wanted > 0.7)
    rgb[:, :3] = 160
    assert not LearnedDetector(network=Lightness(), threshold=0.9, lower=0.7)(rgb).mask_hw[:, :3].any()


def test_tiles_do_not_show(detector, monkeypatch):
    rgb, _ = scratched(smooth(1, 70, 500), row=30)
    whole = detector(rgb).confidence_hw
    monkeypatch.setattr(learned, "TILE", 90)
    np.testing.assert_allclose(detector(rgb).confidence_hw, whole, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 17)])
def test_sizes_need_not_be_multiples_of_the_stride(detector, shape):
    found = detector(np.full((*shape, 3), 90, dtype=np.uint8))
    assert found.mask_hw.shape == shape
    assert isinstance(detector, Detector)


def test_a_large_scan_is_searched_at_a_reduced_size(detector):
    large, mask = scratched(smooth(2, 128, 160).repeat(2, axis=0).repeat(2, axis=1))
    mask |= np.roll(mask, 2, axis=0)
    found = LearnedDetector(network=detector.network, size=128)(np.where(mask[..., None], np.uint8(250), large))
    assert found.mask_hw.shape == (256, 320)
    assert found.confidence_hw[mask].mean() > found.confidence_hw[~mask].mean() + 0.3


def test_the_shipped_weights_are_small():
    found = released_weights("damage_unet")
    assert found.path.stat().st_size <= 2_000_000
    assert found.settings == {"width": 0.5}


def test_on_validation_photographs_the_learned_one_is_better_and_both_leave_whole_photographs_alone(detector):
    protocol = build(compose_config(["evaluation=detection"]).evaluation.evaluators.detection)
    protocol.damages = {kind: protocol.damages[kind] for kind in ("scratches", "creases")}
    source = Photos(Crops(size=192, crop=192))
    photos = [(photo.name, rgb) for photo, rgb in evaluation_photos(source.split("val"), source.crops)][::6]
    finds = {"learned": finds_with(detector), "classical": finds_with(ClassicalDetector())}
    values = protocol.compare(finds, photos, len(photos)).values
    for kind in ("scratches", "creases"):
        assert values[f"learned_{kind}_f1"] > values[f"classical_{kind}_f1"]
    assert max(values["learned_undamaged"], values["classical_undamaged"]) < 0.01


def test_what_cannot_be_is_refused(tmp_path, refusal):
    assert "does not detect damage" in refusal(LearnedDetector, network=paddle.nn.Linear(1, 1))
    with pytest.raises(UserError, match=r"lower at most threshold, not 0\.6 and 0\.5"):
        LearnedDetector(network=Lightness(), threshold=0.5, lower=0.6)
    assert "there is no weights file" in refusal(LearnedDetector, weights=str(tmp_path / "none.safetensors"))
