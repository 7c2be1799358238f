from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import EngineError, ModelError, UnsupportedError
from earshot.core.types import SAMPLE_RATE, Audio, Partial
from earshot.decoding.automaton import Automaton
from earshot.decoding.constraint import TokenConstraint
from earshot.decoding.network import Network
from earshot.decoding.ngram_files import write_ngrams
from earshot.decoding.ngram_training import train_ngrams
from earshot.engines import EngineOptions, Recognizer, load_engine
from earshot.engines.ctc import StreamingRecognizer, TrainedRecognizer, load_ctc
from earshot.engines.ctc_net import CtcNet
from earshot.engines.ctc_stream import CtcUtterance
from earshot.engines.scoring import loss_per_token
from tests.engines.conformance import Conformance, finals_of, run_stream
from tests.engines.tiny_ctc import FRAME_SHIFT, SPOKEN, SYMBOLS, rewrite_card, write_ctc
from tests.engines.tiny_wav2vec2 import PHRASES, TEXT


@pytest.fixture(scope="session")
def folders(sample: Audio, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("ctc")
    return {
        "whole": write_ctc(home / "dickens", sample.samples),
        "streaming": write_ctc(home / "dickens-live", sample.samples, streaming=True),
    }


@pytest.fixture(scope="session")
def loaded(folders: dict[str, Path]) -> TrainedRecognizer:
    return load_ctc(folders["whole"])


@pytest.fixture(scope="session")
def streaming(folders: dict[str, Path]) -> TrainedRecognizer:
    return load_ctc(folders["streaming"])


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders["whole"], tmp_path / "copy"))


def piece(sample: Audio, start: float, end: float) -> Audio:
    return Audio(sample.samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)])


class TestWholeStretches(Conformance):
    @pytest.fixture
    def recognizer(self, loaded: TrainedRecognizer) -> Recognizer:
        return loaded


class TestAsItGoes(Conformance):
    @pytest.fixture
    def recognizer(self, streaming: TrainedRecognizer) -> Recognizer:
        return streaming


def test_it_reads_what_it_knows(loaded: TrainedRecognizer, sample: Audio) -> None:
    transcript = loaded.transcribe(sample)
    assert transcript.text == TEXT
    assert transcript.engine == "ctc/dickens"
    assert transcript.language == "en"


def test_words_lie_where_they_are_said(loaded: TrainedRecognizer, sample: Audio) -> None:
    words = loaded.transcribe(sample).words
    for start, end, text in SPOKEN:
        first, *_, last = words[: len(text.split())]
        words = words[len(text.split()) :]
        assert first.start == pytest.approx(start, abs=0.05)
        assert last.end == pytest.approx(end, abs=0.05)
        assert first.time_source == "engine"


def test_a_word_is_as_sure_as_its_letters_on_average(loaded: TrainedRecognizer, sample: Audio) -> None:
    rng = np.random.default_rng(1)
    noisy = Audio(sample.samples + rng.normal(0, 0.02, len(sample.samples)).astype(np.float32))
    clear = [word.confidence for word in loaded.transcribe_batch([sample])[0].words]
    unsure = [word.confidence for word in loaded.transcribe_batch([noisy])[0].words]
    assert all(0.8 < confidence <= 1 for confidence in clear)  # type: ignore[operator]
    assert min(unsure) < min(clear)  # type: ignore[type-var]


def test_a_long_stretch_is_heard_in_windows(folders: dict[str, Path], sample: Audio) -> None:
    windowed = TrainedRecognizer(folders["whole"], window=3.0, overlap=1.0)
    assert windowed.transcribe_batch([sample])[0].text == TEXT
    assert windowed.log_probs(sample).shape == (len(sample.samples) // FRAME_SHIFT, len(SYMBOLS))


def test_stretches_of_all_lengths_go_through_one_batch(loaded: TrainedRecognizer, sample: Audio) -> None:
    parts = [piece(sample, 0, seconds) for seconds in (5.0, 0.0, 0.03, 4.6, 9.9, 0.4, 4.8)]
    together = loaded.hear(parts)
    for part, log_probs in zip(parts, together, strict=True):
        assert np.allclose(log_probs, loaded.log_probs(part), atol=1e-3)


def test_a_grammar_holds_it_to_its_sentences(loaded: TrainedRecognizer, sample: Audio) -> None:
    network = Network()
    for _, _, text in PHRASES:
        network.gap(network.spell(network.start, text), network.final)
    constraint = TokenConstraint(Automaton(network), loaded.vocabulary)
    heard = [piece(sample, start, end) for start, end, _ in PHRASES]
    searched = loaded.search([*heard, Audio(np.zeros(8_000, np.float32))], constraint)
    assert [one.found[0].text.strip() for one in searched[:-1]] == [text for _, _, text in PHRASES]
    assert [one.open_text for one in searched[:-1]] == [text for _, _, text in PHRASES]
    assert not searched[-1].is_heard


def test_a_language_model_has_its_say(folders: dict[str, Path], sample: Audio, tmp_path: Path) -> None:
    path = tmp_path / "other.arpa"
    write_ngrams(train_ngrams([text.replace("wisdom", "wisdoms").split() for _, _, text in PHRASES], 2), path)
    options = EngineOptions(model=str(folders["whole"]), language_model=str(path))
    start, end, text = PHRASES[1]
    with closing(load_engine("ctc", options)) as recognizer:
        (transcript,) = recognizer.transcribe_batch([piece(sample, start, end)])
    assert transcript.text in (text, text.replace("wisdom", "wisdoms"))
    assert [word.start for word in transcript.words] == sorted(word.start or 0 for word in transcript.words)


@pytest.mark.parametrize("name", ["loaded", "streaming"])
def test_hot_words_are_taken(request: pytest.FixtureRequest, name: str, sample: Audio) -> None:
    recognizer: TrainedRecognizer = request.getfixturevalue(name)
    start, end, text = PHRASES[1]
    (transcript,) = recognizer.transcribe_batch([piece(sample, start, end)], hot_words=("Wisdom",))
    assert transcript.text == text
    with recognizer.stream(hot_words=("Wisdom",)) as stream:
        events = [*stream.accept(piece(sample, start, end).samples), *stream.finish()]
    assert [final.text for final in finals_of(events)] == [text]


def test_it_tells_how_well_a_text_fits(loaded: TrainedRecognizer, sample: Audio) -> None:
    start, end, text = PHRASES[1]
    right = loss_per_token(loaded, piece(sample, start, end), text.upper() + " – ж!")
    wrong = loss_per_token(loaded, piece(sample, start, end), PHRASES[2][2])
    assert right is not None
    assert wrong is not None
    assert right < wrong / 2


# --- as it goes ---------------------------------------------------------------------------------------------


def test_live_and_offline_write_the_same(streaming: TrainedRecognizer, sample: Audio) -> None:
    assert isinstance(streaming, StreamingRecognizer)
    assert streaming.capabilities.streaming
    finals = finals_of(run_stream(streaming, sample, 1_600))
    assert " ".join(final.text for final in finals) == streaming.transcribe(sample).text == TEXT


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_whatever_the_blocks_a_growing_utterance_is_heard_as_the_whole(
    data: st.DataObject, streaming: TrainedRecognizer, folders: dict[str, Path], sample: Audio
) -> None:
    start = data.draw(st.integers(0, 80_000), "start")
    cuts = data.draw(st.lists(st.integers(1, 64_000), min_size=1, max_size=8), "cuts")
    samples = sample.samples[start:][:64_000]
    net = CtcNet(folders["streaming"], num_threads=1)
    utterance = CtcUtterance(net, streaming.decoder.words, "en")
    for cut in [*sorted(cuts), len(samples)]:
        grown = utterance.log_probs(samples[:cut])
        (whole,) = net.log_probs([samples[:cut]])
        assert grown.shape == whole.shape
        assert np.allclose(grown, whole, atol=1e-3)
    utterance = streaming.open_utterance()  # type: ignore[attr-defined]
    assert utterance.decode(samples) == streaming.transcribe_batch([Audio(samples)])[0].words


@settings(max_examples=10, deadline=None)
@given(blocks=st.lists(st.integers(1, 40_000), min_size=1, max_size=12))
def test_finals_are_the_same_whatever_the_blocks(
    streaming: TrainedRecognizer, sample: Audio, blocks: list[int]
) -> None:
    events = []
    with streaming.stream() as stream:
        rest = sample.samples
        for block in [*blocks, len(sample.samples)]:
            events += stream.accept(rest[:block])
            rest = rest[block:]
        events += stream.finish()
    assert [final.text for final in finals_of(events)] == [text for _, _, text in PHRASES]


def test_the_state_of_a_stream_matters(folders: dict[str, Path], sample: Audio) -> None:
    net = CtcNet(folders["streaming"])
    features = net.features(sample.samples[16_000:48_000])
    _, state = net.step(features[:100])
    assert not np.allclose(net.last(features[100:], state), net.last(features[100:]), atol=1e-3)


def test_partials_come_while_somebody_speaks(streaming: TrainedRecognizer, sample: Audio) -> None:
    events = run_stream(streaming, sample, 1_600)
    partials = [event for event in events if isinstance(event, Partial)]
    assert len(partials) > 2 * len(PHRASES)
    assert max(partial.num_stable for partial in partials) > 5


def test_a_net_without_a_state_has_no_steps(folders: dict[str, Path]) -> None:
    net = CtcNet(folders["whole"])
    with pytest.raises(EngineError, match="whole stretches"):
        net.step(net.features(np.zeros(16_000, np.float32)))


# --- folders that are not as they should be ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"engine": "vosk"}, "is for the engine vosk"),
        ({"sample_rate": 8_000}, "hears 8000 Hz"),
        ({"alphabet": None}, "no alphabet"),
        ({"alphabet": {"symbols": ["<blk>", "a", "a"]}}, "alphabet is broken"),
        ({"alphabet": {"symbols": list(SYMBOLS[:-1]), "kind": "letters"}}, r"and its card names"),
        ({"features": None}, "which features"),
        ({"features": {"name": "smells", "num_features": 80}}, "no features 'smells'"),
        ({"features": {"name": "mfcc", "num_features": 13}}, "other features than this version computes"),
        ({"subsampling": 4}, "no frame of"),
        ({"subsampling": 4, "frame_shift": 640}, "it takes 4 for one"),
        ({"subsampling": 0}, "'subsampling' is 0"),
        ({"frame_shift": True}, "'frame_shift' is True"),
        ({"frame_shift": None}, "'frame_shift' is None"),
        ({"is_streaming": True}, "is no CTC net of Earshot that listens as it goes"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(copy: Path, facts: dict[str, object], says: str) -> None:
    rewrite_card(copy, **facts)
    with pytest.raises(ModelError, match=says) as found:
        load_ctc(copy)
    assert "\n" not in str(found.value)
    assert found.value.fix


def test_features_that_are_computed_otherwise_now_are_told(copy: Path) -> None:
    card = json.loads((copy / "card.json").read_text())
    card["features"]["parameters"]["floor"] = 0.5
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"floor is 0.5 on its card") as found:
        load_ctc(copy)
    assert "train it again" in (found.value.fix or "")


def test_features_of_another_number_are_refused(copy: Path) -> None:
    from earshot.engines.ctc_front_ends import front_end_facts

    rewrite_card(copy, features=front_end_facts("mfcc"))
    with pytest.raises(ModelError, match="hears 80 features, and those of its card are 13"):
        load_ctc(copy)


@pytest.mark.parametrize("name", ["card.json", "model.onnx"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_ctc(copy)


@pytest.mark.parametrize("name", ["card.json", "model.onnx"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1", b"\x80\x04nonsense"])
def test_a_broken_file_is_an_error_of_one_line(copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError) as found:
        load_ctc(copy)
    assert "\n" not in str(found.value)


def test_changed_weights_are_refused(copy: Path) -> None:
    weights = bytearray((copy / "model.onnx").read_bytes())
    weights[len(weights) // 2] ^= 1
    (copy / "model.onnx").write_bytes(weights)
    with pytest.raises(ModelError, match="is damaged"):
        load_ctc(copy)


def test_a_net_of_another_kind_is_refused(copy: Path, tmp_path: Path) -> None:
    from tests.engines.tiny_onnx import write_nemo_ctc

    other = write_nemo_ctc(tmp_path / "nemo")
    shutil.copyfile(other / "model.onnx", copy / "model.onnx")
    rewrite_card(copy)
    with pytest.raises(ModelError, match="it reads audio_signal, length"):
        load_ctc(copy)


def test_what_it_cannot_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    model = str(folders["whole"])
    with pytest.raises(UnsupportedError, match="knows en, not de"):
        load_engine("ctc", EngineOptions(model=model, language="de"))
    with pytest.raises(UnsupportedError, match="runs on the CPU"):
        load_engine("ctc", EngineOptions(model=model, device="cuda"))
    with pytest.raises(ModelError, match="cannot be read"):
        load_engine("ctc", EngineOptions(model=model, language_model=str(tmp_path / "absent")))


def test_a_closed_recognizer_says_so(folders: dict[str, Path], sample: Audio) -> None:
    recognizer = load_ctc(folders["whole"])
    recognizer.close()
    recognizer.close()
    with pytest.raises(EngineError, match="is closed"):
        recognizer.transcribe(sample)
