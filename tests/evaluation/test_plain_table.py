"""Tables of evaluations: at 80 columns, as in a pipe, each heading is whole and no cell has a border."""

import pytest
from rich.console import Console

from oldrestore.evaluation import detection, hints, holes, restoration
from oldrestore.narrator import WithoutTrailingBlanks

FILLED = {"n": 116, "psnr_hole": 17.25, "psnr_known": 100.0, "ssim_hole": 0.5, "ssim_known": 0.99999}
FOUND = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "iou": 0.2, "false_share": 0.0047}


def restored(version: str, damage: str) -> dict:
    measured = dict.fromkeys(restoration.MEASURES, 0.5) | {"psnr": 31.25, "psnr_known": 100.0}
    return {"damage": damage, "severity": 0.75, "n": 36, "version": version} | measured


def tables():
    measured = [{"fill": fill} | FILLED for fill in holes.TITLES]
    yield holes.HoleFilling(thickness="mixed", shape="mixed").table_of(measured, 116), ["fill", "PSNR in holes"]
    rows = [{"detector": "classical", "damage": kind} | FOUND for kind in ("scratches", "undamaged")]
    yield detection.table_of(rows, 36), ["detector", "damage", "precision", "recall", "F1", "IoU", "wrong"]
    rows = [restored(version, damage) for damage in ("scratches", "jpeg") for version in restoration.VERSIONS]
    yield restoration.table_of(rows), ["damage", "stages", "PSNR", "damaged", "outside", "SSIM", "LPIPS"]
    figures = {"psnr": 20.0, "gain": 1.5, "gain_low": -0.25, "gain_high": 2.0, "pasted_psnr": 19.0, "n": 36}
    yield hints.render([{"hints": count} | figures for count in (0, 100)], 7), ["hints", "PSNR", "gain"]


@pytest.mark.parametrize(("table", "headings"), list(tables()), ids=["holes", "detection", "restoration", "hints"])
def test_a_table_is_plain_and_fits_80_columns(table, headings):
    console = Console(width=80, soft_wrap=True, force_terminal=False)
    with console.capture() as captured:
        console.print(WithoutTrailingBlanks(table))
    lines = captured.get().splitlines()
    assert not set("┃│┏┡└━┐") & set(captured.get())
    assert max(map(len, lines)) <= 80
    assert lines == [line.rstrip() for line in lines]
    assert "…" not in captured.get(), "nothing is cut"
    (heading,) = (line for line in lines if line.split()[:1] == headings[0].split()[:1])
    places = [heading.index(name) for name in headings]
    assert places == sorted(places)
    assert lines[0] == table.title, "the title is at the left"
