"""``oldrestore studio``: refused requests, and a real server on loopback that ends with Ctrl-C."""

import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from PIL import Image


@pytest.fixture
def photo(tmp_path):
    Image.new("RGB", (64, 48), (90, 90, 90)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_wrong_requests_are_one_sentence(photo, cli, tmp_path):
    assert "there is no photograph or folder" in cli("studio", tmp_path / "none.jpg", code=2).err
    assert "arguments are required: PHOTO" in cli("studio", code=2).err
    assert "--model says what" in cli("studio", photo, "--model", "eccv16", code=2).err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} on 127.0.0.1 is in use" in cli("studio", photo, "--port", port, code=2).err
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    assert "only films" in cli("studio", tmp_path / "film.mp4", "--no-open", "-o", tmp_path / "out", code=2).err


@pytest.mark.slow
def test_a_served_page_is_on_loopback_and_ends_with_ctrl_c(photo, tmp_path):
    command = [sys.executable, "-m", "oldrestore", "studio", photo, "-o", tmp_path / "out", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            link = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=\S{40,}", process.stdout.readline())
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
            page = opener.open(link.group(), timeout=30).read()
            assert b"oldrestore studio" in page
            stranger = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with pytest.raises(urllib.error.HTTPError, match="401"):
                stranger.open(f"http://127.0.0.1:{link.group(1)}/", timeout=10)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
