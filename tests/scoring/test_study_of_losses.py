"""The study of losses: the rule that chooses a design's decoding, as its plan says it."""

import importlib.util

import pytest

from oldrestore.config.location import configuration_root

SCRIPT = configuration_root() / "docs" / "studies" / "losses.py"


@pytest.fixture(scope="module")
def study():
    specification = importlib.util.spec_from_file_location("study_of_losses", SCRIPT)
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    return script


def decoding(chroma_share: float, de2000: float) -> dict[str, float]:
    return {"temperature": 1.0, "chroma": 1.0, "chroma_share": chroma_share, "de2000": de2000}


def test_the_truest_of_enough_chroma_is_chosen(study):
    calm, lively, livelier = decoding(0.39, 9.0), decoding(0.40, 9.8), decoding(0.8, 9.9)
    assert study.rule([calm, livelier, lively]) is lively


def test_without_enough_chroma_the_most_is_chosen(study):
    assert study.rule([decoding(0.1, 9.0), liveliest := decoding(0.3, 9.9), decoding(0.2, 9.5)]) is liveliest


def test_the_plan_says_what_is_tried(study):
    plan = SCRIPT.with_name("losses_plan.md").read_text()
    assert f"({', '.join(map(str, study.TEMPERATURES))})" in plan
    assert f"(times {', '.join(map(str, study.CHROMAS))})" in plan
    assert f"at least {study.LEAST_CHROMA:.0%} of the originals" in plan
