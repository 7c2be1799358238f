"""Conversations made of clips: who speaks when is known to 10 ms, overlap included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from clips import SAMPLE_RATE, Clip
from earshot.audio.decode import read_audio
from earshot.core.types import Samples

HOP = 160
MAX_SPEAKERS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """samples: float32 (n,); active: bool (n // HOP, MAX_SPEAKERS), speakers in order of first appearance.

    voices: the names of their voices.
    """

    samples: Samples
    active: npt.NDArray[np.bool_]
    voices: tuple[str, ...]


class Simulator:
    """Draws mixtures. random: its own generator, so that runs can be repeated."""

    def __init__(
        self,
        clips: Sequence[Clip],
        words: Sequence[Clip],
        noises: Sequence[Samples],
        rooms: Sequence[Samples],
        seed: int,
    ) -> None:
        self.random = np.random.default_rng(seed)
        self._voices: dict[str, list[Clip]] = {}
        for clip in clips:
            self._voices.setdefault(clip.voice, []).append(clip)
        self._names = sorted(self._voices)
        self._words = list(words)
        self._noises = list(noises)
        self._rooms = list(rooms)

    def draw(self, duration: float) -> Mixture:
        """A mixture of that many seconds."""
        random = self.random
        num_samples = int(duration * SAMPLE_RATE) // HOP * HOP
        style = random.choice(["mix", "talk", "interjections"], p=[0.4, 0.4, 0.2])
        num_speakers = 2 if style == "mix" else int(random.choice([1, 2, 3], p=[0.2, 0.45, 0.35]))
        if style == "mix" and random.random() < 0.12:
            num_speakers = int(random.choice([1, 3]))
        chosen = self._pick_voices(num_speakers)
        tracks = np.zeros((num_speakers, num_samples), np.float32)
        active = np.zeros((num_speakers, num_samples // HOP), np.bool_)
        getattr(self, f"_lay_{style}")(chosen, tracks, active)
        is_in_room = bool(random.random() < 0.45)
        for track, is_active in zip(tracks, active, strict=True):
            self._colour(track, is_active, is_in_room)
        return self._finish(tracks, active, tuple(clips[0].voice for clips in chosen))

    def meeting(self, duration: float, num_speakers: int) -> Mixture:
        """A conversation of any number of speakers, to try a whole diarizer on."""
        num_samples = int(duration * SAMPLE_RATE) // HOP * HOP
        chosen = self._pick_voices(num_speakers)
        tracks = np.zeros((num_speakers, num_samples), np.float32)
        active = np.zeros((num_speakers, num_samples // HOP), np.bool_)
        self._lay_talk(chosen, tracks, active, turn=5.0)
        for track, is_active in zip(tracks, active, strict=True):
            self._colour(track, is_active, False)
        return self._finish(tracks, active, tuple(clips[0].voice for clips in chosen))

    def _pick_voices(self, count: int) -> list[list[Clip]]:
        """Clips of different people (a speaker at two speeds would be one too alike)."""
        picked: list[list[Clip]] = []
        people: set[str] = set()
        while len(picked) < count:
            if picked and self._words and self.random.random() < 0.08:
                picked.append([self._words[self.random.integers(len(self._words))]])
                continue
            name = self._names[self.random.integers(len(self._names))]
            if (person := name.split("@")[0]) not in people:
                people.add(person)
                picked.append(self._voices[name])
        return picked

    def _piece(self, clips: list[Clip], frames: int) -> tuple[Samples, npt.NDArray[np.bool_]]:
        """Up to so many frames of one of the clips, from a random place, beginning and ending in speech."""
        clip = clips[self.random.integers(len(clips))]
        spoken = np.flatnonzero(clip.active)
        latest = max(0, len(spoken) - min(frames, 60))
        first = int(spoken[self.random.integers(latest + 1)] if self.random.random() < 0.75 else spoken[0])
        last = int(min(first + frames, spoken[-1] + 1))
        last = int(spoken[spoken < last][-1] + 1)
        samples = clip.samples[first * HOP : last * HOP].astype(np.float32) / 32768
        fade = min(80, len(samples))
        samples[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        return samples, clip.active[first:last]

    def _put(
        self, track: Samples, active: npt.NDArray[np.bool_], clips: list[Clip], start: int, frames: int
    ) -> int:
        """Lay a piece at a frame; returns the frame after it. What reaches over an end is cut."""
        samples, spoken = self._piece(clips, frames)
        skip = max(0, -start)
        samples, spoken, start = samples[skip * HOP :], spoken[skip:], max(0, start)
        room = max(0, len(active) - start)
        samples, spoken = samples[: room * HOP], spoken[:room]
        track[start * HOP : start * HOP + len(samples)] = samples
        active[start : start + len(spoken)] = spoken
        return start + len(spoken)

    def _lay_mix(self, chosen: list[list[Clip]], tracks: Samples, active: npt.NDArray[np.bool_]) -> None:
        """One stretch a speaker, anywhere, pauses within it counted as speech."""
        total = active.shape[1]
        for row, clips in enumerate(chosen):
            frames = int(self.random.uniform(0.15, 1.0) * total)
            start = int(self.random.uniform(-0.2, 1.0) * (total - 0.6 * frames))
            first, end = max(0, start), min(total, start + frames)
            now = start
            while now < end - 20:
                now = self._put(tracks[row], active[row], clips, now, end - now)
                now += int(self.random.uniform(10, 40))
            spoken = np.flatnonzero(active[row])
            if len(spoken):
                active[row, max(first, spoken[0]) : spoken[-1]] = True

    def _lay_talk(
        self, chosen: list[list[Clip]], tracks: Samples, active: npt.NDArray[np.bool_], turn: float = 2.0
    ) -> None:
        """Turns one after the other, with gaps and overlaps. turn: seconds of the median one."""
        random, total = self.random, active.shape[1]
        now = int(random.uniform(-200, 150))
        ends = np.full(len(chosen), -1000)
        previous = -1
        while now < total:
            others = [row for row in range(len(chosen)) if row != previous or len(chosen) == 1]
            row = int(random.choice(others))
            frames = int(np.clip(100 * random.lognormal(np.log(turn), 0.8), 35, 900))
            start = max(now, int(ends[row]) + 5)
            ends[row] = now = self._put(tracks[row], active[row], chosen[row], start, frames)
            now += int(np.clip(random.normal(0, 60), -min(250, 0.8 * frames), 200))
            previous = row

    def _lay_interjections(
        self, chosen: list[list[Clip]], tracks: Samples, active: npt.NDArray[np.bool_]
    ) -> None:
        """One speaker holds the floor; the others throw in a word or two."""
        random, total = self.random, active.shape[1]
        now = int(random.uniform(-200, 200))
        while now < total:
            now = self._put(tracks[0], active[0], chosen[0], now, int(random.uniform(200, total)))
            now += int(random.exponential(60)) + 3
        for row in range(1, len(chosen)):
            now = int(random.exponential(300))
            while now < total:
                frames = int(np.clip(100 * random.lognormal(-0.2, 0.6), 25, 400))
                now = self._put(tracks[row], active[row], chosen[row], now, frames)
                now += int(random.exponential(350)) + 20

    def _colour(self, track: Samples, active: npt.NDArray[np.bool_], is_in_room: bool) -> None:
        """The speaker's own level, tone and place in a room; in place."""
        random = self.random
        spoken = np.repeat(active, HOP)
        if not spoken.any():
            return
        loudness = np.sqrt(np.mean(track[spoken] ** 2) + 1e-9)
        track *= np.float32(0.05 * 10 ** (random.normal(0, 5 if is_in_room else 3.5) / 20) / loudness)
        if random.random() < 0.4:
            tilt = random.uniform(-0.5, 0.5)
            track[:] = lfilter([1, tilt], [1, random.uniform(-0.3, 0.3)], track)
        if is_in_room:
            track[:] = fftconvolve(track, self._room())[: len(track)]

    def _room(self) -> Samples:
        """A measured response, or noise that dies away; the direct sound at its start, unit energy."""
        random = self.random
        if self._rooms and random.random() < 0.3:
            return self._rooms[random.integers(len(self._rooms))]
        length = int(random.uniform(0.1, 0.6) * SAMPLE_RATE)
        decay = np.exp(-6.9 * np.arange(length) / (random.uniform(0.15, 0.8) * SAMPLE_RATE))
        tail = random.normal(0, 1, length) * decay
        tail *= random.uniform(0.3, 2.0) / np.sqrt(np.sum(tail**2))
        tail[: int(0.002 * SAMPLE_RATE)] = 0
        tail[0] = 1
        return (tail / np.sqrt(np.sum(tail**2))).astype(np.float32)

    def _finish(self, tracks: Samples, active: npt.NDArray[np.bool_], voices: tuple[str, ...]) -> Mixture:
        random = self.random
        mixed = tracks.sum(axis=0)
        if random.random() < 0.2:  # a telephone, a cheap microphone
            edges = [random.uniform(60, 350), random.uniform(3000, 7500)]
            mixed = sosfilt(butter(2, edges, "band", fs=SAMPLE_RATE, output="sos"), mixed).astype(np.float32)
        power = float(np.mean(mixed**2)) + 1e-7
        noise = random.normal(0, 1, len(mixed)).astype(np.float32)
        if random.random() < 0.6 and self._noises:
            sound = self._noises[random.integers(len(self._noises))]
            start = random.integers(max(1, len(sound)))
            noise = np.resize(np.roll(sound, -start), len(mixed)) + 0.01 * noise
        snr = random.uniform(5, 35) if random.random() < 0.6 else random.uniform(30, 60)
        mixed += noise * np.float32(np.sqrt(power / (np.mean(noise**2) + 1e-9)) * 10 ** (-snr / 20))
        mixed *= np.float32(10 ** (random.uniform(-20, 6) / 20))
        heard = [row for row in range(len(active)) if active[row].any()]
        heard.sort(key=lambda row: int(np.argmax(active[row])))
        labels = np.zeros((active.shape[1], max(MAX_SPEAKERS, len(heard))), np.bool_)
        for column, row in enumerate(heard):
            labels[:, column] = active[row]
        return Mixture(np.clip(mixed, -1, 1), labels, tuple(voices[row] for row in heard))


def read_sounds(folder: Path, longest: float = 12.0) -> list[Samples]:
    """All recordings of a folder, 16 kHz."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".opus", ".flac", ".wav"))
    return [read_audio(path).samples[: int(longest * SAMPLE_RATE)] for path in files]


def read_rooms(folder: Path) -> list[Samples]:
    """Room responses that begin with the direct sound, unit energy, half a second at most."""
    rooms = []
    for sound in read_sounds(folder):
        first = int(np.argmax(np.abs(sound)))
        response = sound[first : first + SAMPLE_RATE // 2]
        rooms.append((response / np.sqrt(np.sum(response**2))).astype(np.float32))
    return rooms
