"""``oldrestore colorize``: full resolution kept, nothing overwritten, one bad file not in the way of the others."""

import hashlib
import io
import json
from itertools import combinations

import numpy as np
import paddle
import pytest
from PIL import ExifTags, Image, ImageCms

from oldrestore.color.difference import ciede2000
from oldrestore.color.gamut import lab_to_rgb8_in_gamut
from oldrestore.color.lab import gray_rgb8, rgb_to_lab
from oldrestore.data.codecs.decode import decode_photo
from oldrestore.evaluation.colorizer import Colorizer, resize
from oldrestore.models import released
from oldrestore.models.lite_unet import LiteUnet
from oldrestore.photographs.hint_file import Hint, draw_hints
from tests.commands.restoring import opened, pictures_in_panel, save_network
from tests.generated_photographs import make_photograph


def photograph(path, seed=0, size=(72, 104), **options):
    rgb = make_photograph(seed, max(size))[: size[0], : size[1]]
    Image.fromarray(rgb).save(path, **options)
    return path


@pytest.fixture
def colorize(cli):
    """Colorize; returns what is printed as JSON, or the sentence of a refusal."""

    def run(*arguments, code=0):
        said = cli("colorize", *arguments, "--size", "64", "--dynamic", "--json", code=code)
        return said.err if code == 2 else said.content

    return run


@pytest.fixture
def eccv16(eccv16s):
    return eccv16s[0]


def test_colour_is_predicted_at_network_size_and_joined_to_the_photographs_own_lightness(eccv16, colorize, tmp_path):
    network, weights = eccv16
    photo = photograph(tmp_path / "old.png")
    summary = colorize(photo, "-o", tmp_path / "out", "--weights", weights)
    L = rgb_to_lab(opened(photo))[..., 0]
    with paddle.no_grad():
        small = resize(L, (64, 96))  # 72 x 104 to a shorter side of 64, both multiples of 8
        ab = network.decode(network(paddle.to_tensor(small[None, None]))).numpy()[0]
    full = np.stack([resize(channel, L.shape) for channel in ab], axis=-1)
    expected = lab_to_rgb8_in_gamut(np.concatenate([L[..., None], full], axis=-1))
    found = opened(tmp_path / "out" / "old-colorized.png")
    assert found.shape == (72, 104, 3)
    np.testing.assert_array_equal(found, expected)
    assert np.abs(expected.astype(int) - gray_rgb8(L)).max() > 10  # there is colour to compare

    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert summary["networks"][0]["sha256"] == sha256
    assert summary["failed"] == []
    record = json.loads((tmp_path / "out" / "colorize.json").read_text())
    assert record["files"]["old-colorized.png"]["sha256"] == sha256
    assert record["files"]["old-colorized.png"]["size"] == 64


def test_the_panel_shows_the_original_its_gray_as_input_and_each_output(eccv16, siggraph17, colorize, tmp_path):
    photo = photograph(tmp_path / "old.png")
    colorize(photo, "-o", tmp_path, "--weights", eccv16[1], "--weights", siggraph17[1])
    names = {path.name for path in tmp_path.iterdir()}
    outputs = ["old-colorized-net5.png", "old-colorized-siggraph17.png"]
    assert names == {"old.png", "old-panel.png.jpg", "colorize.json", *outputs}
    original = opened(photo)
    pictures = [original, gray_rgb8(rgb_to_lab(original)[..., 0]), *(opened(tmp_path / name) for name in outputs)]
    for shown, picture in zip(pictures_in_panel(tmp_path / "old-panel.png.jpg", 4), pictures, strict=True):
        assert np.abs(shown - picture).mean() < 4  # JPEG


def test_gray_and_colour_photographs_of_one_lightness_get_one_colour(eccv16, colorize, tmp_path):
    rgb = make_photograph(3, 64)
    gray = gray_rgb8(rgb_to_lab(rgb)[..., 0])[..., 0]
    Image.fromarray(gray, "L").save(tmp_path / "gray.png")
    Image.fromarray(np.repeat(gray[..., None], 3, axis=-1)).save(tmp_path / "rgb.png")
    colorize(tmp_path, "-o", tmp_path / "out", "--weights", eccv16[1])
    first, second = (opened(tmp_path / "out" / f"{n}-colorized.png") for n in ("gray", "rgb"))
    np.testing.assert_array_equal(first, second)


def test_orientation_is_applied_once_and_the_rest_of_exif_is_kept(eccv16, colorize, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Camera"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "1958:06:01 12:00:00"
    photo = photograph(tmp_path / "turned.JPG", exif=exif, quality=95, dpi=(300, 300))
    upright = decode_photo(photo)
    assert upright.shape == (104, 72, 3)
    colorize(photo, "-o", tmp_path / "out", "--weights", eccv16[1])
    with Image.open(tmp_path / "out" / "turned-colorized.JPG") as found:
        kept = found.getexif()
        assert found.size == (72, 104)
        assert found.info["dpi"] == (300, 300)
        assert found.layer[0][1:3] == (1, 1)  # chroma is not subsampled
        L = rgb_to_lab(np.asarray(found))[..., 0]
    assert ExifTags.Base.Orientation not in kept
    assert kept[ExifTags.Base.Make] == "Camera"
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "1958:06:01 12:00:00"
    assert np.corrcoef(L.ravel(), rgb_to_lab(upright)[..., 0].ravel())[0, 1] > 0.9


def test_a_colour_profile_is_converted_and_the_output_says_srgb(eccv16, colorize, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photograph(tmp_path / "a.jpg", icc_profile=profile)
    photograph(tmp_path / "b.png", icc_profile=profile)
    colorize(tmp_path, "-o", tmp_path / "out", "--weights", eccv16[1])
    with Image.open(tmp_path / "out" / "a-colorized.jpg") as found:
        tagged = ImageCms.ImageCmsProfile(io.BytesIO(found.info["icc_profile"]))
        assert "srgb" in ImageCms.getProfileDescription(tagged).lower()
    with Image.open(tmp_path / "out" / "b-colorized.png") as found:
        found.load()
        assert found.info["srgb"] == 0


def test_folders_are_searched_at_any_depth_and_one_bad_file_stops_nothing(eccv16, colorize, tmp_path):
    album = tmp_path / "album"
    (album / "deep" / "er").mkdir(parents=True)
    photograph(album / "a.png")
    photograph(album / "a.jpg", seed=1)
    photograph(album / "deep" / "er" / "a.png", seed=2)
    (album / "broken.jpg").write_bytes(b"not a photograph")
    Image.new("L", (2000, 20)).save(album / "strip.png")
    Image.new("L", (1, 3000), 90).save(album / "thin.png")
    (album / "notes.txt").write_text("no photograph by its ending")
    summary = colorize(album, "-o", album / "out", "--weights", eccv16[1], code=1)
    assert {failure["photograph"]: failure["reason"] for failure in summary["failed"]} == {
        str(album / "broken.jpg"): "not an image that can be read",
        str(album / "strip.png"): "2000 x 20 pixels are a longer strip than 1 : 16: cut it first",
        str(album / "thin.png"): "1 x 3000 pixels are a longer strip than 1 : 16: cut it first",
    }
    outputs = sorted(str(path.relative_to(album / "out")) for path in (album / "out").rglob("*-colorized*"))
    assert outputs == ["a-colorized.jpg", "a-colorized.png", "deep/er/a-colorized.png"]
    assert summary["passed_over"] == {".txt": 1}
    # What an earlier call wrote is no photograph of the next.
    summary = colorize(album, "-o", album / "out", "--weights", eccv16[1], "--overwrite", code=1)
    assert (len(summary["done"]), len(summary["failed"])) == (3, 3)
    assert summary["passed_over"] == {".txt": 1, "results of earlier calls": 6}


def test_nothing_is_overwritten_unless_asked_and_originals_never(eccv16, colorize, tmp_path):
    photo = photograph(tmp_path / "old.png")
    arguments = [photo, "-o", tmp_path, "--weights", eccv16[1]]
    colorize(*arguments)
    first = (tmp_path / "old-colorized.png").read_bytes()
    assert "old-colorized.png' and 1 more output exist already" in colorize(*arguments, code=2)
    colorize(*arguments, "--overwrite")
    assert (tmp_path / "old-colorized.png").read_bytes() == first
    refused = colorize(photo, tmp_path / "old-colorized.png", *arguments[1:], "--overwrite", code=2)
    assert "is one of the photographs and would be overwritten" in refused


def test_hints_steer_the_colour(siggraph17, colorize, tmp_path):
    network, weights = siggraph17
    photo = photograph(tmp_path / "old.png")
    points = [{"x": 30, "y": 40, "radius": 5, "color": "#c03020"}, {"x": 90, "y": 10, "radius": 0, "ab": [-40, 30]}]
    (tmp_path / "hints.json").write_text(json.dumps(points))
    summary = colorize(photo, "-o", tmp_path / "out", "--weights", weights, "--hints", tmp_path / "hints.json")
    assert summary["done"][0]["hints"] == 2
    L = rgb_to_lab(opened(photo))[..., 0]
    _, a, b = rgb_to_lab(np.array([0xC0, 0x30, 0x20], np.uint8))
    drawn = draw_hints([Hint(30, 40, 5, (a, b)), Hint(90, 10, 0, (-40, 30))], 72, 104, (64, 96))
    found = opened(tmp_path / "out" / "old-colorized.png")
    with_hints, without = (
        lab_to_rgb8_in_gamut(np.concatenate([L[..., None], Colorizer(network, 64)([L], hints)[0].ab_hw2], axis=-1))
        for hints in ([drawn], None)
    )
    np.testing.assert_array_equal(found, with_hints)
    assert (with_hints != without).any()
    panel = pictures_in_panel(tmp_path / "out" / "old-panel.png.jpg", 3)
    assert rgb_to_lab(panel[1][40, 30].astype(np.uint8))[1] > 30  # the red hint is drawn into the gray input
    assert np.abs(panel[2] - found).mean() < 4


def test_drawn_hints_are_discs_in_the_photographs_pixels():
    drawn = draw_hints([Hint(9.5, 19.5, 4.0, (10.0, -20.0)), Hint(0, 0, 0, (1.0, 2.0))], 40, 20, (20, 10))
    y, x = np.mgrid[:20, :10]
    disc = (2 * x + 0.5 - 9.5) ** 2 + (2 * y + 0.5 - 19.5) ** 2 <= 16
    disc[10, 5] = True  # the pixel that holds the centre
    expected = np.zeros((3, 20, 10), np.float32)
    expected[:, disc] = [[10.0], [-20.0], [1.0]]
    expected[:, 0, 0] = [1.0, 2.0, 1.0]
    np.testing.assert_array_equal(drawn, expected)


def test_without_a_network_the_shipped_one_is_taken_and_runs_through_paddle_inference(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path / "cache"))
    photo = photograph(tmp_path / "old.png")
    said = cli("colorize", photo, "-o", tmp_path / "out", "--size", "64", "--json")
    assert "preparing lite_unet for this machine (once for these weights)" in said.err
    (network,) = said.content["networks"]
    assert (network["name"], network["sha256"]) == ("lite_unet", released.SHA256["lite_unet"])
    cli("colorize", photo, "-o", tmp_path / "dynamic", "--size", "64", "--dynamic")
    fast, dynamic = (opened(tmp_path / name / "old-colorized.png").astype(int) for name in ("out", "dynamic"))
    assert fast.shape == (72, 104, 3)
    assert np.abs(fast - dynamic).max() <= 1


@pytest.fixture(scope="module")
def lite_unet(tmp_path_factory):
    """A random network that is sure of little, reads hints, and its weights file."""
    paddle.seed(1)
    network = LiteUnet(width=0.125, hints=True, temperature=1.0)
    network.head.weight.set_value(20 * network.head.weight)
    path = tmp_path_factory.mktemp("lite_unet") / "lite.safetensors"
    return network, save_network(network, path, "lite_unet", width=0.125, hints=True, temperature=1.0)


def test_strength_multiplies_chroma_0_is_gray_and_1_changes_no_byte(eccv16, colorize, tmp_path):
    _, weights = eccv16
    photo = photograph(tmp_path / "old.png")
    found = {}
    for strength in ("", "1", "0.5", "0"):
        more = ["--strength", strength] if strength else []
        colorize(photo, "-o", tmp_path / f"out{strength}", "--weights", weights, "--no-label", *more)
        found[strength] = tmp_path / f"out{strength}" / "old-colorized.png"
    assert found[""].read_bytes() == found["1"].read_bytes()
    whole, half, none = (rgb_to_lab(opened(found[strength])) for strength in ("1", "0.5", "0"))
    np.testing.assert_array_equal(opened(found["0"]), gray_rgb8(rgb_to_lab(opened(photo))[..., 0]))
    assert np.abs(none[..., 1:]).max() < 0.01
    # Where neither is brought into the gamut; 8 bits are about a unit of ab.
    chroma = np.hypot(*whole[..., 1:].transpose(2, 0, 1))
    inside = (chroma > 5) & (chroma < 25)
    assert np.median(np.abs(half[..., 1:] - whole[..., 1:] / 2)[inside]) < 0.6
    record = json.loads((tmp_path / "out0.5" / "colorize.json").read_text())["files"]["old-colorized.png"]
    assert record["strength"] == 0.5


def test_black_and_white_stay_neutral_at_any_strength(lite_unet, colorize, tmp_path):
    _, weights = lite_unet
    halves = np.zeros((64, 96, 3), np.uint8)
    halves[:, 48:] = 255
    Image.fromarray(halves).save(tmp_path / "halves.png")
    colorize(tmp_path / "halves.png", "-o", tmp_path / "out", "--weights", weights, "--strength", "1.5")
    found = rgb_to_lab(opened(tmp_path / "out" / "halves-colorized.png"))
    assert np.abs(found[..., 1:]).max() < 1.0


def test_variants_are_files_and_columns_the_first_being_the_answer(lite_unet, colorize, tmp_path):
    _, weights = lite_unet
    photo = photograph(tmp_path / "old.jpg", quality=95)
    plain = tmp_path / "plain"
    colorize(photo, "-o", plain, "--weights", weights)
    out = tmp_path / "out"
    asked = "--weights", weights, "--variants", "3", "--distance", "2", "--certainty"
    summary = colorize(photo, "-o", out, *asked)
    names = {"old-colorized.jpg", "old-variant2.jpg", "old-variant3.jpg", "old-certainty.jpg.png", "old-panel.jpg"}
    assert {path.name for path in out.iterdir()} == names | {"colorize.json"}
    assert (out / "old-colorized.jpg").read_bytes() == (plain / "old-colorized.jpg").read_bytes()
    found = [rgb_to_lab(opened(out / f"old-{name}.jpg")) for name in ("colorized", "variant2", "variant3")]
    distances = [ciede2000(one, other).mean() for one, other in combinations(found, 2)]
    assert min(distances) > 1.5  # 2 where the network sees it, before it is joined to the photograph and to the gamut
    assert len(pictures_in_panel(out / "old-panel.jpg", 5)) == 5
    sure = Image.open(out / "old-certainty.jpg.png")
    assert (sure.mode, sure.size) == ("L", (104, 72))
    (done,) = summary["done"]
    assert done["variant3"] == str(out / "old-variant3.jpg") and "remarks" not in done
    record = json.loads((out / "colorize.json").read_text())["files"]["old-colorized.jpg"]
    assert set(record["files"]) == names and record["variants"] == 3
    again = tmp_path / "again"
    colorize(photo, "-o", again, *asked)
    assert (again / "old-variant3.jpg").read_bytes() == (out / "old-variant3.jpg").read_bytes()


def test_fewer_variants_than_asked_are_said(lite_unet, colorize, tmp_path):
    _, weights = lite_unet
    photo, out = photograph(tmp_path / "old.png"), tmp_path / "out"
    summary = colorize(photo, "-o", out, "--weights", weights, "--variants", "8", "--distance", "45")
    count = 1 + len(list(out.glob("*variant*")))
    assert count < 8
    (remark,) = summary["done"][0]["remarks"]
    there = "no other colouring that differs" if count == 1 else f"{count} colourings that differ"
    assert remark == f"the network finds {there} by 45, of 8 that were asked for"


def test_variants_need_one_network_with_a_distribution(eccv16s, siggraph17, cli, colorize, tmp_path):
    photo = photograph(tmp_path / "old.png")
    files = [weights for _, weights in eccv16s]
    ask = photo, "-o", tmp_path / "out", "--variants", "2"
    assert "--variants is of one network: name one, not net5, net6" in colorize(
        *ask, "--weights", files[0], "--weights", files[1], code=2
    )
    refused = colorize(*ask, "--weights", siggraph17[1], code=2)
    assert "needs a network that predicts a distribution over the ab bins" in refused
    colorize(*ask, "--weights", files[0])  # in Paddle itself


def test_hints_of_lite_unet_colour_what_is_clicked(lite_unet, colorize, tmp_path):
    _, weights = lite_unet
    photo = photograph(tmp_path / "old.png")
    (tmp_path / "hints.json").write_text(json.dumps([{"x": 30, "y": 40, "radius": 4, "ab": [55, 35]}]))
    found = {}
    for name, more in (("hinted", ["--hints", tmp_path / "hints.json"]), ("plain", [])):
        colorize(photo, "-o", tmp_path / name, "--weights", weights, *more)
        found[name] = rgb_to_lab(opened(tmp_path / name / "old-colorized.png"))[..., 1:]
    assert np.hypot(*(found["hinted"][40, 30] - [55, 35])) < 25 < np.hypot(*(found["plain"][40, 30] - [55, 35]))
