"""``oldrestore restore``: five kinds of photographs, two broken files, each stage, masks, and films."""

import hashlib
import io
import json
import subprocess
import sys
from xml.etree import ElementTree

import cv2
import numpy as np
import paddle
import pytest
from PIL import ExifTags, Image

from oldrestore.color.lab import rgb_to_lab
from oldrestore.data.codecs.decode import decode_photo
from oldrestore.models import released
from oldrestore.models.sagan import SaganRestorer
from oldrestore.restoration.enhance.levels import Levels
from oldrestore.restoration.fill.biharmonic import Biharmonic
from oldrestore.restoration.fill.network import NetworkFiller
from oldrestore.restoration.film import open_film, read_frames
from tests.commands.restoring import NO_DETECTOR, gray, opened, pictures_in_panel, save_mask, save_network, scratched
from tests.generated_photographs import make_photograph
from tests.restoration.films import make_film, sound_of


def test_a_folder_of_every_kind(cli, tmp_path):
    album = tmp_path / "album"
    (album / "scans").mkdir(parents=True)
    Image.fromarray(gray(1)[..., 0], "L").save(album / "gray.jpg", quality=95)
    Image.fromarray(scratched(2)[1]).save(album / "damaged.png")
    Image.fromarray(make_photograph(3, 80)).convert("CMYK").save(album / "scans" / "cmyk.tif")
    Image.fromarray(gray(4)[..., 0].astype(np.uint16) * 257).save(album / "scans" / "sixteen.tiff")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Phone"
    Image.fromarray(make_photograph(5, 104)[:72]).save(album / "phone.jpg", exif=exif, quality=95)
    (album / "corrupt.jpg").write_bytes((album / "gray.jpg").read_bytes()[:400])
    (album / "notes.txt").write_text("not a photograph")
    before = {path: path.read_bytes() for path in album.rglob("*") if path.is_file()}

    arguments = ["restore", album, "-o", tmp_path / "out", "restore.detect.size=96", "restore.colorize.size=64"]
    said = cli(*arguments, "--json", code=1)
    summary = said.content
    assert summary["stages"] == ["detect", "fill", "restore", "colorize"]
    assert summary["networks"][0]["sha256"] == released.SHA256["lite_unet"]
    assert {failure["photograph"]: failure["reason"] for failure in summary["failed"]} == {
        str(album / "corrupt.jpg"): "truncated file",
    }
    assert said.err.count("failed    ") == 1
    assert summary["passed_over"] == {".txt": 1}
    sizes = {"gray": (104, 72), "damaged": (96, 96), "cmyk": (80, 80), "sixteen": (104, 72), "phone": (72, 104)}
    colored = {}
    for done in summary["done"]:
        name = done["photograph"].rpartition("/")[2].partition(".")[0]
        with Image.open(done["outputs"][0]) as result, Image.open(done["mask"]) as mask:
            assert result.size == mask.size == sizes.pop(name)
        assert all(done[part] is not None for part in ("filled", "panel", "seconds"))
        colored[name] = done["colored"]
    assert not sizes
    # Gray photographs are coloured; those with colours keep them.
    assert colored == {"gray": True, "sixteen": True, "damaged": False, "cmyk": False, "phone": False}
    with Image.open(tmp_path / "out" / "phone-restored.jpg") as result:
        assert ExifTags.Base.Orientation not in result.getexif()
        assert result.getexif()[ExifTags.Base.Make] == "Phone"
    assert {path: path.read_bytes() for path in album.rglob("*") if path.is_file()} == before
    assert (tmp_path / "out" / "scans" / "sixteen-evened.tiff.png").exists()

    written = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert "exist already" in cli(*arguments, code=2).err
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == written


def test_each_stage_by_itself(restore, tmp_path):
    _, damaged, mask = scratched(1)
    Image.fromarray(damaged).save(tmp_path / "old.png")
    common = [tmp_path / "old.png", "--mask", save_mask(mask, tmp_path / "mask.png"), "--skip", "colorize"]
    summary = restore(*common, "restore/fill=biharmonic")
    assert (summary["stages"], summary["networks"]) == (["detect", "fill", "restore"], [])
    filled = Biharmonic()(damaged, mask)
    np.testing.assert_array_equal(opened(tmp_path / "out" / "old-filled.png"), filled)
    np.testing.assert_array_equal(opened(tmp_path / "out" / "old-restored.png"), Levels()(filled))  # there is no noise
    np.testing.assert_array_equal(opened(tmp_path / "out" / "old-mask.png")[..., 0] > 0, mask)
    assert summary["done"][0]["lost"] == pytest.approx(mask.mean())
    record = json.loads((tmp_path / "out" / "restore.json").read_text())["files"]["old-restored.png"]
    assert record["sha256"] == hashlib.sha256((tmp_path / "out" / "old-restored.png").read_bytes()).hexdigest()
    assert record["config"]["fill"]["_target_"].endswith("Biharmonic")
    assert record["colored_by"] is None

    again = [*common, "--overwrite", "--result-only", "--skip", "fill", "--skip", "restore"]
    assert restore(*again)["stages"] == ["detect"]
    np.testing.assert_array_equal(opened(tmp_path / "out" / "old-restored.png"), damaged)


def test_several_networks_give_several_results_and_one_panel(colorizers, restore, cli, tmp_path):
    photo = tmp_path / "old.png"
    Image.fromarray(gray(1)).save(photo)
    named = [argument for weights in colorizers for argument in ("--weights", weights)]
    restore(photo, NO_DETECTOR, "restore/restore=none", "restore.colorize.size=64", *named)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    outputs = ["old-restored-net5.png", "old-restored-net6.png"]
    assert names == {*outputs, "old-panel.png.jpg", "restore.json"}
    pictures = [opened(tmp_path / "out" / name) for name in outputs]
    assert (pictures[0] != pictures[1]).any()
    panel = pictures_in_panel(tmp_path / "out" / "old-panel.png.jpg", 3)
    for shown, picture in zip(panel, [gray(1), *pictures], strict=True):
        assert np.abs(shown - picture).mean() < 4  # JPEG
    # Colour alone gives what the verb colorize gives.
    cli("colorize", photo, "-o", tmp_path / "c", "--size", "64", "--weights", colorizers[0])
    np.testing.assert_array_equal(opened(tmp_path / "c" / "old-colorized.png"), pictures[0])
    record = json.loads((tmp_path / "out" / "restore.json").read_text())["files"]
    assert [record[name]["colored_by"]["name"] for name in outputs] == ["net5", "net6"]


def test_a_network_that_is_named_colours_every_photograph(colorizers, restore, tmp_path):
    Image.fromarray(make_photograph(2, 96)).save(tmp_path / "colour.png")
    arguments = [tmp_path / "colour.png", NO_DETECTOR, "--weights", colorizers[0]]
    assert restore(*arguments, "restore/colorize=gray")["done"][0]["colored"] is False
    (done,) = restore(*arguments, "--overwrite")["done"]
    assert done["colored"] is True
    L = rgb_to_lab(Levels()(make_photograph(2, 96)))[..., 0]
    found = rgb_to_lab(opened(done["outputs"][0]))[..., 0]
    assert np.abs(found - L).mean() < 3  # of the lightness only what leaves sRGB is lost


def test_a_folder_of_masks(restore, tmp_path):
    (tmp_path / "album" / "masks").mkdir(parents=True)
    for seed, name in enumerate(("a", "b")):
        _, damaged, mask = scratched(seed)
        Image.fromarray(damaged).save(tmp_path / "album" / f"{name}.png")
        save_mask(mask, tmp_path / "album" / "masks" / f"{name}.png")
    Image.fromarray(gray(5)).save(tmp_path / "album" / "c.png")
    arguments = [tmp_path / "album", "--skip", "colorize", "--skip", "restore", "restore/fill=biharmonic"]
    summary = restore(*arguments, "--mask", tmp_path / "album" / "masks", code=1)
    assert [done["photograph"].rpartition("/")[2] for done in summary["done"]] == ["a.png", "b.png"]
    assert "has no mask named 'c'" in summary["failed"][0]["reason"]
    rgb, damaged, mask = scratched(1)
    np.testing.assert_array_equal(opened(tmp_path / "out" / "b-restored.png"), Biharmonic()(damaged, mask))
    error = np.abs(opened(tmp_path / "out" / "b-restored.png").astype(int) - rgb)
    assert error[mask].mean() < np.abs(damaged.astype(int) - rgb)[mask].mean() / 4


def test_large_holes_go_to_the_network(restore, tmp_path):
    paddle.seed(1)
    network = SaganRestorer(width=0.125)
    network.head.weight.set_value(paddle.randn(network.head.weight.shape) * 0.1)
    network.eval()
    weights = save_network(network, tmp_path / "restorer.safetensors", "sagan_restore", width=0.125)
    _, damaged, mask = scratched(3)
    mask[60:85, 20:60] = True
    damaged[mask] = 0
    Image.fromarray(damaged).save(tmp_path / "old.png")
    arguments = [tmp_path / "old.png", "--mask", save_mask(mask, tmp_path / "mask.png"), "restore/fill=sagan"]
    summary = restore(*arguments, "--skip", "colorize", "--skip", "restore", "--restorer", weights)
    assert summary["restorer"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    large = mask.copy()
    large[:50] = False
    expected = NetworkFiller(network)(Biharmonic()(damaged, mask & ~large), large)
    np.testing.assert_array_equal(opened(tmp_path / "out" / "old-restored.png"), expected)
    assert np.ptp(expected[large].astype(int), axis=0).min() > 0


def test_without_a_mask_nothing_is_filled(restore, tmp_path):
    Image.fromarray(scratched(1)[1]).save(tmp_path / "old.png")
    summary = restore(tmp_path / "old.png", NO_DETECTOR, "--skip", "colorize")
    assert (summary["stages"], summary["done"][0]["lost"]) == (["restore"], None)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "old-restored.png",
        "old-panel.png.jpg",
        "restore.json",
    }


def test_a_file_that_is_named_is_tried_whatever_it_is(restore, tmp_path):
    Image.fromarray(gray(0)).save(tmp_path / "photo.data", format="PNG")
    (tmp_path / "notes.txt").write_text("no photograph")
    arguments = [tmp_path, "--skip", "detect", "--skip", "fill", "--skip", "colorize"]
    summary = restore(*arguments)
    assert [done["outputs"] for done in summary["done"]] == [[str(tmp_path / "out" / "photo-restored.data.png")]]
    assert summary["passed_over"] == {".txt": 1}
    summary = restore(*arguments, tmp_path / "notes.txt", "--overwrite", code=1)
    assert summary["failed"] == [{"photograph": str(tmp_path / "notes.txt"), "reason": "not an image that can be read"}]
    assert summary["passed_over"] == {"results of earlier calls": 2}


@pytest.mark.slow
def test_a_scan_of_24_megapixels_within_2_gib(tmp_path):
    """Gray, with noise, scratches that cross each other, specks and a large hole; all stages."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(gray(1, 200, 300)[..., 0], "L").resize((6000, 4000), Image.Resampling.BICUBIC)
    picture = np.asarray(small, np.int16) + rng.integers(-12, 13, (4000, 6000), np.int16)
    mask = np.zeros((4000, 6000), np.uint8)
    for _ in range(20):
        (x0, y0), (x1, y1) = (rng.integers(0, (6000, 4000)).tolist() for _ in range(2))
        cv2.line(mask, (x0, y0), (x1, y1), 255, int(rng.integers(4, 14)))
    cv2.circle(mask, (3000, 2000), 400, 255, -1)
    Image.fromarray(np.where(mask > 0, 255, picture).clip(0, 255).astype(np.uint8)).save(tmp_path / "scan.jpg")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    program = (
        "import resource, sys\nfrom oldrestore.cli import main\ncode = main(sys.argv[1:])\n"
        "print('PEAK', code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    arguments = ["restore", tmp_path / "scan.jpg", "-o", tmp_path / "out", "--mask", tmp_path / "mask.png"]
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True)
    _, code, kib = done.stdout.splitlines()[-1].split()
    assert (code, done.stderr) == ("0", "")
    assert int(kib) < 2 * 2**20
    with Image.open(tmp_path / "out" / "scan-restored.jpg") as result:
        assert result.size == (6000, 4000)


def test_a_mask_is_that_of_the_upright_photograph_and_white_where_it_is_damaged(restore, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    Image.fromarray(gray(1)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    upright = decode_photo(tmp_path / "turned.jpg")
    mask = np.zeros(upright.shape[:2], bool)
    mask[5, 5] = True
    arguments = [tmp_path / "turned.jpg", "--skip", "colorize", "--overwrite", "--mask"]
    restore(*arguments, save_mask(mask, tmp_path / "upright.png"))
    for wrong, sentence in (
        (mask.T, "they must be the same size"),
        (~mask, "marks 100% of the photograph as damaged: white is damage"),
    ):
        summary = restore(*arguments, save_mask(wrong, tmp_path / "wrong.png"), code=1)
        assert sentence in summary["failed"][0]["reason"]


def test_a_film_goes_through_with_its_sound(colorizers, restore, tmp_path):
    source, frames = make_film(tmp_path / "film.mp4")
    settings = ["restore/restore=none", "restore.film.quality=4", "restore.film.smoothing=0.5"]
    summary = restore(source, NO_DETECTOR, *settings, "restore.colorize.size=32", "--weights", colorizers[0])
    assert summary["done"][0]["frames"] == len(frames) == 24
    result = tmp_path / "out" / "film-restored.mp4"
    found = [frame.rgb_hw3 for frame in read_frames(result)]
    assert len(found) == 24
    assert found[0].shape == frames[0].shape
    assert sound_of(result) == sound_of(source)
    with open_film(source) as old, open_film(result) as new:
        assert new.rate == old.rate
    assert max(np.ptp(frame.astype(int), axis=-1).mean() for frame in found) > 5  # there is colour
    lightness = [rgb_to_lab(np.ascontiguousarray(frame))[..., 0].mean() for frame in found]
    np.testing.assert_allclose(lightness, [rgb_to_lab(f)[..., 0].mean() for f in frames], atol=4)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {result.name, "film-panel.mp4.jpg", "restore.json"}


def test_colorize_takes_films_too(colorizers, cli, tmp_path):
    source, frames = make_film(tmp_path / "album.mov")
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    settings = ["--weights", colorizers[0], "--size", "32", "--film-smoothing", "0.8", "--json"]
    summary = cli("colorize", source, tmp_path / "broken.mp4", "-o", tmp_path / "out", *settings, code=1).content
    assert summary["failed"] == [{"photograph": str(tmp_path / "broken.mp4"), "reason": "not a film that can be read"}]
    result = tmp_path / "out" / "album-colorized.mov.mp4"
    assert len(list(read_frames(result))) == len(frames)
    assert sound_of(result) == sound_of(source)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {result.name, "album-panel.mov.jpg", "colorize.json"}


def test_the_settings_are_printed(cli):
    printed = cli("restore", "any.jpg", "-o", "out", "--cfg", "restore.fill.largest_small=3").out
    assert printed.startswith("restore:\n")
    assert "largest_small: 3" in printed


SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def xmp_of(path):
    """What a file says in XMP, by name."""
    with Image.open(path) as opened:
        opened.load()
        packet = opened.info.get("xmp") or opened.info.get("XML:com.adobe.xmp")
    if packet is None:
        return {}
    about = [node for node in ElementTree.fromstring(packet).iter() if node.tag.endswith("}Description")]
    return {name.rpartition("}")[2]: value for node in about for name, value in node.items()}


def test_results_say_how_they_were_altered_unless_one_wants_none(colorizers, restore, monkeypatch, tmp_path):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    Image.fromarray(gray(1)).save(tmp_path / "a.png")
    Image.fromarray(gray(1)).save(tmp_path / "b.jpg")
    out, photos = tmp_path / "out", [tmp_path / "a.png", tmp_path / "b.jpg"]
    settings = [*photos, NO_DETECTOR, "restore.colorize.size=32", "--overwrite", "--weights"]
    restore(*settings, colorizers[0])
    for name in ("a-restored.png", "a-panel.png.jpg", "b-restored.jpg"):
        xmp = xmp_of(out / name)
        assert xmp["DigitalSourceType"] == f"{SOURCE_TYPE}compositeWithTrainedAlgorithmicMedia"
        assert (xmp["AISystemUsed"], xmp["ModifyDate"]) == ("net5", "1970-01-02")
    assert xmp_of(out / "a-evened.png")["DigitalSourceType"] == f"{SOURCE_TYPE}algorithmicallyEnhanced"
    record = json.loads((out / "restore.json").read_text())["files"]
    assert record["a-restored.png"]["label"] == {"network": "net5", "date": "1970-01-02"}
    labelled = (out / "a-restored.png").read_bytes()
    restore(*settings, colorizers[0])
    assert (out / "a-restored.png").read_bytes() == labelled
    restore(*settings, colorizers[0], "--no-label")
    assert [xmp_of(out / name) for name in ("a-restored.png", "a-panel.png.jpg", "b-restored.jpg")] == [{}] * 3
    assert json.loads((out / "restore.json").read_text())["files"]["a-restored.png"]["label"] is None
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(labelled))), opened(out / "a-restored.png"))
    # Nothing was altered, so there is nothing to say; and a labelled file in a folder is a result without its record.
    restore(photos[0], "--skip", "detect", "--skip", "fill", "--skip", "restore", "--skip", "colorize", "--overwrite")
    assert xmp_of(out / "a-restored.png") == {}
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "mine.png").write_bytes(labelled)
    Image.fromarray(gray(2)).save(tmp_path / "album" / "c.png")
    summary = restore(tmp_path / "album", NO_DETECTOR, "--skip", "colorize")
    assert [done["photograph"] for done in summary["done"]] == [str(tmp_path / "album" / "c.png")]
    assert summary["passed_over"] == {"results of earlier calls": 1}
    assert len(restore(tmp_path / "album" / "mine.png", NO_DETECTOR, "--skip", "colorize")["done"]) == 1


def test_pages_are_photographs(restore, cli, tmp_path):
    pages = [Image.fromarray(gray(seed)) for seed in range(3)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    settings = ["--skip", "detect", "--skip", "fill", "--skip", "colorize", "--skip", "restore"]
    said = cli("restore", tmp_path / "scan.tif", "-o", tmp_path / "out", *settings, "--json")
    assert f"pages     {tmp_path / 'scan.tif'} has 3, each a photograph of its own\n" in said.err
    names = ["scan-restored.tif.png", "scan-p2-restored.tif.png", "scan-p3-restored.tif.png"]
    assert [(done["page"], done["outputs"]) for done in said.content["done"]] == [
        (number, [str(tmp_path / "out" / name)]) for number, name in enumerate(names, 1)
    ]
    for seed, name in enumerate(names):
        np.testing.assert_array_equal(opened(tmp_path / "out" / name), gray(seed))
    (tmp_path / "out" / names[1]).unlink()
    (tmp_path / "out" / "scan-p2-panel.tif.jpg").unlink()
    again = restore(tmp_path / "scan.tif", *settings, "--skip-existing")
    assert [done["page"] for done in again["done"]] == [2]
    assert again["skipped"] == [str(tmp_path / "scan.tif")] * 2


def test_a_gray_print_on_a_table_is_coloured_and_said_to_be(colorizers, restore, tmp_path):
    table = np.full((240, 320, 3), (140, 90, 50), np.uint8)
    table[::8] = (200, 60, 40)
    table[40:200, 50:270] = gray(1, 160, 220)
    Image.fromarray(table).save(tmp_path / "table.png")
    settings = [tmp_path / "table.png", NO_DETECTOR, "restore/colorize=gray", "restore.colorize.size=32", "--weights"]
    (done,) = restore(*settings, colorizers[0])["done"]
    assert done["colored"] is True
    assert "restore/colorize=none would keep its colours" in done["remarks"][0]
