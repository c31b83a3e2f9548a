"""Feeds the readers of weights with files that atheris grows by watching which lines they reach.

``python -m tests.reliability.fuzz_weights READER SECONDS FOLDER`` ends with 0 when no file gave
anything but values or a `UserError`; what did stands in FOLDER.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["oldrestore.models", "zipfile", "pickletools"]):
    paddle_pickle = importlib.import_module("oldrestore.models.paddle_pickle")
    torch_pickle = importlib.import_module("oldrestore.models.torch_pickle")
from oldrestore.errors import UserError

READERS = {"torch": torch_pickle.read_torch_state_dict, "paddle": paddle_pickle.read_paddle_state_dict}


def main() -> None:
    reader, seconds, folder = READERS[sys.argv[1]], sys.argv[2], Path(sys.argv[3])
    work = Path(tempfile.mkdtemp(dir=folder)) / "w"
    forbidden = {"exec", "compile", "os.system", "subprocess.Popen", "os.exec", "socket.connect", "shutil.rmtree"}

    def watch(event: str, arguments: tuple) -> None:
        if event in forbidden and watching:
            raise RuntimeError(f"a weights file led to {event} {arguments[:1]}")

    watching = []
    sys.addaudithook(watch)

    def one(data: bytes) -> None:
        work.write_bytes(data)
        watching.append(True)
        try:
            reader(work)
        except UserError:
            pass
        finally:
            watching.pop()

    options = [f"-max_total_time={seconds}", "-max_len=4096", "-rss_limit_mb=2048", "-timeout=10", "-seed=1"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder}/", str(folder / sys.argv[1])], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
