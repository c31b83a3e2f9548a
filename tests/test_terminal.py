"""No output fails for a character that the terminal does not have, and files are UTF-8 whatever the terminal is."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from rich.table import Table

import oldrestore
from oldrestore.narrator import Narrator
from oldrestore.terminal import columns, shows_bold, take_every_character
from tests.generated_photographs import make_photograph

PACKAGE = Path(oldrestore.__file__).parent
ASCII = {
    "PYTHONIOENCODING=ascii": {"PYTHONIOENCODING": "ascii"},
    "LC_ALL=POSIX": {"LC_ALL": "POSIX", "LANG": "C", "PYTHONUTF8": "0"},
    "LC_ALL=C with strict output": {"LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict"},
}


def oldrestore_in(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a verb as a shell with that environment does."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))}
    return subprocess.run(
        [sys.executable, "-m", "oldrestore", *arguments],
        capture_output=True,
        encoding="ascii",
        check=False,
        cwd=folder,
        env={**plain, "PYTHONPATH": str(PACKAGE.parent), **environment},
    )


@contextlib.contextmanager
def ascii_output(patch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    """Standard output that knows only ASCII, as the command line finds it; gives what was written to it."""
    written = io.BytesIO()
    patch.setenv("PYTHONIOENCODING", "ascii:strict")
    with contextlib.redirect_stdout(io.TextIOWrapper(written, encoding="ascii")) as stream:
        take_every_character()
        yield written
    stream.detach()  # else what was written would be closed with it


def test_what_ascii_lacks_is_spelled(monkeypatch):
    with ascii_output(monkeypatch) as written:
        print("0.5 ± 0.1, 3 × 4, a…b → 李ü.png, raw \udce4")  # noqa: RUF001
    assert written.getvalue() == b"0.5 +/- 0.1, 3 x 4, a...b -> \\u674e\\xfc.png, raw \xe4\n"
    assert os.environ["PYTHONIOENCODING"] == "ascii:backslashreplace"


def test_tables_and_bars_are_drawn_with_what_there_is(monkeypatch):
    with ascii_output(monkeypatch) as written:
        table = Table("Zoë", title="±")
        table.add_row("李明")
        console = Console(width=60, force_terminal=True, color_system=None)
        console.print(table)
        assert list(Narrator(console=console).track(["a"], "Zoë", 1)) == ["a"]
    drawn = written.getvalue().decode("ascii")
    for part in ("| Zo\\xeb  |", "\\u674e\\u660e", "+------+"):
        assert part in drawn
    assert re.search(r"Zo\\xeb -+ 1/1", drawn)


@pytest.mark.parametrize("environment", ASCII.values(), ids=ASCII)
def test_every_verb_says_what_it_did_to_a_photograph_whatever_its_name(environment, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(make_photograph(0)).save(tmp_path / "photos" / "李明ü.png")
    done = oldrestore_in(environment, tmp_path, "restore", "photos", "-o", "out", "--skip", "colorize")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"restored  out/\u674e\u660e\xfc-restored.png" in done.stdout
    assert (tmp_path / "out" / "李明ü-restored.png").is_file()
    record = json.loads((tmp_path / "out" / "restore.json").read_text(encoding="utf-8"))
    assert "李明ü" in json.dumps(record, ensure_ascii=False)
    again = oldrestore_in(environment, tmp_path, "restore", "photos", "-o", "out", "--skip", "colorize")
    assert again.returncode == 2
    assert again.stderr.startswith(r"oldrestore: 'out/\u674e\u660e\xfc-")
    assert again.stderr.count("\n") == 1
    # Names that are typed are text, too.
    done = oldrestore_in(environment, tmp_path, "train", "--cfg", "job", "experiment=李明")
    assert (done.returncode, done.stderr) == (0, "")
    assert "experiment: \\u674e\\u660e" in done.stdout
    refused = oldrestore_in(environment, tmp_path, "train", "experiments=Zoë")
    assert refused.returncode == 2
    assert refused.stderr.startswith("oldrestore: there is no experiment 'Zo\\xeb': choose one of ")


def test_every_text_file_is_utf8():
    rule = ["--isolated", "--preview", "--no-cache", "--select", "PLW1514"]  # unspecified-encoding
    done = subprocess.run([sys.executable, "-m", "ruff", "check", *rule, PACKAGE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    by_locale = re.compile(r"\b(text|universal_newlines)=True")  # what other processes print is UTF-8, too
    assert [path for path in PACKAGE.rglob("*.py") if by_locale.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("is_terminal", "environment", "width", "bold"),
    [
        (True, {}, 93, True),
        (True, {"NO_COLOR": ""}, 93, False),
        (True, {"TERM": "dumb"}, 93, False),
        (False, {}, None, False),
    ],
)
def test_a_terminal_has_a_width_and_is_styled_unless_told_otherwise(is_terminal, environment, width, bold, monkeypatch):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"COLUMNS": "93", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal, raising=False)
    assert (columns(), shows_bold()) == (width, bold)
