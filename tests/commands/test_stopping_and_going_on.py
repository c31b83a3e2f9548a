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

ENDS = {"colorize": ["-colorized.png", "-panel.png.jpg"], "restore": ["-panel.png.jpg", "-restored.png"]}


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
    (out / "p0-panel.png.jpg").write_bytes(b"mine")
    reason = f"'{out / 'p0-panel.png.jpg'}' exists already: --overwrite replaces it"
    assert cli(*asked, code=1).content["failed"] == [{"photograph": str(photos / "p0.png"), "reason": reason}]
    assert (out / "p0-panel.png.jpg").read_bytes() == b"mine"
    (out / "p0-panel.png.jpg").unlink()
    # Its output has the name that p1.png of another album would have: neither is lost, nor taken for the other.
    other = album(tmp_path / "other", 2)
    Image.fromarray(gray(7)).save(other / "p1.png")
    made = cli("colorize", other, *asked[2:], code=1).content
    made_of = f"'{out / 'p1-colorized.png'}' exists already and was made of '{photos / 'p1.png'}'"
    assert made["failed"] == [{"photograph": str(other / "p1.png"), "reason": made_of}]
    # The same picture under another name of its folder is the same.
    other.rename(tmp_path / "moved")
    assert cli("colorize", tmp_path / "moved" / "p0.png", *asked[2:]).content["skipped"] == [
        str(tmp_path / "moved/p0.png")
    ]


def test_a_scan_that_was_replaced_is_made_anew_unless_somebody_changed_its_result(colorizers, cli, tmp_path):
    photos, out = album(tmp_path / "album", 2), tmp_path / "out"
    asked = [*arguments("colorize", photos, out, colorizers[0]), "--skip-existing", "--json"]
    cli(*asked)
    before = (out / "p0-colorized.png").read_bytes(), (out / "p1-colorized.png").read_bytes()
    stamp = (photos / "p0.png").stat().st_mtime
    Image.fromarray(gray(8)).save(photos / "p0.png")
    os.utime(photos / "p0.png", (stamp, stamp))
    made = cli(*asked).content
    assert ([entry["photograph"] for entry in made["done"]], made["skipped"]) == (
        [str(photos / "p0.png")],
        [str(photos / "p1.png")],
    )
    assert (out / "p0-colorized.png").read_bytes() != before[0] and (out / "p1-colorized.png").read_bytes() == before[1]
    Image.fromarray(gray(9)).save(photos / "p1.png")
    (out / "p1-colorized.png").write_bytes(b"retouched")
    (failure,) = cli(*asked, code=1).content["failed"]
    assert "p1-colorized.png' was changed since it was made: --overwrite replaces it" in failure["reason"]
    assert (out / "p1-colorized.png").read_bytes() == b"retouched"


def test_records_without_hashes_are_believed_by_name(colorizers, cli, tmp_path):
    photos, out = album(tmp_path / "album", 1), tmp_path / "out"
    asked = [*arguments("colorize", photos, out, colorizers[0]), "--skip-existing", "--json"]
    cli(*asked)
    record = json.loads((out / "colorize.json").read_text())
    for entry in record["files"].values():
        del entry["photograph_sha256"], entry["files"]
    (out / "colorize.json").write_text(json.dumps(record))
    Image.fromarray(gray(8)).save(photos / "p0.png")
    assert cli(*asked).content["skipped"] == [str(photos / "p0.png")]


def test_equal_names_of_two_albums_in_one_call(colorizers, cli, tmp_path):
    one, two = album(tmp_path / "one", 1), album(tmp_path / "two", 1)
    Image.fromarray(gray(5)).save(two / "p0.png")
    verb, *rest = arguments("colorize", one, tmp_path / "out", colorizers[0])
    asked = [verb, two, *rest]
    made = cli(*asked, "--json").content["done"]
    assert [entry["outputs"] for entry in made] == [
        [str(tmp_path / "out" / n / "p0-colorized.png")] for n in ("two", "one")
    ]
    alone = arguments("colorize", two, tmp_path / "alone", colorizers[0])
    cli(*alone)
    colored = (tmp_path / "out" / "two" / "p0-colorized.png").read_bytes()
    assert (tmp_path / "alone" / "p0-colorized.png").read_bytes() == colored
    assert len(cli(*asked, "--skip-existing", "--json").content["skipped"]) == 2


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
