"""A further judge of the labelled photographs, beside the first: ``judge=[efficientnet_lite0,squeezenet]``."""

from typing import Annotated

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.loading.loader import decode_known_photo
from oldrestore.evaluation.accuracy import accuracy_table, judge_photos
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext
from oldrestore.evaluation.judge import Judge


class FurtherJudge:
    """Judges what the first judge judges, at the end; its last row is printed below, and all are written to NAME.csv.

    `every` is the number of photographs between two rows.
    """

    every_time = False

    @checked
    def __init__(self, judge: Judge, every: Annotated[int, Field(ge=1)] = 20):
        self.judge, self.every = judge, every

    def __call__(self, context: EvaluationContext) -> Evaluated:
        """Measure; the protocol must have labelled photographs."""
        photos = ((photo.name, decode_known_photo(photo), photo.classes) for photo in context.judged.photos)
        watched = context.watch(photos, f"judging by {self.judge.name}", len(context.judged))
        table = accuracy_table(
            self.judge, judge_photos(context.colorize, watched, self.judge, context.batch_size), self.every
        )
        return Evaluated(
            table.values(), table.per_image(), table=table.render(whole_set_only=True), rows=table.as_dicts()
        )
