"""Photographs coloured again for a report, the choice among them, and their colours in the ab plane."""

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image
from safetensors.numpy import load_file, save_file
from skimage.color import lab2rgb, rgb2lab

from oldrestore.comparison.designs import designs_of
from oldrestore.comparison.measures import Measure
from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.report.ab_chart import ab_panel, plane_colors
from oldrestore.report.ab_plane import counts_of, edges, plane_of
from oldrestore.report.choice import ImageScores, chosen_photographs, image_scores
from oldrestore.report.contents import gather
from oldrestore.report.look import PAPER
from oldrestore.report.pictures import Photograph, Pictures
from oldrestore.report.sections.gallery import encode, encode_panel
from oldrestore.training.checkpoint import FORMAT, iteration_of
from tests.comparison.synthetic import make_designs, make_run
from tests.generated_photographs import make_folder

PSNR = Measure("psnr", "PSNR", "val", ("psnr",), "max", "number", lambda column: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> list[Path]:
    """Run folders of two seeds with weights, photographs that are there, and scores of them."""
    import paddle

    place = tmp_path_factory.mktemp("coloured")
    photos = make_folder(place / "photographs", train=3, val=5)
    folders = []
    for seed in (0, 1):
        settings = ["model.width=0.0625", "dataset=image_folder", f"dataset.root={photos}", f"seed={seed}"]
        settings += ["dataset.crops.evaluation_size=32", "evaluation.size=32", f"outputs={place}", "experiment=c"]
        config = compose_config(settings)
        folder = RunFolder.create(place, "c", f"run{seed}")
        folder.write_config(OmegaConf.to_yaml(config, resolve=True), [])
        split = build(config.dataset).split("val")
        folder.write_json("data.json", {"val": split.describe()})
        scored = {"trained_iterations": 1, "set": "val", "metric": "psnr"}
        names = sorted(photo.name for photo in split.photos)
        folder.per_image({**scored, "image": name, "value": 20.0 + i + seed} for i, name in enumerate(names))
        folder.status("finished")
        folder.close()
        paddle.seed(seed)
        weights = {f"model.{name}": tensor.numpy() for name, tensor in build(config.model).state_dict().items()}
        # An untrained network holds all colours for equally likely; this one has opinions.
        weights["model.model8.6.weight"] = weights["model.model8.6.weight"] * 300
        (folder.path / "checkpoints").mkdir()
        save_file(weights, folder.path / "checkpoints" / "best.safetensors")
        folders.append(folder.path)
    return folders


def test_every_run_colours_the_same_photographs(trained):
    runs = [Run(folder) for folder in trained]
    pictures = gather(runs, photographs=3, resamples=100).groups[0].pictures
    assert pictures.missing == {} and pictures.total == 5
    assert pictures.runs == [("run0", 0, 0), ("run1", 0, 1)]
    names = [photo.name for photo in pictures.photographs]
    assert len(names) == 3 and names == sorted(names)
    for photo in pictures.photographs:
        assert photo.original.shape == (32, 32, 3)
        L = rgb2lab(photo.original)[..., 0]
        gray = np.round(255 * lab2rgb(np.stack([L, 0 * L, 0 * L], axis=-1)))
        assert np.abs(photo.gray - gray).max() <= 1
        for output in photo.outputs.values():
            # Other colours at the photograph's own lightness; clipping may move what is nearly black or white.
            assert np.median(np.abs(rgb2lab(output)[..., 0] - L)) < 1.0
        assert (photo.outputs["run0"] != photo.outputs["run1"]).any()
    assert pictures.plane.photographs == 5
    assert pictures.plane.truth.sum() == pytest.approx(1) and pictures.plane.predicted[0].sum() == pytest.approx(1)


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of one of them, to be changed."""
    return Path(shutil.copytree(trained[0], tmp_path / "c" / "run0"))


def pictures_of(folder: Path) -> Pictures:
    return gather([Run(folder)], photographs=1, resamples=100).groups[0].pictures


def test_photographs_are_coloured_by_the_weights_that_were_scored(run):
    """The scores below the pictures are of the last validation: the best network may be an earlier one."""
    best, last = run / "checkpoints" / "best.safetensors", run / "checkpoints" / "last.safetensors"
    weights = load_file(best)
    flat = {**weights, "model.model8.6.weight": 0 * weights["model.model8.6.weight"]}

    def save(path: Path, tensors: dict, iteration: int) -> None:
        save_file(tensors, path, {"format": FORMAT, "state": json.dumps({"iteration": iteration})})

    def coloured() -> np.ndarray:
        pictures = pictures_of(run)
        assert len(pictures.unpicked) == 5  # of all photographs, not of those that the gallery chose
        return pictures.photographs[0].outputs["run0"]

    plain = coloured()
    save(last, flat, 2)
    assert (coloured() == plain).all()  # the scores are of iteration 1
    assert iteration_of(last) == 2 and iteration_of(best) is None
    save(last, flat, 1)
    assert (coloured() != plain).any()
    save(best, weights, 1)
    assert (coloured() == plain).all()


def test_what_cannot_be_coloured_is_told(run):
    checkpoint = run / "checkpoints" / "best.safetensors"
    weights = checkpoint.read_bytes()
    checkpoint.write_bytes(weights[:200])
    assert "best.safetensors" in pictures_of(run).missing["run0"]
    checkpoint.unlink()
    pictures = pictures_of(run)
    assert pictures.missing == {"run0": "its weights are not there"} and pictures.photographs == []
    checkpoint.write_bytes(weights)
    data = json.loads((run / "data.json").read_text())
    data["val"]["fingerprint"] = "other"
    (run / "data.json").write_text(json.dumps(data))
    assert pictures_of(run).missing == {"run0": "the photographs here are not those that it was measured on"}


def test_panels_stand_in_where_there_are_no_weights(tmp_path):
    folder = make_run(tmp_path, "r")
    (folder / "samples").mkdir()
    for at in (10, 20):
        Image.new("RGB", (40, 30), (at, 0, 0)).save(folder / "samples" / f"validation-{at:06}.png")
    pictures = gather([Run(folder)], resamples=100).groups[0].pictures
    assert [(panel.run_id, panel.title) for panel in pictures.panels] == [("r", "validation-000020")]
    uri, width, height = encode_panel(pictures.panels[0].path)
    assert uri.startswith("data:image/webp;base64,") and (width, height) == (40, 30)
    pictures.panels[0].path.write_bytes(b"no picture")
    assert encode_panel(pictures.panels[0].path) is None


def test_scores_of_photographs_are_those_of_the_folders(tmp_path):
    runs = make_designs(tmp_path, {"a": 0.0, "b": 0.1}, (0, 1))[:3]
    (found,) = image_scores(designs_of(runs), [PSNR])
    each = {run.run_id: run.scores[run.scores.metric == "psnr"].set_index("image")["value"] for run in runs}
    for index, image in enumerate(found.images):
        means = [(each["d0-0"][image] + each["d0-1"][image]) / 2, each["d1-0"][image]]
        assert found.by_design[:, index] == pytest.approx(means, abs=1e-12)
        assert found.goodness[index] == pytest.approx(np.mean(means), abs=1e-12)
        assert found.disagreement[index] == pytest.approx(abs(means[0] - means[1]), abs=1e-12)


def test_worst_best_and_disputed_photographs_are_among_the_chosen():
    names = [f"{number:02}" for number in range(30)]
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 30))
    found = ImageScores(PSNR, tuple(names), values, {})
    chosen = chosen_photographs(names, [found], 9)
    assert len(chosen) == 9 and chosen == sorted(chosen)
    mean, apart = values.mean(axis=0), np.abs(values[0] - values[1])
    for wanted in (mean.argmin(), mean.argmax(), apart.argmax()):
        assert names[wanted] in chosen
    assert {"00", "10", "20"} <= set(chosen)  # and a third evenly spread
    assert chosen_photographs(names, [], 4) == ["00", "07", "15", "22"]
    assert chosen_photographs(names, [found], 99) == names


def test_histogram_counts_pixels_where_scikit_image_puts_them():
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    found = counts_of([rgb])
    lab = rgb2lab(rgb)
    at = edges()
    expected = np.histogram2d(lab[..., 1].ravel(), lab[..., 2].ravel(), bins=(at, at))[0]
    assert found.sum() == rgb.shape[0] * rgb.shape[1] == expected.sum()
    assert np.abs(found - expected).sum() <= 4  # a pixel at an edge may fall either way


def test_overlap_of_histograms_by_hand():
    size = len(edges()) - 1
    truth, one, other = (np.zeros((size, size)) for _ in range(3))
    truth[0, :2] = 30, 10
    one[0, 0] = 8
    other[0, :2] = 5, 5
    plane = plane_of(truth, [[one, other], [], [truth]], 1)
    # The mean of (1, 0) and (0.5, 0.5) is (0.75, 0.25), and so is the truth.
    assert plane.overlap == [pytest.approx(1.0), None, pytest.approx(1.0)]
    assert plane_of(truth, [[one]], 1).overlap == [pytest.approx(0.75)]


def test_cells_are_drawn_in_their_own_colour():
    a, b = np.array([0.0, 40.0, -30.0]), np.array([0.0, 30.0, 20.0])
    for color, x, y in zip(plane_colors(a, b), a, b, strict=True):
        rgb = np.array([[[int(color[k : k + 2], 16) for k in (1, 3, 5)]]], np.uint8)
        lab = rgb2lab(rgb)[0, 0]
        assert abs(lab[1] - x) < 2 and abs(lab[2] - y) < 2


def test_line_encloses_what_it_says(trained):
    group = gather([Run(folder) for folder in trained], photographs=2, resamples=100).groups[0]
    plane = group.pictures.plane
    lines = ab_panel(group, 0, PAPER)["layer"][1]["data"]["values"]
    # Walk each row of cells from the left: upright lines switch between outside and inside.
    held = 0.0
    for j, low in enumerate(plane.edges[:-1]):
        crossings = {line["a"] for line in lines if line["a"] == line["a2"] and line["b"] == low}
        inside = False
        for i, left in enumerate(plane.edges[:-1]):
            inside ^= left in crossings
            held += plane.truth[i, j] * inside
    assert 0.95 <= held <= 1.0


def test_pictures_keep_within_their_budget():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (6, 2, 256, 256, 3), np.uint8)
    photos = [Photograph(str(i), *noise[i], {"r": np.full((256, 256, 3), i, np.uint8)}) for i in range(6)]
    for budget in (10**7, 250_000, 60_000):
        found = encode(photos, budget)
        assert 1 <= len(found) <= 6
        assert sum(len(uri) for uris in found for uri in uris.values()) <= budget
    whole = encode(photos[:1], 10**7)[0]
    assert set(whole) == {"input", "r", "original"}
    picture = Image.open(io.BytesIO(base64.b64decode(whole["r"].partition(",")[2])))
    assert picture.size == (256, 256) and np.abs(np.asarray(picture).astype(int)).max() <= 3
