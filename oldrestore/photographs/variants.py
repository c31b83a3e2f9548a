"""Different plausible colourings of a photograph, from the distribution over the bins that a network predicts.

What looks alike and is predicted alike is a region. The distribution of each region has a few parts, each a colour that
the region may have. A variant gives every region one of them, and is the likeliest choice, with neighbours that are
alike changed alike, that is at least a given distance away from every variant before it.

References
----------
Batra, Yadollahpour, Guzman-Rivera, Shakhnarovich. Diverse M-Best Solutions in Markov Random Fields. ECCV 2012;
Achanta et al. SLIC Superpixels. PAMI 2012.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter
from skimage.graph import RAG, merge_hierarchical
from skimage.segmentation import relabel_sequential, slic
from sklearn.cluster import KMeans

from oldrestore.color.bins import AB_BINS
from oldrestore.color.difference import ciede2000

SUPERPIXELS = 80
SCALE = np.array([30.0, 15.0, 15.0])  # of L, a and b, Lab units, that separate superpixels alike
COMPACTNESS = 0.3
ALIKE = 0.18  # Hellinger distance between the distributions of neighbours that are one region
PARTS = 4  # of a region's distribution
LEAST_MASS = 0.25  # of a part, over that of the region's likeliest
PULL = 18.0  # Lab units: width of the Gaussian around a region's new colour that its distribution is multiplied by
BORDER = 6  # pixels at the network's scale over which regions go over into one another where no edge is
EDGE = 4.0  # units of L that are an edge there
TOGETHER = 6.0  # cost, in nats, of neighbours that are alike and change by colours that are `FAR` apart
FAR = 20.0  # Lab units
SWEEPS = 8  # over the regions, each of which is chosen given its neighbours
# What a unit of CIEDE2000 is worth, in nats: raised until a variant is far enough.
WORTH = np.geomspace(1e-3, 100.0, 60)

Decoding = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Region:
    """What a region may look like; the first choice is the network's answer, pixel by pixel."""

    colors: np.ndarray  # (choices, 3), mean L, a and b
    loss: np.ndarray  # (choices,), nats: log of the likeliest part's mass over this one's


def variants(
    logits_qhw: np.ndarray, L_hw: np.ndarray, decode: Decoding, temperature: float, count: int, distance: float
) -> list[np.ndarray]:
    """Return up to `count` colourings, float32 (h, w, 2), Lab units: the network's answer first, then by likelihood.

    There are fewer if the network is too sure to give so many that are `distance` apart.

    Parameters
    ----------
    logits_qhw : ndarray
        float32 (313, h, w).
    L_hw : ndarray
        Lightness at the same size, 0..100.
    decode : callable
        Returns the colour (h, w, 2) of logits.
    temperature : float
        What the decoding divides logits by.
    distance : float
        Least mean CIEDE2000 over the photograph between any two of them.
    """
    found = [decode(logits_qhw)]
    if count == 1:
        return found
    p_qhw = np.exp((logits_qhw - logits_qhw.max(axis=0)) / temperature)
    p_qhw /= p_qhw.sum(axis=0)
    labels = divided(p_qhw, _lab(L_hw, found[0]))
    answer = _means(labels, _lab(L_hw, found[0]))
    distributions = _means(labels, p_qhw.transpose(1, 2, 0))
    regions = [_region(p, lab) for p, lab in zip(distributions, answer, strict=True)]
    alike = _alike_neighbours(labels, distributions)
    # How far each pixel belongs to each region, (regions, h, w).
    belonging = np.stack([_along_edges(labels == r, L_hw) for r in range(len(regions))])

    def colored(choice: list[int]) -> np.ndarray:
        pulled = logits_qhw.copy()
        for region, number, share_hw in zip(regions, choice, belonging, strict=True):
            if number:
                squares = ((AB_BINS - region.colors[number, 1:]) ** 2).sum(axis=1)
                pulled -= np.float32(temperature / (2 * PULL**2)) * np.multiply.outer(squares, share_hw)
        return decode(pulled.astype(np.float32))

    while len(found) < count:
        before = [_lab(L_hw, ab_hw2) for ab_hw2 in found]
        means = [_means(labels, lab) for lab in before]
        far = [
            np.min([ciede2000(region.colors, np.tile(mean[r], (len(region.loss), 1))) for mean in means], axis=0)
            for r, region in enumerate(regions)
        ]
        tried = [[0] * len(regions)]
        for worth in WORTH:
            choice = _likeliest(regions, far, alike, worth)
            if choice in tried:
                continue
            tried.append(choice)
            ab_hw2 = colored(choice)
            if min(ciede2000(_lab(L_hw, ab_hw2), lab).mean() for lab in before) >= distance:
                found.append(ab_hw2)
                break
        else:
            break
    return found


def divided(p_qhw: np.ndarray, lab_hw3: np.ndarray) -> np.ndarray:
    """Divide a photograph into regions, int (h, w) from 0: superpixels joined where distributions (313, h, w) agree."""
    labels = slic(lab_hw3 / SCALE, SUPERPIXELS, COMPACTNESS, convert2lab=False, start_label=0, channel_axis=-1)
    graph = RAG(labels)
    sizes, means = np.bincount(labels.ravel()), _means(labels, p_qhw.transpose(1, 2, 0))
    for node, of_node in graph.nodes.items():
        of_node |= {"labels": [node], "size": sizes[node], "p": means[node]}

    def hellinger(one: int, other: int) -> float:
        return float(np.sqrt(max(0.0, 1.0 - np.sqrt(graph.nodes[one]["p"] * graph.nodes[other]["p"]).sum())))

    def merge(graph: RAG, source: int, target: int) -> None:
        one, other = graph.nodes[source], graph.nodes[target]
        size = one["size"] + other["size"]
        other["p"] = (one["size"] * one["p"] + other["size"] * other["p"]) / size
        other["size"] = size

    for one, other in graph.edges:
        graph.edges[one, other]["weight"] = hellinger(one, other)
    joined = merge_hierarchical(
        labels,
        graph,
        ALIKE,
        rag_copy=False,
        in_place_merge=True,
        merge_func=merge,
        weight_func=lambda graph, source, target, other: {"weight": hellinger(target, other)},
    )
    return relabel_sequential(joined + 1)[0] - 1


def likely_parts(p_q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide a distribution over the bins into its few likely parts: their mean ab (parts, 2), and mass (parts,)."""
    parts = KMeans(PARTS, n_init=4, random_state=0).fit(AB_BINS, sample_weight=p_q)
    mass = np.bincount(parts.labels_, p_q, minlength=PARTS)
    kept = mass >= LEAST_MASS * mass.max()
    return parts.cluster_centers_[kept], mass[kept]


def _region(p_q: np.ndarray, lab: np.ndarray) -> Region:
    ab, mass = likely_parts(p_q)
    colors = np.insert(ab, 0, lab[0], axis=1)
    return Region(np.vstack([lab, colors]), np.append(0.0, np.log(mass.max() / mass)))


def _alike_neighbours(labels: np.ndarray, distributions: np.ndarray) -> np.ndarray:
    """Share of each region's border that it has with each other, times the agreement of the two, (regions, regions)."""
    border = np.zeros((len(distributions),) * 2)
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        np.add.at(border, (one, other), 1)
        np.add.at(border, (other, one), 1)
    np.fill_diagonal(border, 0)
    roots = np.sqrt(distributions)
    return border / np.maximum(border.sum(axis=1, keepdims=True), 1) * (roots @ roots.T) ** 2


def _likeliest(regions: list[Region], far: list[np.ndarray], alike: np.ndarray, worth: float) -> list[int]:
    """Choose for every region, given its neighbours', until nothing changes (iterated conditional modes)."""
    shifts = [region.colors[:, 1:] - region.colors[0, 1:] for region in regions]
    choice = [0] * len(regions)
    for _ in range(SWEEPS):
        last = list(choice)
        for r, region in enumerate(regions):
            gain = worth * far[r] - region.loss
            for s in np.flatnonzero(alike[r]):
                apart = np.hypot(*(shifts[r] - shifts[s][choice[s]]).T) / FAR
                gain = gain - TOGETHER * alike[r, s] * np.minimum(apart, 2.0)
            choice[r] = int(gain.argmax())
        if choice == last:
            break
    return choice


def _along_edges(inside_hw: np.ndarray, L_hw: np.ndarray) -> np.ndarray:
    """Blur the outline of a region except along edges of lightness (guided filter: He, Sun, Tang, ECCV 2010)."""
    L, inside = L_hw.astype(np.float64), inside_hw.astype(np.float64)
    mean_L, mean = _box(L), _box(inside)
    slope = (_box(L * inside) - mean_L * mean) / (_box(L * L) - mean_L**2 + EDGE**2)
    return np.clip(_box(slope) * L + _box(mean - slope * mean_L), 0.0, 1.0).astype(np.float32)


def _box(values_hw: np.ndarray) -> np.ndarray:
    return uniform_filter(values_hw, 2 * BORDER + 1, mode="nearest")


def _lab(L_hw: np.ndarray, ab_hw2: np.ndarray) -> np.ndarray:
    return np.concatenate([L_hw[..., None], ab_hw2], axis=-1)


def _means(labels: np.ndarray, values_hwc: np.ndarray) -> np.ndarray:
    """Mean of the channels in each region, (regions, C)."""
    flat = labels.ravel()
    sums = [np.bincount(flat, values_hwc[..., channel].ravel()) for channel in range(values_hwc.shape[-1])]
    return np.stack(sums, axis=1) / np.bincount(flat)[:, None]
