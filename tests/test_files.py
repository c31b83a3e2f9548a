"""Files and folders come whole or not at all; a lock is one process's."""

import hashlib
import multiprocessing
import stat

import pytest

from oldrestore.files import lock, sha256_of, whole_file, whole_folder, write_atomically


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "below" / "a.txt"
    write_atomically(path, "old")
    with whole_file(path) as neighbour:
        neighbour.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names_in(path.parent) == ["a.txt"]


def test_a_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_atomically(tmp_path / "whole", b"1")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "whole")}
    assert len(modes) == 1


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_a_block_that_fails_leaves_the_old_one_and_nothing_else(whole, tmp_path):
    path = tmp_path / "a"
    if whole is whole_folder:
        path.mkdir()
    else:
        path.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole(path) as neighbour:
        if whole is whole_folder:
            neighbour.mkdir()
            neighbour /= "part"
        neighbour.write_text("half")
        raise KeyboardInterrupt
    assert names_in(tmp_path) == ["a"]
    assert path.is_dir() or path.read_text() == "old"


def test_two_that_write_one_file_at_once_do_not_mix(tmp_path):
    path = tmp_path / "a"
    with whole_file(path) as first, whole_file(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # its block ended last


def test_a_folder_replaces_one_of_its_name_whole(tmp_path):
    path = tmp_path / "a"
    path.mkdir()
    (path / "old").touch()
    with whole_folder(path) as neighbour:
        (neighbour / "below").mkdir(parents=True)
        (neighbour / "below" / "new").touch()
        assert names_in(path) == ["old"]
    assert [p.relative_to(path).as_posix() for p in sorted(path.rglob("*"))] == ["below", "below/new"]
    assert names_in(tmp_path) == ["a"]


def try_lock(path, answers):
    with lock(path, 0.0) as alone:
        answers.put(alone)


@pytest.mark.parametrize("name", ["a.lock", "folder"])
def test_a_lock_is_one_process_s_until_its_block_ends(name, tmp_path):
    (tmp_path / "folder").mkdir()
    processes = multiprocessing.get_context("fork")
    answers = processes.Queue()

    def other_gets_it():
        process = processes.Process(target=try_lock, args=(tmp_path / name, answers))
        process.start()
        answer = answers.get(timeout=60)
        process.join(timeout=60)
        return answer

    with lock(tmp_path / name) as alone:
        assert alone
        assert not other_gets_it()
    assert other_gets_it()
    assert (tmp_path / name).exists()


def test_a_lock_can_be_taken_again_although_a_forked_child_lives(tmp_path):
    processes = multiprocessing.get_context("fork")
    end = processes.Event()
    with lock(tmp_path / "a.lock"):
        child = processes.Process(target=end.wait, args=(60,))
        child.start()
    with lock(tmp_path / "a.lock", 0.0) as alone:
        assert alone
    end.set()
    child.join(timeout=60)
