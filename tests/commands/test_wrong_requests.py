"""Whatever is asked wrongly is answered in one sentence with exit code 2, and nothing is written."""

import shlex
from pathlib import Path

import pytest
from PIL import Image

from oldrestore import runtime
from oldrestore.models import released
from tests.commands.restoring import gray

LONG = "n" * 300
# What is typed after `oldrestore`, in a folder that holds old.png and the empty folder `empty`; a part of the answer.
TABLE = [
    ("trian", "there is no verb 'trian': choose one of train"),
    ("runs --jsn", "unrecognized arguments: --jsn"),
    ("models --jsn", "unrecognized arguments: --jsn"),
    ("losses --jsn", "unrecognized arguments: --jsn"),
    ("runs folder", "'folder' is not understood here: only outputs=FOLDER is"),
    ("runs outputs=/no/such/folder", "there is no outputs folder '/no/such/folder'"),
    (f"runs --json outputs={__file__}", f"there is no outputs folder '{__file__}'"),
    ("runs \"outputs='~/no such'\"", f"there is no outputs folder '{Path.home()}/no such'"),
    ("ui outputs=/no/such/folder", "there is no outputs folder '/no/such/folder'"),
    ("evaluate no-such-run", "there is no run 'no-such-run'"),
    ("evaluate", "required: run (see"),
    ("evaluate '~/no run' --outputs=~/no", "there is no run '~/no run'"),
    ("report", "name the runs, or give --experiment NAME"),
    ("data prepare photos", "'photos' cannot be fetched"),
    ("data prior -o prior.txt", "must end in .png, .pdf or .svg"),
    ("data describe dataset=photo", "there is no dataset 'photo': did you mean 'photos'?"),
    ("data describe dataset=image_folder", "dataset.root"),
    ("data describe dataset=image_folder 'dataset.root=~/[x] #,'", "/[x] #, of image_folder does not exist"),
    ("train sweeps=temperature", "trains nothing: give it a finished run"),
    ("train -m sweeps=temperature seed=1,2", "oldrestore evaluate RUN --multirun sweeps=temperature"),
    ("train sweeps=seeds seed=0,1", "sweeps=seeds is 2 runs, not one: oldrestore sweep sweeps=seeds runs them"),
    ("train --fast", "unrecognized arguments: --fast"),
    ("train --experimental-rerun x", "unrecognized arguments: --experimental-rerun"),
    ("train --config-name x", "unrecognized arguments: --config-name"),
    ("train --cfg job -m", "--multirun and --cfg exclude each other: give one of them"),
    ("train --resolve", "--package and --resolve say how a configuration is printed: give --cfg job too"),
    ("train resume=last 'outputs=${nope}'", "outputs refers to ${nope}, and there is no setting of that name"),
    ("train -m 'outputs=${nope}' seed=0,1", "outputs refers to ${nope}, and there is no setting"),
    ("train -m outputs= seed=0,1", "outputs is empty: name a file or folder"),
    ("train outputs=/proc/nowhere evaluation.judged=null model.width=0.0625", "at /proc/nowhere/default/"),
    ("train trainer.monitor=val/nope evaluation.judged=null model.width=0.0625", "choose one of val/loss"),
    ("weights", "required: known|import|fetch|export"),
    ("weights import x.pth", "-o"),
    ("weights import x.pth -o y.pth", "must end in .safetensors"),
    ("weights import x.pth -o y.safetensors --mask-center 0.3", "--mask-center"),
    ("weights export x --format coreml -o y", "--format"),
    ("weights export no-such-run --format paddle -o y", "there is no run 'no-such-run'"),
    ("weights export x.safetensors --format paddle -o y", "there is no weights file"),
    ("weights export ~/no.safetensors --format=onnx -o x", f"'{Path.home()}/no.safetensors'"),
    ("colorize . -o out --size 7", "--size: must be a whole number from 32 to 4096, not '7'"),
    ("colorize old.png --output=~/x --hints=~/no", f"the hints '{Path.home()}/no' cannot be read"),
    ("restore restore/fill=telea -o out", "name a photograph or a folder"),
    ("restore old.png -o out --skip everything", "--skip"),
    ("restore old.png -o out --skip fill restore/fill=telea", "contradict each other"),
    ("restore old.png -o out --skip colorize --run last", "leave --skip colorize out"),
    ("restore old.png -o out --mask no.png", "there is no mask 'no.png'"),
    ("restore old.png -o out --mask old.png restore/detect=none", "--mask takes the place"),
    ("restore old.png -o out --restorer no.safetensors", "there is no weights file 'no.safetensors'"),
    ("restore old.png -o out restore/fill=sagan", "name one with --restorer WEIGHTS"),
    (f"restore old.png -o out --mask {LONG}", "cannot be looked up (the name is too long)"),
    (f"restore old.png -o out restore.no={LONG}", "there is no setting 'restore.no'"),
]
# What `colorize` and `restore` have in common.
TABLE += [
    (f"{verb} {line}", sentence)
    for verb in ("colorize", "restore")
    for line, sentence in (
        ("missing.jpg -o out", "there is no photograph or folder 'missing.jpg'"),
        ("old.png", "-o"),
        ("old.png -o ''", "the name is empty"),
        ("old.png -o old.png/out --dynamic", "outputs cannot be written to"),
        ("old.png -o out --model eccv16", "--model says what --weights FILE holds"),
        ("old.png -o out --run nothing", "there is no run 'nothing'"),
        ("old.png -o out --weights no.safetensors", "there is no weights file 'no.safetensors'"),
        ("old.png -o out --overwrite --skip-existing", "--overwrite and --skip-existing contradict each other"),
        ("empty -o out", "there is no photograph in empty"),
        ("'' -o out", "PHOTO: the name is empty"),
        (f"{LONG} -o out", "cannot be looked up (the name is too long)"),
    )
]


@pytest.fixture
def refused(cli, monkeypatch, tmp_path):
    """Type a line in a folder with old.png and the empty folder `empty`; returns the one sentence of the answer."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(gray(0)).save("old.png")
    Path("empty").mkdir()
    before = set(tmp_path.iterdir())

    def answer(line: str) -> str:
        said = cli(*shlex.split(line), code=2)
        assert said.err.startswith("oldrestore: ") and said.err.count("\n") == 1
        assert said.out == ""
        assert {path for path in tmp_path.iterdir() if not path.is_symlink()} == before
        return said.err

    return answer


@pytest.mark.parametrize(("line", "sentence"), TABLE)
def test_a_wrong_request_is_answered_in_one_sentence_with_exit_code_2(line, sentence, refused):
    assert sentence in refused(line)


@pytest.mark.parametrize("verb", ["restore", "colorize"])
@pytest.mark.parametrize("folder", ["loop", "loop/deeper"])
def test_outputs_in_a_loop_of_links_are_refused(verb, folder, refused):
    Path("loop").symlink_to("loop")
    assert "cannot be looked up (a loop of links)" in refused(f"{verb} old.png -o {folder}")


def test_a_restorer_that_nothing_needs_or_of_another_kind_is_refused(colorizers, refused):
    line = f"restore old.png -o out --skip colorize --restorer {colorizers[0]}"
    assert "--restorer is for restore/fill=sagan" in refused(line)
    assert "Eccv16 reads L_b1hw" in refused(f"{line} restore/fill=sagan")


def test_without_the_shipped_network_a_run_is_asked_for(monkeypatch, tmp_path, refused):
    monkeypatch.setattr(released, "FOLDER", tmp_path / "nowhere")
    assert "--run RUN" in refused("colorize old.png -o out")


def test_half_precision_is_refused_where_the_cpu_has_none(colorizers, monkeypatch, refused):
    monkeypatch.setattr(runtime, "has_bfloat16", lambda: False)
    sentence = "this CPU does not multiply in bfloat16 (AVX-512 BF16 or AMX): leave --half out"
    assert sentence in refused(f"colorize old.png -o out --half --weights {colorizers[0]}")


@pytest.mark.parametrize("option", ["--mlflow-port", "--visualdl-port"])
@pytest.mark.parametrize("value", ["0", "65536", "http", "-1", "1e3", "٣", "9" * 5000])
def test_a_port_that_is_none_is_named(option, value, refused):
    sentence = f"{option}: must be a whole number from 1 to 65535, not '{value}'"
    assert sentence in refused(f"ui {option}={value} outputs=.")


@pytest.mark.parametrize(
    ("hints", "sentence"),
    [
        ("{", "are not JSON"),
        ('"red"', "must be a list of points"),
        ('[{"x": 1, "y": 2}]', "needs 'radius' as a number of pixels"),
        ('[{"x": 200, "y": 2, "radius": 3, "ab": [0, 0]}]', "hint 1 is at (200, 2), outside of 'old.png'"),
        ('[{"x": 1, "y": -1, "radius": 3, "ab": [0, 0]}]', "outside of 'old.png'"),
        ('[{"x": 1, "y": 2, "radius": -3, "ab": [0, 0]}]', "it must be 0 or more pixels"),
        ('[{"x": 1, "y": 2, "radius": 3, "color": "red"}]', 'has the color "red": write #rrggbb'),
        ('[{"x": 1, "y": 2, "radius": 3, "color": "#12345"}]', "write #rrggbb"),
        ('[{"x": 1, "y": 2, "radius": 3, "ab": [0, 300]}]', "within -110..110"),
        ('[{"x": 1, "y": 2, "radius": 3}]', "must have either"),
        ('[{"x": 1, "y": 2, "radius": 3, "colour": "#123456"}]', "has 'colour', which is not known"),
        ('{"other.png": []}', "which is none of the photographs"),
    ],
)
def test_bad_hints_are_refused_in_one_sentence(hints, sentence, siggraph17, refused):
    Path("empty/hints.json").write_text(hints)
    line = f"colorize old.png -o out --weights {siggraph17[1]} --hints empty/hints.json --dynamic"
    assert sentence in refused(line)


def test_hints_are_for_networks_that_read_them(colorizers, refused):
    Path("empty/hints.json").write_text("[]")
    answer = refused(f"colorize old.png -o out --weights {colorizers[0]} --hints empty/hints.json --dynamic")
    assert "net5 (Eccv16) reads no colour hints" in answer
