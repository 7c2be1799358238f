"""Whose voice is this? By the classic recipe, by clusters, and by vectors, where strangers stay strangers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.core.errors import SpeakerError
from earshot.core.optional import require
from earshot.core.types import Samples
from earshot.features.deltas import deltas
from earshot.features.mfcc import Mfcc, MfccOptions
from earshot.speakers.encoder import check_length, unit_rows
from earshot.speakers.types import Vector, Vectors

_WINDOW = 100  # MFCC frames described together: 1 s
_HOP = 25


@dataclass(frozen=True, slots=True)
class Identified:
    """name: of the known voice, None for a stranger. score: cosine to the nearest. nearest: whose that is."""

    name: str | None
    score: float
    nearest: str


class VoiceIdentifier:
    """Known voices, each by its mean vector.

    known: name → unit vector, at least one. threshold: least cosine that counts as known; None always names
    the nearest (closed set). Calibrate it with ``scoring.threshold_for``, or ``open_set_threshold``.
    """

    def __init__(self, known: Mapping[str, Vector], *, threshold: float | None) -> None:
        if not known:
            raise SpeakerError("nobody is known yet", fix="enrol a voice first")
        self._names = tuple(known)
        self._vectors = unit_rows(np.stack([np.asarray(known[name], np.float32) for name in self._names]))
        self.threshold = threshold

    @classmethod
    def enrol(
        cls, vectors: Vectors, names: Sequence[str], *, threshold: float | None = None
    ) -> VoiceIdentifier:
        """Of labelled vectors (n, dim): each name's mean."""
        labels = np.asarray(names)
        means = {str(name): vectors[labels == name].mean(axis=0) for name in np.unique(labels)}
        return cls(means, threshold=threshold)

    def identify(self, vectors: Vectors) -> tuple[Identified, ...]:
        """Who speaks in each of these clips. vectors: (n, dim), unit rows, of the encoder that enrolled."""
        cosines = vectors @ self._vectors.T
        found = []
        for row in cosines:
            best = int(np.argmax(row))
            score = float(row[best])
            is_known = self.threshold is None or score >= self.threshold
            found.append(Identified(self._names[best] if is_known else None, score, self._names[best]))
        return tuple(found)


def open_set_threshold(
    known_scores: npt.NDArray[np.floating], stranger_scores: npt.NDArray[np.floating], *, false_accepts: float
) -> tuple[float, float]:
    """The least threshold that takes at most this share of strangers for someone known, and the misses there.

    known_scores: cosines of known voices to their own vectors; stranger_scores: of strangers to the nearest of
    all known. false_accepts: in [0, 1).
    """
    strangers = np.sort(np.asarray(stranger_scores, np.float64))
    if not len(strangers) or not len(known_scores):
        raise SpeakerError("a threshold needs scores of known voices and of strangers")
    allowed = int(false_accepts * len(strangers))
    threshold = float(np.nextafter(strangers[len(strangers) - 1 - allowed], 2.0))
    return threshold, float(np.mean(np.asarray(known_scores) < threshold))


class MfccSvm:
    """The classic closed-set recipe: MFCC of each second, a support vector machine, a vote over the clip.

    Needs scikit-learn. Mean and deviation of 19 MFCC and of their differences describe a second (76 numbers);
    the zeroth, the level, is left out. Raises MissingExtraError.
    """

    def __init__(self, *, num_ceps: int = 20) -> None:
        self._svm = require("sklearn.svm", extra="voices", purpose="identification by MFCC and SVM")
        self._mfcc = Mfcc(MfccOptions.python_speech_features(num_ceps))
        self._machine: Any = None
        self._names: tuple[str, ...] = ()

    def fit(self, clips: Sequence[Samples], names: Sequence[str]) -> MfccSvm:
        """Learn these voices. clips: float32 at 16 kHz; names: whose each is, at least two of them.

        Raises SpeakerError.
        """
        if len(set(names)) < 2 or len(names) != len(clips):
            raise SpeakerError("a classifier needs clips of two voices or more, each with a name")
        self._names = tuple(sorted(set(names)))
        rows = [self._seconds(clip) for clip in clips]
        labels = np.repeat([self._names.index(name) for name in names], [len(row) for row in rows])
        table = np.concatenate(rows)
        self._centre, self._scale = table.mean(axis=0), table.std(axis=0) + 1e-6
        self._machine = self._svm.SVC(C=10.0, kernel="rbf", gamma="scale", class_weight="balanced")
        self._machine.fit(self._scaled(table), labels)
        return self

    def predict(self, clips: Sequence[Samples]) -> tuple[str, ...]:
        """The name with most votes of each clip's seconds; always one of those learned."""
        if self._machine is None:
            raise SpeakerError("this classifier has learned no voice yet", fix="call fit first")
        found = []
        for clip in clips:
            votes = self._machine.predict(self._scaled(self._seconds(clip)))
            found.append(self._names[int(np.bincount(votes).argmax())])
        return tuple(found)

    def vectors(self, clips: Sequence[Samples]) -> Vectors:
        """One description a clip, for clustering: float32 (n, 76), each column centred and scaled over them."""
        table = np.stack([self._seconds(clip).mean(axis=0) for clip in clips])
        scaled: Vectors = ((table - table.mean(axis=0)) / (table.std(axis=0) + 1e-6)).astype(np.float32)
        return scaled

    def _scaled(self, table: Vectors) -> Vectors:
        scaled: Vectors = (table - self._centre) / self._scale
        return scaled

    def _seconds(self, clip: Samples) -> Vectors:
        check_length(len(clip))
        level = float(np.sqrt(np.mean(np.square(clip, dtype=np.float64))))
        frames = self._mfcc(clip * np.float32(0.05 / max(level, 1e-6)))
        energy, ceps = frames[:, 0], frames[:, 1:]
        both = np.concatenate([ceps, deltas(ceps)], axis=1)
        loud = energy >= np.quantile(energy, 0.95) - 8  # pauses say nothing of the voice: 35 dB below
        both = both[loud]
        starts = range(0, max(1, len(both) - _WINDOW + 1), _HOP)
        windows = [both[start : start + _WINDOW] for start in starts]
        return np.stack([np.concatenate([w.mean(axis=0), w.std(axis=0)]) for w in windows]).astype(np.float32)


def kmeans(vectors: Vectors, num_clusters: int, *, num_starts: int = 10, seed: int = 0) -> npt.NDArray[np.intp]:
    """Cluster numbers (n,) by Lloyd's algorithm, begun as k-means++ does (Arthur and Vassilvitskii 2007).

    vectors: (n, dim), n ≥ num_clusters. Of ``num_starts`` runs the one with the least squared distance is
    taken; the same input gives the same clusters. Raises SpeakerError for fewer vectors than clusters.
    """
    if not 1 <= num_clusters <= len(vectors):
        raise SpeakerError(f"{len(vectors)} clips cannot be put into {num_clusters} clusters")
    rng = np.random.default_rng(seed)
    runs = [_lloyd(vectors.astype(np.float64), num_clusters, rng) for _ in range(num_starts)]
    return min(runs, key=lambda run: run[1])[0]


def _lloyd(
    vectors: npt.NDArray[np.float64], num_clusters: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], float]:
    centres = vectors[[rng.integers(len(vectors))]]
    while len(centres) < num_clusters:
        nearest = _distances(vectors, centres).min(axis=1)
        total = nearest.sum()
        chances = nearest / total if total > 0 else None
        centres = np.concatenate([centres, vectors[[rng.choice(len(vectors), p=chances)]]])
    labels = np.full(len(vectors), -1)
    for _ in range(100):
        distances = _distances(vectors, centres)
        new = distances.argmin(axis=1)
        if np.array_equal(new, labels):
            break
        labels = new
        for cluster in range(num_clusters):
            members = vectors[labels == cluster]
            if len(members):
                centres[cluster] = members.mean(axis=0)
    return labels, float(_distances(vectors, centres).min(axis=1).sum())


def _distances(vectors: npt.NDArray[np.float64], centres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Squared distances: (vectors, centres)."""
    squares = np.square(vectors).sum(axis=1)[:, None] + np.square(centres).sum(axis=1)
    distances: npt.NDArray[np.float64] = squares - 2 * vectors @ centres.T
    return np.maximum(distances, 0.0, out=distances)


def cluster_accuracy(labels: Sequence[int] | npt.NDArray[np.intp], names: Sequence[str]) -> float:
    """Share of clips in the right cluster, clusters being given to names one to one as fits best."""
    from scipy.optimize import linear_sum_assignment

    _, truth = np.unique(np.asarray(names), return_inverse=True)
    table = np.zeros((int(np.max(labels)) + 1, int(truth.max()) + 1))
    np.add.at(table, (np.asarray(labels), truth), 1)
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / len(truth))
