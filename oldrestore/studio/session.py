"""A session: what somebody decided about one photograph, as immutable values, with undo, in a small JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from oldrestore.config.values import describe
from oldrestore.errors import UserError, in_words
from oldrestore.files import write_atomically
from oldrestore.photographs.hint_file import LARGEST_AB, Hint, check_bounds

VERSION = 1
LARGEST_FILE = 4 * 2**20  # bytes
MOST_POINTS = 20_000  # of all strokes: drawn in a second at the size of a large scan
MOST_UNDONE = 200

# Pixels of the upright photograph; (0, 0) is the upper left pixel. A stroke may leave the photograph.
Place = Annotated[float, Field(ge=-1e5, le=1e5)]
Radius = Annotated[float, Field(ge=0, le=2000)]
Ab = Annotated[float, Field(ge=-LARGEST_AB, le=LARGEST_AB)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Part(BaseModel):
    """A part of a session: unknown names, numbers in quotes and NaN are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class SessionPhotograph(Part):
    """Which photograph a session is of: it is recognized by its content, not its name."""

    name: Annotated[str, Field(min_length=1, max_length=1000)]
    sha256: Sha256
    width: Annotated[int, Field(ge=1)]  # upright
    height: Annotated[int, Field(ge=1)]


class BrushStroke(Part):
    """A line of the brush, which adds to the mask of damage, or of the eraser, which takes away from it."""

    tool: Literal["brush", "eraser"]
    radius: Radius
    points: Annotated[tuple[tuple[Place, Place], ...], Field(min_length=1)]  # x, y


class HintPoint(Part):
    """A disc of known colour; see `Hint`."""

    x: Place
    y: Place
    radius: Radius
    ab: tuple[Ab, Ab]


class SessionNetwork(Part):
    """Which network colours, recognized by its weights."""

    name: Annotated[str, Field(min_length=1, max_length=1000)]
    sha256: Sha256


class SessionSettings(Part):
    """Which stages run, and how."""

    detect: bool = True  # whether strokes correct what the detector finds; without it, they are the whole mask
    threshold: Annotated[float, Field(ge=0.1, le=10)] = 1.0  # of the detector: lower finds more
    fill: bool = True
    restore: bool = True
    colorize: bool = True
    strength: Annotated[float, Field(ge=0, le=1.5)] = 1.0  # these two are as for `ColorOptions`
    variant: Annotated[int, Field(ge=1, le=8)] = 1  # which of the plausible colourings; 1 is the network's answer
    network: SessionNetwork | None = None  # None if the photograph is not coloured


class Session(Part):
    """Everything decided about a photograph. A later version of the file has another number."""

    version: Literal[1] = VERSION
    photograph: SessionPhotograph
    strokes: Annotated[tuple[BrushStroke, ...], Field(max_length=MOST_POINTS)] = ()
    hints: Annotated[tuple[HintPoint, ...], Field(max_length=1000)] = ()
    settings: SessionSettings = SessionSettings()

    @property
    def hint_discs(self) -> tuple[Hint, ...]:
        """The hints as the networks' input is drawn from them."""
        return tuple(Hint(point.x, point.y, point.radius, point.ab) for point in self.hints)


@dataclass(frozen=True)
class History:
    """A session with the states before it and those that were undone.

    `revision` counts every change. Who changes a session names the revision that they saw, so that two pages open on
    one photograph never overwrite each other's work.
    """

    present: Session
    past: tuple[Session, ...] = ()
    future: tuple[Session, ...] = ()  # the next one first
    revision: int = 0

    def edited(self, session: Session) -> History:
        """Return the history with a new state; what was undone before is gone. An equal state changes nothing."""
        if session.photograph != self.present.photograph:
            raise UserError(f"the session is of '{self.present.photograph.name}': its photograph cannot be exchanged")
        if session == self.present:
            return self
        return History(session, (*self.past, self.present)[-MOST_UNDONE:], (), self.revision + 1)

    def undone(self) -> History:
        """Return the history one step back; at its beginning, itself."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (self.present, *self.future), self.revision + 1)

    def redone(self) -> History:
        """Return the history one step on; at its end, itself."""
        if not self.future:
            return self
        return History(self.future[0], (*self.past, self.present), self.future[1:], self.revision + 1)


def session_of(text: str | bytes, where: str) -> Session:
    """Read a session from JSON; a `UserError` names `where` it stands, what is wrong and what would be right."""
    if len(text) > LARGEST_FILE:
        raise UserError(f"{where} has more than {LARGEST_FILE:,} bytes: no session has so many")
    try:
        session = Session.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise UserError(f"{where} is not JSON: {first['ctx']['error']}") from None
        if not first["loc"]:
            raise UserError(f"{where} must be an object as `oldrestore studio` writes it") from None
        raise UserError(describe(error, where, "")[:400]) from None
    check_fits(session, where)
    return session


def check_fits(session: Session, where: str) -> None:
    """Refuse too many points, and hints outside the photograph."""
    count = sum(len(stroke.points) for stroke in session.strokes)
    if count > MOST_POINTS:
        raise UserError(f"the strokes of {where} have {count:,} points: at most {MOST_POINTS:,} are allowed")
    photograph = session.photograph
    check_bounds(session.hint_discs, photograph.height, photograph.width, photograph.name)


def read_session(path: Path) -> Session:
    """Read a session file."""
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"the session '{path}' is not a file")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UserError(f"the session '{path}' cannot be read: {in_words(error)}") from None
    return session_of(data, f"the session '{path}'")


def write_session(path: Path, session: Session) -> None:
    """Write a session file atomically: a reader sees the old one or the new one."""
    write_atomically(path, session.model_dump_json() + "\n")


def require_photograph(session: Session, sha256: str, pages: int, named: str) -> None:
    """Refuse a photograph that is not the session's, and a file of several."""
    if pages > 1:
        raise UserError(f"'{named}' has {pages} pages and a session is of one photograph: save the page as a file")
    if sha256 != session.photograph.sha256:
        raise UserError(
            f"'{named}' is not the photograph of the session, which was '{session.photograph.name}' "
            f"(sha256 {session.photograph.sha256[:16]})"
        )


def require_network(session: Session, networks: Sequence[tuple[str, str]]) -> None:
    """Refuse networks, by name and sha256 of their weights, other than the session's one."""
    wanted = session.settings.network
    if wanted is None or [sha256 for _, sha256 in networks] == [wanted.sha256]:
        return
    raise UserError(
        f"the session was coloured by {wanted.name} (weights of sha256 {wanted.sha256[:16]}), not by "
        f"{', '.join(name for name, _ in networks)}: name that network with --run or --weights"
    )
