"""Train the segmentation net of the diarizer on simulated conversations, and write it as ONNX.

    OMP_NUM_THREADS=1 python tools/segmentation/train.py ../shared/speech --cache /tmp/voices --out /tmp/net

Needs torch and onnx, and the corpora librispeech_speakers, librispeech, ljspeech, vctk_p239, speech_commands,
noise and room_impulse_responses. Prints the error on simulated conversations of voices held out.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from clips import cached
from earshot.speakers.segmentation import front_end
from net import SUBSAMPLING, Segmentation, errors, permutation_loss
from simulate import MAX_SPEAKERS, Mixture, Simulator, read_rooms, read_sounds

VOICE_WEIGHT = 0.15


def tensors(
    mixtures: list[Mixture], numbers: dict[str, int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-mel (batch, frames, mels), activity (batch, frames / 4, 3), the one who speaks alone or −1."""
    features = front_end()
    mel = torch.from_numpy(np.stack([features(mixture.samples) for mixture in mixtures]))
    frames = math.ceil(mel.shape[1] / SUBSAMPLING)
    labels = np.zeros((len(mixtures), frames, MAX_SPEAKERS), np.bool_)
    voices = np.full((len(mixtures), frames), -1)
    for row, mixture in enumerate(mixtures):
        places = np.minimum(np.arange(frames) * SUBSAMPLING, len(mixture.active) - 1)
        labels[row] = mixture.active[places]
        alone = labels[row].sum(1) == 1
        who = labels[row].argmax(1)
        known = np.array([numbers.get(voice, -1) for voice in mixture.voices] + [-1] * MAX_SPEAKERS)
        voices[row, alone] = known[who[alone]]
    return mel, torch.from_numpy(labels), torch.from_numpy(voices)


def export(net: Segmentation, path: Path) -> None:
    """Write the net as ONNX with any batch and any number of frames."""
    net.eval()
    torch.onnx.export(
        net,
        (torch.randn(2, 400, 64),),
        str(path),
        input_names=["log_mel"],
        output_names=["log_probabilities"],
        dynamic_axes={"log_mel": {0: "batch", 1: "frames"}, "log_probabilities": {0: "batch", 1: "steps"}},
        opset_version=17,
        dynamo=False,
    )
    net.train()


def main() -> None:
    """Train until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=220, help="of sound in a batch")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    train, words, test = cached(options.speech, options.cache)
    noises, rooms = read_sounds(options.speech / "noise"), read_rooms(options.speech / "room_impulse_responses")
    numbers = {name: number for number, name in enumerate(sorted({clip.voice for clip in train}))}
    simulator = Simulator(train, words, noises, rooms, options.seed)
    judge = Simulator(test, [], noises, rooms, 12345)
    judged = [tensors([judge.draw(10.0) for _ in range(24)], {}) for _ in range(2)]
    net = Segmentation(len(numbers))
    if options.start:
        net.load_state_dict(torch.load(options.start, weights_only=True))
    print(
        f"{sum(p.numel() for p in net.parameters()) / 1e3:.0f} thousand parameters, {len(numbers)} voices",
        flush=True,
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=1e-2)
    options.out.mkdir(parents=True, exist_ok=True)
    began, step, running, parts = time.monotonic(), 0, [], [0.0, 0.0]
    while (progress := (time.monotonic() - began) / (60 * options.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = (
                options.rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * progress) + 0.01)
            )
        clock = time.monotonic()
        duration = float(simulator.random.choice([6.0, 10.0, 16.0], p=[0.3, 0.45, 0.25]))
        mixtures = [simulator.draw(duration) for _ in range(round(options.seconds / duration))]
        mel, active, voices = tensors(mixtures, numbers)
        parts[0] += time.monotonic() - clock
        clock = time.monotonic()
        with torch.autocast("cpu", torch.bfloat16):
            hidden = net.hidden(mel)
            scores = net.classify(hidden)
            known = voices >= 0
            assert net.voice is not None
            guesses = net.voice(hidden[known])
        loss = permutation_loss(scores.float(), active)
        whole = loss + VOICE_WEIGHT * cross_entropy(guesses.float(), voices[known])
        optimiser.zero_grad()
        whole.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        parts[1] += time.monotonic() - clock
        step += 1
        running.append((float(loss.detach()), float((guesses.argmax(-1) == voices[known]).float().mean())))
        if step % 100 == 0:
            loss_now, right = np.mean(running[-100:], axis=0)
            text = f"{step} {60 * options.minutes * progress:.0f} s loss {loss_now:.3f} voice {right:.3f}"
            if step % 200 == 0:
                net.eval()
                with torch.no_grad():
                    counts = [errors(net(mel), active) for mel, active, _ in judged]
                net.train()
                total, missed, false, confused = np.sum(counts, axis=0)
                text += f" | held out: {(missed + false + confused) / total:.3f} = missed {missed / total:.3f}"
                text += f" + false {false / total:.3f} + confused {confused / total:.3f}"
                torch.save(net.state_dict(), options.out / "net.pt")
            print(f"{text} | data {parts[0]:.0f} s, net {parts[1]:.0f} s", flush=True)
    torch.save(net.state_dict(), options.out / "net.pt")
    export(net, options.out / "segmentation.onnx")


if __name__ == "__main__":
    main()
