"""A further judge measures what the first would on the same photographs."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.sources.photo import Photo
from oldrestore.evaluation.accuracy import accuracy_table, judge_photos
from oldrestore.evaluation.further_judge import FurtherJudge
from oldrestore.evaluation.judge import Judge
from tests.evaluation.shared import gray


class BrightJudge(Judge):
    """Sees class 1 in bright photographs, class 0 in others, with 0.8."""

    name, fingerprint = "bright", "further judge's test"

    def probabilities(self, photos):
        p = np.full((len(photos), 1000), 0.2 / 999, np.float32)
        for row, photo in zip(p, photos, strict=True):
            row[int(photo.mean() > 127)] = 0.8
        return p


@pytest.fixture
def judged(tmp_path):
    photos = []
    for number, value in enumerate((30, 220, 200)):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((8, 9, 3), value, np.uint8)).save(path)
        photos.append(Photo(f"{number}.png", path, 0, (7,)))
    return tuple(photos)


def context(photos):
    class Labelled(SimpleNamespace):
        def __len__(self):
            return len(self.photos)

    return SimpleNamespace(
        colorize=gray, judged=Labelled(photos=photos), batch_size=2, watch=lambda items, what, total: items
    )


def test_its_table_is_that_of_a_first_judge(judged):
    evaluated = FurtherJudge(BrightJudge(), every=2)(context(judged))
    pixels = [(photo.name, np.asarray(Image.open(photo.path)), photo.classes) for photo in judged]
    expected = accuracy_table(BrightJudge(), judge_photos(gray, pixels, BrightJudge()), 2)
    assert evaluated.rows == expected.as_dicts()
    assert evaluated.per_image == expected.per_image()
    assert evaluated.values["orig_accuracy"] == pytest.approx(1 / 3)
    assert evaluated.values["n"] == 3
    assert "gap_closed" not in evaluated.values  # gray photographs: there is no gap
    assert [row["n"] for row in evaluated.rows] == [2, 3]
