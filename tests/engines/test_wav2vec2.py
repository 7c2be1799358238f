from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from difflib import SequenceMatcher
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.audio.decode import read_audio
from earshot.core.errors import EngineError, ModelError, UnknownModelError, UnsupportedError
from earshot.core.types import SAMPLE_RATE, Audio
from earshot.decoding.automaton import Automaton
from earshot.decoding.constraint import TokenConstraint
from earshot.decoding.ctc import align
from earshot.decoding.network import Network
from earshot.decoding.ngram_files import write_ngrams
from earshot.decoding.ngram_training import train_ngrams
from earshot.engines import EngineOptions, load_engine
from earshot.engines.wav2vec2 import Wav2Vec2Recognizer
from earshot.engines.windows import stitched, window_starts
from earshot.text.error_rate import character_error_rate, total
from tests.conftest import SAMPLE_TEXT
from tests.engines.conformance import Conformance, finals_of, run_stream
from tests.engines.tiny_wav2vec2 import PHRASES, TEXT, VOCABULARY, one_thread, train_tiny

pytestmark = [
    pytest.mark.slow,  # trains its model for about 20 s
    pytest.mark.skipif(
        not (find_spec("torch") and find_spec("transformers")),
        reason="torch and transformers are absent: pip install 'earshot[wav2vec2]'",
    ),
]


@pytest.fixture(scope="session")
def checkpoint(sample: Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wav2vec2") / "tiny-dickens"
    train_tiny(sample.samples, folder)
    return folder


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


@pytest.fixture(scope="session")
def loaded(checkpoint: Path) -> Wav2Vec2Recognizer:
    return Wav2Vec2Recognizer(checkpoint)


def is_nearly(text: str, expected: str) -> bool:
    """All letters but a few: the little net's last doubts may fall otherwise on another processor."""
    return (
        SequenceMatcher(None, text.replace(" ", ""), expected.replace(" ", ""), autojunk=False).ratio() > 0.95
    )


def piece(sample: Audio, start: float, end: float) -> Audio:
    return Audio(sample.samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)])


@pytest.fixture
def recognizer(loaded: Wav2Vec2Recognizer) -> Wav2Vec2Recognizer:
    return loaded


class TestTinyCheckpoint(Conformance):
    pass


@pytest.mark.parametrize(("start", "end", "text"), PHRASES)
def test_it_reads_what_it_learned(
    loaded: Wav2Vec2Recognizer, sample: Audio, start: float, end: float, text: str
) -> None:
    (transcript,) = loaded.transcribe_batch([piece(sample, start, end)])
    assert transcript.text == text


def test_a_grammar_holds_it_to_its_sentences(loaded: Wav2Vec2Recognizer, sample: Audio) -> None:
    network = Network()
    for _, _, text in PHRASES:
        network.gap(network.spell(network.start, text), network.final)
    constraint = TokenConstraint(Automaton(network), loaded.vocabulary)
    searched = loaded.search([piece(sample, start, end) for start, end, _ in PHRASES], constraint)
    assert [one.found[0].text.strip() for one in searched] == [text for _, _, text in PHRASES]
    for one in searched:
        assert one.open_log_prob - one.found[0].log_prob < len(one.open_text) / 4
    (other,) = loaded.search([piece(sample, 0.6, 4.85)], TokenConstraint(_sentence("epoch"), loaded.vocabulary))
    assert not other.found or other.open_log_prob - other.found[0].log_prob > 20


def _sentence(text: str) -> Automaton:
    network = Network()
    network.gap(network.spell(network.start, text), network.final)
    return Automaton(network)


def test_a_language_model_mends_what_noise_spoils(
    checkpoint: Path, loaded: Wav2Vec2Recognizer, sample: Audio, tmp_path: Path
) -> None:
    texts = [text for _, _, text in PHRASES]
    path = tmp_path / "dickens.arpa.gz"
    write_ngrams(train_ngrams([text.split() for text in texts], 3), path)
    options = EngineOptions(model=str(checkpoint), language_model=str(path))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.015, len(sample.samples)).astype(np.float32)
    noisy = Audio(sample.samples + noise)
    pieces = [piece(noisy, start, end) for start, end, _ in PHRASES]
    alone = [transcript.text for transcript in loaded.transcribe_batch(pieces)]
    with closing(load_engine("wav2vec2", options)) as recognizer:
        transcripts = recognizer.transcribe_batch(pieces)
    errors, fewer = (
        total(map(character_error_rate, texts, found)).num_errors
        for found in (alone, [transcript.text for transcript in transcripts])
    )
    assert fewer < errors
    for transcript in transcripts:
        starts = [word.start for word in transcript.segments[0].words]
        assert starts == sorted(starts)  # type: ignore[type-var]


def test_hot_words_are_taken_without_a_language_model(loaded: Wav2Vec2Recognizer, sample: Audio) -> None:
    start, end, text = PHRASES[1]
    (transcript,) = loaded.transcribe_batch([piece(sample, start, end)], hot_words=("Wisdom",))
    assert transcript.text == text


def test_engines_that_take_no_language_model_say_so(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"takes no language model: use .*wav2vec2"):
        load_engine("scripted", EngineOptions(language_model="model.arpa"))
    with pytest.raises(ModelError, match="cannot be read"):
        load_engine("wav2vec2", EngineOptions(str(checkpoint), language_model=str(tmp_path / "absent")))


def test_a_recording_with_silence_is_cut_and_read(loaded: Wav2Vec2Recognizer, sample: Audio) -> None:
    assert is_nearly(loaded.transcribe(sample).text, TEXT)


@pytest.mark.parametrize(("start", "end", "text"), PHRASES)
def test_words_lie_where_they_are_said(
    loaded: Wav2Vec2Recognizer, sample: Audio, start: float, end: float, text: str
) -> None:
    (alone,) = loaded.transcribe_batch([piece(sample, start, end)])
    padded = np.pad(piece(sample, start, end).samples, (2 * SAMPLE_RATE, SAMPLE_RATE))
    later = loaded.transcribe(Audio(padded))
    assert [word.text for word in later.words] == [word.text for word in alone.words] == text.split()
    # The little net may say its first word at the very edge of what it hears.
    starts = [word.start for word in alone.words[1:] if word.start is not None]
    assert [word.start for word in later.words[1:]] == pytest.approx([t + 2 for t in starts], abs=0.15)
    assert all(word.confidence is not None and 0.2 < word.confidence <= 1 for word in alone.words)
    assert later.segments[0].start == later.words[0].start
    assert later.segments[0].end == later.words[-1].end


def test_live_it_hears_the_same(loaded: Wav2Vec2Recognizer, sample: Audio) -> None:
    finals = finals_of(run_stream(loaded, sample, 1_600))
    assert is_nearly(" ".join(final.text for final in finals), TEXT)


def test_a_long_stretch_is_read_in_windows(checkpoint: Path, loaded: Wav2Vec2Recognizer, sample: Audio) -> None:
    windowed = Wav2Vec2Recognizer(checkpoint, window=5.0, overlap=3.0)
    whole, joined = loaded.log_probs(sample), windowed.log_probs(sample)
    assert whole.shape == joined.shape == (498, len(VOCABULARY))
    assert np.mean(whole.argmax(axis=1) == joined.argmax(axis=1)) > 0.9
    assert windowed.transcribe_batch([sample])[0].text.endswith(PHRASES[-1][2])


def test_a_stretch_that_fits_is_heard_in_one_pass(
    checkpoint: Path, loaded: Wav2Vec2Recognizer, sample: Audio
) -> None:
    exact = Wav2Vec2Recognizer(checkpoint, window=10.0, overlap=1.0)
    assert np.array_equal(exact.log_probs(sample), loaded.log_probs(sample))


@given(st.integers(0, 3_000), st.integers(30, 200), st.data())
def test_joined_windows_have_every_frame_once(num_frames: int, window: int, data: st.DataObject) -> None:
    shift, field = 320, 400
    step = data.draw(st.integers(1, window - 2))
    num_samples = num_frames * shift + field
    starts = window_starts(num_samples, window * shift, step * shift)
    frames = np.arange(num_frames + 1)  # stands for log-probabilities: each frame says its own number
    pieces = [
        frames[
            first // shift : first // shift + (min(window * shift, num_samples - first) - field) // shift + 1
        ]
        for first in starts
    ]
    joined = stitched([piece[:, None] for piece in pieces], [first // shift for first in starts])
    assert joined[:, 0].tolist() == frames.tolist()


def test_known_text_aligns_to_its_log_probabilities(loaded: Wav2Vec2Recognizer, sample: Audio) -> None:
    start, end, text = PHRASES[1]
    log_probs = loaded.log_probs(piece(sample, start, end))
    tokens = [VOCABULARY["|" if letter == " " else letter.upper()] for letter in text]
    spans = align(log_probs, tokens, blank=0)
    assert len(spans) == len(text)
    assert np.mean([span.probability for span in spans]) > 0.5


def test_digital_silence_says_nothing(loaded: Wav2Vec2Recognizer) -> None:
    (transcript,) = loaded.transcribe_batch([Audio(np.zeros(SAMPLE_RATE, np.float32))])
    assert transcript.segments == ()


def test_broken_sound_is_an_error_of_ours(loaded: Wav2Vec2Recognizer) -> None:
    with pytest.raises(EngineError, match="no numbers"):
        loaded.transcribe_batch([Audio(np.full(SAMPLE_RATE, np.nan, np.float32))])


def test_a_closed_recognizer_says_so(checkpoint: Path, sample: Audio) -> None:
    recognizer = Wav2Vec2Recognizer(checkpoint)
    recognizer.close()
    recognizer.close()
    with pytest.raises(EngineError, match="closed"):
        recognizer.transcribe(sample)


def test_the_number_of_threads_is_torchs_only_while_it_works(checkpoint: Path, sample: Audio) -> None:
    import torch

    before = torch.get_num_threads()
    recognizer = Wav2Vec2Recognizer(checkpoint, num_threads=before + 1)
    net = recognizer._net
    assert net is not None
    seen: list[int] = []
    net._model.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    recognizer.transcribe_batch([piece(sample, 4.85, 6.48)])
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_the_registry_loads_a_folder(checkpoint: Path, sample: Audio) -> None:
    recognizer = load_engine("wav2vec2", EngineOptions(model=str(checkpoint), num_threads=1))
    assert recognizer.name == "wav2vec2/tiny-dickens"
    assert recognizer.transcribe_batch([piece(sample, 4.85, 6.48)])[0].text == "it was the age of wisdom"


def test_loading_says_nothing_on_the_terminal(checkpoint: Path) -> None:
    code = f"from earshot.engines.wav2vec2 import *; Wav2Vec2Recognizer(Path({str(checkpoint)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


# What a folder says of itself


def test_the_card_tells_the_language(copy: Path, sample: Audio) -> None:
    card = {"format": 1, "name": "tiny", "engine": "wav2vec2", "languages": ["en"], "files": {}}
    (copy / "card.json").write_text(json.dumps(card))
    recognizer = Wav2Vec2Recognizer(copy)
    assert recognizer.capabilities.languages == {"en"}
    assert recognizer.transcribe(sample).language == "en"
    with pytest.raises(UnsupportedError, match="knows en, not de"):
        Wav2Vec2Recognizer(copy, language="de")


@pytest.mark.parametrize(
    ("front", "languages"),
    [
        ("language: de", {"de"}),
        ("language:\n- fr\n- zh-CN\nlicense: mit", {"fr", "zh"}),
        ("tags: [audio]", set()),
        ("language:\nlicense: mit", set()),
    ],
)
def test_the_readme_tells_the_language(copy: Path, front: str, languages: set[str]) -> None:
    (copy / "README.md").write_text(f"---\n{front}\n---\n# A model\nlanguage: eo\n")
    assert Wav2Vec2Recognizer(copy).capabilities.languages == languages


def test_small_letters_stay_and_mixed_ones_too(copy: Path, sample: Audio) -> None:
    vocabulary = {"É" if key == "I" else key.lower(): value for key, value in VOCABULARY.items()}
    (copy / "vocab.json").write_text(json.dumps(vocabulary))
    (transcript,) = Wav2Vec2Recognizer(copy).transcribe_batch([piece(sample, 4.85, 6.48)])
    assert transcript.text == "Ét was the age of wÉsdom"


def test_another_delimiter_is_honoured(copy: Path, sample: Audio) -> None:
    settings = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(json.dumps(settings | {"word_delimiter_token": " "}))
    vocabulary = {" " if key == "|" else key: value for key, value in VOCABULARY.items()}
    (copy / "vocab.json").write_text(json.dumps(vocabulary))
    (transcript,) = Wav2Vec2Recognizer(copy).transcribe_batch([piece(sample, 4.85, 6.48)])
    assert transcript.text == "it was the age of wisdom"


# Folders that do not hold what they should


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "preprocessor_config.json", "model.safetensors"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_engine("wav2vec2", EngineOptions(model=str(copy)))


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "preprocessor_config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\x00\xff" * 500])
def test_a_broken_file_is_an_error_of_one_line(copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_engine("wav2vec2", EngineOptions(model=str(copy)))
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "vocabulary", [{"a": -1}, {"a": "x"}, {"eng": {"a": 1}}, {"<pad>": 0}, {"a": True}, {"a": 1.5}]
)
def test_a_vocabulary_of_nonsense_is_refused(copy: Path, vocabulary: dict[str, object]) -> None:
    (copy / "vocab.json").write_text(json.dumps(vocabulary))
    with pytest.raises(ModelError):
        Wav2Vec2Recognizer(copy)


def test_truncated_weights_are_refused(copy: Path) -> None:
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelError, match="cannot be loaded"):
        Wav2Vec2Recognizer(copy)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_that_runs_code_is_not_run(copy: Path, tmp_path: Path) -> None:
    import pickle

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match="cannot be loaded"):
        Wav2Vec2Recognizer(copy)
    assert not (tmp_path / "sprung").exists()


def test_code_in_a_folder_is_not_run(copy: Path, tmp_path: Path, sample: Audio) -> None:
    (copy / "evil.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'sprung')!r})\n")
    config = json.loads((copy / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForCTC": "evil.Model"}
    (copy / "config.json").write_text(json.dumps(config))
    recognizer = Wav2Vec2Recognizer(copy)
    assert recognizer.transcribe_batch([piece(sample, 4.85, 6.48)])[0].text == "it was the age of wisdom"
    assert not (tmp_path / "sprung").exists()


def test_tensors_of_torch_are_read(copy: Path, sample: Audio) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    (transcript,) = Wav2Vec2Recognizer(copy).transcribe_batch([piece(sample, 4.85, 6.48)])
    assert transcript.text == "it was the age of wisdom"


def test_checkpoints_of_older_libraries_are_read(copy: Path, sample: Audio, loaded: Wav2Vec2Recognizer) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    weights.pop("wav2vec2.masked_spec_embed", None)  # needed in training alone
    renamed = {
        key.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for key, value in weights.items()
    }
    assert set(renamed) != set(weights)
    save_file(renamed, copy / "model.safetensors", metadata={"format": "pt"})
    assert np.array_equal(Wav2Vec2Recognizer(copy).log_probs(sample), loaded.log_probs(sample))


def test_a_model_of_another_kind_is_named(copy: Path) -> None:
    config = {"model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"]}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="WhisperForConditionalGeneration") as caught:
        load_engine("wav2vec2", EngineOptions(model=str(copy)))
    assert "--engine whisper" in str(caught.value)


def test_a_net_that_was_only_pre_trained_is_refused(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    save_file(
        {key: value for key, value in weights.items() if not key.startswith("lm_head")},
        copy / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(ModelError, match=r"lack lm_head\.bias and 1 more"):
        Wav2Vec2Recognizer(copy)


def test_another_sample_rate_is_refused(copy: Path) -> None:
    settings = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps(settings | {"sampling_rate": 8_000}))
    with pytest.raises(ModelError, match="hears 8000 Hz"):
        Wav2Vec2Recognizer(copy)


def test_an_unknown_device_is_refused(checkpoint: Path) -> None:
    with pytest.raises(EngineError, match="'toaster'"):
        load_engine("wav2vec2", EngineOptions(model=str(checkpoint), device="toaster"))


@pytest.mark.parametrize("model", ["no-such-model", "nobody/no-such-checkpoint", "../nothing"])
def test_an_unknown_model_is_no_download(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    with pytest.raises(UnknownModelError):
        load_engine("wav2vec2", EngineOptions(model=model))


def test_no_model_is_a_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    with pytest.raises(ModelError, match="needs a model"):
        load_engine("wav2vec2")


# Relatives of wav2vec 2.0, with random weights: they load, and their frames are counted right


@pytest.mark.parametrize("family", ["Hubert", "WavLM", "Wav2Vec2Conformer", "UniSpeechSat", "Data2VecAudio"])
@pytest.mark.parametrize("normalization", ["group", "layer"])
def test_relatives_load(checkpoint: Path, tmp_path: Path, family: str, normalization: str) -> None:
    import torch
    import transformers

    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(VOCABULARY),
        pad_token_id=0,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        conv_pos_kernel_size=3,
        feat_extract_norm=normalization,
    )
    with one_thread(torch):
        getattr(transformers, f"{family}ForCTC")(config).save_pretrained(tmp_path)
        for name in ("vocab.json", "tokenizer_config.json", "preprocessor_config.json"):
            shutil.copy(checkpoint / name, tmp_path)
        recognizer = Wav2Vec2Recognizer(tmp_path, window=2.0, overlap=0.5)
        noise = np.random.default_rng(0).standard_normal(16_000 * 5).astype(np.float32)
        for num_samples, num_frames in [(0, 0), (399, 0), (400, 1), (16_000, 49), (80_000, 249)]:
            log_probs = recognizer.log_probs(Audio(noise[:num_samples]))
            assert log_probs.shape == (num_frames, len(VOCABULARY))


def test_wav2vec2_bert_hears_filter_banks(checkpoint: Path, tmp_path: Path) -> None:
    import torch
    import transformers

    config = transformers.Wav2Vec2BertConfig(
        vocab_size=len(VOCABULARY),
        pad_token_id=0,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    with one_thread(torch):
        transformers.Wav2Vec2BertForCTC(config).save_pretrained(tmp_path)
        transformers.SeamlessM4TFeatureExtractor(padding_value=1).save_pretrained(tmp_path)
        for name in ("vocab.json", "tokenizer_config.json"):
            shutil.copy(checkpoint / name, tmp_path)
        recognizer = Wav2Vec2Recognizer(tmp_path, window=2.0, overlap=0.5)
        noise = np.random.default_rng(0).standard_normal(16_000 * 5).astype(np.float32)
        for seconds in (0.01, 0.05, 1.0, 5.0):
            num_frames = len(recognizer.log_probs(Audio(noise[: int(16_000 * seconds)])))
            assert num_frames == pytest.approx(50 * seconds, abs=2)


# A real checkpoint, wherever there is one


def test_a_real_checkpoint_reads_dickens(sample_path: Path) -> None:
    folder = os.environ.get("EARSHOT_WAV2VEC2_MODEL")
    if not folder:
        pytest.skip("no real checkpoint: set EARSHOT_WAV2VEC2_MODEL to the folder of an English CTC model")
    recognizer = load_engine("wav2vec2", EngineOptions(model=folder))
    transcript = recognizer.transcribe(read_audio(sample_path))
    words = set(transcript.text.lower().split())
    assert len(words & set(SAMPLE_TEXT.split())) >= 8
    assert all(word.start is not None and word.confidence is not None for word in transcript.words)
