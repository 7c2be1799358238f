"""A real wav2vec 2.0 checkpoint that fits into a test: 270,000 weights that know ten seconds of Dickens.

The convolutions are set by hand to a mel filter bank (rectified Gabor pairs, then their mean), so that only two
layers of attention are trained, for about 15 s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from earshot.core.types import SAMPLE_RATE, Samples

PHRASES = (
    (0.6, 4.85, "it was the best of times it was the worst of times"),
    (4.85, 6.48, "it was the age of wisdom"),
    (6.48, 8.5, "it was the age of foolishness"),
    (8.5, 10.0, "it was the epoch of belief"),
)
"""Start and end in seconds, each in a pause of the sample, and what is said between them."""

TEXT = " ".join(text for _, _, text in PHRASES)
VOCABULARY = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4} | {
    letter.upper(): index for index, letter in enumerate(sorted(set(TEXT) - {" "}), start=5)
}
_NUM_BANDS = 40
_SEED = 2
_NUM_STEPS = 1_000
_LEARNING_RATE = 4e-3


def train_tiny(samples: Samples, folder: Path) -> None:
    """Train on the ten seconds of ``samples`` and write the checkpoint into ``folder``."""
    import torch
    import transformers

    with one_thread(torch):
        torch.manual_seed(_SEED)
        model = transformers.Wav2Vec2ForCTC(tiny_config())
        _set_filter_bank(torch, model.wav2vec2.feature_extractor.conv_layers)
        _learn(torch, model, samples)
    model.eval().save_pretrained(folder)
    write_vocabulary(folder)


def tiny_config() -> Any:
    import transformers

    return transformers.Wav2Vec2Config(
        vocab_size=len(VOCABULARY),
        pad_token_id=0,
        hidden_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=192,
        conv_dim=(4 * _NUM_BANDS, _NUM_BANDS),
        conv_kernel=(256, 6),
        conv_stride=(80, 4),
        conv_bias=True,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        apply_spec_augment=False,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=0.0,
        layerdrop=0.0,
    )


def write_vocabulary(folder: Path) -> None:
    """Tokenizer and feature extractor, as transformers writes them beside a model."""
    import transformers

    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(folder)


def _set_filter_bank(torch: Any, layers: Any) -> None:
    mel = np.linspace(np.log1p(100 / 700), np.log1p(7_000 / 700), _NUM_BANDS)
    time = np.arange(256) / SAMPLE_RATE
    filters = [
        np.cos(2 * np.pi * frequency * time + phase) * np.hanning(256) / 16
        for frequency in 700 * np.expm1(mel)
        for phase in np.arange(4) * np.pi / 2
    ]
    means = np.kron(np.eye(_NUM_BANDS), np.ones(4))[:, :, None].repeat(6, axis=2) / 24
    with torch.no_grad():
        layers[0].conv.weight.copy_(torch.from_numpy(np.stack(filters))[:, None])
        layers[1].conv.weight.copy_(torch.from_numpy(means))
        layers[1].layer_norm.bias.fill_(1.0)  # so that GELU does not swallow the quieter half
        for layer in layers:
            layer.conv.bias.zero_()


def _learn(torch: Any, model: Any, samples: Samples) -> None:
    rng = np.random.default_rng(_SEED)
    weights = [p for name, p in model.named_parameters() if "feature_extractor" not in name]
    optimizer = torch.optim.AdamW(weights, lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, _NUM_STEPS, pct_start=0.15)
    net = model.train().wav2vec2
    for _ in range(_NUM_STEPS):
        batch, text = _clip(samples, rng)
        with torch.no_grad():
            heard = net.feature_extractor(torch.from_numpy(batch)).transpose(1, 2)
        logits = model.lm_head(net.encoder(net.feature_projection(heard)[0])[0])
        log_probs = torch.log_softmax(logits, -1).transpose(0, 1)
        target = torch.tensor([[VOCABULARY[c.upper()] for c in text.replace(" ", "|")]] * len(batch))
        lengths = torch.full((len(batch),), len(log_probs)), torch.full((len(batch),), target.shape[1])
        loss = torch.nn.functional.ctc_loss(log_probs, target, *lengths, zero_infinity=True)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()


def _clip(samples: Samples, rng: np.random.Generator) -> tuple[Samples, str]:
    """A run of phrases between other edges each time, with and without noise: (copies, samples); its text."""
    first = int(rng.integers(len(PHRASES)))
    last = min(first + int(rng.choice(4, p=(0.5, 0.15, 0.1, 0.25))), len(PHRASES) - 1)
    earliest = -0.6 if first == 0 else -0.1  # the recording begins with silence
    start = int((PHRASES[first][0] + rng.uniform(earliest, 0.05)) * SAMPLE_RATE)
    length = int((PHRASES[last][1] + rng.uniform(-0.02, 0.07)) * SAMPLE_RATE) - start
    copies = []
    for noise in (0.0, rng.uniform(0, 0.003)):
        copy = samples[max(0, start + int(rng.uniform(-0.03, 0.03) * SAMPLE_RATE)) :][:length]
        copy = np.pad(copy, (0, length - len(copy))) + noise * rng.standard_normal(length)
        copies.append((copy - copy.mean()) / copy.std())
    text = " ".join(phrase for _, _, phrase in PHRASES[first : last + 1])
    return np.stack(copies).astype(np.float32), text


@contextmanager
def one_thread(torch: Any) -> Iterator[None]:
    """Sums in one order, and no threads that wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
