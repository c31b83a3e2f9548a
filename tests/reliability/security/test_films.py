"""What names and contents of films cannot make FFmpeg do."""

import shutil
from pathlib import Path

import pytest

from oldrestore.restoration.film import is_film, read_frames
from oldrestore.restoration.film_file import UnreadableFilm
from tests.restoration.films import encode_film, moving


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Five frames of a film that nobody was to see."""
    return encode_film(tmp_path_factory.mktemp("films") / "private.mp4", moving(5), rate=5)


NAMES = ["-i.mp4", "-y.mp4", "concat:a.mp4|b.mp4", "http:example.mp4", "file:x.mp4", "pipe:0.mp4", "x%03d.mp4",
         "$(touch made).mp4", "`touch made`.mp4", ";touch made;.mp4", "a\nb.mp4", "subfile,,start,0,end,9,,:x.mp4",
         "data:video;base64,x.mp4", "cache:x.mp4", "'\".mp4"]  # fmt: skip


def test_names_of_films_are_names(film, tmp_path, monkeypatch, ledger):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        for path in (Path(name), tmp_path / name):
            shutil.copyfile(film, path)
            assert is_film(path)
            assert len(list(read_frames(path))) == 5
            path.unlink()
    assert not list(tmp_path.iterdir())
    what = "names of films that look like options, protocols, patterns or shell commands"
    ledger.record(what, through="ffmpeg", right=2 * len(NAMES), sentence="the file of that name")


def test_a_film_names_no_other_file(film, tmp_path, ledger):
    """A playlist under a film's name would have FFmpeg read other files of this machine, or addresses."""
    shutil.copyfile(film, tmp_path / "private.mp4")
    lists = {
        "concat": "ffconcat version 1.0\nfile private.mp4\n",
        "concat, a path": f"ffconcat version 1.0\nfile {film}\n",
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{film}\n#EXT-X-ENDLIST\n",
        "hls, an address": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    }
    for number, content in enumerate(lists.values()):
        path = tmp_path / f"{number}.mp4"
        path.write_text(content)
        with pytest.raises(UnreadableFilm, match="not a film that can be read"):
            list(read_frames(path))
    assert len(list(read_frames(tmp_path / "private.mp4"))) == 5
    what = "playlists (ffconcat, HLS, DASH, SDP) under a film's name"
    ledger.record(what, through="ffmpeg", said=len(lists), sentence="“not a film that can be read”")
