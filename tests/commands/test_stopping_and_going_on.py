"""``oldrestore colorize`` and ``restore`` stopped in the middle, asked again, and two of them in one folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from oldrestore.photographs.output_files import OutputFiles
from tests.commands.restoring import NO_DETECTOR, gray

ENDS = {"colorize": ["-colorized.png", "-panel.jpg"], "restore": ["-panel.jpg", "-restored.png"]}


def album(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.fromarray(gray(number)).save(folder / f"p{number}.png")
    return folder


def arguments(verb, photos, out, weights):
    restoring = [NO_DETECTOR, "restore/restore=none", "restore.colorize.size=32"]
    how = ["--size", "32"] if verb == "colorize" else restoring
    return [verb, photos, "-o", out, "--weights", weights, "--dynamic", *how]


def files_of(verb, *numbers):
    return {f"p{number}{end}" for number in numbers for end in ENDS[verb]} | {f"{verb}.json"}


@pytest.mark.parametrize("verb", ["colorize", "restore"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("ctrl_c")
def test_what_is_done_stays_and_the_next_call_goes_on(verb, number, colorizers, cli, monkeypatch, tmp_path):
    photos, out = album(tmp_path / "album", 3), tmp_path / "out"
    write, calls = OutputFiles.write, []

    def stopped_while_writing(self, path, data):
        write(self, path, data)
        calls.append(path)
        if len(calls) == 3:  # the first of the second photograph's two files
            signal.raise_signal(number)

    monkeypatch.setattr(OutputFiles, "write", stopped_while_writing)
    asked = arguments(verb, photos, out, colorizers[0])
    done = "coloured" if verb == "colorize" else "restored"
    expected = f"oldrestore: 2 of 3 {done}; stopped; the same command with --skip-existing goes on\n"
    assert cli(*asked, code=1).err == expected
    assert {path.name for path in out.iterdir()} == files_of(verb, 0, 1)
    record = json.loads((out / f"{verb}.json").read_text())["files"]
    assert set(record) == {f"p{number}-{done.replace('coloured', 'colorized')}.png" for number in (0, 1)}
    before = {path: path.read_bytes() for path in out.glob("*.png")}

    refused = "and 3 more outputs exist already: name another folder, or add --skip-existing"
    assert refused in cli(*asked, code=2).err
    summary = cli(*asked, "--skip-existing", "--json").content
    assert summary["skipped"] == [str(photos / "p0.png"), str(photos / "p1.png")]
    assert [entry["photograph"] for entry in summary["done"]] == [str(photos / "p2.png")]
    assert {path.name for path in out.iterdir()} == files_of(verb, 0, 1, 2)
    assert {path: path.read_bytes() for path in before} == before
    assert len(json.loads((out / f"{verb}.json").read_text())["files"]) == 3


def test_a_photograph_that_is_half_made_or_anothers_is_not_skipped(colorizers, cli, tmp_path):
    photos, out = album(tmp_path / "album", 2), tmp_path / "out"
    asked = [*arguments("colorize", photos, out, colorizers[0]), "--skip-existing", "--json"]
    out.mkdir()
    (out / "p0-panel.jpg").write_bytes(b"mine")
    reason = f"'{out / 'p0-panel.jpg'}' exists already: --overwrite replaces it"
    assert cli(*asked, code=1).content["failed"] == [{"photograph": str(photos / "p0.png"), "reason": reason}]
    assert (out / "p0-panel.jpg").read_bytes() == b"mine"
    # Its output has the name that p1.png's has, and is not p1.tif's for that.
    (photos / "p1.png").rename(photos / "p1.tif")
    failed = {entry["photograph"]: entry["reason"] for entry in cli(*asked, code=1).content["failed"]}
    made_of = f"'{out / 'p1-colorized.png'}' exists already and was made of '{photos / 'p1.png'}'"
    assert failed[str(photos / "p1.tif")] == made_of


def test_a_bad_request_is_said_before_paddle_is_imported():
    # And what is imported before Paddle is prepared would let it print its warnings.
    code = "import sys; from oldrestore.cli import main; main(['colorize', 'no.jpg', '-o', 'out']); "
    code += "main(['restore', 'no.jpg', '-o', 'out']); sys.exit('paddle' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == "oldrestore: there is no photograph or folder 'no.jpg'\n" * 2


@pytest.mark.parametrize("verb", ["colorize", "restore"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("ctrl_c")
def test_stopped_before_the_first_photograph(verb, number, colorizers, cli, monkeypatch, tmp_path):
    from oldrestore.photographs import coloring

    monkeypatch.setattr(coloring, "coloring_networks", lambda *_: signal.raise_signal(number))
    asked = arguments(verb, album(tmp_path / "album", 1), tmp_path / "out", colorizers[0])
    assert cli(*asked, code=1).err == "oldrestore: stopped\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_sigterm_ends_as_ctrl_c_does_without_paddles_traceback(colorizers, tmp_path):
    photos, out = album(tmp_path / "album", 60), tmp_path / "out"
    command = [sys.executable, "-m", "oldrestore", *arguments("colorize", photos, out, colorizers[0])]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    deadline = time.monotonic() + 120
    while not (out / "p1-panel.jpg").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert err.startswith("oldrestore: ")
    assert "of 60 coloured; stopped" in err
    done = json.loads((out / "colorize.json").read_text())["files"]
    assert 2 <= len(done) < 60
    assert {path.name for path in out.glob("*-colorized.png")} == set(done)
    assert len(list(out.iterdir())) == 2 * len(done) + 1


def test_a_photograph_of_stars_keeps_its_colours(restore):
    source = Path(skimage.data.__file__).parent / "hubble_deep_field.jpg"
    settings = [NO_DETECTOR, "restore/restore=none", "restore.colorize.size=32"]
    assert restore(source, *settings, "--result-only", "--dynamic")["done"][0]["colored"] is False
