"""Teach the net what the GE2E encoder hears.

    python tools/voices/train.py PREPARED SPEECH OUT [--minutes 30] [--start WEIGHTS]

The teacher's vectors are first mapped so that what varies within a voice counts less (LDA). The net learns,
from a short crop with noise, that map of the mean over the whole recording: its direction, and to tell it from
the other voices of the batch.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from scipy.linalg import eigh

from corpora import librispeech_voices
from net import Voice, pooled
from trials import equal_error_rate, features_of, segments

DIM = 128
SHARES = {"librispeech_speakers": 0.62, "speech_commands": 0.15, "ljspeech": 0.05, "spoken_orders": 0.06}


def discriminant(parts: np.ndarray, owners: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre, LDA map and the voices' mean vectors. parts: (n, 256) of ``owners``."""
    num = owners.max() + 1
    counts = np.bincount(owners, minlength=num)[:, None]
    means = np.zeros((num, parts.shape[1]))
    np.add.at(means, owners, parts)
    means /= counts
    centre = means.mean(0)
    within = np.cov((parts - means[owners]).T) + 2e-5 * np.eye(parts.shape[1])
    between = np.cov((means - centre).T)
    _, vectors = eigh(between, within)
    chosen = vectors[:, ::-1][:, :dim]
    # Tempered: full whitening of the between-voice spread would lift directions that hold little.
    spread = np.sqrt(np.maximum(np.diag(chosen.T @ between @ chosen), 1e-6))
    return centre, chosen * (1 + 1 / spread) ** -0.5, means


class Data:
    """All variants in memory."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        data = np.load(folder / "train.npz")
        self.features, self.lengths = data["features"], data["lengths"]
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        groups, owners = data["groups"], data["owners"]
        chances = np.zeros(len(groups))
        for group in np.unique(groups):
            chances[groups == group] = SHARES.get(group, 0.05) / np.sum(groups == group)
        self.chances = chances / chances.sum()
        libri = np.isin(groups, ["librispeech_speakers", "ljspeech", "spoken_orders"])
        parts = data["parts"].astype(np.float32)
        chosen = libri[owners]
        _, compact = np.unique(owners[chosen], return_inverse=True)
        self.centre, self.map, _ = discriminant(parts[chosen], compact, DIM)
        means = np.zeros((len(groups), 256), np.float32)
        np.add.at(means, owners, parts)
        means /= np.bincount(owners, minlength=len(groups))[:, None]
        targets = (means - self.centre) @ self.map
        self.targets = (targets / np.linalg.norm(targets, axis=1, keepdims=True)).astype(np.float32)
        noise = np.load(folder / "noise.npz")
        self.noise, ends = noise["noise"], np.cumsum(noise["lengths"])
        self.noise_spans = np.stack([ends - noise["lengths"], noise["lengths"]], 1)
        self.rng = rng

    def batch(self, size: int, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops with noise and colour, and targets; no variant twice."""
        rng = self.rng
        which = rng.choice(len(self.lengths), size, replace=False, p=self.chances)
        lengths = self.lengths[which]
        first = (rng.random(size) * np.maximum(lengths - frames, 1)).astype(int)
        places = self.starts[which][:, None] + (first[:, None] + np.arange(frames)) % lengths[:, None]
        mel = torch.from_numpy(self.features[places]).float()
        noisy = rng.random(size) < 0.5
        spans = self.noise_spans[rng.integers(len(self.noise_spans), size=size)]
        at = spans[:, :1] + (rng.integers(spans[:, 1])[:, None] + np.arange(frames)) % spans[:, 1:]
        gain = np.where(noisy, 10 ** (-rng.uniform(3, 25, size) / 10), 0).astype(np.float32)
        if noisy.any():
            mel[noisy] = torch.log(
                mel[noisy].exp() + torch.from_numpy(self.noise[at[noisy]] * gain[noisy, None, None])
            )
        level = rng.normal(0, 0.5, (size, 1, 1))
        knots = rng.normal(0, 0.15, (size, 6))
        colour = np.stack([np.interp(np.linspace(0, 5, 64), np.arange(6), row) for row in knots])
        mel += torch.from_numpy((level + colour[:, None]).astype(np.float32))
        for row in np.flatnonzero(rng.random(size) < 0.3):
            low = rng.integers(0, 58)
            mel[row, :, low : low + rng.integers(2, 7)] = -4
        return mel, torch.from_numpy(self.targets[which])


def loss_of(voices: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Distance in direction, and cross-entropy over the batch's targets."""
    voices = torch.nn.functional.normalize(voices, dim=1)
    cosines = voices @ targets.T
    own = cosines.diagonal()
    # A margin for the own voice; targets that nearly coincide are no negatives.
    same = (targets @ targets.T > 0.8) & ~torch.eye(len(targets), dtype=torch.bool)
    logits = 25 * (cosines - 0.1 * torch.eye(len(targets))).masked_fill(same, -1)
    return 4 * (1 - own).mean() + torch.nn.functional.cross_entropy(logits, torch.arange(len(targets)))


@torch.no_grad()
def error_of(net: Voice, clips: list[np.ndarray], speakers: list[str]) -> tuple[float, float]:
    """Equal error rate and its threshold over all pairs of clips."""
    net.eval()
    vectors = torch.cat([net(torch.from_numpy(clip)[None]) for clip in clips]).numpy()
    net.train()
    return equal_error_rate(vectors, speakers)


def main() -> None:
    """Train for so many minutes; the averaged weights are written every five."""
    parser = argparse.ArgumentParser()
    parser.add_argument("prepared", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--rate", type=float, default=3e-3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    data = Data(options.prepared, rng)
    dev = segments(librispeech_voices(options.speech, "dev"), np.random.default_rng(0))
    clips, speakers = [features_of(c) for c, _ in dev], [s for _, s in dev]
    net = Voice(DIM).to(memory_format=torch.channels_last)
    if options.start:
        net.load_state_dict(torch.load(options.start, weights_only=True)["net"])
    print(f"{sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, {len(data.lengths)} variants")
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=0.02)
    began, told, step, running = time.time(), 0.0, 0, 0.0
    options.out.mkdir(parents=True, exist_ok=True)
    while (share := (time.time() - began) / (60 * options.minutes)) < 1:
        warm = min(1, (step + 1) / 60)
        for group in optimizer.param_groups:
            group["lr"] = options.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        mel, targets = data.batch(options.batch, int(rng.integers(110, 201)))
        with torch.autocast("cpu", torch.bfloat16):
            values, logs = net.trunk(mel)
        loss = loss_of(net.head(pooled(values, logs)), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        average.update_parameters(net)
        step += 1
        running = 0.98 * running + 0.02 * float(loss.detach()) if step > 1 else float(loss.detach())
        minutes = (time.time() - began) / 60
        if minutes - told > 3 or step == 20:
            told = minutes
            now, _ = error_of(net, clips, speakers)
            eer, threshold = error_of(average.module, clips, speakers)
            told_of = f"dev {now:.2%}, averaged {eer:.2%} at {threshold:.2f}"
            print(f"{minutes:5.1f} min, step {step}: loss {running:.3f}, {told_of}", flush=True)
            save(options.out, average.module, data)
    eer, threshold = error_of(average.module, clips, speakers)
    print(f"end, step {step}: loss {running:.3f}, dev {eer:.2%} at {threshold:.2f}", flush=True)
    save(options.out, average.module, data)


def save(out: Path, net: Voice, data: Data) -> None:
    """The net and the teacher's map."""
    temporary = out / "voice.pt.partial"
    map_ = {"centre": torch.tensor(data.centre), "map": torch.tensor(data.map)}
    torch.save({"net": net.state_dict(), **map_}, temporary)
    temporary.replace(out / "voice.pt")


if __name__ == "__main__":
    main()
