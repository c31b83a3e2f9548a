"""Refuses a parameter of a loss that is out of its range, in one sentence."""

from __future__ import annotations

from oldrestore.errors import UserError


def require(holds: bool, name: str, right: str, given: object) -> None:
    """Raise ``UserError`` unless ``holds``, saying what ``name`` must be (``right``) and what it was."""
    if not holds:
        raise UserError(f"{name} must be {right}, not {given}")
