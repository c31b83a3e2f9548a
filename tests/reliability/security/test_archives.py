"""Where the members of archives cannot be written."""

import io
import os
import shutil
import struct
import tarfile
from pathlib import Path

import pytest

from oldrestore.data.packages import debian_package
from oldrestore.data.packages.gcompris import readable_name
from oldrestore.data.packages.qt_resources import BrokenResource, read_resources
from oldrestore.errors import UserError


def test_paths_in_qt_resources_become_names(tmp_path, ledger):
    paths = ["../../../etc/x.webp", "/etc/x.webp", "..\\..\\x.webp", "a/./../b/x.webp", "....//x.webp", "x.webp"]
    for path in paths:
        name = readable_name("erase", path)
        assert name == Path(name).name and name.startswith("erase-") and name.endswith("x.webp")
        assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    for content in (b"qres", b"qres" + b"\xff" * 16, b"qres" + struct.pack(">4I", 3, 20, 20, 20) + b"\0" * 7):
        (tmp_path / "x.rcc").write_bytes(content)
        with pytest.raises(BrokenResource):
            list(read_resources(tmp_path / "x.rcc"))
    what = "paths in Qt resources: ../, absolute, backslashes"
    ledger.record(what, through="data prepare", right=len(paths), sentence="a name within the folder")


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return buffer.getvalue()


def deb(members: list[tarfile.TarInfo]) -> bytes:
    """A Debian package with these members."""
    described = b"Package: bad\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
    files = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": packed((tarfile.TarInfo("./control"), described)),
        "data.tar.gz": packed(*((info, b"x") for info in members)),
    }
    made = b"!<arch>\n"
    for name, data in files.items():
        made += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return made


def link(name: str, to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="this machine has no dpkg-deb")
def test_members_of_a_debian_package_stay_in_its_folder(tmp_path, monkeypatch, ledger):
    outside = tmp_path / "outside"
    outside.mkdir()
    cases = {
        "parent": [tarfile.TarInfo("./../../../outside/a")],
        "absolute": [tarfile.TarInfo(str(outside / "b"))],
        "through a link": [link("./way", str(outside)), tarfile.TarInfo("./way/c")],
        "through a relative link": [link("./way", "../../../outside"), tarfile.TarInfo("./way/d")],
    }
    (tmp_path / "bin").mkdir()
    fetch = tmp_path / "bin" / "apt-get"
    fetch.write_text(f"#!/bin/sh\ncp {tmp_path}/next.deb bad_1_all.deb\n")
    fetch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    for name, members in cases.items():
        (tmp_path / "next.deb").write_bytes(deb(members))
        work = tmp_path / name.replace(" ", "-") / "work"
        work.mkdir(parents=True)
        try:
            unpacked = debian_package.download_and_unpack("bad", work, "")
        except UserError as refused:
            assert "dpkg-deb -x" in str(refused)
        else:
            assert all(path.resolve().is_relative_to(work) or path.is_symlink() for path in unpacked.rglob("*"))
        assert not list(outside.iterdir()), name
    what, sentence = "members of a .deb: ../, absolute, through links", "nothing is written outside of the folder"
    ledger.record(what, through="data prepare", right=len(cases), sentence=sentence)
