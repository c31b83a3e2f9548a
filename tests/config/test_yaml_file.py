"""YAML that cannot be read is answered in one sentence, with the file, the line and what is wrong there."""

import pytest

from oldrestore.config.yaml_file import read_yaml


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"seed: 1\ntrainer:\n\tmax_iterations: 2\n", "line 3 has a tab, use spaces"),
        (b"seed: 1\nseed: 2\n", "line 2 gives seed again"),
        (
            b"seed: 1\noptimizer: {learning_rate: 1\ntrainer: 2\n",
            "line 2 opens a bracket that is not closed, or lacks a comma",
        ),
        (b'seed: 1\nexperiment: "abc\n', "line 2 opens a quote that is not closed"),
        (b"# \xc3\xa4\nexperiment: m\xe4\n", "line 2 is not UTF-8, save the file as UTF-8"),
        (b"\xff\xfes\0e\0e\0d\0", "it is UTF-16, save it as UTF-8"),
        (b"- a\n- b\n", "it holds a list where lines of NAME: VALUE should be"),
        (b"5\n", "it holds a single value where lines of NAME: VALUE should be"),
        (b"seed: &a [*a]\n", "it holds itself, or lists within lists too deep"),
        (b"seed: 1\n---\nseed: 2\n", "line 2 begins a second document, only one is read"),
        (b"seed: 1\nx: a: b\n", "line 2 has a ':' too many, quote the value or fix the indentation"),
        (b"a:\n   b: 1\n  c: 2\n", "line 3 does not fit the indentation of the lines before it"),
        (b"seed: \x011\n", "line 1 has the character U+0001, which YAML does not allow"),
        (b"a: 1\nb: !!python/object:os.x 1\n", "line 2: could not determine a constructor for the tag "),
        (b"a: ${b\n", "it has a ${ that is not closed, or does not hold a name"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(content, complaint, tmp_path, monkeypatch, refusal):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_bytes(content)
    sentence = refusal(read_yaml, tmp_path / "mine.yaml")
    assert sentence.startswith(f"'mine.yaml' cannot be read: {complaint}")


def test_a_byte_order_mark_and_an_empty_file_are_no_faults(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfseed: 1\n")
    (tmp_path / "b.yaml").write_bytes(b"# nothing\n")
    assert read_yaml(tmp_path / "a.yaml") == {"seed": 1}
    assert read_yaml(tmp_path / "b.yaml") == {}


def test_a_file_that_the_system_does_not_give_is_said(tmp_path, refusal):
    assert "cannot be read: a folder, not a file" in refusal(read_yaml, tmp_path)
