"""Goes through photographs and films: a failure is reported and the rest continue; what is done survives a stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from oldrestore.data.sources.photo import printable
from oldrestore.errors import UserError
from oldrestore.narrator import Narrator
from oldrestore.photographs.film import frames_shown
from oldrestore.photographs.new_files import ExistingOutput, NewFiles
from oldrestore.photographs.output_record import OutputRecord
from oldrestore.photographs.photo_list import Existing, Task, reason_of
from oldrestore.photographs.stopping import held


class NewPictures(NamedTuple):
    """The outputs of one photograph or film.

    Attributes
    ----------
    files : list of (Path, bytes)
        Files to write, results first; the results of a film have been written.
    done : dict
        Its entry in the summary.
    entries : dict
        Entries of the record by output.
    """

    files: list[tuple[Path, bytes]]
    done: dict[str, Any]
    entries: dict[Path, dict[str, Any]]


# Given what names files too large for memory, and a callback for (frames done, frames in total).
Maker = Callable[[NewFiles, Callable[[int, int], None]], NewPictures]


@dataclass
class PhotoOutcomes:
    """What happened to photographs and films."""

    done: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # their outputs existed


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM before the last photograph; what is done has been written and recorded."""


def go_through(
    makers: Sequence[tuple[Task, Maker]],
    outcome: PhotoOutcomes,
    record: OutputRecord,
    narrator: Narrator,
    existing: Existing,
    words: tuple[str, str],
) -> None:
    """Make the outputs of each photograph or film.

    Parameters
    ----------
    outcome : PhotoOutcomes
        Filled in on the way.
    words : (str, str)
        For messages: ``("colouring", "coloured")``.

    Raises
    ------
    Stopped
    """
    known = record.read() if existing == "skip" else {}
    try:
        with narrator.progress(words[0], len(makers)) as advance:
            for number, (task, make) in enumerate(makers):
                files = NewFiles(replace=existing == "replace")
                try:
                    if task.refused:
                        raise UserError(task.refused)
                    if existing == "skip" and _is_made(task, record.path.parent, known):
                        outcome.skipped.append(str(task.photo))
                    else:
                        files.require_free(task.written)
                        with files.all_or_none():
                            _write(make(files, frames_shown(advance, number)), files, outcome, record)
                except Exception as error:  # noqa: BLE001 (whatever is wrong with one, the others continue)
                    reason = reason_of(error)
                    if isinstance(error, ExistingOutput) and existing == "skip" and _all_there(task):
                        outcome.skipped.append(str(task.photo))  # another process was faster
                    else:
                        outcome.failed.append({"photograph": str(task.photo), "reason": reason})
                        narrator.say(f"failed    {printable(task.photo)}: {reason}")
                advance(number + 1)
    except KeyboardInterrupt:
        with held():
            record.write()
        on = "" if existing == "replace" else "; the same command with --skip-existing goes on"
        raise Stopped(f"{len(outcome.done)} of {len(makers)} {words[1]}; stopped{on}") from None
    record.write()


def _write(made: NewPictures, files: NewFiles, outcome: PhotoOutcomes, record: OutputRecord) -> None:
    with held():
        for path, data in made.files:
            files.write(path, data)
        made.files.clear()  # hundreds of megabytes for a large scan
        files.keep()
        outcome.done.append(made.done)
        for output, entry in made.entries.items():
            record.add(output, entry)


def _all_there(task: Task) -> bool:
    return all(path.exists() for path in task.outputs)


def _is_made(task: Task, folder: Path, known: Mapping[str, Any]) -> bool:
    """Say whether the results of a photograph exist, and none is recorded as another photograph's."""
    if not _all_there(task):
        return False
    for path in task.outputs:
        entry = known.get(path.relative_to(folder).as_posix())
        made_of = entry.get("photograph") if isinstance(entry, dict) else None
        if isinstance(made_of, str) and Path(made_of).name != task.photo.name:
            raise UserError(f"'{printable(path)}' exists already and was made of '{printable(Path(made_of))}'")
    return True
