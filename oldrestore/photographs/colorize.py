"""``colorize``: the colour stage alone, at full resolution, with hints; panels show the original in gray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from oldrestore.data.codecs.decode import UnreadablePhoto, decode_photo
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.errors import UserError
from oldrestore.photographs.coloring import Coloring
from oldrestore.photographs.hint_file import Hint, check_bounds
from oldrestore.photographs.photo_list import COLORIZED, Found
from oldrestore.photographs.restorer import Restorer
from oldrestore.photographs.verb import Verb, line_of
from oldrestore.restoration.pipeline import Pipeline

HINTS = "hints_b3hw"


class Colorizing(Verb):
    """Photographs in predicted colours; of their own colours only the lightness is used.

    The network sees a photograph at its own size; its colour is resized to the photograph and joined to the
    photograph's own lightness, which does not change.
    """

    name, words, mark = "colorize", ("colouring", "coloured"), COLORIZED
    subject, keys = "photographs", ("hints",)

    def facts(self) -> dict[str, Any]:
        """Facts about the networks, for ``--json``."""
        return {"networks": self.networks}

    def entry(self, number: int, output: Path, data: bytes | None, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Say which network made a result, for the record."""
        size = self.restorer.coloring.colorizers[number].size
        return {"hints": facts["hints"], "size": size, **self.networks[number]}

    def header(self) -> Iterator[str]:
        """Lines that open the summary."""
        return (line_of("weights", network) for network in self.networks)


def only_color(
    coloring: Coloring, smoothing: float = 0.0, hints: Mapping[Path, Sequence[Hint]] | None = None
) -> Restorer:
    """Return the stages of ``colorize``: the colour stage alone; `hints` are by photograph."""
    return Restorer(
        Pipeline(), coloring, only_gray=False, smoothing=smoothing, hints=hints or {}, shows_gray_original=True
    )


def hints_of_photos(
    photos: Sequence[Found], networks: Sequence[ChosenNetwork], hints: Mapping[str | None, Sequence[Hint]]
) -> dict[Path, Sequence[Hint]]:
    """Assign hints, as `oldrestore.photographs.hint_file.read_hints` returns them, to photographs.

    Raises
    ------
    UserError
        If a network reads no hints, or hints belong to no photograph or lie outside of it.
    """
    if not hints:
        return {}
    for chosen in networks:
        if tuple(chosen.network.reads[1:2]) != (HINTS,):
            raise UserError(
                f"{chosen.label} ({type(chosen.network).__name__}) reads no colour hints: use siggraph17, or leave "
                "--hints out"
            )
    if None in hints and len(photos) > 1:
        raise UserError(
            f"a bare list of hints is for one photograph and there are {len(photos)}: write an object that maps each "
            "file name to its list"
        )
    assigned: dict[Path, Sequence[Hint]] = {}
    for name, points in hints.items():
        named = [found.photo for found in photos if name in (None, found.photo.name, str(found.photo))]
        if len(named) != 1:
            raise UserError(f"the hints name '{name}', which is {len(named) or 'none'} of the photographs")
        assigned[named[0]] = points
        try:
            height, width = decode_photo(named[0]).shape[:2]
        except UnreadablePhoto as error:
            raise UserError(f"'{named[0]}' cannot be read: {error.reason}") from None
        check_bounds(points, height, width, named[0].name)
    return assigned
