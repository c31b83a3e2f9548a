"""Which jobs of a sweep its ledger knows: by configuration, photographs and seed, and by the code that they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from oldrestore.sweeps.ledger import Entry
from oldrestore.sweeps.plan import Job

NOT_NOTED = "the sweep was begun by a version that did not note which files a job needs"
OTHER_SETTINGS = "settings or photographs changed"
SHOWN = 3  # names of changed files


@dataclass
class KnownJobs:
    """The jobs by the keys that the ledger has, or is to have, and what changed since it had others with other code."""

    jobs: dict[str, Job] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)  # jobs that must run (again) for it
    repeated: dict[str, str] = field(default_factory=dict)  # those of `new` that were done
    kept: dict[str, str] = field(default_factory=dict)  # jobs that are done, and count although their code changed


def known_jobs(
    jobs: Iterable[Job],
    entries: Iterable[Entry],
    notes: Mapping[str, Mapping[str, str]],
    old_hash: Callable[[], str],
    keep_done: bool,
) -> KnownJobs:
    """Find jobs in the ledger's lines.

    `notes` says which files, by their hashes, the code of a line is. Lines of earlier versions have none: their code
    is `old_hash`, of nearly the whole package. With `keep_done`, a job that is done counts with any code.
    """
    lines: dict[tuple[str, int], list[Entry]] = {}
    varied = []  # what the ledger's jobs vary
    for entry in entries:
        lines.setdefault((entry.identity, entry.seed), []).append(entry)
        varied.append((entry.settings, entry.seed))
    known = KnownJobs()
    for job in jobs:
        earlier = lines.get((job.identity, job.seed), [])
        same = [e for e in earlier if e.code == job.code or (e.code not in notes and e.code == old_hash())]
        done = [entry for entry in earlier if entry.state == "done" and not entry.is_lost]
        keep = keep_done and done and not any(entry in done for entry in same)
        if not keep and (same or not earlier):
            key = same[-1].key if same else job.key
            known.jobs[key] = replace(job, key=key)
            if not earlier and (job.settings, job.seed) in varied:
                known.new[key] = OTHER_SETTINGS
            continue
        last = (done or earlier)[-1]
        why = what_changed(last.code, job.needed, notes)
        if keep:
            known.jobs[last.key] = replace(job, key=last.key, code=last.code, needed={})
            known.kept[last.key] = why
        else:
            known.jobs[job.key] = job
            known.new[job.key] = why
            if done:
                known.repeated[job.key] = why
    return known


def what_changed(code: str, now: Mapping[str, str], notes: Mapping[str, Mapping[str, str]]) -> str:
    """Say which of the files that a job needs changed, came or went since some code: "losses/focal.py changed"."""
    then = notes.get(code)
    if then is None:
        return NOT_NOTED
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more} changed"
