"""``oldrestore colorize``: full resolution kept, nothing overwritten, one bad file not in the way of the others."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import paddle
import pytest
from PIL import ExifTags, Image

from oldrestore.cli import main
from oldrestore.color.lab import gray_rgb8, lab_to_rgb8, rgb_to_lab
from oldrestore.data.codecs.decode import decode_photo
from oldrestore.evaluation.colorizer import Colorizer, resize
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.models.weights import WeightsHeader, save_weights
from oldrestore.photographs.hint_file import Hint, draw_hints
from tests.generated_photographs import make_photograph

WIDTH = 0.0625


def save_network(network, path, model, **settings):
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    save_weights(path, tensors, WeightsHeader(model, {"width": WIDTH, **settings}))
    network.eval()
    return path


@pytest.fixture(scope="module")
def eccv16(tmp_path_factory):
    """A random network that colours strongly, and its weights file."""
    paddle.seed(5)
    network = Eccv16(width=WIDTH, decoding="released")
    network.model8[6].weight.set_value(paddle.randn(network.model8[6].weight.shape))
    return network, save_network(
        network, tmp_path_factory.mktemp("weights") / "eccv16.safetensors", "eccv16", decoding="released"
    )


@pytest.fixture(scope="module")
def siggraph17(tmp_path_factory):
    paddle.seed(6)
    network = Siggraph17(width=WIDTH, mask_center=0.5)
    network.model_out[0].weight.set_value(paddle.randn(network.model_out[0].weight.shape) * 0.1)
    return network, save_network(
        network, tmp_path_factory.mktemp("weights") / "siggraph17.safetensors", "siggraph17", mask_center=0.5
    )


def photograph(path, seed=0, size=(72, 104), **options):
    rgb = make_photograph(seed, max(size))[: size[0], : size[1]]
    Image.fromarray(rgb).save(path, **options)
    return path


def colorize(capsys, *arguments, how=("--dynamic",)):
    code = main(["colorize", *map(str, arguments), "--json", "--size", "64", *how])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else None, captured.err


def test_colour_is_predicted_at_network_size_and_joined_to_the_photographs_own_lightness(eccv16, capsys, tmp_path):
    network, weights = eccv16
    photo = photograph(tmp_path / "old.png")
    code, summary, _ = colorize(capsys, photo, "-o", tmp_path / "out", "--weights", weights)
    assert code == 0
    L = rgb_to_lab(np.asarray(Image.open(photo)))[..., 0]
    with paddle.no_grad():
        small = resize(L, (64, 96))  # 72 x 104 to a shorter side of 64, both multiples of 8
        ab = network.decode(network(paddle.to_tensor(small[None, None]))).numpy()[0]
    full = np.stack([resize(channel, L.shape) for channel in ab], axis=-1)
    expected = lab_to_rgb8(np.concatenate([L[..., None], full], axis=-1))
    found = np.asarray(Image.open(tmp_path / "out" / "old-colorized.png"))
    assert found.shape == (72, 104, 3)
    np.testing.assert_array_equal(found, expected)
    assert np.abs(expected.astype(int) - gray_rgb8(L)).max() > 10  # there is colour to compare

    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert summary["networks"][0]["sha256"] == sha256
    assert summary["failed"] == []
    record = json.loads((tmp_path / "out" / "colorize.json").read_text())
    assert record["files"]["old-colorized.png"]["sha256"] == sha256
    assert record["files"]["old-colorized.png"]["size"] == 64


def test_by_default_networks_run_through_paddle_inference_with_the_same_colours(eccv16, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path / "cache"))
    photo = photograph(tmp_path / "old.png")
    arguments = [photo, "--weights", eccv16[1]]
    code, _, err = colorize(capsys, *arguments, "-o", tmp_path / "fast", how=())
    assert code == 0
    assert "preparing eccv16 for this machine (once for these weights)" in err
    (export,) = (tmp_path / "cache" / "inference").iterdir()
    assert {path.name for path in export.iterdir()} == {"network.json", "network.pdiparams", "export.json"}
    code, _, err = colorize(capsys, *arguments, "-o", tmp_path / "again", how=())
    assert (code, "preparing" in err) == (0, False)
    assert colorize(capsys, *arguments, "-o", tmp_path / "dynamic")[0] == 0
    fast, again, dynamic = (
        np.asarray(Image.open(tmp_path / folder / "old-colorized.png")).astype(int)
        for folder in ("fast", "again", "dynamic")
    )
    np.testing.assert_array_equal(again, fast)
    differing = np.abs(fast - dynamic)
    assert differing.max() <= 1
    assert (differing > 0).mean() < 0.001


def test_half_precision_where_the_cpu_has_none_is_refused_in_one_sentence(eccv16, capsys, monkeypatch, tmp_path):
    from oldrestore import runtime

    monkeypatch.setattr(runtime, "has_bfloat16", lambda: False)
    photo = photograph(tmp_path / "old.png")
    code, _, err = colorize(capsys, photo, "-o", tmp_path / "out", "--weights", eccv16[1], how=("--half",))
    assert code == 2
    assert err == "oldrestore: this CPU does not multiply in bfloat16 (AVX-512 BF16 or AMX): leave --half out\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1)])
def test_a_strip_of_one_pixel_is_refused_and_the_others_go_on(eccv16, capsys, tmp_path, size):
    Image.new("L", size, 90).save(tmp_path / "strip.png")
    photograph(tmp_path / "old.png")
    code, summary, _ = colorize(capsys, tmp_path, "-o", tmp_path / "out", "--weights", eccv16[1])
    assert code == 1
    assert [done["photograph"] for done in summary["done"]] == [str(tmp_path / "old.png")]
    (failure,) = summary["failed"]
    assert failure["photograph"] == str(tmp_path / "strip.png")
    assert failure["reason"].endswith("pixels are a longer strip than 1 : 16: cut it first")


def test_the_panel_shows_the_gray_original_and_each_output(eccv16, siggraph17, capsys, tmp_path):
    photo = photograph(tmp_path / "old.png")
    arguments = [photo, "-o", tmp_path, "--weights", eccv16[1], "--weights", siggraph17[1]]
    code, _, _ = colorize(capsys, *arguments)
    assert code == 0
    names = {path.name for path in tmp_path.iterdir()}
    outputs = {"old-colorized-eccv16.png", "old-colorized-siggraph17.png"}
    assert names == {"old.png", "old-panel.jpg", "colorize.json"} | outputs
    panel = np.asarray(Image.open(tmp_path / "old-panel.jpg")).astype(int)
    pictures = [gray_rgb8(rgb_to_lab(np.asarray(Image.open(photo)))[..., 0])]
    pictures += [np.asarray(Image.open(tmp_path / name)) for name in sorted(outputs)]
    gap = (panel.shape[1] - 3 * 104) // 4
    top = panel.shape[0] - gap - 72
    for column, picture in enumerate(pictures):
        left = gap + column * (104 + gap)
        shown = panel[top : top + 72, left : left + 104]
        assert np.abs(shown - picture).mean() < 4  # JPEG


def test_gray_and_colour_photographs_of_one_lightness_get_one_colour(eccv16, capsys, tmp_path):
    rgb = make_photograph(3, 64)
    gray = gray_rgb8(rgb_to_lab(rgb)[..., 0])[..., 0]
    Image.fromarray(gray, "L").save(tmp_path / "gray.png")
    Image.fromarray(np.repeat(gray[..., None], 3, axis=-1)).save(tmp_path / "rgb.png")
    assert colorize(capsys, tmp_path, "-o", tmp_path / "out", "--weights", eccv16[1])[0] == 0
    first, second = (np.asarray(Image.open(tmp_path / "out" / f"{n}-colorized.png")) for n in ("gray", "rgb"))
    np.testing.assert_array_equal(first, second)


def test_orientation_is_applied_once_and_the_rest_of_exif_is_kept(eccv16, capsys, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Camera"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "1958:06:01 12:00:00"
    photo = photograph(tmp_path / "turned.JPG", exif=exif, quality=95, dpi=(300, 300))
    upright = decode_photo(photo)
    assert upright.shape == (104, 72, 3)
    assert colorize(capsys, photo, "-o", tmp_path / "out", "--weights", eccv16[1])[0] == 0
    with Image.open(tmp_path / "out" / "turned-colorized.jpg") as found:
        kept = found.getexif()
        assert found.size == (72, 104)
        assert found.info["dpi"] == (300, 300)
        assert found.layer[0][1:3] == (1, 1)  # chroma is not subsampled
        L = rgb_to_lab(np.asarray(found))[..., 0]
    assert ExifTags.Base.Orientation not in kept
    assert kept[ExifTags.Base.Make] == "Camera"
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "1958:06:01 12:00:00"
    assert np.corrcoef(L.ravel(), rgb_to_lab(upright)[..., 0].ravel())[0, 1] > 0.9


def test_a_colour_profile_is_converted_and_the_output_says_srgb(eccv16, capsys, tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photograph(tmp_path / "a.jpg", icc_profile=profile)
    photograph(tmp_path / "b.png", icc_profile=profile)
    assert colorize(capsys, tmp_path, "-o", tmp_path / "out", "--weights", eccv16[1])[0] == 0
    with Image.open(tmp_path / "out" / "a-colorized.jpg") as found:
        tagged = ImageCms.ImageCmsProfile(io.BytesIO(found.info["icc_profile"]))
        assert "srgb" in ImageCms.getProfileDescription(tagged).lower()
    with Image.open(tmp_path / "out" / "b-colorized.png") as found:
        found.load()
        assert found.info["srgb"] == 0


def test_folders_are_searched_at_any_depth_and_one_bad_file_stops_nothing(eccv16, capsys, tmp_path):
    album = tmp_path / "album"
    (album / "deep" / "er").mkdir(parents=True)
    photograph(album / "a.png")
    photograph(album / "a.jpg", seed=1)
    photograph(album / "deep" / "er" / "a.png", seed=2)
    (album / "broken.jpg").write_bytes(b"not a photograph")
    Image.new("L", (2000, 20)).save(album / "strip.png")
    (album / "notes.txt").write_text("no photograph by its ending")
    code, summary, err = colorize(capsys, album, "-o", album / "out", "--weights", eccv16[1])
    assert code == 1
    assert {failure["photograph"]: failure["reason"] for failure in summary["failed"]} == {
        str(album / "broken.jpg"): "not an image that can be read",
        str(album / "notes.txt"): "neither a photograph nor a film by its name ('.txt')",
        str(album / "strip.png"): "2000 x 20 pixels are a longer strip than 1 : 16: cut it first",
    }
    assert "failed    " in err
    outputs = sorted(str(path.relative_to(album / "out")) for path in (album / "out").rglob("*-colorized*"))
    assert outputs == ["a-colorized.jpg", "a-png-colorized.png", "deep/er/a-colorized.png"]
    # What an earlier call wrote is no photograph of the next.
    code, summary, _ = colorize(capsys, album, "-o", album / "out", "--weights", eccv16[1], "--overwrite")
    assert (code, len(summary["done"]), len(summary["failed"])) == (1, 3, 3)


def test_nothing_is_overwritten_unless_asked_and_originals_never(eccv16, capsys, tmp_path):
    photo = photograph(tmp_path / "old.png")
    arguments = [photo, "-o", tmp_path, "--weights", eccv16[1]]
    assert colorize(capsys, *arguments)[0] == 0
    first = (tmp_path / "old-colorized.png").read_bytes()
    code, _, err = colorize(capsys, *arguments)
    assert code == 2
    assert "old-colorized.png' and 1 more output exist already" in err
    assert colorize(capsys, *arguments, "--overwrite")[0] == 0
    assert (tmp_path / "old-colorized.png").read_bytes() == first
    code, _, err = colorize(capsys, photo, tmp_path / "old-colorized.png", *arguments[1:], "--overwrite")
    assert code == 2
    assert "is one of the photographs and would be overwritten" in err


def test_hints_steer_the_colour(siggraph17, capsys, tmp_path):
    network, weights = siggraph17
    photo = photograph(tmp_path / "old.png")
    points = [{"x": 30, "y": 40, "radius": 5, "color": "#c03020"}, {"x": 90, "y": 10, "radius": 0, "ab": [-40, 30]}]
    (tmp_path / "hints.json").write_text(json.dumps(points))
    arguments = [photo, "-o", tmp_path / "out", "--weights", weights, "--hints", tmp_path / "hints.json"]
    code, summary, _ = colorize(capsys, *arguments)
    assert code == 0
    assert summary["done"][0]["hints"] == 2
    L = rgb_to_lab(np.asarray(Image.open(photo)))[..., 0]
    _, a, b = rgb_to_lab(np.array([0xC0, 0x30, 0x20], np.uint8))
    drawn = draw_hints([Hint(30, 40, 5, (a, b)), Hint(90, 10, 0, (-40, 30))], 72, 104, (64, 96))
    found = np.asarray(Image.open(tmp_path / "out" / "old-colorized.png"))
    with_hints, without = (
        lab_to_rgb8(np.concatenate([L[..., None], Colorizer(network, 64)([L], hints)[0].ab_hw2], axis=-1))
        for hints in ([drawn], None)
    )
    np.testing.assert_array_equal(found, with_hints)
    assert (with_hints != without).any()


@pytest.mark.parametrize(
    ("hints", "sentence"),
    [
        ("{", "are not JSON"),
        ('"red"', "must be a list of points"),
        ('[{"x": 1, "y": 2}]', "needs 'radius' as a number of pixels"),
        ('[{"x": 200, "y": 2, "radius": 3, "ab": [0, 0]}]', "hint 1 is at (200, 2), outside of 'old.png'"),
        ('[{"x": 1, "y": -1, "radius": 3, "ab": [0, 0]}]', "outside of 'old.png'"),
        ('[{"x": 1, "y": 2, "radius": -3, "ab": [0, 0]}]', "it must be 0 or more pixels"),
        ('[{"x": 1, "y": 2, "radius": 3, "color": "red"}]', 'has the color "red": write #rrggbb'),
        ('[{"x": 1, "y": 2, "radius": 3, "color": "#12345"}]', "write #rrggbb"),
        ('[{"x": 1, "y": 2, "radius": 3, "ab": [0, 300]}]', "within -110..110"),
        ('[{"x": 1, "y": 2, "radius": 3}]', "must have either"),
        ('[{"x": 1, "y": 2, "radius": 3, "colour": "#123456"}]', "has 'colour', which is not known"),
        ('{"other.png": []}', "which is none of the photographs"),
    ],
)
def test_bad_hints_are_refused_in_one_sentence(siggraph17, capsys, tmp_path, hints, sentence):
    photo = photograph(tmp_path / "old.png")
    (tmp_path / "hints.json").write_text(hints)
    arguments = [photo, "-o", tmp_path / "out", "--weights", siggraph17[1], "--hints", tmp_path / "hints.json"]
    code, _, err = colorize(capsys, *arguments)
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_hints_are_for_networks_that_read_them(eccv16, capsys, tmp_path):
    photo = photograph(tmp_path / "old.png")
    (tmp_path / "hints.json").write_text("[]")
    arguments = [photo, "-o", tmp_path / "out", "--weights", eccv16[1], "--hints", tmp_path / "hints.json"]
    code, _, err = colorize(capsys, *arguments)
    assert code == 2
    assert "eccv16 (Eccv16) reads no colour hints" in err


def test_drawn_hints_are_discs_in_the_photographs_pixels():
    drawn = draw_hints([Hint(9.5, 19.5, 4.0, (10.0, -20.0)), Hint(0, 0, 0, (1.0, 2.0))], 40, 20, (20, 10))
    y, x = np.mgrid[:20, :10]
    disc = (2 * x + 0.5 - 9.5) ** 2 + (2 * y + 0.5 - 19.5) ** 2 <= 16
    disc[10, 5] = True  # the pixel that holds the centre
    expected = np.zeros((3, 20, 10), np.float32)
    expected[:, disc] = [[10.0], [-20.0], [1.0]]
    expected[:, 0, 0] = [1.0, 2.0, 1.0]
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.jpg", "-o", "out"], "there is no photograph or folder 'missing.jpg'"),
        (["old.png"], "-o"),
        ([".", "-o", "out", "--size", "7"], "--size: must be a whole number from 32 to 4096, not '7'"),
        (["old.png", "-o", "out", "--model", "eccv16"], "--model says what --weights FILE holds"),
        (["old.png", "-o", "out", "--run", "nothing"], "there is no run 'nothing'"),
        (["old.png", "-o", "out", "--weights", "no.safetensors"], "there is no weights file 'no.safetensors'"),
        (["empty", "-o", "out"], "there is no photograph in empty"),
        (["", "-o", "out"], "PHOTO: the name is empty"),
        (["n" * 300, "-o", "out"], "cannot be looked up (the name is too long)"),
    ],
)
def test_wrong_requests(arguments, sentence, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "old.png")
    (tmp_path / "empty").mkdir()
    assert main(["colorize", *arguments]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"old.png", "empty"}


def test_without_a_network_the_shipped_one_is_taken(capsys, tmp_path):
    from oldrestore.models import released

    photo = photograph(tmp_path / "old.png")
    code, summary, _ = colorize(capsys, photo, "-o", tmp_path / "out")
    assert code == 0
    assert summary["networks"][0]["name"] == "lite_unet"
    assert summary["networks"][0]["sha256"] == released.SHA256["lite_unet"]
    assert Image.open(tmp_path / "out" / "old-colorized.png").size == (104, 72)


def test_without_the_shipped_network_a_run_is_asked_for(capsys, monkeypatch, tmp_path):
    from oldrestore.models import released

    monkeypatch.setattr(released, "FOLDER", tmp_path / "nowhere")
    photo = photograph(tmp_path / "old.png")
    code, _, err = colorize(capsys, photo, "-o", tmp_path / "out")
    assert code == 2
    assert "--run RUN" in err
