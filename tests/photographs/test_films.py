"""Films through the stages: what is said of them, and their label."""

import av
import pytest

from oldrestore import __version__
from oldrestore.photographs.output_files import OutputFiles
from oldrestore.photographs.restorer import Restorer
from oldrestore.photographs.treatment import Labelling, Task, treat_film
from oldrestore.restoration.stages import Pipeline
from tests.restoration.films import encode_film, moving


@pytest.mark.parametrize("changed", [False, True])
def test_a_film_that_was_altered_says_so(changed, tmp_path):
    tags = {"comment": "of 1962"}
    source = encode_film(tmp_path / "a.mov", moving(5), sounds=["pcm_mulaw"], sound_rate=8000, tags=tags)
    task = Task(source, (tmp_path / "a.mp4",), tmp_path / "panel.jpg", is_film=True)
    pipeline = Pipeline(restore=[lambda frame: 255 - frame]) if changed else Pipeline()
    labelling = Labelling("2026-12-01T09:30:00+00:00", restorers=("sagan",))
    steps = []
    treated = treat_film(
        task,
        Restorer(pipeline, None, only_gray=False),
        OutputFiles(replace=False),
        lambda *step: steps.append(step),
        labelling,
    )
    assert treated.facts["remarks"] == ["MP4 cannot hold pcm_mulaw sound: it was converted to ALAC, without loss"]
    assert (treated.facts["frames"], steps[-1]) == (5, (5, 5))
    with av.open(str(task.outputs[0])) as film:
        comment = film.metadata["comment"]
    altered = f"; altered by oldrestore {__version__} (sagan), 2026-12-01T09:30:00+00:00; DigitalSourceType: "
    assert comment.startswith("of 1962" + (altered if changed else ""))
    assert comment.endswith("compositeWithTrainedAlgorithmicMedia") == changed
