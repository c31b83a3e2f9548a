"""Coverage-guided fuzzing of the readers of weights, where atheris is installed (``pip install atheris``).

``python -m tests.reliability.test_fuzz READER SECONDS FOLDER`` feeds a reader with files that atheris grows by watching
which lines they reach. It ends with 0 if no file gave anything but values or a `UserError`; what did stands in FOLDER.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from oldrestore.errors import UserError
from tests.reliability.test_reader_properties import WRITERS

SECONDS = int(os.environ.get("OLDRESTORE_FUZZ_SECONDS", "40"))
READERS = {
    "torch": ("torch_pickle.read_torch_state_dict", ("PyTorch, zip", "PyTorch, legacy")),
    "paddle": ("paddle_pickle.read_paddle_state_dict", ("Paddle",)),
}
FORBIDDEN = {"exec", "compile", "os.system", "subprocess.Popen", "os.exec", "socket.connect", "shutil.rmtree"}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed: pip install atheris")
@pytest.mark.parametrize("reader", READERS)
def test_no_file_gives_anything_but_values_or_a_sentence(reader, tmp_path):
    corpus = tmp_path / reader
    corpus.mkdir()
    for kind in READERS[reader][1]:
        WRITERS[kind][0](corpus / kind.replace(", ", "-"))
    command = [sys.executable, "-m", "tests.reliability.test_fuzz", reader, str(SECONDS), str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=SECONDS + 120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr, done.stderr[-3000:]
    assert len(list(corpus.iterdir())) > 20, "the corpus did not grow: nothing was reached"


def main(reader: str, seconds: str, folder: str) -> None:
    import atheris

    module, _, name = READERS[reader][0].partition(".")
    watched = ["oldrestore.models", "zipfile", "pickletools"]
    for loaded in [name for name in sys.modules if name.startswith(tuple(watched))]:
        del sys.modules[loaded]
    with atheris.instrument_imports(include=watched):
        read = getattr(importlib.import_module(f"oldrestore.models.{module}"), name)
    work = Path(tempfile.mkdtemp(dir=folder)) / "w"
    watching = []

    def watch(event: str, arguments: tuple) -> None:
        if event in FORBIDDEN and watching:
            raise RuntimeError(f"a weights file led to {event} {arguments[:1]}")

    def one(data: bytes) -> None:
        work.write_bytes(data)
        watching.append(True)
        try:
            read(work)
        except UserError:
            pass
        finally:
            watching.pop()

    sys.addaudithook(watch)
    options = [f"-max_total_time={seconds}", "-max_len=4096", "-rss_limit_mb=2048", "-timeout=10", "-seed=1"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder}/", str(Path(folder, reader))], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
