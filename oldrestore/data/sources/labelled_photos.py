"""The 80 photographs whose ImageNet class is known, for the judge; they are never trained on."""

from typing import Annotated

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages.ai_benchmark import eye_labels
from oldrestore.data.packages.installed import package_folder
from oldrestore.data.sources.photo import Photo
from oldrestore.data.sources.source import Candidate, LeftOut, Offer, PhotoSource, no_root
from oldrestore.errors import UserError


class LabelledPhotos(PhotoSource):
    """Twenty ImageNet photographs of foolbox and sixty of ai-benchmark, each with its ImageNet class.

    foolbox carries the class in the file name (``imagenet_NN_CLASS.jpg``). Those of ai-benchmark were
    labelled by eye; only rows with a sure class and natural colours are used. With n = 80
    one photograph is 1.25 percent: always give n and an interval.

    Parameters
    ----------
    root : None
        Every source has it; here it must be None.
    validation_fraction : float
        Every source has it; nothing is split here.

    Raises
    ------
    UserError
        When a package is missing, on first use.
    """

    name = "labelled_photos"

    @checked
    def __init__(
        self,
        crops: Crops,
        root: str | None = None,
        validation_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ):
        super().__init__(crops, validation_fraction)
        no_root(self.name, root)

    @property
    def split_names(self) -> tuple[str, ...]:
        """Only "test": these photographs are for judging."""
        return ("test",)

    def offer(self) -> Offer:
        """List the labelled photographs of both packages."""
        foolbox = package_folder("foolbox", "data")
        photos = [
            Photo(f"foolbox/{path.name}", path, label=int(path.stem.rsplit("_", 1)[1]))
            for path in sorted(foolbox.glob("imagenet_*_*.jpg"))
        ]
        if not photos:
            raise UserError("the installed foolbox holds no ImageNet photographs; run: pip install foolbox==3.3.4")
        classification = package_folder("ai_benchmark", "data/classification")
        left_out = []
        for row in eye_labels():
            name = f"ai_benchmark/classification/{row.file}"
            if row.judged:
                photos.append(Photo(name, classification / row.file, label=row.class_index))
            elif row.certainty != "sure":
                left_out.append(LeftOut(name, f"its class is not sure (certainty: {row.certainty})"))
            else:
                left_out.append(LeftOut(name, f"unnatural colours: {row.why_unnatural}"))
        return Offer(
            candidates=tuple(Candidate(photo, split="test") for photo in photos),
            left_out=tuple(left_out),
            place="the packages foolbox and ai-benchmark",
        )
