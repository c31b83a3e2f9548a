"""The default photographs: those that installed packages ship, read as files, nothing downloaded."""

from pathlib import Path

from oldrestore.data.packages.installed import eye_labels, package_folder
from oldrestore.data.sources.photo import PHOTO_EXTENSIONS, Photo
from oldrestore.data.sources.source import Candidate, LeftOut, Offer, PhotoSource

SCIKIT_IMAGE_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
"""Natural colour photographs in scikit-image's wheel. It would download others; nothing here does."""

SCIKIT_IMAGE_LEFT_OUT = {
    "chessboard_RGB.png": "not a photograph",
    "color.png": "not a photograph",
    "horse.png": "not a photograph",
    "hubble_deep_field.jpg": "false colour: an image composed from filters outside of what the eye sees",
    "ihc.png": "stained tissue under a microscope",
    "logo.png": "not a photograph",
    "motorcycle_right.png": "the same scene as motorcycle_left.png from the other eye",
    "retina.jpg": "fundus camera: no natural light",
}
"""Colour images in the same folder that are left out. All others there are gray, or not images."""

SCIKIT_LEARN_PHOTOS = ("china.jpg", "flower.jpg")


class Photos(PhotoSource):
    """About 150 real photographs of installed packages, none of which is judged.

    ai-benchmark's ``enhancement`` (100) and ``segmentation`` (30) photographs and those of its
    ``classification`` photographs that are natural and not in `LabelledPhotos`; five of scikit-image; two of
    scikit-learn. What is left out is listed with its reason in every split.
    """

    name = "photos"
    packaged = True

    def offer(self) -> Offer:
        """List the photographs of all packages."""
        photos, left_out = (a + b for a, b in zip(_ai_benchmark(), _scikit_image(), strict=True))
        folder = package_folder("sklearn", "datasets/images")
        photos += [Photo(f"scikit-learn/{name}", folder / name) for name in SCIKIT_LEARN_PHOTOS]
        place = "the packages ai-benchmark, scikit-image and scikit-learn"
        return Offer(tuple(map(Candidate, photos)), tuple(left_out), place)


def photo_files(folder: Path) -> list[Path]:
    """Return the photographs in a folder, sorted; none if it is missing."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_EXTENSIONS)


def _ai_benchmark() -> tuple[list[Photo], list[LeftOut]]:
    data = package_folder("ai_benchmark", "data")
    photos, left_out = [], []
    for folder in ("enhancement", "segmentation"):
        for path in photo_files(package_folder("ai_benchmark", f"data/{folder}")):
            name = f"ai_benchmark/{folder}/{path.name}"
            if path.stem.endswith("_segmented"):
                left_out.append(LeftOut(name, "a segmentation mask, not a photograph"))
            else:
                photos.append(Photo(name, path))
    for row in eye_labels():
        name = f"ai_benchmark/classification/{row.file}"
        if row.judged:
            left_out.append(LeftOut(name, "judged in labelled_photos, so never trained on"))
        elif not row.natural:
            left_out.append(LeftOut(name, f"unnatural colours: {row.why_unnatural}"))
        else:
            photos.append(Photo(name, data / "classification" / row.file))
    return photos, left_out


def _scikit_image() -> tuple[list[Photo], list[LeftOut]]:
    folder = package_folder("skimage", "data")
    photos = [Photo(f"scikit-image/{name}", folder / name) for name in SCIKIT_IMAGE_PHOTOS]
    left_out = []
    for path in photo_files(folder):
        if path.name not in SCIKIT_IMAGE_PHOTOS:
            reason = SCIKIT_IMAGE_LEFT_OUT.get(path.name, "gray, or not a photograph")
            left_out.append(LeftOut(f"scikit-image/{path.name}", reason))
    return photos, left_out
