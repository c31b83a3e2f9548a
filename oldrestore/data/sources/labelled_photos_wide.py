"""More than 300 photographs whose ImageNet classes are known, for judges; they are never trained on."""

from collections.abc import Sequence
from pathlib import Path

from oldrestore.data.packages.installed import package_folder
from oldrestore.data.packages.labelled import INSTALLED, labelled_rows, prepared_set
from oldrestore.data.sources.index import PhotoFile
from oldrestore.data.sources.photo import Photo
from oldrestore.data.sources.source import Candidate, Offer, PhotoSource
from oldrestore.errors import UserError

PREPARE = "oldrestore data prepare labelled_photos_wide"


class LabelledPhotosWide(PhotoSource):
    """The photographs that ``labelled_photos_wide.csv`` lists, each with the classes that its readings agree on.

    Those of foolbox and ai-benchmark are read from the installed packages; the command fetches the others. By default,
    `root` is where it puts them.
    """

    name = "labelled_photos_wide"
    split_names = ("test",)

    def offer(self) -> Offer:
        """List the photographs."""
        prepared = prepared_set().folder
        folder = Path(self.root).expanduser() if self.root else prepared
        rows = labelled_rows()
        if any(row.package not in INSTALLED and not (folder / row.file_name).is_file() for row in rows):
            raise UserError(f"the photographs of {self.name} are not prepared in {folder}; run: {PREPARE}")
        photos = []
        for row in rows:
            path = folder / row.file_name
            if row.package in INSTALLED:
                module, _, inside = row.file.partition("/")
                path = package_folder(module, str(Path(inside).parent)) / Path(inside).name
            photos.append(Photo(row.name, path, row.classes[0], row.classes[1:]))
        return Offer(
            tuple(Candidate(photo, "test") for photo in photos),
            (),
            f"the packages {' and '.join(INSTALLED)} and {folder}",
        )

    def check_contents(self, contents: Sequence[tuple[Photo, PhotoFile]]) -> None:
        """Compare each photograph with the list."""
        listed = {row.name: row.sha256 for row in labelled_rows()}
        changed = [photo.name for photo, file in contents if file.sha256 != listed[photo.name]]
        if changed:
            raise UserError(
                f"{len(changed)} photographs of {self.name} are not the listed ones ('{changed[0]}'); "
                f"run again: {PREPARE}"
            )
