"""``oldrestore weights``: exit codes and what is written, in-process."""

import hashlib
import os
import pickle

import pytest

from oldrestore.models.weights import read_header
from tests.models import pickle_writer as writer
from tests.models import published_networks as published

WIDTH = 0.0625
WRITERS = {"legacy": writer.write_legacy, "zip": writer.write_zip}


@pytest.fixture(scope="module")
def published_files(tmp_path_factory):
    """A random eccv16 in both formats, named by its sha256 as published files are."""
    folder = tmp_path_factory.mktemp("published")
    files = {}
    for name, write in WRITERS.items():
        write(folder / f"{name}.pth", published.random_state("eccv16", WIDTH))
        digits = hashlib.sha256((folder / f"{name}.pth").read_bytes()).hexdigest()[:8]
        files[name] = (folder / f"{name}.pth").rename(folder / f"{name}-{digits}.pth")
    return files


@pytest.mark.parametrize("file_format", WRITERS)
def test_import_writes_safetensors_and_says_what_it_checked(published_files, file_format, cli, tmp_path):
    output = tmp_path / "eccv16.safetensors"
    printed = cli("weights", "import", published_files[file_format], "-o", output).out
    assert "model     eccv16 (width=0.0625, decoding=released)" in printed
    assert "as its name says" in printed
    assert printed.splitlines()[-1] == str(output)
    assert read_header(output).settings == {"width": WIDTH, "decoding": "released"}


def test_import_says_when_the_name_has_no_digits(published_files, cli, tmp_path):
    plain = tmp_path / "mine.pth"
    plain.write_bytes(published_files["zip"].read_bytes())
    described = cli("weights", "import", plain, "-o", tmp_path / "w.safetensors", "--json").content
    assert described["name_checked"] is False
    assert described["source_sha256"] == hashlib.sha256(plain.read_bytes()).hexdigest()
    assert len(described["dropped"]) == 7


@pytest.mark.parametrize("file_format", WRITERS)
def test_bad_files_are_refused_with_exit_code_2(published_files, file_format, cli, tmp_path):
    folder, good = tmp_path / "bad", published_files[file_format]
    folder.mkdir()
    content = good.read_bytes()
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 0xFF
    (folder / "malicious.pth").write_bytes(pickle.dumps(os.getcwd))
    (folder / "truncated.pth").write_bytes(content[: len(content) * 2 // 3])
    (folder / good.name).write_bytes(damaged)  # one bit of a weight: only the name's sha256 can tell
    (folder / "no-weights.pth").write_text("hello")
    (folder / "empty.pth").write_bytes(b"")
    for path in [*folder.iterdir(), folder / "missing.pth"]:
        error = cli("weights", "import", path, "-o", tmp_path / "out.safetensors", code=2).err
        assert error.startswith("oldrestore: ") and error.count("\n") == 1, path
    wrong_model = ["weights", "import", good, "--model", "siggraph17", "-o", tmp_path / "out.safetensors"]
    assert "missing: model8up.0.weight" in cli(*wrong_model, code=2).err
    assert [path.name for path in tmp_path.iterdir()] == ["bad"]


def test_nothing_is_overwritten_unless_asked(published_files, cli, tmp_path):
    output = tmp_path / "w.safetensors"
    output.write_text("mine")
    arguments = ["weights", "import", published_files["zip"], "-o", output]
    cli(*arguments, code=2)
    assert output.read_text() == "mine"
    cli(*arguments, "--overwrite")
    assert read_header(output).model == "eccv16"


def test_known_files_are_listed_with_their_licences_and_nothing_is_read(cli, monkeypatch):
    entries = cli("weights", "known", "--json").content
    assert {entry["model"] for entry in entries} == {"eccv16", "siggraph17", "ddcolor"}
    for entry in entries:
        # A file that its authors name by its sha256 is listed with those digits, and no other.
        assert (f"-{entry['sha256']}." in entry["file"]) if entry["sha256"] else "-" not in entry["file"]
        assert ("Apache-2.0" if entry["model"] == "ddcolor" else "BSD 2-Clause") in entry["origin"]
        assert entry["import"].startswith(f"oldrestore weights import {entry['file']} -o ")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    for columns in ("40", "80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        printed = cli("weights", "known").out
        assert all(entry["file"] in printed.replace("\n", "") for entry in entries) and "\u2026" not in printed


def test_import_says_who_published_the_weights_and_keeps_it(published_files, cli, tmp_path):
    output = tmp_path / "w.safetensors"
    assert (
        "origin    richzhang/colorization, BSD 2-Clause"
        in cli("weights", "import", published_files["zip"], "-o", output).out
    )
    assert read_header(output).origin == "richzhang/colorization, BSD 2-Clause"
