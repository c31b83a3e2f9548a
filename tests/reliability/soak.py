"""Many quick runs in one process, which says after each what it holds: memory, open files, threads, child processes.

``python -m tests.reliability.soak FOLDER COUNT [OVERRIDES]`` prints a line of JSON for each run.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import sys
from collections import Counter
from pathlib import Path

SETTINGS = [
    "trainer.max_iterations=2",
    "trainer.evaluate_every=2",
    "trainer.log_every=1",
    "evaluation.judged=null",
    "evaluation.samples=1",
    "trainer.device=cpu",
]


def main(folder: str, count: str, *overrides: str) -> None:
    """Train again and again."""
    from oldrestore import runtime

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    import psutil

    from oldrestore.cli import main as command_line
    from tests.generated_photographs import make_folder
    from tests.workshop import SETTINGS as SMALL

    photos = make_folder(Path(folder) / "photos", train=3, val=2)
    process = psutil.Process()
    for number in range(int(count)):
        said, complaints = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
            typed = [f"dataset.root={photos}", f"outputs={folder}/outputs", f"seed={number}", *SETTINGS, *overrides]
            code = command_line(["train", *SMALL, *typed])
        assert code == 0, complaints.getvalue()
        gc.collect()
        held = {
            "mib": process.memory_info().rss / 2**20,
            "files": process.num_fds(),
            "threads": process.num_threads(),
            "children": len(process.children(recursive=True)),
            "objects": len(gc.get_objects()),
        }
        print(json.dumps(held), flush=True)
    print(Counter(type(thing).__qualname__ for thing in gc.get_objects()).most_common(40), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
