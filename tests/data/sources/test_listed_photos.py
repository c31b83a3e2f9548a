"""Splits that a list or a number of names defines."""

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.listed_photos import ListedPhotos
from oldrestore.errors import UserError

CROPS = Crops(size=32, crop=32, evaluation_size=32)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    root = tmp_path / "val"
    for number, place in enumerate(("b/3.png", "a/1.png", "a/2.png", "c/deep er/0.png", "c/2.png")):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40 + number, 3), dtype=np.uint8)).save(path)
    return root


def listed(folder, text, **settings):
    path = folder.parent / "list.txt"
    path.write_text(text)
    return ListedPhotos(CROPS, root=str(folder), list=str(path), list_needed=True, **settings)


def test_a_list_names_photographs_by_path_or_name_with_or_without_a_class(folder):
    source = listed(folder, "# the split\n1.png 65\n\nc/2.png\t999\nc/deep er/0.png, 3\nb/3.png\n")
    split = source.split("val")
    assert {photo.name: photo.label for photo in split.photos} == {
        "a/1.png": 65,
        "c/2.png": 999,
        "c/deep er/0.png": 3,
        "b/3.png": None,
    }
    assert source.split_names == ("val",)
    assert split.describe()["count"] == 4


def test_the_first_are_taken_by_file_name(folder):
    source = ListedPhotos(CROPS, root=str(folder), first=4)
    assert [photo.name for photo in source.split("val").photos] == ["a/1.png", "a/2.png", "c/2.png", "c/deep er/0.png"]


def test_class_folders_give_the_class_where_the_list_does_not(tmp_path):
    for index in (7, 12):
        (tmp_path / str(index)).mkdir()
        picture = np.full((40, 40, 3), index, np.uint8)
        Image.fromarray(picture).save(tmp_path / str(index) / f"p{index}.png")
    labels = {p.name: p.label for p in ListedPhotos(CROPS, root=str(tmp_path)).split("val").photos}
    assert labels == {"7/p7.png": 7, "12/p12.png": 12}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1.png\n9.png 4\n", "line 2 of .*list.txt names '9.png', which is not in .*val"),
        ("2.png\n", "names '2.png', and .* has 2 of that name"),
        ("1.png\na/1.png\n", "line 2 of .* names 'a/1.png' a second time"),
        ("1.png 1000\n", "line 1 of .*'1.png' has the class 1000"),
        ("\n# nothing\n", "names no photograph"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_in_one_sentence(folder, text, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        listed(folder, text).split("val")
    assert "\n" not in str(error.value)


def test_what_is_missing_is_said(folder):
    with pytest.raises(UserError, match=r"defined by a list of file names.*dataset\.list=FILE"):
        ListedPhotos(CROPS, root=str(folder), list_needed=True).split("val")
    with pytest.raises(UserError, match=r"list .*gone\.txt of listed_photos cannot be read"):
        ListedPhotos(CROPS, root=str(folder), list=str(folder / "gone.txt")).split("val")
    with pytest.raises(UserError, match="needs a folder of photographs"):
        ListedPhotos(CROPS).split("val")
    with pytest.raises(UserError, match=r"nowhere of listed_photos does not exist"):
        ListedPhotos(CROPS, root=str(folder / "nowhere")).split("val")
    with pytest.raises(UserError, match=r"needs 6 photographs, and .* has 5"):
        ListedPhotos(CROPS, root=str(folder), first=6).split("val")
    (folder.parent / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a text of file names"):
        ListedPhotos(CROPS, root=str(folder), list=str(folder.parent / "binary")).split("val")
