"""``oldrestore runs``: lists runs, and keeps them: tags, notes, archive, trash."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from oldrestore.commands.arguments import number, outputs_of, parser, split_outputs
from oldrestore.errors import UserError
from oldrestore.records.design_names import shortened
from oldrestore.tables import aligned, byte_size, percent, setting
from oldrestore.terminal import columns, shows_bold

LEAST = 12  # characters of a design's name
LONGEST_NOTE = 40  # characters of a note in a terminal's table
OUTPUTS = "outputs=FOLDER is the root of the run folders"

EPILOG = """\
names: settings as config.yaml has them (optimizer.learning_rate), measures (val/auc, judged/iter_accuracy), state,
run_id, experiment, design, started, protocol, plugins, tag; GROUP.name, the choice of a group or its class; and
kind, which is null, or reproduction, range_test, overfit, killed, failed, extended (resumed after its end) or archived:
compare and report leave those out.

examples:
  oldrestore runs --where loss.name=focal --sort val/auc
  oldrestore runs --where "val/auc>0.8" --where state=finished --sort val/auc --descending --limit 5
  oldrestore runs --where "experiment=quick*" --json
  oldrestore runs --tag paper

and what keeps runs (oldrestore runs VERB --help says more):
  oldrestore runs tag RUN TAG...       --remove takes tags away
  oldrestore runs note RUN TEXT        an empty text removes the note
  oldrestore runs archive RUN...       hides runs from lists and comparisons; --undo shows them again
  oldrestore runs delete RUN... --yes  moves runs to the trash; without --yes, says what would go
  oldrestore runs restore RUN...       brings them back
  oldrestore runs gc --yes             empties the trash; without --yes, says how much that is
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    if arguments and arguments[0] in KEEPING:
        return KEEPING[arguments[0]](arguments[1:])
    options = parser("runs", "Lists the runs under the outputs folder, oldest first.", EPILOG)
    where = "condition; also !=, <, <=, >, >=; may be repeated"
    options.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help=where)
    options.add_argument(
        "--tag", action="append", default=[], metavar="TAG", help="runs with this tag; may be repeated"
    )
    options.flag("--archived", does="list archived runs too")
    options.add_argument("--sort", metavar="NAME", help="sort by a setting or measure, smallest first")
    options.flag("--descending", does="largest (or newest) first")
    options.add_argument("--limit", type=number(1), metavar="N", help="at most N runs; without --sort, the newest N")
    options.flag("--json", does="print a JSON list")
    options.add_argument("overrides", nargs="*", metavar="outputs=FOLDER", help="root of the run folders, or a bundle")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.records.listing import Condition, count_archived, list_runs, read_condition, summary_of

    outputs = outputs_of(chosen.overrides, must_exist=bool(chosen.overrides))
    conditions = [read_condition(text) for text in chosen.where]
    names = [condition.name for condition in conditions]
    conditions += [Condition("tag", "=", tag) for tag in chosen.tag]
    choice = (conditions, chosen.sort, chosen.descending)
    runs = list_runs(outputs, *choice, chosen.limit, chosen.archived)
    values = list(dict.fromkeys([*names, *([chosen.sort] if chosen.sort else [])]))
    if chosen.json:
        print(json.dumps([summary_of(run, values) for run in runs], indent=2))
        return 0
    if runs:
        show([summary_of(run, values) for run in runs])
        if chosen.sort is not None and all(run.get(chosen.sort) is None for run in runs):
            print(f"note: not sorted, because none of these runs has '{chosen.sort}'", file=sys.stderr)
    elif conditions:
        every = list_runs(outputs)
        unknown = [name for name in dict.fromkeys(names) if all(run.get(name) is None for run in every)]
        hint = f" (no run has a {' or a '.join(unknown)})" if every and unknown else ""  # it may be mistyped
        typed = [*chosen.where, *(f"the tag {tag}" for tag in chosen.tag)]
        print(f"no runs under {outputs} with {', '.join(typed)}{hint}")
    else:
        print(f"no runs under {outputs}: make one with oldrestore train experiments=quickstart")
    if not chosen.archived and (hidden := count_archived(outputs)):
        print(f"note: {hidden} archived run{'s are' if hidden > 1 else ' is'} not listed (--archived)", file=sys.stderr)
    return 0


def show(runs: Sequence[Mapping[str, Any]]) -> None:
    """Print the table, of which only designs and notes are cut: a run id that is cut short cannot be copied."""
    shown = ("state", "run_id", "experiment", "design", "kind", "tag")
    extra = [name for name in runs[0]["values"] if name not in shown]
    width = columns()
    notes = [_note(run, width is not None) for run in runs]
    tags = [", ".join(run["tags"]) for run in runs]
    headings = ["run", "experiment", "design", "state", "iter", "orig", "gray", "n", *extra]
    headings += ["tags"] * any(tags) + ["note"] * any(notes)
    shares = ("iter_accuracy", "orig_accuracy", "gray_accuracy")
    rows = [
        [
            *(run[name] for name in ("run_id", "experiment", "design", "state")),
            *("" if run[name] is None else percent(run[name]) for name in shares),
            str(run["n"] or ""),
            *("" if (value := run["values"][name]) is None else setting(value) for name in extra),
            *([tagged] if any(tags) else []),
            *([note] if any(notes) else []),
        ]
        for run, tagged, note in zip(runs, tags, notes, strict=True)
    ]
    # Narrow gaps between the accuracies and n, for a narrow table.
    gaps = [2, 2, 2, 2, 1, 1, 1, *([2] * (len(headings) - 8))]
    if width is not None:
        others = [[*row[:2], "", *row[3:]] for row in (headings, *rows)]
        room = max(LEAST, width - max(map(cell_len, aligned(others, words=4, gaps=gaps).splitlines())))
        rows = [[*row[:2], shortened(row[2], room), *row[3:]] for row in rows]
    print(aligned([headings, *rows], words=4, gaps=gaps, bold=shows_bold()))


def _note(run: Mapping[str, Any], is_cut: bool) -> str:
    """Return what state does not say: of which run it is a reproduction, what was extended, what a person wrote."""
    kind = "" if run["kind"] in (None, "killed", "failed") else run["note"]
    written = " ".join((run["written"] or "").split())
    return "; ".join(filter(None, (kind, shortened(written, LONGEST_NOTE) if is_cut else written)))


def tag(arguments: Sequence[str]) -> int:
    """Add tags to a run, or take them away."""
    epilog = "examples:\n  oldrestore runs tag last paper baseline\n  oldrestore runs tag RUN paper --remove\n"
    options = parser("runs tag", "Adds tags to a run.", epilog)
    options.flag("--remove", does="take the tags away")
    options.add_argument("run", metavar="RUN", help="run folder, run id (or its beginning), or 'last'")
    options.add_argument("tags", nargs="+", metavar="TAG", help=f"words; {OUTPUTS}")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.records.notes import check_tag

    outputs, tags = split_outputs(chosen.tags)
    if not tags:
        raise UserError("name at least one tag")
    if not chosen.remove:
        tags = [check_tag(one) for one in tags]
    return _noted(
        [chosen.run], outputs, lambda notes: notes.without_tags(tags) if chosen.remove else notes.with_tags(tags)
    )


def note(arguments: Sequence[str]) -> int:
    """Write the note of a run."""
    epilog = 'examples:\n  oldrestore runs note RUN "the loss jumps at 200"\n  oldrestore runs note RUN ""\n'
    options = parser("runs note", "Writes a run's note, replacing the one that it has.", epilog)
    options.add_argument("run", metavar="RUN", help="run folder, run id (or its beginning), or 'last'")
    options.add_argument("text", nargs="+", metavar="TEXT", help=f"the note (empty: removes it); {OUTPUTS}")
    chosen = options.parse_intermixed_args(arguments)

    from dataclasses import replace

    from oldrestore.records.notes import check_note

    outputs, words = split_outputs(chosen.text)
    text = check_note(" ".join(words))
    return _noted([chosen.run], outputs, lambda notes: replace(notes, note=text))


def archive(arguments: Sequence[str]) -> int:
    """Archive runs, or bring them out again."""
    epilog = "examples:\n  oldrestore runs archive RUN RUN\n  oldrestore runs archive RUN --undo\n"
    options = parser(
        "runs archive", "Hides runs from lists and comparisons; their folders stay where they are.", epilog
    )
    options.flag("--undo", does="show them again")
    options.add_argument("runs", nargs="+", metavar="RUN", help=f"runs; {OUTPUTS}")
    chosen = options.parse_intermixed_args(arguments)

    from dataclasses import replace

    outputs, names = split_outputs(chosen.runs)
    return _noted(names, outputs, lambda notes: replace(notes, archived=not chosen.undo))


def _noted(names: Sequence[str], outputs: Path, change: Callable) -> int:
    """Change the notes of runs, tell MLflow, and print what each has then."""
    from oldrestore.records.finding import find_run
    from oldrestore.records.notes import change_notes
    from oldrestore.tracking.mlflow_lifecycle import tell_notes

    for folder in [find_run(name, outputs).absolute() for name in names]:
        if folder.parent.name == "evaluations":
            raise UserError(f"'{folder}' is an evaluation: name its run")
        before, notes = change_notes(folder, change)
        words = [", ".join(notes.tags), notes.note or "", "archived" * notes.archived]
        print(f"{folder.name}  {'; '.join(filter(None, words)) or 'no tags, no note'}")
        if (reason := tell_notes(folder, folder.parent.parent, before)) is not None:
            print(f"oldrestore: mlflow could not be told ({reason}): oldrestore sync does it later", file=sys.stderr)
    return 0


def delete(arguments: Sequence[str]) -> int:
    """Move runs to the trash."""
    epilog = """\
Nothing is deleted without --yes. Runs in the trash (outputs/.trash) take as much room as before, until oldrestore runs
gc --yes. MLflow marks them as deleted. A sweep runs their jobs again only with --retry-deleted.

examples:
  oldrestore runs delete RUN RUN            what would go, and how much
  oldrestore runs delete RUN RUN --yes
"""
    options = parser("runs delete", "Moves runs to the trash, from which they can be restored.", epilog)
    options.flag("--yes", does="do it")
    options.add_argument("runs", nargs="+", metavar="RUN", help=f"runs; {OUTPUTS}")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.records.finding import find_run
    from oldrestore.sweeps.deleting import delete_run, look_at

    outputs, names = split_outputs(chosen.runs)
    folders = dict.fromkeys(find_run(name, outputs).absolute() for name in names)
    going = [look_at(folder) for folder in folders]
    rows = [["run", "experiment", "design", "state", "goes with it", "size"]]
    for one in going:
        described = (one.run.run_id, one.run.folder.parent.name, str(one.run.get("design") or ""), one.run.state)
        rows.append([*described, one.in_words(), byte_size(one.size)])
    print(aligned(rows, words=5))
    if chosen.yes:
        for one in going:
            for problem in delete_run(one.run.folder):
                print(f"oldrestore: {problem}", file=sys.stderr)
    total = f"{len(going)} run{'s' * (len(going) > 1)}, {byte_size(sum(one.size for one in going))}"
    again = "oldrestore runs restore RUN brings one back, oldrestore runs gc --yes removes them for good"
    print(f"{total}: moved to the trash; {again}" if chosen.yes else f"{total}: nothing was deleted, add --yes")
    return 0


def restore(arguments: Sequence[str]) -> int:
    """Bring runs back from the trash; without names, list it."""
    epilog = "examples:\n  oldrestore runs restore          what is in the trash\n  oldrestore runs restore RUN\n"
    options = parser("runs restore", "Brings deleted runs back as they were; without a name, lists the trash.", epilog)
    options.add_argument("runs", nargs="*", metavar="RUN", help=f"run ids (or their beginnings); {OUTPUTS}")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.records.finding import find_deleted
    from oldrestore.records.trash import runs_in_trash, size_of
    from oldrestore.sweeps.deleting import restore_run

    outputs, names = split_outputs(chosen.runs)
    if not names:
        held = runs_in_trash(outputs)
        print("\n".join(f"{f.name}  {f.parent.name}  {byte_size(size_of(f))}" for f in held) or "the trash is empty")
    for folder in [find_deleted(name, outputs) for name in names]:
        restored, problems = restore_run(folder)
        print(restored)
        for problem in problems:
            print(f"oldrestore: {problem}", file=sys.stderr)
    return 0


def gc(arguments: Sequence[str]) -> int:
    """Remove for good what is dead."""
    epilog = """\
What goes: deleted runs, with their artifacts and models in the embedded MLflow store, and temporary files of killed
processes that are older than a day. Nothing goes without --yes.

examples:
  oldrestore runs gc            how much that is
  oldrestore runs gc --yes
"""
    options = parser("runs gc", "Empties the trash and removes leftovers, for good.", epilog)
    options.flag("--yes", does="do it")
    options.add_argument("overrides", nargs="*", metavar="outputs=FOLDER", help="root of the run folders")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.sweeps.deleting import empty, garbage

    outputs = outputs_of(chosen.overrides, must_exist=True).absolute()
    found = garbage(outputs)
    sizes = found.sizes()
    words = {"trash": "run", "mlflow": "folder of artifacts", "leftovers": "temporary file"}
    for name, (count, size) in sizes.items():
        what = words[name].replace("folder", "folders").replace("run", "runs").replace("file", "files")
        print(f"{name:<11} {count} {words[name] if count == 1 else what}, {byte_size(size)}")
    total = byte_size(sum(size for _, size in sizes.values()))
    if chosen.yes:
        for problem in empty(found, outputs):
            print(f"oldrestore: {problem}", file=sys.stderr)
    print(f"total       {total}: " + ("removed" if chosen.yes else "nothing was removed, add --yes"))
    return 0


KEEPING = {"tag": tag, "note": note, "archive": archive, "delete": delete, "restore": restore, "gc": gc}
