"""Lets Pillow decode without its warnings and its own size limit, and leaves its settings as they were."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from PIL import Image, ImageFile

# How many threads decode just now; with the first of them, Pillow's settings from before it came.
_state = SimpleNamespace(lock=threading.Lock(), users=0)
if hasattr(os, "register_at_fork"):
    # A loader worker may be forked while another thread holds the lock: it gets a new one.
    os.register_at_fork(after_in_child=lambda: setattr(_state, "lock", threading.Lock()))


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow while a photograph is decoded, in any number of threads.

    Pillow's size limit prints a warning first and is a module variable, its truncated-file switch another,
    and real collections are full of broken EXIF that it warns about. All of these are process-wide, so
    that the usual ``warnings.catch_warnings`` is wrong in threads: here the first thread in sets them and
    the last one out puts back what was there.
    """
    with _state.lock:
        if _state.users == 0:
            _state.max_pixels = Image.MAX_IMAGE_PIXELS
            _state.load_truncated = ImageFile.LOAD_TRUNCATED_IMAGES
            Image.MAX_IMAGE_PIXELS = None  # `decode` has a limit of its own, checked before pixels are read
            ImageFile.LOAD_TRUNCATED_IMAGES = False
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _state.warning_filter = warnings.filters[0]
        _state.users += 1
    try:
        yield
    finally:
        with _state.lock:
            _state.users -= 1
            if _state.users == 0:
                Image.MAX_IMAGE_PIXELS = _state.max_pixels
                ImageFile.LOAD_TRUNCATED_IMAGES = _state.load_truncated
                if _state.warning_filter in warnings.filters:
                    warnings.filters.remove(_state.warning_filter)
