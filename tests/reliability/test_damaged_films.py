"""Films that are cut, overwritten or flipped come out or are refused in a sentence, and leave nothing else."""

import numpy as np
import pytest

from oldrestore.restoration.film_file import UnreadableFilm
from tests.restoration.films import encode_film, moving
from tests.restoration.test_film import CASES, through

SECTION = "What others hand you"
KINDS = {
    "a.mp4": {"sounds": ["aac"], "subtitles": "mov_text"},
    "b.mkv": {"sounds": ["libopus"], "subtitles": "subrip"},
    "c.ts": CASES["broadcast.ts"],
    "d.vob": CASES["tape.vob"],
    "e.mov": CASES["camera.mov"],
    "f.flv": CASES["net.flv"],
}


def damaged(content: bytes, kind: int, rng: np.random.Generator) -> bytes:
    data = bytearray(content)
    place = int(rng.integers(1, len(data)))
    if kind == 0:
        return bytes(data[:place])
    if kind == 1:
        data[place : place + 500] = bytes(len(data[place : place + 500]))
    elif kind == 2:
        for flipped in rng.integers(0, len(data), 12):
            data[flipped] ^= 1 << int(rng.integers(0, 8))
    else:  # in the head
        place %= 1000
        data[place : place + 4] = rng.bytes(4)
    return bytes(data)


@pytest.mark.slow
def test_damaged_films(tmp_path, ledger):
    rng = np.random.default_rng(0)
    right = said = 0
    for name, kind in KINDS.items():
        whole = encode_film(tmp_path / name, moving(20), **kind)
        content = whole.read_bytes()
        for number in range(16):
            whole.write_bytes(damaged(content, number % 4, rng))
            try:
                result, _ = through(whole, tmp_path / "out")
                result.unlink()
                right += 1
            except UnreadableFilm as error:
                assert 0 < len(error.reason) < 100
                said += 1
            assert not list((tmp_path / "out").glob("*"))
    what = "films that are cut, overwritten or with flipped bits: MP4, MOV, Matroska, transport stream, VOB, Flash"
    sentence = "“12 of about 20 frames could be read: the file is damaged”"
    ledger.record(what, through="ffmpeg", right=right, said=said, sentence=sentence, varies=True)
