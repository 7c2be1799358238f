"""Nets as training builds and exports them, with weights nobody trained: what runs them agrees."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earshot.core.types import Audio
from earshot.decoding.alphabet import Alphabet
from earshot.decoding.ctc import greedy
from earshot.engines.ctc import StreamingRecognizer, TrainedRecognizer, load_ctc
from earshot.engines.ctc_front_ends import front_end_facts, make_front_end
from earshot.engines.ctc_stream import CtcUtterance

pytestmark = [
    pytest.mark.slow,  # torch takes seconds to load, and to export
    pytest.mark.skipif(
        not (find_spec("torch") and find_spec("onnx")),
        reason="torch and onnx are absent: pip install 'earshot[train]'",
    ),
]

LETTERS = Alphabet.of_letters("abcdefghijklmnopqrstuvwxyz'")

Loaded = Callable[[str, str], tuple[Path, TrainedRecognizer]]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """A net of that name on those features: its folder, and the recognizer; each made once."""
    home = tmp_path_factory.mktemp("exported")
    made: dict[tuple[str, str], tuple[Path, TrainedRecognizer]] = {}

    def load(net: str, features: str) -> tuple[Path, TrainedRecognizer]:
        if (net, features) not in made:
            folder = write_untrained(home / f"{net}-{features}", net, features)
            made[net, features] = folder, load_ctc(folder)
        return made[net, features]

    return load


def write_untrained(folder: Path, name: str, features: str) -> Path:
    import torch

    from earshot.training.recognition.exporting import Exported, export
    from earshot.training.recognition.nets import NETS, build_net

    torch.manual_seed(3)
    facts = front_end_facts(features)
    small: dict[str, Any] = {"conformer": {"size": 40, "num_blocks": 2, "num_heads": 2}}.get(
        name, {"size": 48, "num_layers": 2} if name == "lstm-streaming" else {"sizes": [32, 32]}
    )
    size = facts["num_features"]
    net = build_net(name, small, len(LETTERS), np.full(size, -8.0, np.float32), np.full(size, 4.0, np.float32))
    sound = make_front_end(facts)(np.random.default_rng(3).normal(0, 0.05, 32_000).astype(np.float32))
    with torch.no_grad():  # it shall write a lot, and different things
        net.head.weight *= 40
        hissed, _ = net.eval()(torch.from_numpy(sound)[None], torch.tensor([len(sound)]))
        net.head.bias -= hissed[0].mean(0)
    said = Exported(folder.name, LETTERS, facts, name, small, NETS[name].is_streaming)
    return export(net, folder, said)


def said(recognizer: TrainedRecognizer, audio: Audio) -> list[str]:
    spans = greedy(recognizer.log_probs(audio), recognizer.blank)
    return [LETTERS.symbols[span.token] for span in spans]


def pieces(sample: Audio) -> list[Audio]:
    return [Audio(sample.samples[start:][:length]) for start, length in CUTS]


CUTS = ((16_000, 40_000), (20_000, 39_999), (60_000, 80_001), (30_000, 5_000), (0, 700))


@pytest.mark.parametrize("name", ["conformer", "blstm"])
def test_sherpa_onnx_hears_the_same(loaded: Loaded, sample: Audio, name: str) -> None:
    sherpa = pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is absent: pip install 'earshot[sherpa]'")
    folder, recognizer = loaded(name, "log-mel")
    other = sherpa.OfflineRecognizer.from_zipformer_ctc(
        model=str(folder / "model.onnx"), tokens=str(folder / "tokens.txt")
    )
    written: set[str] = set()
    for audio in pieces(sample)[:4]:
        stream = other.create_stream()
        stream.accept_waveform(16_000, audio.samples)
        other.decode_stream(stream)
        tokens = said(recognizer, audio)
        assert [token.replace(" ", "▁") for token in stream.result.tokens] == tokens
        written.update(tokens)
    assert len(written) > 5


def test_the_engine_sherpa_takes_the_folder_without_its_card(
    loaded: Loaded, sample: Audio, tmp_path: Path
) -> None:
    pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is absent: pip install 'earshot[sherpa]'")
    import shutil

    from earshot.engines.sherpa import load_sherpa

    folder, recognizer = loaded("conformer", "log-mel")
    for name in ("model.onnx", "tokens.txt"):
        shutil.copyfile(folder / name, tmp_path / name)
    audio = pieces(sample)[0]
    (theirs,), (ours,) = load_sherpa(tmp_path).transcribe_batch([audio]), recognizer.transcribe_batch([audio])
    assert theirs.text == ours.text
    assert ours.text
    for one, other in zip(theirs.words, ours.words, strict=True):
        assert one.start == pytest.approx(other.start, abs=0.011)


@pytest.mark.parametrize(
    ("name", "features"),
    [("conformer", "log-mel"), ("blstm", "mfcc"), ("blstm", "pncc"), ("lstm-streaming", "log-mel")],
)
def test_in_a_batch_each_is_heard_as_alone(loaded: Loaded, sample: Audio, name: str, features: str) -> None:
    _, recognizer = loaded(name, features)
    for audio, together in zip(pieces(sample), recognizer.hear(pieces(sample)), strict=True):
        assert np.allclose(together, recognizer.log_probs(audio), atol=2e-3)


@pytest.mark.parametrize("features", ["log-mel", "pncc", "moonshine"])
def test_a_growing_utterance_is_heard_as_the_whole(loaded: Loaded, sample: Audio, features: str) -> None:
    _, recognizer = loaded("lstm-streaming", features)
    assert isinstance(recognizer, StreamingRecognizer)
    utterance = recognizer.open_utterance()
    assert isinstance(utterance, CtcUtterance)
    for end in (3_000, 9_111, 9_200, 30_000, 47_001):
        audio = Audio(sample.samples[16_000 : 16_000 + end])
        grown, whole = utterance.log_probs(audio.samples), recognizer.log_probs(audio)
        assert grown.shape == whole.shape
        assert np.allclose(grown, whole, atol=2e-3)
