"""The studio's server: what a page does with it, and requests of others, each of which is refused."""

import io
import json
import time

import numpy as np
import pytest
from PIL import Image

from oldrestore.engines.chosen_network import network_of_file
from oldrestore.photographs.photo_list import find_photographs
from oldrestore.studio.engine import Studio
from oldrestore.studio.server import studio_app
from oldrestore.studio.session import LARGEST_FILE
from tests.commands.restoring import opened
from tests.studio.asking import HOST, ORIGIN, TOKEN, Asking

HINT = {"x": 60, "y": 50, "radius": 8, "ab": [50, 40]}
PHOTO = "/api/photographs/0"


@pytest.fixture
def ask(engine):
    return Asking(studio_app(engine, frozenset({HOST, "localhost:8050"}), TOKEN))


@pytest.fixture
def state(ask):
    """The first photograph, opened."""
    return ask("GET", PHOTO).content


def put(ask, state, **parts):
    return ask("PUT", f"{PHOTO}/session", {"revision": state["revision"], "session": state["session"] | parts})


def test_the_link_sets_a_cookie_that_scripts_cannot_read(ask):
    answer = ask("GET", "/", query=f"token={TOKEN}", cookie=None, sec_fetch_site="none")
    assert answer.status == 303 and answer.headers["location"] == "/"
    assert answer.headers["set-cookie"] == f"oldrestore-studio-8050={TOKEN}; HttpOnly; Path=/; SameSite=strict"
    page = ask("GET", "/")
    assert page.status == 200 and b"<title>oldrestore studio</title>" in page.body
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert ask("GET", "/", host="localhost:8050").status == 200
    assert ask("GET", "/", cookie=None, x_studio_token=TOKEN).status == 200


def test_every_part_of_the_page_is_served(ask):
    for name, kind in (("main.js", "text/javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")):
        answer = ask("GET", f"/page/{name}")
        assert answer.status == 200 and answer.headers["content-type"].startswith(kind) and answer.body


def test_a_page_edits_undoes_and_looks(ask, state):
    assert ask("GET", "/api/studio").content["photographs"] == ["a.png", "b.jpg"]
    assert (state["revision"], state["can_undo"], state["session"]["photograph"]["width"]) == (0, False, 104)
    before = ask("GET", f"{PHOTO}/pictures/result")
    edited = put(ask, state, hints=[HINT]).content
    assert (edited["revision"], edited["can_undo"], edited["session"]["hints"]) == (1, True, [HINT])
    after = ask("GET", f"{PHOTO}/pictures/result")
    assert after.headers["x-revision"] == "1" and after.headers["content-type"] == "image/jpeg"
    assert after.body != before.body and Image.open(io.BytesIO(after.body)).size == (104, 72)
    undone = ask("POST", f"{PHOTO}/undo", {"revision": 1}).content
    assert undone["session"]["hints"] == [] and undone["can_redo"]
    assert ask("GET", f"{PHOTO}/pictures/result").body == before.body
    assert ask("POST", f"{PHOTO}/redo", {"revision": 2}).content["session"] == edited["session"]
    mask = np.asarray(Image.open(io.BytesIO(ask("GET", f"{PHOTO}/pictures/mask").body)))
    assert mask.shape == (72, 104) and set(np.unique(mask)) == {0, 255}
    likely = ask("GET", f"{PHOTO}/likely", query="x=50&y=40").content
    assert 0 < likely["lightness"] < 100 and len(likely["colors"]) == 1


def test_a_second_page_does_not_overwrite_the_first_ones_work(ask, state):
    assert put(ask, state, hints=[HINT]).status == 200
    answer = put(ask, state, hints=[])
    assert answer.status == 409 and "changed on another page" in answer.content["error"]
    assert ask("GET", PHOTO).content["session"]["hints"] == [HINT]


def test_saving_is_a_job_that_names_what_it_wrote(ask, state, tmp_path):
    put(ask, state, hints=[HINT])
    answer = ask("POST", f"{PHOTO}/save", {})
    assert answer.status == 202
    job = f"/api/jobs/{answer.content['job']}"
    deadline = time.monotonic() + 60
    while "written" not in (told := ask("GET", job).content):
        assert "error" not in told and time.monotonic() < deadline
        time.sleep(0.05)
    assert told["stage"] == "done" and str(tmp_path / "out/a-restored.png") in told["written"]
    assert opened(tmp_path / "out/a-restored.png").shape == (72, 104, 3)
    assert ask("DELETE", job).content == told  # it is too late to stop it


BIG = b'{"revision": 0, "session": "' + b"x" * LARGEST_FILE + b'"}'
BODY = {"revision": 0}
SECRETS = "/etc/passwd"
HOSTILE = [
    ("another host", 403, "GET", "/", {"host": "evil.example:8050"}),
    ("a host without port", 403, "GET", "/", {"host": "127.0.0.1"}),
    ("another port", 403, "GET", PHOTO, {"host": "127.0.0.1:8051"}),
    ("no host", 403, "GET", PHOTO, {"host": None}),
    ("a host with user", 403, "GET", PHOTO, {"host": f"a@{HOST}"}),
    ("another origin", 403, "POST", f"{PHOTO}/undo", {"content": BODY, "origin": "http://evil.example"}),
    ("another port's origin", 403, "POST", f"{PHOTO}/undo", {"content": BODY, "origin": "http://127.0.0.1:5000"}),
    ("origin null", 403, "POST", f"{PHOTO}/undo", {"content": BODY, "origin": "null"}),
    ("https origin", 403, "POST", f"{PHOTO}/undo", {"content": BODY, "origin": f"https://{HOST}"}),
    ("localhost's origin for 127.0.0.1", 403, "POST", f"{PHOTO}/undo", {"origin": "http://localhost:8050"}),
    ("no origin", 403, "POST", f"{PHOTO}/undo", {"content": BODY, "origin": None}),
    ("a reading request of another origin", 403, "GET", PHOTO, {"origin": "http://evil.example"}),
    ("a picture in another site", 403, "GET", f"{PHOTO}/pictures/result", {"sec_fetch_site": "cross-site"}),
    ("a page of another port", 403, "GET", PHOTO, {"sec_fetch_site": "same-site"}),
    ("no token", 401, "GET", PHOTO, {"cookie": None}),
    ("no token for the page", 401, "GET", "/", {"cookie": None}),
    ("no token for a script", 401, "GET", "/page/main.js", {"cookie": None}),
    ("a wrong token", 401, "GET", PHOTO, {"cookie": "oldrestore-studio-8050=the-tokem"}),
    ("the cookie of another port", 401, "GET", PHOTO, {"cookie": f"oldrestore-studio-8051={TOKEN}"}),
    ("part of the token", 401, "GET", PHOTO, {"cookie": f"oldrestore-studio-8050={TOKEN[:-1]}"}),
    ("a wrong link", 401, "GET", "/", {"query": "token=x", "cookie": None}),
    ("an empty token", 401, "GET", "/", {"query": "token=", "cookie": None}),
    ("a token in the address of data", 401, "GET", PHOTO, {"query": f"token={TOKEN}", "cookie": None}),
    ("a path upwards", 404, "GET", "/page/../session.py", {}),
    ("an encoded path upwards", 404, "GET", "/page/..%2fsession.py", {}),
    ("an absolute path", 404, "GET", f"/page/{SECRETS}", {}),
    ("a file that is no part of the page", 404, "GET", "/page/__init__.py", {}),
    ("a name for a number", 404, "GET", "/api/photographs/..", {}),
    ("a file for a number", 404, "GET", f"/api/photographs/{SECRETS}", {}),
    ("digits of another script", 404, "GET", "/api/photographs/\u0663", {}),
    ("a huge number", 404, "GET", f"/api/photographs/{'9' * 5000}", {}),
    ("a photograph that was not named", 400, "GET", "/api/photographs/2", {}),
    ("a picture that there is not", 404, "GET", f"{PHOTO}/pictures/..%2f..", {}),
    ("a job that there is not", 404, "GET", "/api/jobs/77", {}),
    ("a place that is none", 400, "GET", f"{PHOTO}/likely", {"query": "x=nan&y=1"}),
    ("a place outside", 400, "GET", f"{PHOTO}/likely", {"query": "x=1e9&y=1"}),
    ("no place", 400, "GET", f"{PHOTO}/likely", {}),
    ("reading what changes", 405, "GET", f"{PHOTO}/save", {}),
    ("deleting a photograph", 405, "DELETE", PHOTO, {}),
    ("posting a session", 405, "POST", f"{PHOTO}/session", {"content": BODY}),
    ("writing to the page", 405, "PUT", "/page/main.js", {"content": BODY}),
    ("tracing", 405, "TRACE", "/", {}),
    ("broken JSON", 400, "PUT", f"{PHOTO}/session", {"content": b'{"revision": 0, "session": {'}),
    ("no JSON", 400, "PUT", f"{PHOTO}/session", {"content": b"\xff\xfe"}),
    ("nested JSON", 400, "PUT", f"{PHOTO}/session", {"content": b"[" * 100_000}),
    ("another shape", 400, "PUT", f"{PHOTO}/session", {"content": [1]}),
    ("no session", 400, "PUT", f"{PHOTO}/session", {"content": BODY}),
    ("unknown names", 400, "POST", f"{PHOTO}/undo", {"content": BODY | {"path": SECRETS}}),
    ("a text for a number", 400, "POST", f"{PHOTO}/undo", {"content": {"revision": "0"}}),
    ("too large a body", 400, "PUT", f"{PHOTO}/session", {"content": BIG}),
    ("an endless body", 400, "PUT", f"{PHOTO}/session", {"chunks": (b"x" * 2**16 for _ in range(2**30))}),
    ("a body for saving", 400, "POST", f"{PHOTO}/save", {"content": b"x" * 5000}),
]


@pytest.fixture(scope="module")
def target(tmp_path_factory, hint_network):
    """One studio that all of them ask."""
    folder = tmp_path_factory.mktemp("hostile")
    Image.fromarray(np.full((40, 48, 3), 90, np.uint8)).save(folder / "a.png")
    Image.fromarray(np.full((40, 48, 3), 70, np.uint8)).save(folder / "b.png")
    engine = Studio(find_photographs([folder]), folder / "out", lambda: [network_of_file(hint_network)])
    ask = Asking(studio_app(engine, frozenset({HOST, "localhost:8050"}), TOKEN))
    ask("GET", PHOTO)
    yield ask, engine
    engine.close()


@pytest.mark.parametrize(
    ("status", "method", "path", "more"), [one[1:] for one in HOSTILE], ids=[h[0] for h in HOSTILE]
)
def test_a_hostile_request_is_refused_in_one_sentence(target, status, method, path, more):
    ask, engine = target
    answer = ask(method, path, **more)
    assert answer.status == status, answer.body
    if method != "TRACE":
        sentence = json.loads(answer.body)["error"]
        assert sentence and "\n" not in sentence and "Traceback" not in sentence and len(sentence) < 500
    assert engine.photographs[0].history.revision == 0
    assert answer.headers["x-content-type-options"] == "nosniff" and "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"photograph": {"name": SECRETS, "sha256": "0" * 64, "width": 9, "height": 9}}, "cannot be exchanged"),
        ({"hints": [{"x": 1e308, "y": 0, "radius": 1, "ab": [0, 0]}]}, "less than or equal"),
        ({"strokes": [{"tool": "brush", "radius": 1e9, "points": [[0, 0]]}]}, "less than or equal"),
        ({"settings": {"network": {"name": "../x", "sha256": "f" * 64}}}, "is not one of the networks here"),
        ({"settings": {"detect": "oldrestore.os"}}, "boolean"),
        ({"version": 7}, "must be 1"),
    ],
)
def test_a_hostile_session_is_refused(ask, state, engine, change, says):
    answer = put(ask, state, **change)
    assert answer.status == 400 and says in answer.content["error"]
    assert engine.photographs[0].history.revision == 0 and not engine.photographs[0].session_file.exists()


def test_photographs_that_cannot_be_opened_say_why(tmp_path, hint_network):
    folder = tmp_path / "album"
    folder.mkdir()
    Image.new("1", (20_000, 20_000)).save(folder / "huge.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    pages = [Image.new("RGB", (40, 40), color) for color in ("red", "blue")]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])
    engine = Studio(find_photographs([folder]), tmp_path / "out", lambda: [network_of_file(hint_network)])
    try:
        ask = Asking(studio_app(engine, frozenset({HOST}), TOKEN))
        names = ask("GET", "/api/studio").content["photographs"]
        answers = {name: ask("GET", f"/api/photographs/{number}") for number, name in enumerate(names)}
        assert {answer.status for answer in answers.values()} == {400}
        told = {name: answer.content["error"] for name, answer in answers.items()}
        assert "above the limit" in told["huge.png"] and "cannot be read" in told["broken.jpg"]
        assert "cannot be opened" in told["gone.png"] and "2 pages" in told["pages.tif"]
    finally:
        engine.close()


def test_origin_is_that_of_the_host(ask, state):
    assert put(ask, state).status == 200
    host = "localhost:8050"
    answer = ask("POST", f"{PHOTO}/undo", {"revision": 0}, host=host, origin=f"http://{host}")
    assert answer.status == 200 and f"http://{host}" != ORIGIN
