"""The page that lists the reports: plain HTML without scripts, made anew for each look."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from oldrestore.report.shelf import ShelvedReport

# Colours and letters are those of a report's page (templates/report.css).
STYLE = """
:root { color-scheme: light; --page: #fbfaf7; --ink: #1c1b19; --muted: #625d55; --line: #e4dfd6; --shade: #f3f0ea;
  --link: #0b5394; }
@media (prefers-color-scheme: dark) { :root { color-scheme: dark; --page: #151412; --ink: #ece8e1; --muted: #a59f95;
  --line: #35322d; --shade: #25231f; --link: #8fc1ee; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 56rem; padding: 2.5rem clamp(1rem, 4vw, 2.5rem) 4rem; background: var(--page);
  color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  -webkit-text-size-adjust: 100%; }
h1 { font: 600 clamp(1.7rem, 4.5vw, 2.6rem)/1.2 "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua",
  Georgia, serif; margin: 0 0 .3rem; letter-spacing: -.01em; }
p { margin: 0 0 1.5rem; color: var(--muted); overflow-wrap: anywhere; }
ul { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
li { border-bottom: 1px solid var(--line); }
a { display: block; padding: .9rem .6rem; color: inherit; text-decoration: none; }
a:hover { background: var(--shade); }
a:focus-visible { outline: 3px solid var(--link); outline-offset: -3px; border-radius: 3px; }
.title { color: var(--link); font-weight: 600; overflow-wrap: anywhere; }
a:hover .title { text-decoration: underline; }
.facts { display: block; color: var(--muted); font-size: .875rem; overflow-wrap: anywhere; }
code { font: .87em ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; padding: .15em .4em;
  background: var(--shade); border-radius: 4px; color: var(--ink); overflow-wrap: anywhere; }
"""


def shelf_page(reports: Sequence[ShelvedReport], outputs: str) -> str:
    """Return the page, every name escaped.

    Parameters
    ----------
    reports : sequence of ShelvedReport
        In the order to show.
    outputs : str
        The root of run folders, as the reader knows it.
    """
    if reports:
        count = f"{len(reports)} report" + ("s" if len(reports) > 1 else "")
        content = f"<p>{count} in {_text(outputs)}, newest first.</p>\n<ul>\n{''.join(map(_line, reports))}</ul>"
    else:
        content = (
            f"<p>There is no report in {_text(outputs)} yet. This makes one of runs, and a sweep makes its own at its "
            f"end:</p>\n<p><code>oldrestore report --experiment NAME</code></p>"
        )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Reports</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Reports</h1>\n{content}\n"
        "</main>\n</body>\n</html>\n"
    )


def address_of(report: ShelvedReport) -> str:
    """Path of a report on the server, quoted, as a link on the page has it."""
    return "/" + quote(report.name, errors="surrogateescape")


def size_in_words(size: int) -> str:
    """Return a size of a file as it is read: kB below 1 MB."""
    return f"{max(1, round(size / 1000))} kB" if size < 999_500 else f"{size / 1e6:.1f} MB"


def _line(report: ShelvedReport) -> str:
    when = report.made.strftime("%Y-%m-%d %H:%M UTC")
    runs = "" if report.runs is None else f" · {report.runs} run" + ("" if report.runs == 1 else "s")
    facts = f'<time datetime="{report.made.isoformat()}">{when}</time>{runs} · {size_in_words(report.size)} · '
    return (
        f'<li><a href="{escape(address_of(report))}"><span class="title">{_text(report.title)}</span>'
        f'<span class="facts">{facts}{_text(report.name)}</span></a></li>\n'
    )


def _text(text: str) -> str:
    """Escape for HTML; what is no Unicode in a file's name becomes a question mark."""
    return escape(text.encode("utf-8", errors="replace").decode("utf-8"))
