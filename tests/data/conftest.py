"""Photographs made for tests, and a cache folder of each test's own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.delenv("OLDRESTORE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "oldrestore"


@pytest.fixture
def make_photos(tmp_path):
    """Write `count` different small colour photographs and return their folder."""

    def make(count: int, folder: str = "photos", first: int = 0, height: int = 20, width: int = 28) -> Path:
        target = tmp_path / folder
        target.mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(pixels).save(target / f"{number:03}.png")
        return target

    return make
