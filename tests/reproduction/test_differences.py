"""What differs in values, code and photographs is named; the code of then is built from commit and patch."""

import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.data.sources.source import split_fingerprint
from oldrestore.errors import UserError
from oldrestore.records.run_folder import RunFolder
from oldrestore.reproduction.code_state import compare_code, patch_bytes, patch_sections, worktree_of
from oldrestore.reproduction.comparison import compare_records, compare_weights, measured_since, read_records
from oldrestore.reproduction.rerun_process import different_photographs
from oldrestore.run.provenance import git_state
from tests.generated_photographs import make_folder, make_photograph


def git(where: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(where), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path) -> Path:
    place = tmp_path / "repository"
    (place / "oldrestore" / "losses").mkdir(parents=True)
    (place / "oldrestore" / "losses" / "l1.py").write_text("weight = 1\n")
    (place / "README.md").write_text("hello\n")
    git(tmp_path, "init", "-q", str(place))
    git(place, "add", "--all")
    git(place, "commit", "-qm", "first")
    return place


def test_a_changed_line_is_named_with_its_file_and_patch(repository):
    then = git_state(repository) | {"code_hash": "a"}
    (repository / "oldrestore" / "losses" / "l1.py").write_text("weight = 2\n")
    (repository / "README.md").write_text("of no consequence\n")
    now = git_state(repository) | {"code_hash": "b"}
    found = compare_code(then, now, repository)
    assert found.files == ["oldrestore/losses/l1.py"]
    assert "+weight = 2" in found.changed["oldrestore/losses/l1.py"]
    expected = f"uncommitted patch none -> {now['patch_sha256'][:10]}"
    assert found.in_words() == f"the code differs in oldrestore/losses/l1.py ({expected})"
    assert compare_code(then, then, repository).in_words() == "oldrestore's code is the same"
    git(repository, "commit", "-qam", "second")
    later = compare_code(then, git_state(repository) | {"code_hash": "b"}, repository)
    assert later.files == ["oldrestore/losses/l1.py"]
    assert "commit" in later.in_words()


def test_a_worktree_has_commit_patch_and_new_files_and_leaves_nothing(repository):
    file = repository / "oldrestore" / "losses" / "l1.py"
    file.write_text("weight = 7\n")
    (repository / "oldrestore" / "new.bin").write_bytes(b"\xff\x00\xfe")
    then = git_state(repository)
    patched = patch_sections(patch_bytes(then).decode(errors="replace"))
    assert list(patched) == ["oldrestore/losses/l1.py", "oldrestore/new.bin"]
    (repository / "oldrestore" / "new.bin").unlink()
    file.write_text("weight = 3\n")
    git(repository, "commit", "-qam", "later")
    with worktree_of(then, repository) as place:
        assert (place / "oldrestore" / "losses" / "l1.py").read_text() == "weight = 7\n"
        assert (place / "oldrestore" / "new.bin").read_bytes() == b"\xff\x00\xfe"
        assert git_state(place)["patch_sha256"] == then["patch_sha256"]
    assert not place.exists()
    assert file.read_text() == "weight = 3\n"
    listed = subprocess.run(["git", "-C", str(repository), "worktree", "list"], capture_output=True, text=True).stdout
    assert len(listed.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"commit": None}, "recorded no commit"),
        ({"commit": "0" * 40}, "git fetch it first"),
        ({"patch": "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"}, "cannot be applied"),
        ({"patch_left_out": "9 bytes are more than 5"}, "were not recorded (9 bytes are more than 5)"),
    ],
)
def test_a_worktree_that_cannot_be_made_is_refused(repository, change, sentence):
    with pytest.raises(UserError) as refusal, worktree_of(git_state(repository) | change, repository):
        pass
    assert sentence in str(refusal.value)
    with pytest.raises(UserError, match="git clone"), worktree_of(git_state(repository), None):
        pass


def test_photographs_that_differ_are_named(tmp_path):
    root = make_folder(tmp_path / "set", train=6, val=3)
    crops = Crops(size=48, crop=32, mirror=True, fit="shorter_side", evaluation_size=32)

    def split():
        return ImageFolder(crops, str(root)).split("train")

    recorded = split().describe()
    lines = [line.split() for line in recorded["photographs"].values()]
    again = split_fingerprint([(sha, None if label == "-" else int(label)) for sha, label in lines])
    assert again == recorded["fingerprint"]
    assert different_photographs("train", recorded, split()) is None
    Image.fromarray(make_photograph(500)).save(root / "train" / "0" / "train3.jpg")
    (root / "train" / "2" / "train5.jpg").unlink()
    found = different_photographs("train", recorded, split())
    assert "other contents: train/0/train3.jpg; missing: train/2/train5.jpg" in found
    assert "put them back" in found
    labels = dict(recorded["photographs"])
    labels["train/1/train1.jpg"] = labels["train/1/train1.jpg"][:-1] + "9"
    other = different_photographs("train", recorded | {"photographs": labels, "fingerprint": "0"}, split())
    assert "another label: train/1/train1.jpg" in other
    old = {name: value for name, value in recorded.items() if name != "photographs"}
    assert "6 then" in different_photographs("train", old, split())


def records(losses, **more):
    found = {(i, "train/loss", ""): value for i, value in enumerate(losses)}
    return found | {(iteration, name, ""): value for (iteration, name), value in more.get("other", {}).items()}


def test_equal_values_are_identical_and_nan_equals_nan():
    old = records([4.0, math.nan, 2.0])
    found = compare_records(old, dict(old), 1e-3)
    assert found.verdict == "identical"
    assert found.in_words() == "identical: 3 values of 1 metrics, bit for bit; no weights were compared"


def test_the_tolerance_is_a_share_of_the_metrics_largest_value():
    old, new = records([4.0, 0.001]), records([4.0, 0.004])
    # 0.003 of 4.0 is a share of 0.00075, however small the value itself.
    found = compare_records(old, new, 1e-3)
    assert found.verdict == "within tolerance"
    (metric,) = found.metrics
    assert (metric.points, metric.differing) == (2, 1)
    assert metric.relative == pytest.approx(0.00075)
    assert compare_records(old, new, 7e-4).verdict == "differs"
    # A metric that was always 0 has no tolerance.
    assert compare_records(records([0.0]), records([1e-9]), 0.5).verdict == "differs"


def test_the_first_difference_names_iteration_metric_and_both_values():
    old = records([4.0, 3.0, 2.0, 1.0], other={(2, "val/psnr"): 20.0})
    new = records([4.0, 3.0, 2.0001, 1.5], other={(2, "val/psnr"): 20.0})
    found = compare_records(old, new, 1e-3)
    assert found.verdict == "differs"
    assert (found.first.iteration, found.first.old, found.first.new) == (2, 2.0, 2.0001)
    assert found.beyond.iteration == 3
    assert found.in_words().startswith("differs at iteration 2: train/loss was 2.0 and is 2.0001; beyond")


def test_what_only_one_run_has_differs_unless_it_ended_there():
    old = records([4.0, 3.0, 2.0], other={(2, "val/psnr"): 20.0})
    new = records([4.0, 3.0], other={(2, "val/psnr"): 20.0, (2, "val/ssim"): 0.5})
    assert compare_records(old, new, 1e-3).verdict == "differs"
    extra = compare_records(new, new | {(1, "val/ssim", ""): 0.5}, 1e-3)
    assert extra.in_words() == "differs at iteration 1: val/ssim was not there and is 0.5"
    found = compare_records(old, new, 1e-3, until=2, loose={2})
    assert found.verdict == "identical"
    assert {metric.name: metric.points for metric in found.metrics} == {"train/loss": 2, "val/psnr": 1}
    missing = compare_records(records([4.0, 3.0]), records([4.0]), 1e-3)
    assert missing.in_words() == "differs at iteration 1: train/loss was 3.0 and is not there"


def test_metrics_that_are_measured_since_are_named():
    new = records([4.0], other={(0, "val/psnr"): 20.0, (0, "val/de2000"): 9.0, (0, "agreement/kl"): 0.3})
    new[0, "per_image/val/de2000", "a.jpg"] = 9.0
    old = records([4.0], other={(0, "val/psnr"): 20.0})
    assert measured_since(old, new) == ["per_image/val/de2000", "val/de2000"]
    assert measured_since(new, old) == []
    assert measured_since(records([4.0]), new) == []  # that run measured no colour


def test_weights_are_compared_bit_by_bit_and_per_tensor():
    old = {"model.a": np.array([1.0, -2.0], np.float32), "model.b": np.zeros(3, np.float32)}
    same = compare_weights("last", old, {name: value.copy() for name, value in old.items()})
    assert same.differing == 0
    new = {"model.a": np.array([1.0, -2.5], np.float32), "model.b": np.zeros(3, np.float32)}
    found = compare_weights("last", old, new)
    assert (found.tensors, found.differing, found.worst) == (2, 1, "model.a")
    assert (found.largest, found.relative) == (0.5, 0.25)
    # -0.0 equals 0.0 as a number and not as bits.
    signed = compare_weights("last", old, old | {"model.b": np.array([0, -0.0, 0], np.float32)})
    assert (signed.differing, signed.relative) == (1, 0.0)
    assert compare_weights("last", old, {"model.a": old["model.a"]}).relative == math.inf
    assert compare_weights("last", old, old | {"model.b": np.zeros(4, np.float32)}).worst == "model.b"


def test_records_of_a_folder_hold_every_table_and_no_times(tmp_path):
    folder = RunFolder.create(tmp_path, "e", "r")
    folder.scalars(0, {"train/loss": 4.5, "time/images_per_second": 7.0})
    folder.per_image([{"trained_iterations": 1, "set": "val", "image": "a.jpg", "metric": "psnr", "value": 21.5}])
    folder.accuracy([{"iteration": 2, "iter_accuracy": 0.5, "n": 2}], trained_iterations=1)
    folder.close()
    assert read_records(folder.path) == {
        (0, "train/loss", ""): 4.5,
        (1, "per_image/val/psnr", "a.jpg"): 21.5,
        (1, "accuracy/iter_accuracy", "the first 2"): 0.5,
        (1, "accuracy/n", "the first 2"): 2.0,
    }
