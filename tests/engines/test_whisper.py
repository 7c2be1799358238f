from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from difflib import SequenceMatcher
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from earshot.audio.decode import read_audio
from earshot.core.errors import EngineError, ModelError, UnknownModelError, UnsupportedError
from earshot.core.types import SAMPLE_RATE, Audio
from earshot.engines import EngineOptions, load_engine
from earshot.engines.whisper import WhisperOptions, WhisperRecognizer, _is_believable, _whole_words
from tests.conftest import SAMPLE_TEXT
from tests.engines.conformance import Conformance, check_transcript, finals_of, run_stream
from tests.engines.tiny_wav2vec2 import PHRASES
from tests.engines.tiny_whisper import SPOKEN, make_whisper

pytestmark = [
    pytest.mark.slow,  # trains its model for about 20 s
    pytest.mark.skipif(
        not find_spec("faster_whisper"), reason="faster-whisper is absent: pip install 'earshot[whisper]'"
    ),
]

# Beam search believes too soon in texts that end early where every other token is improbable, as in so small a
# net; what is under test here is not how Whisper searches.
GREEDY = WhisperOptions(beam_size=1)
CLIPS = [(start, end, text) for (start, end, _), text in zip(PHRASES, SPOKEN, strict=True)]


@pytest.fixture(scope="session")
def folder(sample: Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (find_spec("torch") and find_spec("transformers")):
        pytest.skip("torch and transformers make the model of this test: pip install 'earshot[wav2vec2]'")
    folder = tmp_path_factory.mktemp("whisper") / "tiny-dickens"
    make_whisper(sample.samples, folder)
    return folder


@pytest.fixture(scope="session")
def loaded(folder: Path) -> WhisperRecognizer:
    return WhisperRecognizer(folder, options=GREEDY)


@pytest.fixture
def recognizer(loaded: WhisperRecognizer) -> WhisperRecognizer:
    return loaded


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def piece(sample: Audio, start: float, end: float) -> Audio:
    return Audio(sample.samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)])


class TestTinyWhisper(Conformance):
    pass


@pytest.mark.parametrize(("start", "end", "text"), CLIPS)
def test_it_writes_what_it_learned(
    loaded: WhisperRecognizer, sample: Audio, start: float, end: float, text: str
) -> None:
    (transcript,) = loaded.transcribe_batch([piece(sample, start, end)])
    assert transcript.text == text
    assert transcript.language == "en"


def test_a_recording_is_cut_and_written(loaded: WhisperRecognizer, sample: Audio) -> None:
    text = loaded.transcribe(sample).text
    assert SequenceMatcher(None, text, " ".join(SPOKEN), autojunk=False).ratio() > 0.9


def test_live_it_writes_much_the_same(loaded: WhisperRecognizer, sample: Audio) -> None:
    text = " ".join(final.text for final in finals_of(run_stream(loaded, sample, 1_600)))
    assert SequenceMatcher(None, text, " ".join(SPOKEN), autojunk=False).ratio() > 0.7


def test_many_stretches_keep_their_places(loaded: WhisperRecognizer, sample: Audio) -> None:
    order = [3, 0, 2, 1, 0, 3, 1, 2, 2, 1]
    silence = Audio(np.zeros(SAMPLE_RATE, np.float32))
    audios = [piece(sample, *CLIPS[i][:2]) for i in order]
    transcripts = loaded.transcribe_batch([*audios[:5], silence, *audios[5:]])
    assert [t.text for t in transcripts] == [
        *(SPOKEN[i] for i in order[:5]),
        "",
        *(SPOKEN[i] for i in order[5:]),
    ]
    for transcript, audio in zip(transcripts, [*audios[:5], silence, *audios[5:]], strict=True):
        check_transcript(transcript, audio.duration)


def test_over_half_a_minute_is_cut(loaded: WhisperRecognizer, sample: Audio) -> None:
    start, end, text = CLIPS[1]
    said = piece(sample, start, end).samples
    silence = np.zeros(30 * SAMPLE_RATE, np.float32)
    (transcript,) = loaded.transcribe_batch([Audio(np.concatenate([silence, said]))])
    assert transcript.text == text
    assert all(word.start is not None and 30 <= word.start <= 30 + end - start for word in transcript.words)


def test_a_given_language_is_kept(folder: Path, sample: Audio) -> None:
    recognizer = WhisperRecognizer(folder, language="de", options=GREEDY)
    transcript = recognizer.transcribe_batch([piece(sample, *CLIPS[1][:2])])[0]
    assert transcript.language == "de"
    assert recognizer.capabilities.languages == {"de", "en", "fr"}


def test_what_it_translates_is_english(folder: Path, sample: Audio) -> None:
    options = EngineOptions(model=str(folder), language="de", task="translate")
    recognizer = load_engine("whisper", options)
    assert recognizer.transcribe_batch([piece(sample, *CLIPS[1][:2])])[0].language == "en"


def test_a_language_it_does_not_know_is_refused(folder: Path) -> None:
    with pytest.raises(UnsupportedError, match="knows de, en, fr, not 'es'"):
        WhisperRecognizer(folder, language="es")


def test_hot_words_are_taken(loaded: WhisperRecognizer, sample: Audio) -> None:
    audio = piece(sample, *CLIPS[1][:2])
    (transcript,) = loaded.transcribe_batch([audio], hot_words=("wisdom", "Dickens" * 200))
    check_transcript(transcript, audio.duration)


def test_the_search_of_published_figures_runs(folder: Path, sample: Audio) -> None:
    recognizer = load_engine("whisper", EngineOptions(model=str(folder), num_threads=1))
    assert recognizer.name == "whisper/tiny-dickens"
    audio = piece(sample, *CLIPS[0][:2])
    (transcript,) = recognizer.transcribe_batch([audio])
    check_transcript(transcript, audio.duration)


def test_nothing_is_sent_and_nothing_said(folder: Path, sample: Audio) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from earshot.core.types import Audio\n"
        "from earshot.engines.whisper import WhisperRecognizer\n"
        f"recognizer = WhisperRecognizer(Path({str(folder)!r}))\n"
        "recognizer.transcribe_batch([Audio(np.ones(16_000, np.float32))])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_closed_recognizer_says_so(folder: Path, sample: Audio) -> None:
    recognizer = WhisperRecognizer(folder)
    recognizer.close()
    recognizer.close()
    with pytest.raises(EngineError, match="closed"):
        recognizer.transcribe_batch([sample])


def result(log_prob: float, no_speech: float, repetition: float) -> SimpleNamespace:
    return SimpleNamespace(avg_logprob=log_prob, no_speech_prob=no_speech, compression_ratio=repetition)


def test_doubtful_texts_are_not_believed() -> None:
    assert _is_believable(result(-0.3, 0.9, 1.0))
    assert _is_believable(result(-1.5, 0.1, 1.0))
    assert not _is_believable(result(-1.5, 0.9, 1.0))
    assert not _is_believable(result(-1.5, 0.1, 3.0))
    assert _is_believable(result(-0.3, 0.1, 3.0))


def test_words_are_what_lies_between_spaces() -> None:
    pieces = [
        SimpleNamespace(word=text, start=start, end=start + 1, probability=probability)
        for text, start, probability in [
            (" 5", 0, 0.9),
            ("%", 1, 0.4),
            (" of", 2, 0.5),
            (" ", 3, 0.5),
            ("你好", 4, 1),
        ]
    ]
    assert [(text, start, end) for text, start, end, _ in _whole_words(pieces)] == [
        ("5%", 0, 2),
        ("of", 2, 3),
        ("你好", 3, 5),
    ]
    assert next(_whole_words(pieces))[3] == pytest.approx(0.6)


# Folders that do not hold what they should


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_engine("whisper", EngineOptions(model=str(copy)))


@pytest.mark.parametrize(
    "name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json", "preprocessor_config.json"]
)
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\x00\xff" * 500])
def test_a_broken_file_is_an_error_of_one_line(copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_engine("whisper", EngineOptions(model=str(copy)))
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_weights_are_refused(copy: Path) -> None:
    weights = (copy / "model.bin").read_bytes()
    (copy / "model.bin").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelError, match="cannot be loaded"):
        WhisperRecognizer(copy)


def test_weights_without_alignment_heads_are_refused(copy: Path) -> None:
    (copy / "config.json").write_text('{"lang_ids": []}')
    with pytest.raises(ModelError, match="alignment_heads"):
        WhisperRecognizer(copy)


def test_other_mel_bands_are_refused(copy: Path) -> None:
    (copy / "preprocessor_config.json").write_text('{"feature_size": 128}')
    with pytest.raises(ModelError, match="hears 80 mel bands"):
        WhisperRecognizer(copy)


def test_an_unconverted_whisper_comes_with_the_command(folder: Path) -> None:
    with pytest.raises(ModelError, match="form of transformers") as caught:
        load_engine("whisper", EngineOptions(model=str(folder.with_name(folder.name + "-transformers"))))
    assert "ct2-transformers-converter" in str(caught.value)


def test_a_model_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    with pytest.raises(ModelError, match="'wav2vec2', no Whisper"):
        load_engine("whisper", EngineOptions(model=str(tmp_path)))


def test_an_unknown_device_is_refused(folder: Path) -> None:
    with pytest.raises(EngineError, match="toaster"):
        load_engine("whisper", EngineOptions(model=str(folder), device="toaster"))


@pytest.mark.parametrize("model", ["no-such-model", "tiny", "large-v3", "Systran/faster-whisper-tiny"])
def test_an_absent_model_is_no_download(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    with pytest.raises(UnknownModelError):
        load_engine("whisper", EngineOptions(model=model))


# A real model, wherever there is one


def test_a_real_model_reads_dickens(sample_path: Path) -> None:
    folder = os.environ.get("EARSHOT_WHISPER_MODEL")
    if not folder:
        pytest.skip("no real model: set EARSHOT_WHISPER_MODEL to the folder of a converted Whisper")
    recognizer = load_engine("whisper", EngineOptions(model=folder))
    audio = read_audio(sample_path)
    transcript = recognizer.transcribe(audio)
    check_transcript(transcript, audio.duration)
    assert transcript.language == "en"
    words = {word.strip(".,;!?").lower() for word in transcript.text.split()}
    assert len(words & set(SAMPLE_TEXT.split())) >= 8
    (silence,) = recognizer.transcribe_batch([Audio(np.zeros(SAMPLE_RATE, np.float32))])
    assert silence.segments == ()
