"""Argument parsing as the house wants it: one sentence and exit code 2."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from oldrestore.config.location import at_home, unquoted
from oldrestore.errors import UserError, in_words


class Parser(argparse.ArgumentParser):
    """An argparse parser whose complaints are `UserError`, so that every verb fails alike."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing usage and exiting."""
        raise UserError(f"{message} (see {self.prog} --help)")


def parser(verb: str, does: str, epilog: str | None = None) -> Parser:
    """Make the parser of a verb."""
    return Parser(
        prog=f"oldrestore {verb}",
        description=does,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def path(text: str) -> Path:
    """Read an argument that names a file or folder, which need not be there; a ``type`` for argparse.

    A leading ``~`` is the home folder, which a shell does not write out in ``--output=~/coloured``.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is empty, as an unset variable of a shell is, and would be the working folder; or when the system
        cannot look it up: a name that is too long, a folder that may not be entered, a loop of links.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name is empty: name a file or folder ('.' is this one)")
    named = Path(at_home(text))
    try:
        named.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise argparse.ArgumentTypeError(f"'{text}' cannot be looked up ({in_words(error)})") from None
    return named


def outputs_of(overrides: list[str]) -> str:
    """Take ``outputs=FOLDER``, quoted or not, out of a verb's overrides; ``outputs`` is the default.

    Raises
    ------
    UserError
        When something else is among them.
    """
    outputs = "outputs"
    for override in overrides:
        name, _, value = override.partition("=")
        if name != "outputs" or not value:
            raise UserError(f"'{override}' is not understood here: only outputs=FOLDER is")
        outputs = at_home(unquoted(value))
    return outputs


def add_outputs(options: Parser) -> None:
    """Add the folder in which a verb looks up run ids."""
    options.add_argument(
        "--outputs", type=path, default=Path("outputs"), help="where run ids are looked up (default: outputs)"
    )


def add_choice_of_runs(options: Parser) -> None:
    """Add what chooses the runs that are compared, and whether their seeds are aggregated."""
    options.add_argument("--experiment", metavar="NAME", help="every run of an experiment that has scores")
    options.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help="as for oldrestore runs")
    options.add_argument("--by", choices=("design", "run"), default="design", help="seeds aggregated (default), or not")
