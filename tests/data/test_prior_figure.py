"""The picture of a prior."""

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.prior_figure import plot_prior
from oldrestore.errors import UserError


def test_a_picture_is_written_or_refused(tmp_path):
    prior = np.full(313, 1 / 313)
    plot_prior(prior, tmp_path / "prior.png", title="uniform")
    with Image.open(tmp_path / "prior.png") as image:
        assert len(image.convert("RGB").getcolors(2**20)) > 300  # every bin is drawn in a colour of its own
    for path in (tmp_path / "missing" / "prior.png", tmp_path / "prior.nonsense"):
        with pytest.raises(UserError, match=r"prior\."):
            plot_prior(prior, path, title="uniform")
