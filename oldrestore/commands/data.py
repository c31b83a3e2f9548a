"""``oldrestore data``: what a dataset holds, its colour prior, and its preparation for training."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence

from oldrestore import runtime
from oldrestore.commands.arguments import add_plugins, parser, path
from oldrestore.errors import UserError

EPILOG = """\
examples:
  oldrestore data describe                                        the default photographs
  oldrestore data describe dataset=image_folder dataset.root=DIR  your own
  oldrestore data prior -o prior.png                              the colour prior, plotted
  oldrestore data prepare dataset=image_folder dataset.root=DIR   decode at training size, once for all runs
  oldrestore data prepare photos_plus                             fetch Debian's photographs
  oldrestore data prepare photos_wide                             and paste cut-out objects onto them
  oldrestore data prepare photos_wide_2                           the same without what is judged, and more photographs
  oldrestore data prepare labelled_photos_wide                    fetch 371 labelled photographs, for judges
"""
FETCHED = ("photos_plus", "photos_wide", "photos_wide_2", "labelled_photos_wide")
MOST_REASONS = 20  # printed for omitted files
KINDS = {
    "duplicate of ": "a duplicate of another photograph",
    "of one group with ": "of one group with a photograph that is held out",
}  # of reasons, by their beginnings


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("data", "Describes datasets.", EPILOG)
    actions = options.add_subparsers(dest="action", required=True, metavar="describe|prior|prepare")
    describe = actions.add_parser("describe", help="sources, splits, fingerprints, files left out and why")
    prior = actions.add_parser("prior", help="the colour prior of the training photographs")
    prior.add_argument("-o", "--output", type=path, help="also plot it to this PNG, PDF or SVG file")
    fetch = f"decode training photographs once for all runs; or fetch {', '.join(FETCHED)}"
    prepare = actions.add_parser("prepare", help=fetch)
    for action in (describe, prior):
        action.flag("--json", does="print JSON")
    describe.flag("--left-out", does="name every file left out, with the reason")
    for action in (describe, prior, prepare):
        add_plugins(action)
        action.add_argument("overrides", nargs="*", help="Hydra overrides, such as dataset=NAME dataset.root=FOLDER")
    chosen = options.parse_args(arguments)
    if chosen.action == "prepare" and len(chosen.overrides) == 1 and "=" not in chosen.overrides[0]:
        return run_fetch(chosen.overrides[0])

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    from oldrestore.config.build import build
    from oldrestore.config.compose import compose_config

    source = build(compose_config(chosen.overrides).dataset)
    verbs = {"describe": run_describe, "prior": run_prior, "prepare": run_prepare}
    return verbs[chosen.action](source, chosen)


def run_describe(source, chosen) -> int:
    """Print what each split of a source holds and leaves out."""
    splits, empty = [], []
    for name in source.split_names:
        try:
            splits.append(source.split(name))
        except UserError as problem:
            empty.append(str(problem))
    if not splits:
        raise UserError(empty[0])
    ignored = [{"name": left.name, "reason": left.reason} for left in splits[0].ignored]
    if chosen.json:
        files = {"ignored_files": ignored} if ignored else {}
        print(json.dumps({split.name: split.describe() | files for split in splits}, indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("split", "photographs", "labelled", "fingerprint"):
        table.add_column(heading, no_wrap=True)
    for split in splits:
        labelled = sum(photo.label is not None for photo in split.photos)
        table.add_row(split.name, str(len(split.photos)), str(labelled), split.fingerprint[:16])
    console.print(f"source {splits[0].source}", markup=False)
    console.print(table)
    if splits[0].group_by:
        sizes = [len(group) for split in splits for group in split.groups]
        groups = "1 group" if len(sizes) == 1 else f"{len(sizes)} groups"
        of_several = f"{sum(sizes)} photographs in {groups} of several" if sizes else "each photograph for itself"
        console.print(f"grouped by {splits[0].group_by}: {of_several}", markup=False)
    for note in (*splits[0].notes, *empty):
        console.print(f"note: {note}", markup=False)
    left_out = {item.name: item.reason for split in splits for item in (*split.left_out, *split.ignored)}
    if left_out and chosen.left_out:
        console.print(f"\n{len(left_out)} files left out:", markup=False)
        for name, reason in sorted(left_out.items()):
            console.print(f"{name}  {reason}", markup=False)
    elif left_out:
        print_reasons(left_out, console)
    return 0


def print_reasons(left_out: Mapping[str, str], console) -> None:
    """Print the number of files left out for each reason, most frequent first."""
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        kind = next((kind for beginning, kind in KINDS.items() if reason.startswith(beginning)), reason)
        reasons.setdefault(kind, []).append(name)
    console.print(f"\n{len(left_out)} files left out (--left-out or --json names each):", markup=False)
    in_order = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
    # Wrap between words and indent to where the reason begins; a pipe gets whole lines.
    wrapper = textwrap.TextWrapper(
        max(console.width, 40), subsequent_indent=" " * 7, break_long_words=False, break_on_hyphens=False
    )
    for reason, names in in_order[:MOST_REASONS]:
        first = min(names) if len(names) == 1 else f"{min(names)}, ..."
        line = f"{len(names):5}  {reason} ({first})"
        console.print(wrapper.fill(line) if console.is_terminal else line, markup=False)
    if len(in_order) > MOST_REASONS:
        rest = in_order[MOST_REASONS:]
        console.print(f"{sum(len(names) for _, names in rest):5}  for {len(rest)} more reasons", markup=False)


def run_prior(source, chosen) -> int:
    """Print the most likely colours; plot the whole prior if asked."""
    from oldrestore.color.bins import AB_BINS
    from oldrestore.data.prior import check_format, dataset_prior, plot_prior

    if chosen.output:
        check_format(chosen.output)
    train = _training_split(source)
    prior = dataset_prior(train, source.crops)
    order = prior.argsort()[::-1]
    if chosen.json:
        bins = [{"a": float(a), "b": float(b), "p": float(p)} for (a, b), p in zip(AB_BINS, prior, strict=True)]
        print(json.dumps({"source": train.source, "fingerprint": train.fingerprint, "bins": bins}, indent=2))
    else:
        print(f"colour prior of {len(train.photos)} photographs of {train.source} (split {train.name})")
        print(f"sum {prior.sum():.6f}  lowest {prior.min():.2e}  highest {prior.max():.4f}")
        print("\n    a     b  probability")
        for index in order[:10]:
            a, b = AB_BINS[index]
            print(f"{a:5.0f} {b:5.0f}  {prior[index]:.4f}")
    if chosen.output:
        plot_prior(prior, chosen.output, title=f"{train.source}, {len(train.photos)} photographs")
        if not chosen.json:
            print(f"\nplot {chosen.output}")
    return 0


def run_prepare(source, _) -> int:
    """Decode the training photographs of a source at training size to a file that every run then uses."""
    from rich.console import Console
    from rich.progress import track

    from oldrestore.data.loading.prepared import prepare_photographs

    split = _training_split(source)
    console = Console(stderr=True)
    shown = {"console": console, "disable": not console.is_terminal, "transient": True}
    made = prepare_photographs(split, source.crops, watch=lambda items: track(items, "decoding", **shown))
    photographs, what = made.photographs, "prepared" if made.fresh else "already prepared:"
    size = f"{photographs.nbytes / 2**20:.1f} MiB at a training size of {source.crops.size} ({source.crops.fit})"
    print(f"{what} {len(photographs)} photographs of {split.source} {split.name}, {size}")
    print(photographs.path)
    return 0


def _training_split(source):
    return source.split("train" if "train" in source.split_names else source.split_names[0])


def run_fetch(name: str) -> int:
    """Fetch and check one of the datasets `FETCHED`."""
    if name not in FETCHED:
        raise UserError(
            f"'{name}' cannot be fetched, only {', '.join(FETCHED)} can; to decode photographs once for all "
            "runs, give settings: oldrestore data prepare dataset=NAME"
        )
    if name == "labelled_photos_wide":
        from oldrestore.data.packages.labelled import prepare_labelled

        print(prepare_labelled(say=print))
        return 0
    if name == "photos_wide_2":
        from oldrestore.data.sources.photos_wide_2 import prepare_photos_wide_2

        print(prepare_photos_wide_2(say=print))
        return 0
    from oldrestore.data.packages.gcompris import prepare_gcompris

    print(prepare_gcompris())
    if name == "photos_wide":
        from oldrestore.data.sources.photos_wide import prepare_photos_wide

        print(prepare_photos_wide())
    return 0
