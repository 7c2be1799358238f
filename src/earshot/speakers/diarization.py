"""Who spoke when: local speakers of overlapping windows, clustered into voices, and put together again.

The way is that of Kinoshita et al. ("Integrating end-to-end neural and clustering-based diarization", ICASSP
2021): a window tells its few speakers apart, overlap included; their vectors tell who is the same elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from earshot.audio.resample import resample
from earshot.core.errors import SpeakerError
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from earshot.speakers.clustering import ClusterOptions, Labels, Links, cluster
from earshot.speakers.encoder import SpeakerEncoder, find_encoder, num_cores, unit_rows
from earshot.speakers.segmentation import NUM_LOCAL, Segmenter, find_segmenter
from earshot.speakers.turns import TurnOptions, turns_of
from earshot.speakers.types import Diarization, Turn, Vectors
from earshot.speakers.windows import STEP_SECONDS, SURE, Window, WindowReader

WINDOW = 16 * SAMPLE_RATE
HOP = 8 * SAMPLE_RATE

_MARGIN = 0.10
"""Clusters are joined down to so much under the cosine at which two clips of 3 s are told apart."""
_SURE_SECONDS = 1.0
"""Local speakers with less time alone join the clusters of the others; they make none by their vector."""
_NEW_SECONDS = 0.6
"""One who fits nobody is a speaker of their own from so much speech on."""
_APART_SECONDS = 0.4
"""Two local speakers who speak at once for so long are two people."""
_APART_BONUS = -0.05
"""Added to the cosine of two of one window who do not: the window held them for two people."""


@dataclass(frozen=True, slots=True)
class DiarizationOptions:
    """What to expect of a recording.

    num_speakers: when it is known; else it is estimated, between min_speakers and max_speakers.
    encoder: see ``find_encoder``. num_threads: None for one a core. threshold: cosine above which two clusters
    are one voice; None for the encoder's. turns: how turns are made of frames.
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
        self._encoder = encoder or find_encoder(options.encoder, num_threads=threads)
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
        labels = assign_locals(windows, self._cluster_options())
        if labels.max() < 0:
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


def assign_locals(windows: Sequence[Window], options: ClusterOptions) -> Labels:
    """The speaker of each window's local speakers: int (windows, NUM_LOCAL), −1 for those who say nothing."""
    labels = np.full((len(windows), NUM_LOCAL), -1, np.int64)
    seconds = np.stack([window.seconds for window in windows])
    spoken = np.stack([window.spoken for window in windows])
    vectors = np.stack([window.vectors for window in windows])
    has_vector = np.stack([window.has_vector for window in windows])
    is_sure = has_vector & (seconds >= _SURE_SECONDS)
    if is_sure.sum() < options.min_clusters:
        is_sure = has_vector
    places = np.argwhere(is_sure)
    if not len(places):
        return labels
    rows, columns = places.T
    weights = np.maximum(seconds[rows, columns], 0.1)
    found = cluster(vectors[rows, columns], weights, options, links=_links(windows, places))
    labels[rows, columns] = found
    centroids = _centroids(vectors[rows, columns], weights, found)
    _assign_rest(labels, vectors, has_vector, spoken, centroids, options)
    return labels


def _links(windows: Sequence[Window], places: npt.NDArray[np.int64]) -> Links:
    """What the windows say of their local speakers: that they are different people, more or less surely."""
    first, second, bonus = [], [], []
    for one in range(len(places)):
        for other in range(one + 1, min(one + NUM_LOCAL, len(places))):
            if places[one, 0] == places[other, 0]:
                active = windows[places[one, 0]].activity[:, [places[one, 1], places[other, 1]]] >= SURE
                together = active.all(axis=1).sum() * STEP_SECONDS
                first.append(one)
                second.append(other)
                bonus.append(-np.inf if together >= _APART_SECONDS else _APART_BONUS)
    return Links(np.array(first, np.int64), np.array(second, np.int64), np.array(bonus, np.float64))


def _centroids(vectors: Vectors, weights: npt.NDArray[np.float64], labels: Labels) -> Vectors:
    sums = np.zeros((int(labels.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors * weights[:, None].astype(np.float32))
    return unit_rows(sums)


def _assign_rest(
    labels: Labels,
    vectors: Vectors,
    has_vector: npt.NDArray[np.bool_],
    spoken: npt.NDArray[np.float64],
    centroids: Vectors,
    options: ClusterOptions,
) -> None:
    """Give local speakers with little time alone to speakers who are not taken in their window; in place.

    Where none is left, or none is at all alike, they are somebody new if they say enough.
    """
    most = options.max_clusters or len(labels) * NUM_LOCAL
    for row in np.flatnonzero((has_vector & (labels < 0)).any(axis=1)):
        rest = np.flatnonzero(has_vector[row] & (labels[row] < 0))
        taken = labels[row][labels[row] >= 0]
        cosines = vectors[row, rest] @ centroids.T
        cosines[:, taken] = -2
        for local, column in zip(*linear_sum_assignment(cosines, maximize=True), strict=True):
            if cosines[local, column] > options.threshold - 0.35:
                labels[row, rest[local]] = column
        for local in rest:
            if labels[row, local] < 0 and spoken[row, local] >= _NEW_SECONDS and len(centroids) < most:
                labels[row, local] = len(centroids)
                centroids = np.concatenate([centroids, vectors[row, local][None]])


def speaker_shares(windows: Sequence[Window], labels: Labels) -> npt.NDArray[np.float32]:
    """How surely each speaker speaks in each frame: (frames, speakers), the mean over windows.

    A window counts less towards its ends, where it has heard less of what surrounds them.
    """
    num_speakers = max(0, int(labels.max())) + 1
    total = max(window.start + len(window.activity) for window in windows)
    shares = np.zeros((total, num_speakers), np.float32)
    weights = np.zeros(total, np.float32)
    for window, owners in zip(windows, labels, strict=True):
        frames = len(window.activity)
        weight = np.minimum(np.arange(1, frames + 1), np.arange(frames, 0, -1)).astype(np.float32)
        place = slice(window.start, window.start + frames)
        weights[place] += weight
        for local, owner in enumerate(owners):
            if owner >= 0:
                shares[place, owner] += weight * window.activity[:, local]
    shares /= np.maximum(weights, np.float32(1e-6))[:, None]
    return shares


def _mean_vectors(windows: Sequence[Window], labels: Labels) -> Vectors:
    """Unit mean voice of each speaker, each local vector counting by its seconds alone: (speakers, dim)."""
    owners = labels.reshape(-1)
    vectors = np.concatenate([window.vectors for window in windows])[owners >= 0]
    seconds = np.concatenate([window.seconds for window in windows])[owners >= 0]
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
