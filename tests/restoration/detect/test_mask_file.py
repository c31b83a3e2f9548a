"""A user's mask is taken as it is drawn, chosen by name from a folder, or refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oldrestore.restoration.detect.mask_file import MaskFile
from oldrestore.restoration.stages import Detector

PHOTO = np.full((6, 8, 3), 90, dtype=np.uint8)


def drawn() -> np.ndarray:
    mask = np.zeros((6, 8), dtype=bool)
    mask[2:4, 3:7] = True
    return mask


def painted(ground: tuple[int, ...], stroke: tuple[int, ...]) -> Image.Image:
    """The ground, with the stroke where the mask is drawn."""
    return Image.fromarray(np.where(drawn()[..., None], stroke, ground).astype(np.uint8))


PICTURES = {
    "bits": painted((0, 0, 0), (255, 255, 255)).convert("1"),
    "gray": painted((0, 0, 0), (255, 255, 255)).convert("L"),
    "colour": painted((0, 0, 0), (255, 255, 255)),
    "red paint on dark gray": painted((127, 127, 127), (255, 0, 0)),
    "strokes on a transparent layer": painted((255, 255, 255, 0), (255, 0, 0, 255)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_light_is_damaged(tmp_path, name):
    PICTURES[name].save(tmp_path / "mask.png")
    detector = MaskFile(str(tmp_path / "mask.png"))
    found = detector(PHOTO)
    assert isinstance(detector, Detector)
    np.testing.assert_array_equal(found.mask_hw, drawn())
    np.testing.assert_array_equal(found.confidence_hw, drawn().astype(np.float32))


def test_a_folder_has_one_mask_for_each_name(tmp_path, refusal):
    PICTURES["gray"].save(tmp_path / "holiday.png")
    folder = MaskFile(str(tmp_path))
    assert folder.for_photo(Path("somewhere/holiday.tif"))(PHOTO).mask_hw.sum() == 8
    assert "has no mask named 'other'" in refusal(folder.for_photo, Path("other.jpg"))
    assert "is a folder" in refusal(folder, PHOTO)
    (tmp_path / "holiday.bmp").write_bytes(b"")
    assert "has 2 masks" in refusal(folder.for_photo, Path("holiday.jpg"))
    single = MaskFile(str(tmp_path / "holiday.png"))
    assert single.for_photo(Path("any.jpg")) is single


def test_missing_broken_and_other_sized_masks_are_refused(tmp_path, refusal):
    assert "there is no mask" in refusal(MaskFile, str(tmp_path / "none.png"))
    (tmp_path / "text.png").write_text("not a picture")
    assert "cannot be read" in refusal(MaskFile(str(tmp_path / "text.png")), PHOTO)
    Image.fromarray(np.zeros((8, 6), dtype=np.uint8)).save(tmp_path / "turned.png")
    assert "is 6 x 8 pixels and its photograph 8 x 6" in refusal(MaskFile(str(tmp_path / "turned.png")), PHOTO)
