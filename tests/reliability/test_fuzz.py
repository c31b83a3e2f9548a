"""Coverage-guided fuzzing of the readers of weights, where atheris is installed (``pip install atheris``)."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reliability.test_reader_properties import WRITERS

SECONDS = int(os.environ.get("OLDRESTORE_FUZZ_SECONDS", "40"))
SEEDS = {"torch": ("PyTorch, zip", "PyTorch, legacy"), "paddle": ("Paddle",)}
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed: pip install atheris")
@pytest.mark.parametrize("reader", SEEDS)
def test_no_file_gives_anything_but_values_or_a_sentence(reader, tmp_path):
    corpus = tmp_path / reader
    corpus.mkdir()
    for kind in SEEDS[reader]:
        WRITERS[kind][0](corpus / kind.replace(", ", "-"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.fuzz_weights", reader, str(SECONDS), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS + 120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr, done.stderr[-3000:]
    assert len(list(corpus.iterdir())) > 20, "the corpus did not grow: nothing was reached"
