"""Argument parsing as the house wants it: one sentence and exit code 2."""

from __future__ import annotations

import argparse
from typing import NoReturn

from oldrestore.errors import UserError


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


def outputs_of(overrides: list[str]) -> str:
    """Take ``outputs=FOLDER`` out of a verb's overrides; ``outputs`` is the default.

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
        outputs = value
    return outputs
