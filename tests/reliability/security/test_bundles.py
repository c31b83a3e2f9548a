"""A bundle from a stranger is opened whole and as its manifest says, or refused in a sentence; nothing of it stays."""

import hashlib
import io
import json
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from oldrestore.data.cache import cache_directory
from oldrestore.errors import UserError
from oldrestore.records.bundle import FORMAT, MANIFEST, open_bundle

RUN = "outputs/tiny/run-1"
FILES = {f"{RUN}/config.yaml": b"seed: 0\n", f"{RUN}/metrics.jsonl": b"", f"{RUN}/samples/a-1.png": b"\x89PNG"}


def listed(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    return [{"path": n, "size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in files.items()]


def manifest(files: Mapping[str, bytes] = FILES, /, **changed: Any) -> bytes:
    return json.dumps({"format": FORMAT, "version": 1, "files": listed(files), **changed}).encode()


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings(action="ignore"):  # of a name twice
        for name, content in members:
            archive.writestr(name, content, compress_type=zipfile.ZIP_STORED if name == MANIFEST else method)
    return buffer.getvalue()


def bundled(files: Mapping[str, bytes] = FILES, /, **changed: Any) -> bytes:
    return zipped((MANIFEST, manifest(files, **changed)), *files.items())


def named(*names: str) -> bytes:
    return bundled({**FILES, **dict.fromkeys(names, b"{}")})


def of_kind(kind: int) -> bytes:
    info = zipfile.ZipInfo(f"{RUN}/data.json")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    files = {**FILES, info.filename: b"/etc/passwd"}
    return zipped((MANIFEST, manifest(files)), *FILES.items(), (info, b"/etc/passwd"))


def patched(content: bytes, offset: int, value: bytes) -> bytes:
    """Change a field of every header of a zip file but that of the manifest: offset in the central directory's."""
    start = content.find(b"PK\1\2") + 1
    while (start := content.find(b"PK\1\2", start)) >= 0:
        content = content[: start + offset] + value + content[start + offset + len(value) :]
        start += 1
    return content


def bomb(size: int = 2**27) -> bytes:
    return bundled({**FILES, f"{RUN}/per_image.csv": bytes(size)})


def lying_bomb() -> bytes:
    """A member that unpacks to a mebibyte more than directory, local header and manifest say."""
    content = bytes(2**20)
    name, declared = f"{RUN}/per_image.csv", 16
    files = {**FILES, name: bytes(declared)}
    whole = zipped((MANIFEST, manifest(files)), *FILES.items(), (name, content))
    size, crc = struct.pack("<L", declared), struct.pack("<L", zlib.crc32(bytes(declared)))
    for signature, offset in ((b"PK\3\4", 14), (b"PK\1\2", 16)):
        at = whole.rfind(signature) + offset
        whole = whole[:at] + crc + whole[at + 4 : at + 8] + size + whole[at + 12 :]
    return whole


def overlapping() -> bytes:
    """Many members of the directory that are one and the same part of the file."""
    content = zlib.compress(b"x" * 2**20)[2:-4]
    data, directory = b"", b""
    names = [f"{RUN}/{number}.csv" for number in range(200)]
    text = manifest(dict.fromkeys(names, b"x" * 2**20))
    for number, (name, method, packed, size, crc) in enumerate(
        [(MANIFEST, 0, text, len(text), zlib.crc32(text))]
        + [(name, 8, content, 2**20, zlib.crc32(b"x" * 2**20)) for name in names]
    ):
        fields = struct.pack("<HHHHHLLLHH", 20, 0, method, 0, 33, crc, len(packed), size, len(name), 0)
        if number < 2:
            start = len(data)
            data += b"PK\3\4" + fields + name.encode() + packed
        directory += b"PK\1\2\x14\3" + fields + struct.pack("<HHHLL", 0, 0, 0, 0, start) + name.encode()
    count = len(names) + 1
    return data + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(data), 0)


def huge_manifest() -> bytes:
    return zipped((MANIFEST, b" " * (2**26 + 1)))


def shared(**changed: Any) -> bytes:
    """A file that is said to be stored under another's name, with what is changed."""
    files = listed(FILES)
    files.append({**files[0], "path": f"{RUN}/data.json", "stored": files[0]["path"], **changed})
    return zipped((MANIFEST, manifest(files=files)), *FILES.items())


GOOD = bundled()
HOSTILE = {
    "absolute name": (named("/etc/x.json"), "absolute"),
    "absolute name of Windows": (named("C:/x.json"), "absolute"),
    "name with ..": (named(f"{RUN}/../../../x.json"), "leads elsewhere"),
    "name with . or nothing": (named(f"{RUN}/.//x.json"), "leads elsewhere"),
    "name with a backslash": (named(f"{RUN}/..\\..\\x.json"), "backslash"),
    "name with a line break": (named(f"{RUN}/a\nb.json"), "which no run has"),
    "name of 300 bytes": (named(f"{RUN}/{'a' * 300}.json"), "which no run has"),
    "names in twenty folders": (named(f"{RUN}/{'a/' * 20}x.json"), "which no run has"),
    "symbolic link": (of_kind(stat.S_IFLNK), "no file but a link"),
    "device": (of_kind(stat.S_IFCHR), "no file but a link"),
    "pipe": (of_kind(stat.S_IFIFO), "no file but a link"),
    "folder": (zipped((MANIFEST, manifest()), *FILES.items(), (f"{RUN}/a/", b"")), "leads elsewhere"),
    "a name twice": (zipped((MANIFEST, manifest()), *FILES.items(), (f"{RUN}/config.yaml", b"x")), "twice"),
    "a name twice in the manifest": (bundled(files=listed(FILES) + listed(FILES)[:1]), "twice"),
    "names that differ in case": (named(f"{RUN}/Config.yaml"), "one on some file systems"),
    "folders that differ in case": (named("outputs/Tiny/run-1/data.json"), "one on some file systems"),
    "names that differ in Unicode form": (
        named(f"{RUN}/\u00e9.json", f"{RUN}/e\u0301.json"),
        "one on some file systems",
    ),
    "a file below a file": (named(f"{RUN}/config.yaml/x.json"), "below a file"),
    "not in the manifest": (zipped((MANIFEST, manifest()), *FILES.items(), (f"{RUN}/x.json", b"{}")), "not in its"),
    "missing": (zipped((MANIFEST, manifest()), *list(FILES.items())[:2]), "is missing"),
    "another content": (
        zipped((MANIFEST, manifest()), *{**FILES, f"{RUN}/config.yaml": b"seed: 1\n"}.items()),
        "sha256",
    ),
    "another size": (zipped((MANIFEST, manifest()), *{**FILES, f"{RUN}/config.yaml": b"x"}.items()), "another size"),
    "stored under a name that is missing": (shared(stored=f"{RUN}/no.json"), "is missing"),
    "stored as another content": (shared(sha256="0" * 64), "another content"),
    "stored as itself by a ring": (shared(path=f"{RUN}/x.json", stored=f"{RUN}/x.json"), "is missing"),
    "code": (named(f"{RUN}/plugin.py"), "no file of a run"),
    "outside of runs": (named("outputs/x.json"), "no file of a run"),
    "an archive within": (bundled({**FILES, f"{RUN}/more.zip": GOOD}), "no file of a run"),
    "zip bomb": (bomb, "would become"),
    "overlapping members": (overlapping, "overlap"),
    "a record of a gibibyte": (bundled(files=[{**listed(FILES)[0], "size": 2**30}, *listed(FILES)[1:]]), "would have"),
    "encrypted": (patched(GOOD, 8, b"\1\0"), "encrypted"),
    "packed by LZMA": (zipped((MANIFEST, manifest()), *FILES.items(), method=zipfile.ZIP_LZMA), "packed in a way"),
    "a method that is none": (patched(GOOD, 10, struct.pack("<H", 97)), "packed in a way"),
    "huge manifest": (huge_manifest, "which no bundle needs"),
    "deep manifest": (zipped((MANIFEST, b"[" * 10**6)), "does not say so"),
    "manifest of words": (bundled(files="all"), "does not list files"),
    "manifest of numbers": (bundled(files=[{"path": 1, "size": "1", "sha256": None}]), "does not list files"),
    "negative size": (bundled(files=[{**listed(FILES)[0], "size": -1}]), "does not list files"),
    "newer version": (bundled(version=2), "newer oldrestore: update"),
    "version 0": (bundled(version=0), "none that was ever written"),
    "another format": (bundled(format="zip"), "does not say so"),
    "no manifest": (zipped(*FILES.items()), "its first file is not manifest.json"),
    "an empty zip": (zipped(), "no zip file"),
    "text": (b"not a bundle\n" * 100, "no zip file"),
    "empty": (b"", "no zip file"),
    "zip after something else": (b"#!/bin/sh\n" + GOOD, "no zip file"),
    "something after it": (GOOD + b"x", "something follows"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_bundle_is_refused(what, tmp_path, refusal, within_mib):
    content, reason = HOSTILE[what]
    file = tmp_path / "x.zip"
    file.write_bytes(content() if callable(content) else content)
    before = set(cache_directory().rglob("*"))
    with within_mib(200):
        sentence = refusal(open_bundle, file)
    assert sentence.startswith(f"the bundle '{file}' is ") and reason in sentence and len(sentence) < 500
    left = set(cache_directory().rglob("*")) - before
    assert {path.name for path in left} <= {"bundles", "lock"}
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_what_hostile_bundles_are_tried(ledger):
    what, sentence = "bundles: names, links, bombs, wrong hashes", "“the bundle 'x.zip' is refused: …”"
    ledger.record(what, through="compare", said=len(HOSTILE), sentence=sentence)


def test_a_bundle_that_is_cut_or_changed_anywhere_is_refused(tmp_path, ledger):
    file, said = tmp_path / "x.zip", 0
    for end in range(0, len(GOOD), 7):
        file.write_bytes(GOOD[:end])
        with pytest.raises(UserError, match="the bundle"):
            open_bundle(file)
        said += 1
    right = 0
    for place in range(0, len(GOOD), 5):
        file.write_bytes(GOOD[:place] + bytes([GOOD[place] ^ 0x15]) + GOOD[place + 1 :])
        try:
            root = open_bundle(file)
        except UserError:
            said += 1
        else:  # a time or a permission
            right += 1
            assert {str(Path("outputs") / p.relative_to(root)): p.read_bytes() for p in files_in(root)} == FILES
    ledger.record("bundles cut short, a byte changed", through="compare", right=right, said=said, varies=True)


def files_in(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.name != "config.json"]


def test_of_a_member_that_goes_on_behind_its_size_no_more_is_read(tmp_path):
    file = tmp_path / "x.zip"
    file.write_bytes(lying_bomb())
    assert (open_bundle(file) / "tiny/run-1/per_image.csv").read_bytes() == bytes(16)


def test_a_bundle_that_is_as_it_says_is_opened_once(tmp_path):
    file = tmp_path / "x.zip"
    file.write_bytes(shared())
    root = open_bundle(file)
    found = {path.relative_to(root.parent).as_posix(): path.read_bytes() for path in files_in(root)}
    assert found == {**FILES, f"{RUN}/data.json": FILES[f"{RUN}/config.yaml"]}
    time = (root / "tiny/run-1/config.yaml").stat().st_mtime_ns
    (tmp_path / "y.zip").write_bytes(file.read_bytes())
    assert open_bundle(tmp_path / "y.zip") == root
    assert (root / "tiny/run-1/config.yaml").stat().st_mtime_ns == time
