"""Who spoke when: local speakers of overlapping windows, clustered into voices, and put together again.

The way is that of Kinoshita et al. ("Integrating end-to-end neural and clustering-based diarization", ICASSP
2021): a window tells its few speakers apart, overlap included; their vectors tell who is the same elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from earshot.audio.resample import resample
from earshot.core.errors import SpeakerError
from earshot.core.runtime import num_cores
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from earshot.speakers.clustering import ClusterOptions, Labels, Links, cluster, in_order
from earshot.speakers.encoder import SpeakerEncoder, find_encoder, unit_rows
from earshot.speakers.segmentation import NUM_LOCAL, Segmenter, find_segmenter
from earshot.speakers.turns import TurnOptions, turns_of
from earshot.speakers.types import Diarization, Turn, Vectors
from earshot.speakers.windows import STEP_SECONDS, Window, WindowReader

DEFAULT_ENCODER = "earshot"
"""It learned from noise and rooms, unlike ge2e, and is always there: on made meetings of one to six people in
noise 12 % of the speech went to the wrong one, 14 % with ge2e; of ten, the number was right in 9, and in 6."""

WINDOW = 16 * SAMPLE_RATE
HOP = 8 * SAMPLE_RATE

_MARGIN = 0.12
"""Clusters are joined down to so much under the cosine that parts two clips of 3 s; pieces are shorter."""
_LITTLE_SECONDS = 2.0
"""A cluster of less time may be a bad guess at a voice that has another one."""
_LITTLE_MARGIN = 0.1
"""So far under the cosine that joins clusters, it still goes to the one that is most alike."""
_NEW_SECONDS = 0.6
"""One who never speaks alone and fits nobody is a speaker of their own from so much speech on."""
_FITS = 0.35
"""So far under the cosine that joins clusters, one who never speaks alone still fits somebody."""
_APART_SHARE = 0.5
"""Two local speakers of a window who speak at once for so much of the shorter one's time are two people."""
_APART_BONUS, _TOGETHER_BONUS = -0.1, 0.05
"""Added to the cosine of two pieces which a window holds for those of two people, or of one."""


@dataclass(frozen=True, slots=True)
class DiarizationOptions:
    """What to expect of a recording.

    num_speakers: when it is known; else it is estimated, between min_speakers and max_speakers.
    encoder: see ``find_encoder``; None for the one that comes with Earshot. num_threads: None for one a core.
    threshold: cosine above which two clusters are one voice; None for the encoder's. turns: how turns are made
    of frames.
    """

    num_speakers: int | None = None
    min_speakers: int = 1
    max_speakers: int = 20
    encoder: str | None = None
    num_threads: int | None = None
    threshold: float | None = None
    turns: TurnOptions = field(default_factory=TurnOptions)

    def __post_init__(self) -> None:
        if self.num_speakers is not None and not 1 <= self.num_speakers <= 100:
            raise SpeakerError(f"the number of speakers is 1 to 100, not {self.num_speakers}")
        if not 1 <= self.min_speakers <= self.max_speakers <= 100:
            raise SpeakerError(
                f"there cannot be {self.min_speakers} to {self.max_speakers} speakers",
                fix="give a least and a greatest number from 1 to 100",
            )
        if self.num_threads is not None and self.num_threads < 1:
            raise SpeakerError(f"there is at least one thread, not {self.num_threads}")
        if self.threshold is not None and not -1 <= self.threshold <= 1:
            raise SpeakerError(f"a cosine lies within −1 and 1, not at {self.threshold}")


class Diarizer:
    """One recording. Keeps a window of sound; of what is past only who spoke in it and the vectors.

    encoder, segmenter: those of the options unless given.
    Raises what ``find_encoder`` raises.
    """

    def __init__(
        self,
        options: DiarizationOptions | None = None,
        *,
        encoder: SpeakerEncoder | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        self._options = options = options or DiarizationOptions()
        threads = options.num_threads or num_cores()
        self._encoder = encoder or find_encoder(options.encoder or DEFAULT_ENCODER, num_threads=threads)
        self._threshold = options.threshold
        if self._threshold is None:
            self._threshold = self._encoder.threshold - _MARGIN
        segmenter = segmenter or find_segmenter(self._encoder, self._threshold, num_threads=threads)
        self._reader = WindowReader(segmenter, self._encoder, length=WINDOW, hop=HOP)

    def accept(self, samples: Samples) -> None:
        """Take float32 (n,) at 16 kHz, any n; what is no number counts as silence."""
        self._reader.accept(samples)

    def finish(self) -> Diarization:
        """No more comes: who spoke when."""
        self._reader.finish()
        windows = self._reader.windows
        if not windows:
            return Diarization(encoder=self._encoder.name)
        labels = assign_pieces(windows, self._cluster_options())
        if all(part.max(initial=-1) < 0 for part in labels):
            return Diarization(encoder=self._encoder.name)
        shares = speaker_shares(windows, labels)
        duration = self._reader.num_samples / SAMPLE_RATE
        turns = turns_of(shares, STEP_SECONDS, duration, self._options.turns)
        return _named(turns, _mean_vectors(windows, labels), self._encoder.name)

    def _cluster_options(self) -> ClusterOptions:
        assert self._threshold is not None
        least, most = self._options.min_speakers, self._options.max_speakers
        if self._options.num_speakers is not None:
            least = most = self._options.num_speakers
        return ClusterOptions(self._threshold, least, most)


def diarize(audio: Audio, options: DiarizationOptions | None = None) -> Diarization:
    """Who spoke when in a whole recording, at any sample rate. No turns where nobody speaks."""
    diarizer = Diarizer(options)
    diarizer.accept(resample(audio, SAMPLE_RATE).samples)
    return diarizer.finish()


# --- from local speakers to speakers ------------------------------------------------------------------------


def assign_pieces(windows: Sequence[Window], options: ClusterOptions) -> list[Labels]:
    """The speaker of each window's pieces: int (pieces,) a window, −1 for those who say too little."""
    sizes = [len(window.pieces) for window in windows]
    owners = np.repeat(np.arange(len(windows)), sizes)
    vectors = np.concatenate([window.vectors for window in windows])
    seconds = np.array([piece.seconds for window in windows for piece in window.pieces])
    labels = np.full(len(owners), -1, np.int64)
    sure = np.flatnonzero(seconds > 0)
    if len(sure) < options.min_clusters:
        sure = np.arange(len(owners))
    if len(sure):
        weights = np.maximum(seconds[sure], 0.1)
        links = _links(windows, sizes, sure)
        labels[sure] = absorb(
            vectors[sure], weights, cluster(vectors[sure], weights, options, links=links), options, links
        )
    split = [np.asarray(part) for part in np.split(labels, np.cumsum(sizes)[:-1])]
    centroids = _centroids(vectors[sure], np.maximum(seconds[sure], 0.1), labels[sure])
    for window in dict.fromkeys(owners[labels < 0].tolist()):
        centroids = _assign_rest(windows[window], split[window], centroids, options)
    return split


def absorb(
    vectors: Vectors,
    weights: npt.NDArray[np.float64],
    labels: Labels,
    options: ClusterOptions,
    links: Links,
) -> Labels:
    """Give clusters of little time to the one most alike, unless that is unlike or kept apart."""
    labels = labels.copy()
    while True:
        names, inverse = np.unique(labels, return_inverse=True)
        totals = np.bincount(inverse, weights)
        if len(names) <= options.min_clusters or totals.min() >= _LITTLE_SECONDS:
            return in_order(labels)
        means = _centroids(vectors, weights, inverse)
        cosines = means @ means.T
        apart = np.isneginf(links.bonus)
        one, other = inverse[links.first[apart]], inverse[links.second[apart]]
        cosines[one, other] = cosines[other, one] = -2
        np.fill_diagonal(cosines, -2)
        cosines[totals >= _LITTLE_SECONDS] = -2
        small, best = divmod(int(cosines.argmax()), len(names))
        if cosines[small, best] < options.threshold - _LITTLE_MARGIN:
            return in_order(labels)
        labels[inverse == small] = names[best]


def _links(windows: Sequence[Window], sizes: Sequence[int], sure: Labels) -> Links:
    """What the windows say of their pieces: whether they are of one person or of two."""
    places = np.full(sum(sizes), -1)
    places[sure] = np.arange(len(sure))
    first: list[int] = []
    second: list[int] = []
    bonus: list[float] = []
    begin = 0
    for window, size in zip(windows, sizes, strict=True):
        between = _bonuses(window)
        for one, other in itertools.combinations(range(size), 2):
            if places[begin + one] >= 0 and places[begin + other] >= 0:
                first.append(int(places[begin + one]))
                second.append(int(places[begin + other]))
                bonus.append(between[window.pieces[one].local, window.pieces[other].local])
        begin += size
    return Links(np.array(first, np.int64), np.array(second, np.int64), np.array(bonus, np.float64))


def _bonuses(window: Window) -> npt.NDArray[np.float64]:
    """For pieces of each two local speakers: (NUM_LOCAL, NUM_LOCAL)."""
    active = window.active.astype(np.float64)
    together, alone = active.T @ active, active.sum(axis=0)
    share = together / np.maximum(1, np.minimum(alone[:, None], alone[None]))
    bonuses = np.where(share >= _APART_SHARE, -np.inf, _APART_BONUS * (1 + 2 * share))
    np.fill_diagonal(bonuses, _TOGETHER_BONUS)
    return bonuses


def _centroids(vectors: Vectors, weights: npt.NDArray[np.float64], labels: Labels) -> Vectors:
    sums = np.zeros((int(labels.max(initial=-1)) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors * weights[:, None].astype(np.float32))
    return unit_rows(sums)


def _assign_rest(window: Window, labels: Labels, centroids: Vectors, options: ClusterOptions) -> Vectors:
    """Give those who never speak alone to speakers who do not speak at the same time; labels in place.

    Where none is left, or none is at all alike, they are somebody new if they say enough. Returns the
    centroids, with those of the new ones.
    """
    active = window.active
    for place in np.flatnonzero(labels < 0):
        mine = active[:, window.pieces[place].local]
        taken = {
            int(label)
            for piece, label in zip(window.pieces, labels, strict=True)
            if label >= 0 and (active[:, piece.local] & mine).any()
        }
        cosines = centroids @ window.vectors[place]
        cosines[list(taken)] = -2
        if len(cosines) and cosines.max() > options.threshold - _FITS:
            labels[place] = int(cosines.argmax())
        elif mine.sum() * STEP_SECONDS >= _NEW_SECONDS and len(centroids) < (options.max_clusters or 1000):
            labels[place] = len(centroids)
            centroids = np.concatenate([centroids, window.vectors[place][None]])
    return centroids


def speaker_shares(windows: Sequence[Window], labels: Sequence[Labels]) -> npt.NDArray[np.float32]:
    """How surely each speaker speaks in each frame: (frames, speakers), the mean over windows.

    A window counts less towards its ends, where it has heard less of what surrounds them.
    """
    num_speakers = 1 + max(int(part.max(initial=-1)) for part in labels)
    total = max(window.start + len(window.activity) for window in windows)
    shares = np.zeros((total, num_speakers), np.float32)
    weights = np.zeros(total, np.float32)
    for window, owners in zip(windows, labels, strict=True):
        frames = len(window.activity)
        weight = np.minimum(np.arange(1, frames + 1), np.arange(frames, 0, -1)).astype(np.float32)
        weights[window.start : window.start + frames] += weight
        for local in range(NUM_LOCAL):
            owner = _owner_of_frames(window, owners, local)
            known = np.flatnonzero(owner >= 0)
            shares[window.start + known, owner[known]] += (weight * window.activity[:, local])[known]
    shares /= np.maximum(weights, np.float32(1e-6))[:, None]
    return shares


def _owner_of_frames(window: Window, owners: Labels, local: int) -> Labels:
    """The speaker of a local speaker in each frame: that of their piece, between two the nearer one's."""
    frames = len(window.activity)
    mine = [(piece, owner) for piece, owner in zip(window.pieces, owners, strict=True) if piece.local == local]
    owner = np.full(frames, -1, np.int64)
    if not mine:
        return owner
    borders = [0, *((a.last + b.first) // 2 for (a, _), (b, _) in itertools.pairwise(mine)), frames]
    for (_, label), (first, last) in zip(mine, itertools.pairwise(borders), strict=True):
        owner[first:last] = label
    return owner


def _mean_vectors(windows: Sequence[Window], labels: Sequence[Labels]) -> Vectors:
    """Unit mean voice of each speaker, each piece counting by its seconds alone: (speakers, dim)."""
    owners = np.concatenate(list(labels))
    vectors = np.concatenate([window.vectors for window in windows])[owners >= 0]
    seconds = np.array([piece.seconds for window in windows for piece in window.pieces])[owners >= 0]
    return _centroids(vectors, np.maximum(seconds, 0.05), owners[owners >= 0])


def _named(turns: Sequence[tuple[float, float, int]], vectors: Vectors, encoder: str) -> Diarization:
    """Labels in order of first appearance."""
    names: dict[int, str] = {}
    for _, _, owner in turns:
        names.setdefault(owner, f"S{len(names) + 1}")
    return Diarization(
        tuple(Turn(start, end, names[owner]) for start, end, owner in turns),
        MappingProxyType({name: vectors[owner] for owner, name in names.items()}),
        encoder,
    )
