"""From the photographs that a user names to their outputs: what ``colorize`` and ``restore`` share; no Paddle here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oldrestore import runtime
from oldrestore.photographs.photo_list import Existing, Found, find_photographs, name_outputs
from oldrestore.photographs.stopping import paddle_imported_and_sigterm_as_ctrl_c

if TYPE_CHECKING:
    from oldrestore.engines.fast_network import Running
    from oldrestore.photographs.verb import Verb


def travel(
    photos: Sequence[Path],
    folder: Path,
    existing: Existing,
    prepare: Callable[[Sequence[Found], Running], Verb],
    half: bool,
    dynamic: bool,
    as_json: bool,
    never: Iterable[Path] = (),
    with_parts: bool = True,
) -> int:
    """Find photographs, make their outputs, print the summary and return the exit code.

    Parameters
    ----------
    photos : sequence of Path
        Files and folders.
    folder : Path
        Folder of the outputs.
    existing : "refuse", "replace" or "skip"
    prepare : callable
        Loads the networks and builds the stages; called once photographs have been found and Paddle is imported.
    half, dynamic : bool
        See `oldrestore.engines.fast_network.Running`.
    as_json : bool
    never : iterable of Path
        See `oldrestore.photographs.photo_list.find_photographs`.
    with_parts : bool
        Whether masks and the pictures of single stages are written.

    Raises
    ------
    Stopped
        On Ctrl-C or SIGTERM, after the summary of what is done.
    """
    never = list(never)
    found = find_photographs(photos, folder, never)  # before Paddle is imported, so that errors come at once
    runtime.prepare()
    with paddle_imported_and_sigterm_as_ctrl_c():
        from rich.console import Console

        from oldrestore.device import set_device
        from oldrestore.engines.fast_network import Running
        from oldrestore.narrator import Narrator
        from oldrestore.photographs.each_photo import Stopped

        set_device("auto")
        narrator = Narrator(console=Console(stderr=as_json, highlight=False, soft_wrap=True))
        verb = prepare(found, Running(half, dynamic, narrator.say))
        parts = verb.parts if with_parts else {}
        tasks = name_outputs(found, folder, verb.labels, existing != "refuse", verb.mark, parts, never)
        stopped = None
        try:
            verb.run(tasks, folder, narrator, existing)
        except Stopped as stop:
            stopped = stop
        if as_json:
            print(json.dumps(verb.to_json(folder), indent=2))
        else:
            for line in (*verb.summary(), str(folder)):
                narrator.say(line)
        if stopped is not None:
            raise stopped
        return 1 if verb.outcome.failed else 0
