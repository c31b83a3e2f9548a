"""What differs in code and photographs is named; the code of then is built from commit and patch."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.data.sources.source import split_fingerprint
from oldrestore.errors import UserError
from oldrestore.reproduction.code_state import compare_code, patch_bytes, patch_sections
from oldrestore.reproduction.rerun_process import different_photographs
from oldrestore.reproduction.worktree import worktree_of
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
    assert compare_code(then, then, repository).in_words() == "the code is the same"
    git(repository, "commit", "-qam", "second")
    later = compare_code(then, git_state(repository) | {"code_hash": "b"}, repository)
    assert later.files == ["oldrestore/losses/l1.py"]
    assert "commit" in later.in_words()


def test_a_worktree_has_commit_patch_and_new_files_and_leaves_nothing(repository):
    file = repository / "oldrestore" / "losses" / "l1.py"
    file.write_text("weight = 7\n")
    (repository / "oldrestore" / "new.bin").write_bytes(b"\xff\x00\xfe")
    then = git_state(repository)
    assert set(patch_sections(patch_bytes(then).decode(errors="replace"))) == {
        "oldrestore/losses/l1.py",
        "oldrestore/new.bin",
    }
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


def test_no_clone_no_worktree(repository):
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
