"""The sherpa engine on real networks: minute ones written here, and Moonshine's, from an installed wheel.

$EARSHOT_SHERPA_MODEL names a folder with an English model for one more run of the conformance suite.
"""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from earshot.core.errors import EngineError, ModelError, UnsupportedError
from earshot.core.optional import is_installed
from earshot.core.types import Audio, Final, Partial, SpeechEnded, SpeechStarted
from earshot.engines import EngineOptions, load_engine
from earshot.engines.moonshine import embedded_folder
from earshot.engines.sherpa import SherpaRecognizer, SherpaStreamingRecognizer, load_sherpa
from earshot.engines.sherpa_files import read_onnx_header, read_tokens, sentencepiece_vocabulary
from earshot.engines.sherpa_models import all_kinds, find_sherpa_model
from earshot.engines.sherpa_words import token_style, words_from_tokens
from tests.conftest import SAMPLE_TEXT
from tests.engines.conformance import Conformance, finals_of, run_stream
from tests.engines.tiny_kaldi import sounds
from tests.engines.tiny_onnx import TOKENS, write_nemo_ctc, write_streaming_ctc, write_tokens, write_transducer

if not is_installed("sherpa_onnx"):
    pytest.skip("sherpa_onnx is not installed: pip install 'earshot[sherpa]'", allow_module_level=True)

SCENE = ("rest", "hum", "rest", "hiss", "rest2", "hiss", "rest", "hum", "rest")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "ctc": write_nemo_ctc(root / "ctc"),
        "transducer": write_transducer(root / "transducer", streaming=False),
        "streaming": write_transducer(root / "sherpa-onnx-streaming-tiny-en-2026", streaming=True),
        "streaming ctc": write_streaming_ctc(root / "streaming-ctc"),
    }


@pytest.fixture(scope="module")
def streaming(folders) -> SherpaStreamingRecognizer:
    return load_sherpa(folders["streaming"])


@pytest.fixture(scope="module")
def transducer(folders) -> SherpaRecognizer:
    return load_sherpa(folders["transducer"])


@pytest.fixture(scope="module")
def moonshine() -> SherpaRecognizer:
    """Weights that know English, with a tokens.txt made from the wheel's tokenizer.bin."""
    return load_sherpa(embedded_folder())


@pytest.mark.slow
class TestMoonshineThroughSherpa(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls, moonshine):
        return moonshine


def test_moonshine_through_sherpa_hears_what_is_said(moonshine, sample):
    said = moonshine.transcribe(sample).text.lower()
    assert "".join(c for c in said if c.isalpha() or c == " ").startswith(SAMPLE_TEXT)


class TestStreamingTransducer(Conformance):
    hears = False

    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls, streaming):
        return streaming


class TestStreamingCtc(Conformance):
    hears = False

    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls, folders):
        return load_sherpa(folders["streaming ctc"])


class TestOfflineTransducer(Conformance):
    hears = False

    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls, transducer):
        return transducer


class TestOfflineCtc(Conformance):
    hears = False

    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls, folders):
        return load_sherpa(folders["ctc"])


class TestRealModel(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls):
        folder = os.environ.get("EARSHOT_SHERPA_MODEL")
        if not folder:
            pytest.skip("no sherpa-onnx model: set EARSHOT_SHERPA_MODEL to the folder of an English one")
        return load_sherpa(Path(folder))


def test_offline_words_have_times_and_confidences(transducer):
    words = transducer.transcribe_batch([sounds(*SCENE)])[0].words
    assert [word.text for word in words] == ["hum", "hiss", "hum"]  # this one says nothing twice in a row
    assert [word.start for word in words] == pytest.approx([0.5, 1.5, 5.0], abs=0.05)
    assert all(word.start < word.end <= 6.0 for word in words)
    assert all(word.confidence > 0.9 for word in words)
    assert all(word.time_source == "engine" for word in words)


def test_what_the_model_does_not_tell_is_none(folders):
    words = load_sherpa(folders["ctc"]).transcribe_batch([sounds(*SCENE)])[0].words
    assert [word.text for word in words] == ["hum", "hi", "hi", "hum"]
    assert [word.start for word in words] == pytest.approx([0.5, 1.5, 4.0, 5.0], abs=0.05)
    assert [word.confidence for word in words] == [None] * 4


def test_a_stream_counts_times_from_its_start_over_all_utterances(streaming):
    events = run_stream(streaming, sounds(*SCENE), 1_000)
    finals = finals_of(events)
    assert len(finals) > 1
    words = [word for segment in finals for word in segment.words]
    assert [word.text for word in words] == ["hum", "hiss", "hum"]
    assert [word.start for word in words] == pytest.approx([0.5, 1.5, 5.0], abs=0.05)
    assert streaming.transcribe(sounds(*SCENE)).segments == tuple(finals)


def test_a_stream_tells_start_partial_final_and_end(streaming):
    events = run_stream(streaming, sounds("rest", "hum", "rest2"), 1_600)
    kinds = [type(event) for event in events]
    assert kinds[0] is SpeechStarted
    assert Partial in kinds
    assert kinds[-2:] == [Final, SpeechEnded]
    assert events[0].time == pytest.approx(0.5, abs=0.05)


def test_the_final_comes_soon_after_the_silence_that_ends_it(streaming):
    with streaming.stream() as stream:
        events = stream.accept(sounds("rest", "hum", "rest1").samples)
    assert [segment.text for segment in finals_of(events)] == ["hum"]


def test_nan_is_silence_and_leaves_the_stream_whole(streaming):
    with streaming.stream() as stream:
        events = stream.accept(np.full(8_000, np.nan, np.float32))
        events += stream.accept(sounds("rest", "hum", "rest2").samples)
        events += stream.finish()
    assert [segment.text for segment in finals_of(events)] == ["hum"]


@pytest.mark.parametrize("name", ["streaming", "transducer"])
def test_a_closed_recognizer_says_so(folders, name):
    recognizer = load_sherpa(folders[name])
    recognizer.close()
    recognizer.close()
    with pytest.raises(EngineError, match="closed"):
        recognizer.transcribe_batch([sounds("hum")])


# --- hot words


@pytest.fixture(scope="module", params=["bpe.vocab", "bpe.model"])
def with_pieces(request, tmp_path_factory) -> Path:
    folder = write_transducer(tmp_path_factory.mktemp("pieces") / "model", streaming=True)
    pieces = ["▁hum", "▁hi", "ss", "▁", "h", "i", "s", "u", "m"]
    if request.param == "bpe.vocab":
        (folder / "bpe.vocab").write_text("".join(f"{p}\t{-i}\n" for i, p in enumerate(pieces)))
    else:
        (folder / "bpe.model").write_bytes(b"".join(sentence_piece(p, -i) for i, p in enumerate(pieces)))
    return folder


def sentence_piece(piece: str, score: float) -> bytes:
    inner = b"\x0a" + bytes([len(piece.encode())]) + piece.encode() + b"\x15" + np.float32(score).tobytes()
    return b"\x0a" + bytes([len(inner)]) + inner


def test_hot_words_are_taken_where_pieces_are_there_to_spell_them(with_pieces):
    recognizer = load_sherpa(with_pieces)
    assert recognizer.capabilities.hot_words
    heard = recognizer.transcribe(sounds(*SCENE), hot_words=["hiss", "no / such: word", ""])
    assert "hiss" in heard.text
    assert recognizer.transcribe(sounds(*SCENE)).text == "hum hiss hum"


def test_hot_words_are_refused_where_nothing_can_spell_them(streaming):
    with pytest.raises(UnsupportedError):
        streaming.stream(hot_words=["hiss"])


def test_a_bpe_model_is_read(tmp_path):
    path = tmp_path / "bpe.model"
    path.write_bytes(sentence_piece("▁hum", -1.5) + sentence_piece("ss", -2))
    assert sentencepiece_vocabulary(path) == "▁hum\t-1.5\nss\t-2\n"
    path.write_bytes(b"\x0a\xff\xff\xff\xff")
    with pytest.raises(ModelError):
        sentencepiece_vocabulary(path)


# --- kinds


def test_every_kind_calls_a_method_that_sherpa_onnx_has(folders):
    import sherpa_onnx

    for kind in all_kinds():
        owner = sherpa_onnx.OnlineRecognizer if kind.is_streaming else sherpa_onnx.OfflineRecognizer
        signature = inspect.signature(getattr(owner, kind.factory))
        names = [*kind.arguments.values(), *kind.more, "tokens", "num_threads", "provider"]
        names += [kind.language_argument] if kind.language_argument and "language" not in kind.more else []
        names += ["enable_endpoint_detection", "rule2_min_trailing_silence"] if kind.is_streaming else []
        signature.bind_partial(**dict.fromkeys(names))


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"tiny.en-encoder.onnx": "whisper-tiny.en", "tiny.en-decoder.onnx": "", "tiny.en-tokens.txt": None},
         "whisper"),
        ({"encoder.int8.onnx": "EncDecMultiTaskModel", "decoder.int8.onnx": "", "tokens.txt": None}, "canary"),
        ({"encoder.onnx": "fire-red-asr-aed", "decoder.onnx": "", "tokens.txt": None}, "fire-red-asr"),
        ({"encoder.onnx": "paraformer", "decoder.onnx": "", "tokens.txt": None}, "streaming paraformer"),
        ({"encoder.onnx": "EncDecRNNTBPEModel", "decoder.onnx": "", "joiner.onnx": "", "tokens.txt": None},
         "nemo transducer"),
        ({"preprocess.onnx": "", "encode.int8.onnx": "", "uncached_decode.int8.onnx": "",
          "cached_decode.int8.onnx": "", "tokens.txt": None}, "moonshine"),
        ({"model.int8.onnx": "sense_voice_ctc", "tokens.txt": None}, "sense voice"),
        ({"model.onnx": "paraformer", "tokens.txt": None}, "paraformer"),
        ({"model.onnx": "telespeech_ctc", "tokens.txt": None}, "telespeech ctc"),
        ({"ctc-epoch-20-avg-1-chunk-16-left-128.onnx": "zipformer2_ctc", "tokens.txt": None}, "zipformer ctc"),
    ],
)  # fmt: skip
def test_kinds_are_told_by_names_and_metadata(tmp_path, files, kind):
    from tests.engines.tiny_onnx import onnx_model

    for name, model_type in files.items():
        if model_type is None:
            write_tokens(tmp_path)
            (tmp_path / "tokens.txt").rename(tmp_path / name)
        else:
            metadata = {"model_type": model_type} if model_type else {}
            (tmp_path / name).write_bytes(
                onnx_model([], {"x": (float, [1])}, {"y": (float, [1])}, {}, metadata)
            )
    assert find_sherpa_model(tmp_path).kind.name == kind


def test_of_two_precisions_the_8_bit_one_is_taken_but_for_the_decoder(tmp_path):
    folder = write_transducer(tmp_path / "model", streaming=True, suffix="-chunk-16-left-128")
    for path in folder.glob("*.onnx"):
        shutil.copy(path, path.with_suffix(".int8.onnx"))
    write_transducer(folder, streaming=True, suffix="-chunk-16-left-064")
    files = find_sherpa_model(folder).files
    assert {role: path.name for role, path in files.items()} == {
        "encoder": "encoder-chunk-16-left-128.int8.onnx",
        "decoder": "decoder-chunk-16-left-128.onnx",
        "joiner": "joiner-chunk-16-left-128.int8.onnx",
    }


# --- broken models: never a dead process


DAMAGES = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "junk": lambda data: np.random.default_rng(0).bytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("role", ["encoder", "decoder", "joiner", "tokens"])
def test_a_damaged_file_is_a_model_error(tmp_path, folders, role, damage):
    folder = tmp_path / "model"
    shutil.copytree(folders["streaming"], folder)
    (path,) = folder.glob(f"{role}*")
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ModelError, match=role) as raised:
        load_sherpa(folder)
    assert raised.value.fix


@pytest.mark.parametrize("role", ["encoder", "decoder", "joiner", "tokens"])
def test_a_missing_file_is_named(tmp_path, folders, role):
    folder = tmp_path / "model"
    shutil.copytree(folders["streaming"], folder)
    (path,) = folder.glob(f"{role}*")
    path.unlink()
    with pytest.raises(ModelError, match=role):
        load_sherpa(folder)


def test_metadata_over_which_sherpa_ends_the_process_is_a_model_error(tmp_path):
    # Its frame is whole, so only the trial in another process can tell.
    folder = write_nemo_ctc(tmp_path / "model", metadata={"subsampling_factor": "-4"})
    with pytest.raises(ModelError, match="subsampling_factor"):
        load_sherpa(folder)


def test_a_network_of_other_shapes_is_a_model_error(tmp_path, folders):
    folder = tmp_path / "model"
    shutil.copytree(folders["streaming"], folder)
    encoder, decoder = (next(folder.glob(f"{role}*")) for role in ("encoder", "decoder"))
    shutil.copy(encoder, decoder)
    with pytest.raises(ModelError, match="sherpa-onnx cannot use"):
        load_sherpa(folder)


def test_fewer_tokens_than_the_network_has_is_a_model_error(tmp_path):
    folder = write_nemo_ctc(tmp_path / "model")
    data = (folder / "model.onnx").read_bytes()
    assert read_onnx_header(folder / "model.onnx").vocabulary == len(TOKENS)
    write_tokens(folder, ["<blk>"])
    wide = data.replace(b"\x0a\x02\x08\x05", b"\x0a\x02\x08\x7f")  # the last axis: 127 instead of 5
    (folder / "model.onnx").write_bytes(wide)
    with pytest.raises(ModelError, match="names 1 tokens and the network has 127"):
        load_sherpa(folder)


def test_tokens_without_a_blank_are_a_model_error(tmp_path):
    folder = write_nemo_ctc(tmp_path / "model")
    write_tokens(folder, ["a", "b", "c", "d", "e"])
    with pytest.raises(ModelError, match="<blk>"):
        load_sherpa(folder)


def test_an_unknown_kind_is_named(tmp_path):
    folder = write_nemo_ctc(tmp_path / "model", metadata={"model_type": "brand-new"})
    with pytest.raises(ModelError, match="brand-new"):
        load_sherpa(folder)


def test_a_folder_without_networks_points_inward(tmp_path, folders):
    shutil.copytree(folders["ctc"], tmp_path / "outer" / "inner")
    with pytest.raises(ModelError, match=r"outer.inner"):
        load_sherpa(tmp_path / "outer")


def test_options_that_cannot_be_met_are_refused(folders):
    with pytest.raises(ModelError, match="needs a model"):
        load_engine("sherpa")
    with pytest.raises(UnsupportedError, match="abacus"):
        load_sherpa(folders["ctc"], EngineOptions(device="abacus"))
    with pytest.raises(ModelError, match="knows en, not 'de'"):
        load_sherpa(folders["streaming"], EngineOptions(language="de"))
    recognizer = load_engine("sherpa", EngineOptions(model=str(folders["streaming"]), language="en"))
    assert recognizer.transcribe(sounds("rest", "hum", "rest")).language == "en"


def test_nothing_is_printed(folders):
    # In a process of its own: sherpa-onnx writes to the file descriptor, below Python's sys.stderr.
    script = (
        "import sys; from pathlib import Path; from earshot.engines.sherpa import load_sherpa; "
        "from earshot.core.types import Audio; import numpy as np; r = load_sherpa(Path(sys.argv[1]));"
        "[r.transcribe_batch([Audio(np.full(n, 0.1, np.float32))]) for n in (0, 1, 400, 1600, 16000)]"
    )
    for name in ("streaming", "ctc", "transducer"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(folders[name])], capture_output=True, check=True, timeout=120
        )
        assert done.stdout == b""
        assert done.stderr == b""


# --- tokens to words


def spelled(
    tokens: list[str], vocabulary: list[str] | None = None, times: list[float] | None = None
) -> list[str]:
    words = words_from_tokens(tokens, token_style(vocabulary or tokens), times=times or (), end=100.0)
    return [word.text for word in words]


@pytest.mark.parametrize(
    ("tokens", "vocabulary", "words"),
    [
        (["▁he", "llo", "▁wor", "ld"], None, ["hello", "world"]),
        ([" It", " was", "."], None, ["It", "was."]),
        (["▁", "h", "i", " ", "y", "o"], None, ["hi", "yo"]),
        (["hel@@", "lo", "world"], None, ["hello", "world"]),
        (["HE", "LLO", "▁YOU"], ["HE", "LLO", "▁YOU", "<blk>"], ["hello", "you"]),
        (["▁HE", "LLO"], ["▁HE", "LLO", "a"], ["HELLO"]),
        (["你", "好", "hel@@", "lo", "世", "界"], None, ["你好", "hello", "世界"]),
        (["▁hello", "你", "好", "，", "世", "界"], None, ["hello", "你好，", "世界"]),
        (["▁", "<0xE4>", "<0xBD>", "<0xA0>", "▁a"], None, ["你", "a"]),
        (["<|en|>", "▁a", "<unk>", "b", "</s>"], None, ["ab"]),
        ([], ["▁a"], []),
        (["▁", " "], None, []),
    ],
)
def test_tokens_become_words(tokens, vocabulary, words):
    assert spelled(tokens, vocabulary) == words


def test_a_pause_parts_a_run_of_characters():
    assert spelled(["你", "好", "世", "界"], times=(0.0, 0.2, 1.0, 1.2)) == ["你好", "世界"]


def test_words_end_where_the_next_begins_and_no_later_than_the_audio():
    words = words_from_tokens(
        ["▁a", "▁b", "c", "▁d"], token_style(["▁a"]), times=[0.0, 0.1, 0.2, 1.9],
        log_probs=[-0.1, -0.2, -0.7, float("nan")], end=2.0,
    )  # fmt: skip
    assert [(word.start, word.end) for word in words] == [(0.0, 0.1), (0.1, 0.5), (1.9, 2.0)]
    assert words[1].confidence == pytest.approx(np.exp(-0.7))
    assert words[2].confidence is None
    told = words_from_tokens(["▁a"], token_style(["▁a"]), times=[0.0], durations=[0.7], end=2.0)
    assert told[0].end == 0.7


def test_values_that_do_not_match_the_tokens_are_not_believed():
    (word,) = words_from_tokens(["▁a"], token_style(["▁a"]), times=[0.0, 1.0], log_probs=[2.0], end=1.0)
    assert (word.start, word.end, word.confidence, word.time_source) == (None, None, None, None)


def test_token_files_are_read(tmp_path):
    path = tmp_path / "tokens.txt"
    path.write_text("<blk> 0\n▁a 1\n  2\n\n", encoding="utf-8")
    assert read_tokens(path) == {0: "<blk>", 1: "▁a", 2: " "}
    for text in ("a 0\nb 0\n", "a\n", "", "a x\n"):
        path.write_text(text)
        with pytest.raises(ModelError):
            read_tokens(path)


def test_silence_is_no_text(transducer):
    audio = Audio(np.zeros(16_000, np.float32))
    assert transducer.transcribe_batch([audio])[0].segments == ()
