"""Speaker models in sherpa-onnx's form: one ONNX file whose metadata says what it wants.

WeSpeaker and 3D-Speaker models (ResNet, ECAPA-TDNN, CAM++, ERes2Net) read Kaldi's filter bank; they run here on
onnxruntime itself, with our front end, so that sherpa-onnx need not be installed. NeMo's models have another
front end and are refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from earshot.core.errors import ModelError, UnknownModelError
from earshot.core.runtime import load_onnx
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features.mel import LogMel, MelOptions
from earshot.features.stft import Matrix
from earshot.models.store import ModelStore
from earshot.speakers.encoder import check_length, unit_rows
from earshot.speakers.types import Vectors

_HOP = 160
_BATCH = 16  # windows read together
_HINT = "take a WeSpeaker or 3D-Speaker model of sherpa-onnx's list of speaker recognition models"


class SherpaEncoder:
    """See SpeakerEncoder.

    place: an .onnx file, a folder that holds one, or the name of one in the model store. The threshold is that
    of the file's metadata (``threshold``), else 0.5, which is not calibrated.
    Raises UnknownModelError when there is none, ModelError for another kind of model.
    """

    min_seconds = 1.0

    def __init__(self, place: str, *, num_threads: int = 1) -> None:
        path = _find(place)
        content = _read(path)
        self._session = load_onnx(path, content, num_threads=num_threads, fix=_HINT)
        metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        _check(metadata, path)
        self.name = f"sherpa:{path.stem}-{sha256(content).hexdigest()[:8]}"
        self.dim = int(metadata["output_dim"])
        self.threshold = _number(metadata.get("threshold"), 0.5)
        self._is_centred = metadata.get("feature_normalize_type") == "global-mean"
        options = MelOptions.kaldi(80, snip_edges=False)
        scale = 1.0 if metadata["normalize_samples"] == "1" else 32768.0
        stft = dataclasses.replace(options.stft, scale=scale)
        # sherpa-onnx leaves out the last 400 Hz.
        self._front_end = LogMel(dataclasses.replace(options, stft=stft, high_frequency=SAMPLE_RATE / 2 - 400))
        self._path = path

    def embed(self, clips: Sequence[Samples]) -> Vectors:
        """See SpeakerEncoder."""
        for clip in clips:
            check_length(len(clip))
        rows = [self._run(self._front_end(clip)[None]) for clip in clips]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    def embed_windows(self, samples: Samples, starts: Sequence[int], length: int) -> Vectors:
        """See SpeakerEncoder."""
        if not len(starts):
            return np.zeros((0, self.dim), np.float32)
        check_length(min(length, len(samples) - max(starts)))
        mel = self._front_end(samples)
        spans = [(start // _HOP, min(start // _HOP + length // _HOP, len(mel))) for start in starts]
        vectors = np.empty((len(spans), self.dim), np.float32)
        lengths = np.array([last - first for first, last in spans])
        for count in np.unique(lengths):
            rows = np.flatnonzero(lengths == count)
            for start in range(0, len(rows), self._batch):
                some = rows[start : start + self._batch]
                vectors[some] = self._run(np.stack([mel[spans[row][0] : spans[row][1]] for row in some]))
        return vectors

    @property
    def _batch(self) -> int:
        """Windows read together; some models were exported for one at a time."""
        size = self._session.get_inputs()[0].shape[0]
        return size if isinstance(size, int) else _BATCH

    def _run(self, features: Matrix) -> Vectors:
        if self._is_centred:
            features = features - features.mean(axis=1, keepdims=True)
        try:
            name = self._session.get_inputs()[0].name
            found = np.asarray(self._session.run(None, {name: features})[0], np.float32)
        except Exception as error:  # onnxruntime raises types of its own that it does not export
            raise ModelError(f"{self._path} cannot be run: {error}", fix=_HINT) from error
        if found.shape != (len(features), self.dim) or not np.isfinite(found).all():
            raise ModelError(
                f"{self._path} gives {found.shape} in place of ({len(features)}, {self.dim})", fix=_HINT
            )
        return unit_rows(found)


def _find(place: str) -> Path:
    path = Path(place).expanduser()
    if not path.exists():
        path = ModelStore().find(place)
    if path.is_file():
        return path
    models = sorted(path.glob("*.onnx"))
    if len(models) == 1:
        return models[0]
    if not models:
        raise UnknownModelError(f"{path} holds no .onnx file", fix=_HINT)
    raise UnknownModelError(f"{path} holds {len(models)} models", fix=f"name one of them: sherpa:{models[0]}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error


def _check(metadata: Mapping[str, str], path: Path) -> None:
    """Raise ModelError when the model is none that this encoder feeds rightly."""
    framework = metadata.get("framework", "")
    if framework not in ("wespeaker", "3d-speaker"):
        what = f"is a {framework} model" if framework else "says not what it is"
        raise ModelError(f"{path} {what}, and no WeSpeaker or 3D-Speaker model", fix=_HINT)
    if metadata.get("sample_rate") != str(SAMPLE_RATE):
        raise ModelError(f"{path} is for {metadata.get('sample_rate')} Hz, not {SAMPLE_RATE}", fix=_HINT)
    if not metadata.get("output_dim", "").isdigit() or metadata.get("normalize_samples") not in ("0", "1"):
        raise ModelError(f"{path} says not what it reads and gives", fix=_HINT)
    if metadata.get("feature_normalize_type", "") not in ("", "global-mean"):
        raise ModelError(f"{path} wants another normalisation than Earshot has", fix=_HINT)


def _number(text: str | None, default: float) -> float:
    try:
        return float(text) if text is not None else default
    except ValueError:
        return default
