"""The page in Chromium: open, pick a colour, paint, undo, save; and the saved session replayed to the same pixels."""

import contextlib
import shutil
import socket
import threading
import time

import numpy as np
import pytest
import uvicorn

from oldrestore.studio.server import studio_app
from oldrestore.studio.session import read_session
from tests.commands.restoring import opened
from tests.studio.asking import TOKEN

CHROMIUM = shutil.which("chromium")
HOW = "the page is tested in Chromium: apt-get install chromium; pip install playwright"
sync_api = pytest.importorskip("playwright.sync_api", reason=HOW)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=HOW)]
WAIT = 60_000  # milliseconds


@pytest.fixture
def link(engine):
    """A served studio."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        app = studio_app(engine, frozenset({host}), TOKEN)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.05)
        yield f"http://{host}/?token={TOKEN}"
        server.should_exit = True
        thread.join(20)


@contextlib.contextmanager
def browsed(link, **context):
    """The page, idle; afterwards nothing may have gone wrong in it."""
    wrong = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(**context).new_page()
        page.set_default_timeout(WAIT)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(link)
        idle(page)
        yield page
        browser.close()
    assert wrong == []


def idle(page):
    page.locator("#stage[aria-busy=false]").wait_for()


def test_a_session_by_mouse_is_saved_and_replayed(link, engine, photos, hint_network, cli, tmp_path):
    with browsed(link, viewport={"width": 1100, "height": 800}) as page:
        assert "token" not in page.url and page.locator("#photograph option").all_inner_texts() == ["a.png", "b.jpg"]
        box = page.locator("#view").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.check("input[value=color]")
        page.mouse.click(*middle)
        page.locator("#picker[open]").wait_for()
        wheel = page.locator("#wheel").bounding_box()
        page.mouse.click(wheel["x"] + wheel["width"] * 0.6, wheel["y"] + wheel["height"] * 0.4)
        page.click("#picker button[value=use]")
        page.locator("#hints li").wait_for()
        idle(page)
        page.check("input[value=brush]")
        page.mouse.move(middle[0] - 100, middle[1])
        page.mouse.down()
        page.mouse.move(middle[0] - 20, middle[1] + 40, steps=4)
        page.mouse.up()
        page.locator("#strokes:enabled").wait_for()
        idle(page)
        page.locator("[data-setting=strength]").fill("0.5")
        idle(page)
        page.click("#undo")
        idle(page)
        assert page.locator("[data-setting=strength]").input_value() == "1"
        assert page.locator("#redo").is_enabled() and page.locator("#hints li").count() == 1
        page.click("#save")
        page.get_by_text("Saved ").wait_for()
    session = read_session(engine.photographs[0].session_file)
    assert len(session.strokes) == len(session.hints) == 1 and session.settings.strength == 1
    assert abs(session.hints[0].x - 51.5) < 2 and abs(session.hints[0].y - 35.5) < 2
    a, b = session.hints[0].ab
    assert a > 5 and b > 5, "the wheel's upper right is red and yellow"
    file = engine.photographs[0].session_file
    cli("restore", photos / "a.png", "--session", file, "--weights", hint_network, "-o", tmp_path / "again")
    np.testing.assert_array_equal(opened(tmp_path / "out/a-restored.png"), opened(tmp_path / "again/a-restored.png"))


def test_it_works_by_keyboard_on_a_narrow_dark_screen(link, engine):
    with browsed(link, viewport={"width": 390, "height": 800}, color_scheme="dark", has_touch=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.check("input[value=color]")
        page.focus("#view")
        for key in ("ArrowRight", "ArrowDown", "Enter"):
            page.keyboard.press(key)
        page.locator("#picker[open]").wait_for()
        page.focus("#wheel")
        for key in ("ArrowUp", "ArrowUp", "ArrowRight"):
            page.keyboard.press(key)
        page.click("#picker button[value=use]")
        page.locator("#hints li").wait_for()
        idle(page)
        page.focus("#view")
        page.keyboard.press("Control+z")
        page.locator("#undo:disabled").wait_for()
        idle(page)
        page.keyboard.press("Control+Shift+z")
        page.locator("#hints li").wait_for()
        idle(page)
        page.get_by_label("Delete hint 1").click()
        page.locator("#hints li").wait_for(state="detached")
        idle(page)
        page.select_option("#photograph", "1")
        idle(page)
    assert engine.photographs[0].history.present.hints == () and engine.photographs[1].history is not None
