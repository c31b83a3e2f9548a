"""``oldrestore sweep``: many runs with a ledger."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from oldrestore import runtime
from oldrestore.commands.arguments import add_plugins, number, parser, path
from oldrestore.errors import UserError
from oldrestore.tables import aligned
from oldrestore.terminal import columns

EPILOG = """\
The ledger is in outputs/sweeps/NAME. The same command skips finished jobs, resumes interrupted ones and, with
--retry-failed, runs failed ones again. Jobs that need code which has changed run again, unless --keep-done keeps those
that are done. The command may run in several terminals at once.

examples:
  oldrestore sweep sweeps=rebalancing --dry-run        what would run
  oldrestore sweep sweeps=rebalancing                  one job after another
  oldrestore sweep sweeps=rebalancing --jobs 2         two at once
  oldrestore sweep experiments=quickstart sweeps=seeds seed=0,1,2,3,4
  oldrestore sweep --name widths model.width=0.25,0.5 seed=0,1
  oldrestore sweep sweeps=rebalancing --retry-failed   failed jobs again
"""

LOST, AGAIN = "lost", "run again (done, but the run folder is gone)"


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("sweep", "Runs every job of a sweep and keeps a ledger of them.", EPILOG)
    options.flag("--dry-run", does="print the jobs and their states, run nothing")
    options.flag("--retry-failed", does="run failed jobs again")
    options.flag("--retry-deleted", does="run jobs again whose runs were deleted (oldrestore runs delete)")
    options.flag("--keep-done", does="keep finished jobs whose code changed")
    options.add_argument("--jobs", type=number(1), metavar="N", default=1, help="number of jobs at once (default: 1)")
    options.add_argument("--name", help="name of the ledger if there is no sweeps=NAME")
    add_plugins(options)
    options.flag("--json", does="print JSON")
    options.add_argument("--job", type=path, metavar="FILE", help=argparse.SUPPRESS)  # for sweeps themselves
    options.add_argument("overrides", nargs="*", help="Hydra overrides, with sweeps=NAME and several values")
    chosen = options.parse_intermixed_args(arguments)
    if chosen.job is not None:
        return run_job(chosen.job)
    threads_set = "OMP_NUM_THREADS" in os.environ
    runtime.prepare()
    runtime.quiet_import_of_paddle()

    from oldrestore.config.schema import check_name
    from oldrestore.sweeps.plan import plan_jobs, sweep_name
    from oldrestore.sweeps.search import read_search
    from oldrestore.sweeps.sweep import Sweep
    from oldrestore.sweeps.trials import Search

    in_file = sweep_name(chosen.overrides)
    name = chosen.name or in_file
    if name is None:
        raise UserError("a sweep needs a name: sweeps=NAME for a file of sweeps/, or --name NAME")
    check_name(name, "the name of a sweep")
    search = read_search(in_file) if in_file is not None else None
    keep = chosen.keep_done
    sweep = Search(name, search, chosen.overrides, keep) if search else Sweep(name, plan_jobs(chosen.overrides), keep)
    if not threads_set:
        del os.environ["OMP_NUM_THREADS"]  # each job has its own share
    if chosen.dry_run:
        return dry_run_of_search(sweep, chosen.json) if search is not None else dry_run(sweep, chosen.json)

    def say(line: str) -> None:
        print(line, file=sys.stderr if chosen.json else sys.stdout, flush=True)

    before = states_of(sweep)
    entries = sweep.begin(chosen.retry_failed, chosen.retry_deleted)
    say(f"sweep       {sweep.folder}")
    if search is not None:
        lost = list(before.values()).count(LOST)
        line = f"{len(entries)} of {search.trials} trials begun" + (f", {lost} {AGAIN}" if lost else "")
        say(f"search      {line}, {search.metric} is to {search.direction}")
    else:
        say(f"jobs        {opening(entries, before, chosen.retry_failed)}")
        for why, count in Counter(sweep.known.repeated.values()).items():
            say(f"new         {count} that {'was' if count == 1 else 'were'} done: {why} (--keep-done keeps such jobs)")
    sweep.carry_out(chosen.jobs, threads_set, say)
    return conclude(sweep, chosen.json, say, arguments)


def run_job(file: Path) -> int:
    """Train one job of a sweep, read from the file that the sweep wrote."""
    # Until training listens, a stop ends the process: code that is imported may swallow a KeyboardInterrupt.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from omegaconf import OmegaConf

    from oldrestore.run.one_run import train_one

    runtime.prepare()
    try:
        job = json.loads(file.read_text(encoding="utf-8"))
        config = OmegaConf.create(job["config"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"'{file}' is not a job of a sweep: {error}") from None
    return train_one(config, job["overrides"], job["resume"], job["choices"])


def states_of(sweep) -> dict[str, str]:
    """Return the state of each job in the ledger before a sweep begins."""
    return {entry.key: LOST if entry.is_lost else entry.state for entry in sweep.entries()}


def opening(entries, before, retry_failed: bool) -> str:
    """Say how many jobs there are and what happens to them."""
    states = [entry.state for entry in entries]
    queued = [before.get(entry.key) for entry in entries if entry.state == "queued"]
    new, lost = queued.count(None) + queued.count("queued"), queued.count(LOST)
    counts = (
        (states.count("done"), "skipped (done)"),
        (new, "to do"),
        (lost, AGAIN),
        (queued.count("interrupted") + queued.count("running"), "continued"),
        (queued.count("failed"), "retried"),
        (queued.count("deleted"), "run again (deleted)"),
        (states.count("deleted"), "deleted (--retry-deleted runs them again)"),
        (0 if retry_failed else states.count("failed"), "failed before (--retry-failed runs them again)"),
        (states.count("running"), "running elsewhere"),
    )
    return ", ".join([str(len(entries)), *(f"{count} {what}" for count, what in counts if count)])


def dry_run(sweep, as_json: bool) -> int:
    """Print the jobs and their states in the ledger."""
    states = states_of(sweep)
    fields = ("seed", "settings", "overrides", "identity", "code")
    why = sweep.known.new | sweep.known.kept
    jobs = [
        {"key": key, "state": states.get(key, "new"), "why": why.get(key)} | {f: getattr(job, f) for f in fields}
        for key, job in sweep.jobs.items()
    ]
    if as_json:
        print(json.dumps({"sweep": sweep.name, "folder": str(sweep.folder), "jobs": jobs}, indent=2))
        return 0
    shown = [
        f"{'kept' if job['state'] == 'done' else job['state']}: {job['why']}" if job["why"] else job["state"]
        for job in jobs
    ]
    width = max(11, *map(len, shown))
    for job, state in zip(jobs, shown, strict=True):
        print(f"{job['key']}  {state:<{width}}  oldrestore train {shlex.join(job['overrides'])}")
    print(f"{len(jobs)} job{'s' if len(jobs) > 1 else ''}; nothing was run")
    return 0


def dry_run_of_search(search, as_json: bool) -> int:
    """Print what would be searched; trials depend on the results of earlier ones."""
    settings = search.settings.model_dump()
    if as_json:
        content = {"sweep": search.name, "folder": str(search.folder), "search": settings, "overrides": search.typed}
        print(json.dumps(content, indent=2))
        return 0
    print(f"{settings['trials']} trials of  oldrestore train {shlex.join(search.typed)}")
    for name, values in settings["space"].items():
        print(f"  {name}  {', '.join(f'{key} {value}' for key, value in values.items() if value not in (None, False))}")
    print("nothing was run")
    return 0


def conclude(sweep, as_json: bool, say, arguments: Sequence[str]) -> int:
    """Write and print the tables, write the report, and tell MLflow; after a stop, say what goes on."""
    from oldrestore.sweeps.mlflow_parent import tell_mlflow
    from oldrestore.sweeps.report import report_on
    from oldrestore.sweeps.summary import summarise

    entries = sweep.ledger.entries(sweep.keys)
    first = sweep.first
    settings = getattr(sweep, "settings", None)
    best = sweep.best() if settings is not None else None
    metric = settings.metric if settings is not None else first.config["trainer"]["monitor"]
    summary = summarise(entries, metric, sweep.known.kept)
    summary.write(sweep.folder)
    page = None
    if not sweep.stopped:  # after a stop, the user should not have to wait
        notes = summary.kept_in_words()
        report = report_on(sweep.name, entries, sweep.outputs, notes=notes, searched=sweep.searched)
        say(f"report      {report.line}")
        page = report.path
    problem = tell_mlflow(sweep.name, first, sweep.ledger, summary, sweep.folder, page)
    if problem is not None:
        print(f"oldrestore: mlflow could not be told of the sweep ({problem}); its folder has it", file=sys.stderr)
    if as_json:
        from oldrestore.plain import plain

        content = {
            "sweep": sweep.name,
            "folder": str(sweep.folder),
            "jobs": summary.job_rows(),
            "settings": summary.setting_rows(),
            "baselines": summary.baselines,
            "report": None if page is None else str(page),
        }
        if settings is not None:
            content["best"] = best
        print(json.dumps(plain(content), indent=2))
    else:
        show(summary)
        if best is not None:
            values = " ".join(f"{name}={value}" for name, value in best["settings"].items())
            print(f"best        trial {best['trial']}: {settings.metric} {best['value']:.6g} with {values}")
    if sweep.stopped:
        # What failed and was to run again is queued.
        again = shlex.join(text for text in arguments if text not in ("--retry-failed", "--retry-deleted"))
        say(f"go on with  oldrestore sweep {again}")
    if not as_json:
        if page is not None:
            print(f"compare     oldrestore compare {shlex.quote(str(sweep.folder))}")
        print(sweep.folder)
    return 0 if sweep.holds(entries) else 1


def show(summary) -> None:
    """Print the table of settings, in parts if the terminal is narrower, and the jobs that are not done."""
    shown = summary.shown()
    if shown:
        show_settings(summary, shown)
    for line in summary.kept_in_words():
        print(line)
    waiting = 0
    for entry, _ in summary.jobs:
        if entry.state == "queued" and not entry.log:
            waiting += 1
        elif entry.state != "done":
            where = entry.process or {}
            elsewhere = f"on {where.get('host')}, process {where.get('pid')}" if entry.state == "running" else None
            why = elsewhere or entry.reason or "not begun"
            print(f"{entry.state:<11} {entry.in_words()}: {why} ({entry.log or 'no log'})")
    if waiting:
        print(f"queued      {waiting} job{'s' if waiting > 1 else ''} not begun")


def show_settings(summary, shown: Sequence[str]) -> None:
    """Print the table of settings."""
    names = list(dict.fromkeys(name for row in summary.rows for name in row.settings))
    lines = [[*names, "n", *shown]]
    for row in summary.rows:
        seeds = str(len(row.seeds)) + (f" of {row.jobs}" if len(row.seeds) < row.jobs else "")
        cells = [row.metrics[name].in_words() if name in row.metrics else "" for name in shown]
        lines.append([*(row.settings.get(name, "") for name in names), seeds, *cells])
    for title, figures in summary.baselines.items():
        cells = [f"{figures[name]:.4f}" if name in figures else "" for name in shown]
        lines.append([title, *[""] * len(names), *cells])
    print("\n" + aligned(lines, width=columns(), lead=max(1, len(names))))
    print("mean ± sample standard deviation over n seeds")
    print(summary.directions())
