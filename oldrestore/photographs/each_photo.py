"""Goes through photographs and films: one that fails is reported, and what is done is kept when the user stops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oldrestore.data.photo import printable
from oldrestore.errors import UserError
from oldrestore.narrator import Narrator
from oldrestore.photographs.film import frames_shown
from oldrestore.photographs.new_files import ExistingOutput, NewFiles
from oldrestore.photographs.output_record import OutputRecord
from oldrestore.photographs.photo_list import Existing, Task, reason_of
from oldrestore.photographs.stopping import held

MadeFiles = list[tuple[Path, bytes]]


@dataclass(kw_only=True)
class Outcome:
    """What became of photographs and films: filled in while they are gone through.

    Attributes
    ----------
    done : list of dict
        Each with its outputs.
    failed : list of dict
        Those of which nothing could be made, with the reason.
    skipped : list of str
        Those whose outputs existed, where such are left out.
    """

    done: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {"done": self.done, "failed": self.failed, "skipped": self.skipped}


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM before the last photograph; what is done has been written and recorded.

    Attributes
    ----------
    outcome : Outcome
    """

    def __init__(self, outcome: Outcome, said: str) -> None:
        super().__init__(said)
        self.outcome = outcome


def go_through(
    tasks: Sequence[Task],
    outcome: Outcome,
    record: OutputRecord,
    narrator: Narrator,
    existing: Existing,
    words: tuple[str, str],
    make: Callable[[Task, NewFiles, Callable[[int, int], None]], tuple[dict[str, Any], MadeFiles]],
    entries: Callable[[Mapping[str, Any]], Mapping[str, Mapping[str, Any]]],
) -> None:
    """Make the outputs of each.

    Parameters
    ----------
    tasks : sequence of Task
    outcome : Outcome
        Is filled in.
    record : OutputRecord
    narrator : Narrator
    existing : "refuse", "replace" or "skip"
    words : (str, str)
        What is being done, and what is then done: ``("colouring", "coloured")``.
    make : callable
        Says what it made of one, and the files that are to be written, the results first. It is given what shows a
        film's frames, and what gives names to files that are too large to be handed over.
    entries : callable
        The record's entries of what `make` said, by the outputs.

    Raises
    ------
    Stopped
    """
    known = record.read() if existing == "skip" else {}
    try:
        with narrator.progress(words[0], len(tasks)) as advance:
            for number, task in enumerate(tasks):
                files = NewFiles(replace=existing == "replace")
                try:
                    if task.refused:
                        raise UserError(task.refused)
                    if existing == "skip" and _is_made(task, record.path.parent, known):
                        outcome.skipped.append(str(task.photo))
                    else:
                        files.require_free(task.written)
                        with files.all_or_none():
                            done, made = make(task, files, frames_shown(advance, number))
                            with held():
                                for path, data in made:
                                    files.write(path, data)
                                made.clear()  # of a large scan they are some hundred megabytes
                                files.keep()
                                outcome.done.append(done)
                                for output, entry in entries(done).items():
                                    record.add(output, entry)
                except Exception as error:  # noqa: BLE001 (whatever is wrong with one, the others go on)
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
        raise Stopped(outcome, f"{len(outcome.done)} of {len(tasks)} {words[1]}; stopped{on}") from None
    record.write()


def _all_there(task: Task) -> bool:
    return all(path.exists() for path in task.outputs)


def _is_made(task: Task, folder: Path, known: Mapping[str, Any]) -> bool:
    """Whether the results of a photograph exist, and none is recorded as another photograph's."""
    if not _all_there(task):
        return False
    for path in task.outputs:
        entry = known.get(path.relative_to(folder).as_posix())
        made_of = entry.get("photograph") if isinstance(entry, dict) else None
        if isinstance(made_of, str) and Path(made_of).name != task.photo.name:
            raise UserError(f"'{printable(path)}' exists already and was made of '{printable(Path(made_of))}'")
    return True


def skipped_line(outcome: Outcome) -> str:
    """Say how many were left out."""
    count = len(outcome.skipped)
    return f"skipped   {count} photograph{'s' if count > 1 else ''}: {'their' if count > 1 else 'its'} outputs exist"
