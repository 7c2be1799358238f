"""A training run as one TOML file describes it."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from earshot.core.errors import TrainingError
from earshot.core.files import read_utf8

_Part = TypeVar("_Part")
_MAX_TOML = 1_000_000
_MAX_NUMBER = 1e12


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What is learned from.

    train: manifests. dev: those that judge, None parts train's speakers (or recordings), a tenth. language: an
    ISO 639 code, None for what the manifests say. skip_bad: leave bad lines out. min_duration, max_duration:
    seconds; utterances outside are left out, and counted.
    """

    train: tuple[str, ...] = ()
    dev: tuple[str, ...] = ()
    language: str | None = None
    skip_bad: bool = False
    min_duration: float = 0.2
    max_duration: float = 20.0


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """Which front end, None for the one that the net usually hears; num_features None is its usual number."""

    name: str | None = None
    num_features: int | None = None


@dataclass(frozen=True, slots=True)
class AlphabetOptions:
    """What the net writes. letters: None for those of the texts. size: of the pieces of "bpe"."""

    kind: Literal["letters", "bpe"] = "letters"
    letters: str | None = None
    size: int = 200


@dataclass(frozen=True, slots=True)
class NetOptions:
    """Which net; options: its own."""

    name: str = "moonshine"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AugmentationOptions:
    """What utterances go through, drawn anew each time.

    speeds: factors, one is drawn (Ko et al. 2015). volume_db: ± so much. noise, rooms: folders of recordings;
    the shares say how often, least_db, most_db how far a noise lies below speech. time_masks, max_frames,
    band_masks, max_bands: SpecAugment (Park et al. 2019), of features. max_share: the most that all masks
    in time may cover.
    """

    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    volume_db: float = 0.0
    noise: str | None = None
    noise_share: float = 0.5
    least_db: float = 5.0
    most_db: float = 25.0
    rooms: str | None = None
    room_share: float = 0.3
    time_masks: int = 5
    max_frames: int = 25
    max_share: float = 0.25
    band_masks: int = 2
    max_bands: int = 15

    @property
    def changes_sound(self) -> bool:
        """Whether more than speed is changed before features are computed."""
        return bool(self.volume_db or self.noise or self.rooms)


@dataclass(frozen=True, slots=True)
class LearningOptions:
    """How it learns, and when it stops: after ``epochs`` or ``minutes`` of training, whichever comes first.

    batch_seconds: of sound in a batch, padding counted. batch_size: utterances of one at most. learning_rate:
    the highest. schedule: "cosine" after a warm-up over the share ``warm_up``, or "constant". average: how much
    of the averaged weights stays at each step; 0 for no averaging. curriculum_epochs: the first so many hear
    short texts alone, of fewer than curriculum_letters. patience: epochs without a better one after which it
    ends, None never. checkpoint_minutes: between checkpoints. precision: "auto" is bfloat16 where the
    processor multiplies it faster.
    """

    epochs: int | None = None
    minutes: float | None = None
    batch_seconds: float = 120.0
    batch_size: int | None = None
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    warm_up: float = 0.08
    clip: float = 5.0
    average: float = 0.995
    curriculum_epochs: int = 0
    curriculum_letters: int = 75
    patience: int | None = 10
    checkpoint_minutes: float = 5.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0


_LEAST: Final = {
    "alphabet.size": 2,
    "augmentation.band_masks": 0,
    "augmentation.max_bands": 0,
    "augmentation.max_frames": 0,
    "augmentation.time_masks": 0,
    "augmentation.volume_db": 0,
    "features.num_features": 1,
    "learning.batch_size": 1,
    "learning.clip": 0,
    "learning.curriculum_epochs": 0,
    "learning.curriculum_letters": 1,
    "learning.epochs": 1,
    "learning.patience": 0,
    "learning.seed": 0,
    "learning.weight_decay": 0,
}
_OVER_0: Final = ("learning.batch_seconds", "learning.checkpoint_minutes", "learning.minutes")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """All of a run."""

    data: DataOptions = field(default_factory=DataOptions)
    features: FeatureOptions = field(default_factory=FeatureOptions)
    alphabet: AlphabetOptions = field(default_factory=AlphabetOptions)
    net: NetOptions = field(default_factory=NetOptions)
    augmentation: AugmentationOptions = field(default_factory=AugmentationOptions)
    learning: LearningOptions = field(default_factory=LearningOptions)

    def __post_init__(self) -> None:
        learning, augmentation, data = self.learning, self.augmentation, self.data
        named = {
            f"{part.name}.{key.name}": getattr(getattr(self, part.name), key.name)
            for part in dataclasses.fields(self)
            for key in dataclasses.fields(getattr(self, part.name))
        }
        for name, least in _LEAST.items():
            _check(named[name] is None or named[name] >= least, f"{name} is {least} or more")
        for name in _OVER_0:
            _check(named[name] is None or named[name] > 0, f"{name} is over 0")
        for name in ("noise_share", "room_share", "max_share"):
            _check(0 <= getattr(augmentation, name) <= 1, f"augmentation.{name} lies in [0, 1]")
        _check(0 < learning.learning_rate < 10, "learning.learning_rate lies between 0 and 10")
        _check(0 <= learning.average < 1, "learning.average lies in [0, 1)")
        _check(0 <= learning.warm_up < 1, "learning.warm_up lies in [0, 1)")
        _check(bool(augmentation.speeds), "augmentation.speeds has one factor at least, 1.0 for no change")
        _check(all(0.5 <= one <= 2 for one in augmentation.speeds), "augmentation.speeds lie in [0.5, 2]")
        _check(augmentation.least_db <= augmentation.most_db, "augmentation.least_db ≤ augmentation.most_db")
        _check(0 < data.min_duration < data.max_duration, "0 < data.min_duration < data.max_duration")

    def to_dict(self) -> dict[str, Any]:
        """As nested dictionaries, for the card and for ``from_dict``."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "the run") -> RunOptions:
        """Raises TrainingError for an unknown key, with the nearest one, or a value of another kind."""
        return _read(cls, data, where, ())

    @classmethod
    def from_toml(cls, path: Path) -> RunOptions:
        """Relative paths in it are relative to its folder. Raises TrainingError."""
        text = read_utf8(path, most=_MAX_TOML, raises=TrainingError, less="a training run is a short TOML file")
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise TrainingError(f"{path} is no TOML: {error}", fix="correct that line") from None
        options = cls.from_dict(data, str(path))
        at = path.parent
        return dataclasses.replace(
            options,
            data=dataclasses.replace(
                options.data,
                train=tuple(str(at / one) for one in options.data.train),
                dev=tuple(str(at / one) for one in options.data.dev),
            ),
            augmentation=dataclasses.replace(
                options.augmentation,
                noise=_beside(at, options.augmentation.noise),
                rooms=_beside(at, options.augmentation.rooms),
            ),
        )


def _beside(folder: Path, name: str | None) -> str | None:
    return None if name is None else str(folder / name)


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise TrainingError(f"the options of the run do not fit: {what}", fix="correct it in the TOML")


def _read(kind: type[_Part], data: Mapping[str, Any], where: str, path: tuple[str, ...]) -> _Part:
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in data.items():
        name = ".".join((*path, key))
        if key not in hints:
            near = difflib.get_close_matches(key, hints, 1)
            fix = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(hints)}"
            raise TrainingError(f"{where}: there is no option {name!r}", fix=fix)
        values[key] = _value(hints[key], value, where, (*path, key))
    return kind(**values)


def _value(hint: Any, value: Any, where: str, path: tuple[str, ...]) -> Any:
    """``value`` if it is of this kind. Raises TrainingError."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _value(parts[0], value, where, path)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return _read(typing.cast(type[Any], hint), value, where, path)
    if origin is typing.Literal and value in parts:
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_value(parts[0], one, where, path) for one in value)
    if origin is tuple and isinstance(value, str) and parts[0] is str:
        return (value,)
    if origin is not None and isinstance(value, Mapping) and issubclass(Mapping, origin):
        return dict(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and is_number and abs(value) < _MAX_NUMBER:  # which no NaN is
        return float(value)
    if hint in (int, str, bool) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    wanted = " or ".join(map(repr, parts)) if origin is typing.Literal else getattr(hint, "__name__", str(hint))
    raise TrainingError(f"{where}: {'.'.join(path)} is {value!r}, not {wanted}", fix="correct it")
