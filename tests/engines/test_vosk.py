"""The vosk engine on a real model of two kilobytes (``tiny_kaldi``), and on $EARSHOT_VOSK_MODEL where set."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import EngineError, ModelError, UnsupportedError
from earshot.core.optional import is_installed
from earshot.core.types import Audio, Final, Grammar, Partial, SpeechEnded, SpeechStarted
from earshot.engines import EngineOptions, load_engine
from earshot.engines.vosk import VoskRecognizer, parse_partial, parse_result, pcm16
from earshot.engines.vosk_model import languages_of
from tests.engines.conformance import Conformance, finals_of, run_stream
from tests.engines.tiny_kaldi import sounds, write_tiny_vosk

if not is_installed("vosk"):
    pytest.skip("vosk is not installed: pip install 'earshot[vosk]'", allow_module_level=True)


@pytest.fixture(scope="module")
def static_folder(tmp_path_factory) -> Path:
    return write_tiny_vosk(tmp_path_factory.mktemp("models") / "vosk-model-xx-static", static=True)


@pytest.fixture(scope="module")
def dynamic_folder(tmp_path_factory) -> Path:
    return write_tiny_vosk(tmp_path_factory.mktemp("models") / "vosk-model-small-en-tiny", static=False)


@pytest.fixture(scope="module")
def static(static_folder) -> VoskRecognizer:
    return VoskRecognizer(static_folder)


@pytest.fixture(scope="module")
def dynamic(dynamic_folder) -> VoskRecognizer:
    return VoskRecognizer(dynamic_folder)


class TestStaticGraph(Conformance):
    hears = False

    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls, static) -> VoskRecognizer:
        return static


class TestDynamicGraph(Conformance):
    hears = False

    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls, dynamic) -> VoskRecognizer:
        return dynamic


class TestRealModel(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls):
        folder = os.environ.get("EARSHOT_VOSK_MODEL")
        if not folder:
            pytest.skip("no Vosk model: set EARSHOT_VOSK_MODEL to the folder of an English one")
        return VoskRecognizer(Path(folder))


SCENE = ("rest", "hum", "rest", "hiss", "rest2", "hiss", "rest")


def test_words_come_with_times_and_confidences(static):
    first, second = static.transcribe(sounds(*SCENE)).segments
    assert [word.text for word in first.words] == ["hum", "hiss"]
    assert [word.text for word in second.words] == ["hiss"]
    truth = [(0.5, 1.0), (1.5, 2.0), (4.0, 4.5)]
    for word, (start, end) in zip([*first.words, *second.words], truth, strict=True):
        assert word.start == pytest.approx(start, abs=0.05)
        assert word.end == pytest.approx(end, abs=0.05)
        assert word.time_source == "engine"
        assert word.confidence > 0.9


@pytest.mark.slow
def test_times_stay_exact_past_the_restart_of_kaldis_pipeline(static):
    # After 20 000 frames (10 minutes) Kaldi drops its pipeline at the next endpoint and counts anew.
    late = ["rest60"] * 11
    words = static.transcribe(sounds("hum", *late, "hiss", "rest2", "hum")).words
    assert [word.text for word in words] == ["hum", "hiss", "hum"]
    assert words[1].start == pytest.approx(660.5, abs=0.05)
    assert words[2].start == pytest.approx(663.0, abs=0.05)


def test_a_stream_tells_start_partials_final_and_end_in_order(static):
    events = run_stream(static, sounds(*SCENE), 1_600)
    kinds = [type(event) for event in events if not isinstance(event, Partial)]
    assert kinds == [SpeechStarted, Final, SpeechEnded] * 2
    partials = [event.segment.text for event in events if isinstance(event, Partial)]
    assert partials == ["hum", "hum hiss", "hiss"]
    starts = [event.time for event in events if isinstance(event, SpeechStarted)]
    assert starts == pytest.approx([0.5, 4.0], abs=0.3)


def test_the_final_comes_soon_after_the_silence_that_ends_it(static):
    with static.stream() as stream:
        events = stream.accept(sounds("rest", "hum", "rest1").samples)
    assert [segment.text for segment in finals_of(events)] == ["hum"]


@settings(max_examples=8, deadline=None)
@given(blocks=st.lists(st.integers(0, 20_000), min_size=1, max_size=12))
def test_finals_depend_on_no_block_sizes(static, blocks):
    audio = sounds("rest", "hum", "rest1", "hiss", "rest")
    expected = static.transcribe(audio).segments
    assert len(expected) == 2
    events = []
    with static.stream() as stream:
        rest = audio.samples
        for block in blocks:
            events += stream.accept(rest[:block])
            rest = rest[block:]
        events += stream.accept(rest)
        events += stream.finish()
    assert tuple(finals_of(events)) == expected


def test_streams_share_the_weights_and_outlive_the_recognizer(static_folder):
    recognizer = VoskRecognizer(static_folder)
    stream = recognizer.stream()
    recognizer.close()
    recognizer.close()
    events = [*stream.accept(sounds("rest", "hum", "rest").samples), *stream.finish()]
    assert [segment.text for segment in finals_of(events)] == ["hum"]
    with pytest.raises(EngineError, match="closed"):
        recognizer.stream()


def test_a_grammar_restricts_what_is_heard(dynamic):
    audio = sounds("rest", "hum", "rest", "hiss", "rest")
    assert dynamic.transcribe(audio).text == "hum hiss"
    assert dynamic.transcribe(audio, grammar=Grammar(("hiss  hiss", "hiss"))).text == "hiss hiss"
    assert dynamic.transcribe(audio, grammar=Grammar(("hum", "hiss"), allows_unknown=True)).text == "hum hiss"
    assert dynamic.capabilities.grammar


def test_a_static_graph_refuses_a_grammar_and_says_why(static):
    assert not static.capabilities.grammar
    with pytest.raises(UnsupportedError, match=r"static graph \(HCLG\.fst\)"):
        static.stream(grammar=Grammar(("hum",)))


def test_words_outside_the_vocabulary_are_refused_by_name(dynamic):
    with pytest.raises(UnsupportedError, match="'lamp'"):
        dynamic.stream(grammar=Grammar(("hum", "turn on the lamp")))


def test_jsgf_is_refused(dynamic):
    with pytest.raises(UnsupportedError, match="JSGF"):
        dynamic.stream(grammar=Grammar(jsgf="#JSGF V1.0; grammar g; public <g> = hum;"))


def test_hostile_phrases_are_no_way_out_of_the_json(dynamic):
    with pytest.raises(UnsupportedError):
        dynamic.stream(grammar=Grammar(('hum", "hiss', "\\u0068um", "\x00")))


def test_loud_and_broken_samples_become_16_bit():
    samples = np.array([0.0, 1.0, -1.0, 2.0, np.nan, np.inf, -np.inf, 0.5], np.float32)
    assert np.frombuffer(pcm16(samples), np.int16).tolist() == [
        0, 32767, -32767, 32767, 0, 32767, -32767, 16384,
    ]  # fmt: skip


def test_audio_of_nan_is_silence(static):
    assert static.transcribe(Audio(np.full(32_000, np.nan, np.float32))).text == ""


def test_results_as_vosk_documents_them_are_read():
    words = parse_result(
        '{"result" : [{"conf" : 1.000001, "end" : 1.02, "start" : 0.84, "word" : "what"}, '
        '{"conf" : -nan, "end" : 1.05, "start" : 0.8, "word" : "zero"}], "text" : "what zero"}'
    )
    assert [word.text for word in words] == ["what", "zero"]
    assert words[0].confidence == 1.0
    assert words[1].confidence is None
    assert words[1].start == 0.84  # starts never go backward
    assert parse_result('{"text" : ""}') == ()
    assert parse_partial('{"partial" : " eight  zero"}') == "eight zero"
    with pytest.raises(EngineError, match="broken JSON"):
        parse_result('{"text" : ')


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("vosk-model-small-en-us-0.15", {"en"}),
        ("vosk-model-cn-0.22", {"zh"}),
        ("vosk-model-small-vn-0.4", {"vi"}),
        ("vosk-model-ru-0.42", {"ru"}),
        ("my-own-model", set()),
    ],
)
def test_the_language_is_told_by_the_name(tmp_path, name, language):
    assert languages_of(tmp_path / name) == language


FILES = [
    "am/final.mdl", "conf/mfcc.conf", "conf/model.conf", "graph/HCLr.fst", "graph/Gr.fst", "graph/words.txt",
    "graph/phones/word_boundary.int",
]  # fmt: skip
DAMAGES = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "junk": lambda data: np.random.default_rng(0).bytes(max(64, len(data))),
}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (name, damage)
        for name in FILES
        for damage in DAMAGES
        if damage != "half" or name.endswith((".fst", ".mdl"))
    ],
)  # half a text may be a text
def test_a_damaged_file_is_a_model_error(tmp_path, dynamic_folder, name, damage):
    folder = tmp_path / "model"
    shutil.copytree(dynamic_folder, folder)
    (folder / name).write_bytes(DAMAGES[damage]((folder / name).read_bytes()))
    with pytest.raises(ModelError) as raised:
        VoskRecognizer(folder)
    assert raised.value.fix


@pytest.mark.parametrize("name", [name for name in FILES if "words" not in name and "boundary" not in name])
def test_a_missing_file_is_named(tmp_path, dynamic_folder, name):
    folder = tmp_path / "model"
    shutil.copytree(dynamic_folder, folder)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        VoskRecognizer(folder)


def test_without_silence_phones_kaldi_would_abort_so_it_is_refused(tmp_path, dynamic_folder):
    folder = tmp_path / "model"
    shutil.copytree(dynamic_folder, folder)
    conf = folder / "conf/model.conf"
    conf.write_text(conf.read_text().replace("--endpoint.silence-phones=1\n", ""))
    with pytest.raises(ModelError, match="silence-phones"):
        VoskRecognizer(folder)


@pytest.mark.parametrize("option", ["--frame-shift=0", "--sample-frequency=0", "--sample-frequency=44100"])
def test_values_at_which_kaldi_ends_the_process_are_refused(tmp_path, dynamic_folder, option):
    folder = tmp_path / "model"
    shutil.copytree(dynamic_folder, folder)
    (folder / "conf/mfcc.conf").write_text(option + "\n")
    with pytest.raises(ModelError, match=r"mfcc\.conf"):
        VoskRecognizer(folder)


def test_the_folder_above_the_model_is_pointed_inward(tmp_path, static_folder):
    shutil.copytree(static_folder, tmp_path / "outer" / "inner")
    with pytest.raises(ModelError, match=r"outer.inner"):
        VoskRecognizer(tmp_path / "outer")


def test_options_that_cannot_be_met_are_refused(dynamic_folder):
    with pytest.raises(ModelError, match="needs a model"):
        load_engine("vosk")
    with pytest.raises(UnsupportedError, match="CPU"):
        load_engine("vosk", EngineOptions(model=str(dynamic_folder), device="cuda"))
    with pytest.raises(ModelError, match="knows en, not 'de'"):
        load_engine("vosk", EngineOptions(model=str(dynamic_folder), language="de"))
    recognizer = load_engine("vosk", EngineOptions(model=str(dynamic_folder), language="en"))
    assert recognizer.name == "vosk/vosk-model-small-en-tiny"
    assert recognizer.transcribe(sounds("rest", "hum", "rest")).language == "en"


def test_nothing_is_printed(dynamic_folder):
    # In a process of its own: Kaldi writes to the file descriptor, below Python's sys.stderr.
    script = (
        "import sys; from pathlib import Path; from earshot.engines.vosk import VoskRecognizer as R; "
        "from tests.engines.tiny_kaldi import sounds; "
        "r = R(Path(sys.argv[1])); assert r.transcribe(sounds('rest', 'hum', 'rest')).text == 'hum'"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(dynamic_folder)],
        capture_output=True, check=True, timeout=120, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout == b""
    assert done.stderr == b""
