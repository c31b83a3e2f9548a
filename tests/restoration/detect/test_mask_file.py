"""A user's mask is taken as it is drawn, chosen by name from a folder, or refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy import ndimage

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
    "0 and 1": painted((0, 0, 0), (1, 1, 1)).convert("L"),
    "0 and 1 in 16 bits": Image.fromarray(drawn().astype(np.uint16)),
    "0 and 100": painted((0, 0, 0), (100, 100, 100)),
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


def photograph(name: str) -> np.ndarray:
    """A part of a photograph that scikit-image ships; "page" is one in black and white."""
    rgb = np.asarray(Image.open(Path(skimage.data.__file__).parent / name).convert("RGB"))[60:156, 60:156]
    return np.repeat(np.where(rgb[..., 1:2] > 90, 255, 0), 3, axis=-1).astype(np.uint8) if name == "page.png" else rgb


STROKES = np.zeros((96, 96), dtype=bool)
STROKES[20:26, 5:90] = STROKES[40:80, 60:63] = True


@pytest.mark.parametrize("name", ["chelsea.png", "camera.png", "page.png"])
@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_strokes_on_a_copy_of_the_photograph_are_the_mask(tmp_path, name, ending):
    photo = photograph(name)
    copy = Image.fromarray(np.where(STROKES[..., None], (230, 20, 30), photo).astype(np.uint8))
    copy.save(tmp_path / f"copy{ending}", **({"quality": 80} if ending == ".jpg" else {}))
    found = MaskFile(str(tmp_path / f"copy{ending}"))(photo).mask_hw
    if ending == ".png":
        np.testing.assert_array_equal(found, STROKES)
    else:  # JPEG is uncertain at the strokes' borders
        inside = ndimage.binary_erosion(STROKES)
        assert found[inside].all() and not found[~ndimage.binary_dilation(STROKES, iterations=8)].any()
    # The strokes alone, on black: what is a mask is not taken for a copy.
    Image.fromarray(np.where(STROKES[..., None], (230, 20, 30), (0, 0, 0)).astype(np.uint8)).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(MaskFile(str(tmp_path / "mask.png"))(photo).mask_hw, STROKES)


def test_other_pictures_are_refused(tmp_path, refusal):
    photo = photograph("chelsea.png")
    for name, picture, sentence in (
        ("other", photograph("coffee.png"), "is a picture, neither black and white nor the photograph with strokes"),
        ("same", photo, "is the photograph itself, with nothing drawn on it"),
        ("classes", np.arange(96 * 96).reshape(96, 96) % 3, "has no light pixel (the lightest has 2 of 255)"),
    ):
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / f"{name}.png")
        assert sentence in refusal(MaskFile(str(tmp_path / f"{name}.png")), photo)


def test_a_folder_of_masks_is_laid_out_as_the_photographs(tmp_path, refusal):
    for name in ("2019/a.png", "2020/a.png", "flat.png", "both.jpg.png", "both.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        PICTURES["gray"].save(tmp_path / name)
    folder = MaskFile(str(tmp_path))
    for photo, mask in (
        ("2019/a.tif", "2019/a.png"),
        ("2020/a.jpg", "2020/a.png"),
        ("2021/flat.jpg", "flat.png"),
        ("both.jpg", "both.jpg.png"),
        ("both.tif", "both.png"),
    ):
        assert folder.for_photo(Path(photo)).path == tmp_path / mask
    assert "has no mask named '2021/flat'" in refusal(folder.for_photo, Path("2021/flat.jpg"), is_alone=False)
