"""Which stretches of speech are one voice: clustering from the bottom up, with an estimated number of voices.

Two clusters are as alike as their stretches are on average, each counting by its seconds (that of the clusters'
means grows with their sizes, whoever speaks); the most alike are joined until none is alike enough. Stretches
that overlap in time are kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earshot.core.errors import SpeakerError
from earshot.speakers.types import Vectors

Labels = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]

_BLOCK = 1200
"""Items clustered together: their table of similarities takes 12 MB, and a second of a core."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """threshold: mean cosine above which two clusters are one voice.

    min_clusters, max_clusters: joining stops at the one and goes on, threshold or not, down to the other.
    """

    threshold: float
    min_clusters: int = 1
    max_clusters: int | None = None

    def __post_init__(self) -> None:
        if not -1 <= self.threshold <= 1:
            raise SpeakerError(f"a cosine lies within −1 and 1, not at {self.threshold}")
        if self.min_clusters < 1 or (self.max_clusters is not None and self.max_clusters < self.min_clusters):
            raise SpeakerError(f"there cannot be {self.min_clusters} to {self.max_clusters} speakers")


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """What is known of pairs of items beside their voices.

    first, second: int (m,), items. bonus: float64 (m,), added to the cosine of the two; −inf keeps them apart.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    bonus: npt.NDArray[np.float64]

    def within(self, start: int, end: int) -> Links:
        """Of the items start … end alone, counted from 0."""
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        kept = (low >= start) & (high < end)
        return Links(self.first[kept] - start, self.second[kept] - start, self.bonus[kept])

    def table(self, count: int) -> Matrix:
        """(count, count), symmetric; 0 where nothing is known."""
        table = np.zeros((count, count))
        table[self.first, self.second] = table[self.second, self.first] = self.bonus
        return table


def cluster(
    vectors: Vectors,
    weights: npt.NDArray[np.float64],
    options: ClusterOptions,
    *,
    links: Links | None = None,
) -> Labels:
    """The cluster of each item: int (n,), numbered from 0 in order of first appearance.

    vectors: float32 (n, dim), unit rows. weights: (n,), positive. Of two clusters the bonus is the mean of
    their items'; clusters that are to stay apart do, unless there would be too many otherwise. More than some
    1,200 items are clustered block by block first.
    """
    num_items = len(vectors)
    if num_items > _BLOCK:
        return _cluster_blocks(vectors, weights, options, links)
    labels = np.arange(num_items)
    if num_items < 2:
        return labels
    extra = np.zeros((num_items, num_items)) if links is None else links.table(num_items)
    return in_order(_join(vectors.astype(np.float64) * weights[:, None], weights, extra, options))


def _join(sums: Matrix, weights: npt.NDArray[np.float64], extra: Matrix, options: ClusterOptions) -> Labels:
    count = left = len(sums)
    labels, alive = np.arange(count), np.ones(count, np.bool_)
    is_apart = np.isneginf(extra)
    extra = np.where(is_apart, 0.0, extra)
    sizes = np.ones(count)
    weights = np.array(weights, np.float64)
    scores = sums @ sums.T / np.outer(weights, weights) + extra
    scores[is_apart] = -np.inf
    np.fill_diagonal(scores, -np.inf)
    while left > options.min_clusters:
        first, second = divmod(int(np.argmax(scores)), count)
        best = scores[first, second]
        if best < options.threshold and (options.max_clusters is None or left <= options.max_clusters):
            break
        if best == -np.inf:  # only clusters that are kept apart are left, and they are too many
            is_apart[:] = False
            scores = sums @ sums.T / np.outer(weights, weights) + extra
            scores[:, ~alive] = scores[~alive] = -np.inf
            np.fill_diagonal(scores, -np.inf)
            continue
        total = sizes[first] + sizes[second]
        extra[first] = (sizes[first] * extra[first] + sizes[second] * extra[second]) / total
        extra[:, first] = extra[first]
        is_apart[first] |= is_apart[second]
        is_apart[:, first] = is_apart[first]
        sums[first] += sums[second]
        weights[first] += weights[second]
        sizes[first] = total
        alive[second] = False
        left -= 1
        labels[labels == second] = first
        row = sums @ sums[first] / (weights * weights[first]) + extra[first]
        row[is_apart[first] | ~alive] = -np.inf
        row[first] = -np.inf
        scores[first] = scores[:, first] = row
        scores[second] = scores[:, second] = -np.inf
    return labels


def _cluster_blocks(
    vectors: Vectors, weights: npt.NDArray[np.float64], options: ClusterOptions, links: Links | None
) -> Labels:
    """Clusters of each block of items, then clusters of those."""
    careful = ClusterOptions(min(1.0, options.threshold + 0.05))
    labels = np.zeros(len(vectors), np.int64)
    num_labels = 0
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, start + _BLOCK)
        inner = None if links is None else links.within(start, start + _BLOCK)
        labels[part] = num_labels + cluster(vectors[part], weights[part], careful, links=inner)
        num_labels = int(labels[part].max()) + 1
    if num_labels == len(vectors):  # nothing could be joined: a last step will not change that
        return _limited(vectors, weights, labels, options)
    means, seconds = _means(vectors, weights, labels)
    return in_order(cluster(means, seconds, options)[labels])


def _limited(
    vectors: Vectors, weights: npt.NDArray[np.float64], labels: Labels, options: ClusterOptions
) -> Labels:
    """So many items that are all unlike are no voices: the heaviest stay, others go to the nearest of them."""
    kept = np.argsort(-weights, kind="stable")[: options.max_clusters or _BLOCK]
    return in_order(labels[kept][np.argmax(vectors @ vectors[kept].T, axis=1)])


def _means(
    vectors: Vectors, weights: npt.NDArray[np.float64], labels: Labels
) -> tuple[Vectors, npt.NDArray[np.float64]]:
    """Mean vector, not of unit length, and weight of each cluster."""
    num_labels = int(labels.max()) + 1
    sums, seconds = np.zeros((num_labels, vectors.shape[1])), np.zeros(num_labels)
    np.add.at(sums, labels, vectors * weights[:, None])
    np.add.at(seconds, labels, weights)
    return (sums / seconds[:, None]).astype(np.float32), seconds


def in_order(labels: Labels) -> Labels:
    """The same clusters, numbered from 0 in order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    ranks = np.empty(len(first), np.int64)
    ranks[np.argsort(first, kind="stable")] = np.arange(len(first))
    return ranks[inverse.reshape(-1)]
