"""Which of sherpa-onnx's many kinds of model a folder holds: told by the names of its files and, where several
kinds share them, by the metadata that the exporter wrote into the first network.

Where a network lies there twice, the 8-bit one (``….int8.onnx``) is taken: on a CPU it is faster and four times
smaller. A transducer's decoder, which is tiny, is taken in full precision, as its makers advise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from earshot.core.errors import ModelError
from earshot.engines.sherpa_files import OnnxHeader, check_ort_file, damaged, read_onnx_header, read_tokens


@dataclass(frozen=True, slots=True)
class SherpaKind:
    """A kind of model and what sherpa-onnx gives for it.

    name: as users of sherpa-onnx call it. factory: the class method that loads it, of ``OnlineRecognizer`` when
    is_streaming, else of ``OfflineRecognizer``. arguments: that method's argument by our role of the file.
    more: further arguments. language_argument: the one that takes a language code. appends: its greedy search
    only ever appends tokens, so words once followed by another are stable. max_duration: seconds in one pass.
    """

    name: str
    factory: str
    arguments: Mapping[str, str]
    is_streaming: bool = False
    word_times: bool = False
    confidences: bool = False
    takes_hot_words: bool = False
    appends: bool = False
    language_argument: str | None = None
    more: Mapping[str, str | bool] = field(default_factory=dict)
    max_duration: float | None = None


_THREE = {"encoder": "encoder", "decoder": "decoder", "joiner": "joiner"}
_TWO = {"encoder": "encoder", "decoder": "decoder"}
_ONE = {"model": "model"}

TRANSDUCER = SherpaKind(
    "transducer", "from_transducer", _THREE, word_times=True, confidences=True, takes_hot_words=True,
    more={"model_type": "transducer"},
)  # fmt: skip
NEMO_TRANSDUCER = SherpaKind(
    "nemo transducer", "from_transducer", _THREE, word_times=True, confidences=True,
    more={"model_type": "nemo_transducer"},
)  # fmt: skip
STREAMING_TRANSDUCER = SherpaKind(
    "streaming transducer", "from_transducer", _THREE, is_streaming=True, word_times=True, confidences=True,
    takes_hot_words=True, appends=True,
)  # fmt: skip
STREAMING_NEMO_TRANSDUCER = SherpaKind(
    "streaming nemo transducer", "from_transducer", _THREE, is_streaming=True, word_times=True
)
WHISPER = SherpaKind(
    "whisper", "from_whisper", _TWO, language_argument="language", more={"language": ""}, max_duration=28.0
)
CANARY = SherpaKind("canary", "from_nemo_canary", _TWO, language_argument="src_lang", max_duration=30.0)
FIRE_RED = SherpaKind("fire-red-asr", "from_fire_red_asr", _TWO, max_duration=30.0)
COHERE = SherpaKind(
    "cohere-transcribe", "from_cohere_transcribe", _TWO, language_argument="language", max_duration=30.0
)
STREAMING_PARAFORMER = SherpaKind(
    "streaming paraformer", "from_paraformer", _TWO, is_streaming=True, word_times=False
)
MOONSHINE = SherpaKind(
    "moonshine", "from_moonshine",
    {"preprocess": "preprocessor", "encode": "encoder", "uncached_decode": "uncached_decoder",
     "cached_decode": "cached_decoder"},
    max_duration=24.0,
)  # fmt: skip
MOONSHINE_2 = SherpaKind(
    "moonshine 2", "from_moonshine_v2", {"encoder_model": "encoder", "decoder_model_merged": "decoder"},
    max_duration=24.0,
)  # fmt: skip

_LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("uncached_decode", "cached_decode", "encode", "preprocess"),
    ("encoder_model", "decoder_model_merged"),
    ("encoder", "decoder", "joiner"),
    ("encoder", "decoder"),
)
"""Roles that belong together, the most telling first; a single network has the role "model"."""

_PAIRS = (
    ("whisper", WHISPER),
    ("EncDecMultiTask", CANARY),
    ("canary", CANARY),
    ("fire-red-asr", FIRE_RED),
    ("cohere", COHERE),
    ("paraformer", STREAMING_PARAFORMER),
)
"""Kinds of an encoder and a decoder, by how the encoder's model_type begins."""


_TRANSDUCERS = ("zipformer", "conformer", "lstm", "ebranchformer", "EncDecRNNT", "EncDecHybrid")
"""How the model_type of a transducer's encoder begins."""


def _ctc(name: str, factory: str, **more: str) -> SherpaKind:
    return SherpaKind(name, factory, _ONE, word_times=True, more=more, max_duration=30.0)


def _streaming_ctc(name: str, factory: str) -> SherpaKind:
    return SherpaKind(name, factory, _ONE, is_streaming=True, word_times=True, appends=True)


_NEMO_CTC = _ctc("nemo ctc", "from_nemo_ctc")
_STREAMING_NEMO_CTC = _streaming_ctc("streaming nemo ctc", "from_nemo_ctc")

SINGLES: Mapping[str, tuple[SherpaKind | None, SherpaKind | None]] = {
    "EncDecCTCModel": (_NEMO_CTC, _STREAMING_NEMO_CTC),
    "EncDecCTCModelBPE": (_NEMO_CTC, _STREAMING_NEMO_CTC),
    "EncDecHybridRNNTCTCBPEModel": (_NEMO_CTC, _STREAMING_NEMO_CTC),
    "zipformer2_ctc": (
        _ctc("zipformer ctc", "from_zipformer_ctc"),
        _streaming_ctc("streaming zipformer ctc", "from_zipformer2_ctc"),
    ),
    "wenet_ctc": (_ctc("wenet ctc", "from_wenet_ctc"), _streaming_ctc("streaming wenet ctc", "from_wenet_ctc")),
    "telespeech_ctc": (_ctc("telespeech ctc", "from_telespeech_ctc"), None),
    "dolphin": (_ctc("dolphin ctc", "from_dolphin_ctc"), None),
    "dolphin_ctc": (_ctc("dolphin ctc", "from_dolphin_ctc"), None),
    "medasr_ctc": (_ctc("medasr ctc", "from_medasr_ctc"), None),
    "omnilingual-asr": (_ctc("omnilingual ctc", "from_omnilingual_asr_ctc"), None),
    "fire-red-asr-2-ctc": (_ctc("fire-red-asr ctc", "from_fire_red_asr_ctc"), None),
    "sense_voice_ctc": (
        SherpaKind(
            "sense voice", "from_sense_voice", _ONE, word_times=True, language_argument="language",
            more={"use_itn": True}, max_duration=30.0,
        ),
        None,
    ),
    "paraformer": (
        SherpaKind("paraformer", "from_paraformer", {"model": "paraformer"}, max_duration=30.0),
        None,
    ),
}  # fmt: skip
"""Kinds of one network by its model_type: the offline one and the streaming one."""


_Parts: TypeAlias = dict[tuple[str, ...], dict[tuple[str, str], dict[str, Path]]]
"""By layout, by what stands before and after the role in a file's name: files by role."""


@dataclass(frozen=True, slots=True)
class SherpaModel:
    """A folder that looks whole. files: by role. tokens: symbols by id, none where
    they are in Moonshine's own ``tokenizer.bin``.
    """

    folder: Path
    kind: SherpaKind
    files: Mapping[str, Path]
    tokens_path: Path
    tokens: Mapping[int, str]

    @property
    def is_base64(self) -> bool:
        """Whisper's and Moonshine's tokens are bytes, written in base 64."""
        return self.kind in (WHISPER, MOONSHINE_2)


def find_sherpa_model(folder: Path) -> SherpaModel:
    """Recognize and check the model in ``folder``.

    Raises ModelError naming what is missing, damaged or of no kind that we know.
    """
    roles, files, prefix = _choose(folder)
    headers = {role: _check_network(path) for role, path in files.items()}
    kind = _kind(roles, files, headers)
    if kind is MOONSHINE_2 and not (folder / "tokens.txt").is_file():
        tokens_path = folder / "tokenizer.bin"
        if not tokens_path.is_file():
            raise ModelError(
                f"{folder} holds neither tokens.txt nor tokenizer.bin", fix="import the whole model again"
            )
        return SherpaModel(folder, kind, files, tokens_path, {})
    tokens_path = _find_tokens(folder, prefix)
    model = SherpaModel(folder, kind, files, tokens_path, read_tokens(tokens_path))
    _check_tokens(model, headers)
    return model


def _choose(folder: Path) -> tuple[tuple[str, ...], dict[str, Path], str]:
    """Roles, a file for each, and what stands before the role in its name."""
    networks = [path for path in sorted(folder.iterdir()) if path.suffix in (".onnx", ".ort")]
    if not networks:
        raise ModelError(
            f"{folder} holds no sherpa-onnx model: no .onnx or .ort file",
            fix=_inner_hint(folder) or "name the folder with tokens.txt and the networks",
        )
    for roles in _LAYOUTS:
        groups = _groups(networks, roles)
        whole = {key: group for key, group in groups.items() if len(group) == len(roles)}
        if whole:
            key = max(whole)  # of several chunk sizes, the last by name: the most context, the best accuracy
            return roles, whole[key], key[0]
    parts: _Parts = {roles: groups for roles in _LAYOUTS if (groups := _groups(networks, roles))}
    if parts:
        raise _incomplete(folder, parts)
    chosen = min(networks, key=lambda path: (".int8." not in path.name, path.name))
    return ("model",), {"model": chosen}, ""


def _incomplete(folder: Path, parts: _Parts) -> ModelError:
    """The error for networks that belong to a set which is not whole, told of the set that is most nearly."""
    options = [(roles, group) for roles, groups in parts.items() for group in groups.values()]
    roles, best = min(options, key=lambda option: len(option[0]) - len(option[1]))
    missing = ", ".join(role for role in roles if role not in best)
    there = ", ".join(path.name for path in best.values())
    return ModelError(
        f"{folder} is no whole sherpa-onnx model: beside {there} it lacks the {missing} of the same name",
        fix="import the whole model again",
    )


def _groups(networks: list[Path], roles: tuple[str, ...]) -> dict[tuple[str, str], dict[str, Path]]:
    """Files by what stands before and after the role in their names, the preferred precision of each."""
    groups: dict[tuple[str, str], dict[str, Path]] = {}
    pattern = re.compile(rf"(.*?)(?<![A-Za-z_])({'|'.join(roles)})(?![A-Za-z_])(.*)")
    for path in networks:
        found = pattern.fullmatch(path.name.removesuffix(path.suffix).removesuffix(".int8"))
        if not found:
            continue
        group = groups.setdefault((found[1], found[3]), {})
        role = found[2]
        prefers_float = role == "decoder" and "joiner" in roles
        is_better = (".int8" in path.name) != prefers_float
        if role not in group or is_better:
            group[role] = path
    return groups


def _check_network(path: Path) -> OnnxHeader:
    if path.suffix == ".ort":
        check_ort_file(path)
        return OnnxHeader({}, 0, None)
    return read_onnx_header(path)


def _kind(roles: tuple[str, ...], files: Mapping[str, Path], headers: Mapping[str, OnnxHeader]) -> SherpaKind:
    if roles == _LAYOUTS[0]:
        return MOONSHINE
    if roles == _LAYOUTS[1]:
        return MOONSHINE_2
    first = headers[roles[0]]
    is_streaming = first.num_inputs > 2  # states of the past beside the sound and its length
    if roles == _LAYOUTS[2]:
        if first.model_type.startswith("EncDec"):
            return STREAMING_NEMO_TRANSDUCER if is_streaming else NEMO_TRANSDUCER
        return STREAMING_TRANSDUCER if is_streaming else TRANSDUCER
    path = files[roles[0]]
    if roles == _LAYOUTS[3]:
        for beginning, kind in _PAIRS:
            if first.model_type.startswith(beginning):
                return kind
        if first.model_type.startswith(_TRANSDUCERS):
            raise ModelError(
                f"{path.parent} is no whole sherpa-onnx model: it lacks the joiner of {path.name}",
                fix="import the whole model again",
            )
    elif first.model_type in SINGLES:
        offline, streaming = SINGLES[first.model_type]
        found = streaming if streaming and is_streaming else offline
        if found:
            return found
    raise ModelError(
        f"{path} is of a kind that Earshot does not know: model_type {first.model_type or 'not given'}",
        fix="known are " + ", ".join(kind.name for kind in all_kinds()),
    )


def all_kinds() -> Iterator[SherpaKind]:
    """Every kind that can be loaded."""
    yield from (TRANSDUCER, NEMO_TRANSDUCER, STREAMING_TRANSDUCER, STREAMING_NEMO_TRANSDUCER)
    yield from (WHISPER, CANARY, FIRE_RED, COHERE, STREAMING_PARAFORMER, MOONSHINE, MOONSHINE_2)
    seen: list[SherpaKind] = []
    for pair in SINGLES.values():
        for kind in pair:
            if kind and kind not in seen:
                seen.append(kind)
                yield kind


def _find_tokens(folder: Path, prefix: str) -> Path:
    for name in (f"{prefix}tokens.txt", "tokens.txt"):
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"{folder} holds no {prefix}tokens.txt", fix="import the whole model again")


def _check_tokens(model: SherpaModel, headers: Mapping[str, OnnxHeader]) -> None:
    """The networks' last axis must not be wider than the list of tokens: sherpa-onnx would end the process."""
    last = headers.get("joiner") or headers.get("model")
    has_blank = not {"<blk>", "<eps>", "<blank>"}.isdisjoint(model.tokens.values())
    if model.kind.factory.endswith("_ctc") and not has_blank:
        raise damaged(model.tokens_path, "it has no <blk>, <eps> or <blank>, which CTC needs")
    num_tokens = max(model.tokens) + 1
    # The last axis of NeMo's TDT joiners also holds up to eight durations.
    if last and last.vocabulary and last.vocabulary > num_tokens + 8:
        raise damaged(model.tokens_path, f"it names {num_tokens} tokens and the network has {last.vocabulary}")


def _inner_hint(folder: Path) -> str | None:
    inner = [path.parent for path in sorted(folder.glob("*/tokens.txt"))]
    return f"name the folder within: {inner[0]}" if inner else None
