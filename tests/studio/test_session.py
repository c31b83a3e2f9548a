"""Sessions: what is refused, undo and redo, and files that come back as they were."""

import json

import pytest

from oldrestore.studio.session import (
    MOST_POINTS,
    BrushStroke,
    HintPoint,
    History,
    Session,
    SessionNetwork,
    SessionPhotograph,
    SessionSettings,
    read_session,
    require_network,
    require_photograph,
    session_of,
    write_session,
)

PHOTOGRAPH = SessionPhotograph(name="a.jpg", sha256="0" * 64, width=40, height=30)
EMPTY = Session(photograph=PHOTOGRAPH)
FULL = Session(
    photograph=PHOTOGRAPH,
    strokes=(BrushStroke(tool="brush", radius=2.5, points=((1.0, 2.0), (-3.0, 90.0))),),
    hints=(HintPoint(x=39.0, y=0.0, radius=3.0, ab=(20.0, -45.0)),),
    settings=SessionSettings(strength=0.7, variant=2, network=SessionNetwork(name="net", sha256="a" * 64)),
)


def changed(**parts):
    return json.dumps(json.loads(FULL.model_dump_json()) | parts)


def test_a_file_comes_back_as_it_was(tmp_path):
    write_session(tmp_path / "s.json", FULL)
    assert read_session(tmp_path / "s.json") == FULL
    assert FULL.hint_discs[0].ab == (20.0, -45.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ("[" * 5000, "is not JSON"),
        (changed(version=2), "version must be 1, not 2"),
        (changed(more=1), "more must be"),
        (changed(hints=[{"x": 40, "y": 0, "radius": 1, "ab": [0, 0]}]), "outside of 'a.jpg'"),
        (changed(hints=[{"x": 4, "y": 0, "radius": 1, "ab": [0, 111]}]), "less than or equal to 110"),
        (changed(hints=[{"x": "4", "y": 0, "radius": 1, "ab": [0, 1]}]), "a valid number"),
        (changed(hints=[{"x": float("nan"), "y": 0, "radius": 1, "ab": [0, 1]}]), "finite"),
        (changed(strokes=[{"tool": "axe", "radius": 1, "points": [[0, 0]]}]), "'brush' or 'eraser'"),
        (changed(strokes=[{"tool": "brush", "radius": 1, "points": []}]), "at least 1"),
        (changed(strokes=[{"tool": "brush", "radius": 1, "points": [[0, 0]] * (MOST_POINTS + 1)}]), "20,001 points"),
        (changed(photograph={"name": "a", "sha256": "../x", "width": 1, "height": 1}), "sha256"),
        (" " * (4 * 2**20 + 1), "more than 4,194,304 bytes"),
    ],
)
def test_what_is_no_session_is_refused_in_one_sentence(text, says, refusal):
    sentence = refusal(session_of, text, "s.json")
    assert sentence.startswith(("s.json", "the strokes of s.json", "hint 1")) and says in sentence


def test_files_that_cannot_be_read_are_named(tmp_path, refusal):
    assert "no such file" in refusal(read_session, tmp_path / "none.json")
    assert "is not a file" in refusal(read_session, tmp_path)


def test_undo_and_redo_walk_through_the_states():
    states = [EMPTY, *(EMPTY.model_copy(update={"settings": SessionSettings(strength=s)}) for s in (0.1, 0.2, 0.3))]
    history = History(EMPTY)
    assert history.undone() is history and history.redone() is history
    for state in states[1:]:
        history = history.edited(state)
    assert history.edited(states[-1]) is history and history.revision == 3
    back = [history := history.undone(), history := history.undone()]
    assert [h.present for h in back] == [states[2], states[1]] and history.revision == 5
    assert history.redone().present == states[2]
    other = history.edited(FULL)
    assert other.future == () and other.undone().present == states[1]


def test_a_session_keeps_its_photograph_and_network(refusal):
    other = EMPTY.model_copy(update={"photograph": SessionPhotograph(name="b", sha256="1" * 64, width=1, height=1)})
    assert "cannot be exchanged" in refusal(History(EMPTY).edited, other)
    assert "3 pages" in refusal(require_photograph, EMPTY, "0" * 64, 3, "a.tif")
    assert "'b.jpg' is not the photograph" in refusal(require_photograph, EMPTY, "1" * 64, 1, "b.jpg")
    require_photograph(EMPTY, "0" * 64, 1, "renamed.jpg")
    require_network(FULL, [("any", "a" * 64)])
    require_network(EMPTY, [("any", "b" * 64)])
    assert "coloured by net" in refusal(require_network, FULL, [("any", "b" * 64)])
