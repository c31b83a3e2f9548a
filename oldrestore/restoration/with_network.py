"""Stages around a network that is only known when a run is measured."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.restoration.fill.base import Filler
from oldrestore.restoration.fill.network import NetworkFiller
from oldrestore.restoration.fill.split import FillBySize, Measure


@checked
def split_with_network(
    network: Any,
    small: Filler,
    largest_small: Annotated[float, Field(ge=0)] = 8.0,
    measure: Measure = "depth",
    size: Annotated[int, Field(ge=64, le=1024)] = 256,
    context: Annotated[float, Field(ge=0, le=4)] = 0.5,
) -> FillBySize:
    """Small holes by one method, others by a network.

    Parameters
    ----------
    network : nn.Layer
        A restorer, in evaluation mode.
    small, largest_small, measure
        As for `oldrestore.restoration.fill.split.FillBySize`.
    size, context
        As for `oldrestore.restoration.fill.network.NetworkFiller`.
    """
    return FillBySize(small, NetworkFiller(network, size, context), largest_small, measure)
