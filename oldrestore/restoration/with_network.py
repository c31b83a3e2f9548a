"""A filler for evaluations, in which the network of the run fills large holes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.restoration.fill.network import NetworkFiller
from oldrestore.restoration.fill.split import FillBySize, Measure
from oldrestore.restoration.stages import Filler


@checked
def split_with_network(
    network: Any,
    small: Filler,
    largest_small: Annotated[float, Field(ge=0)] = 8.0,
    measure: Measure = "depth",
    size: Annotated[int, Field(ge=64, le=1024)] = 256,
    context: Annotated[float, Field(ge=0, le=4)] = 0.5,
) -> FillBySize:
    """Fill small holes by one method, others by a restoring network; see `FillBySize` and `NetworkFiller`."""
    return FillBySize(small, NetworkFiller(network, size, context), largest_small, measure)
