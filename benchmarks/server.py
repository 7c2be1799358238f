"""The server under load: live streams beside idle sockets, an upload against the command line, memory.

    python benchmarks/server.py [live] [one] [upload] [beside] [memory] [--streams 16] [--idle 200]
                                [--seconds 60] [--upload-minutes 60] [--requests 500] [--sessions 200]

``earshot serve`` runs as a process of its own, with the default engine; the clients share its cores. Sound is
LibriSpeech of ../shared/speech, clip after clip with 0.3 s of faint noise before and 0.7 s behind each, else
the sample that the default engine's wheel carries. Live clients speak OpenAI's realtime protocol (24 kHz,
100 ms a message) at the pace of real time. A final's delay counts from the moment at which the end of its
utterance was sent, by the server's own ``audio_end_ms``, to the arrival of ``completed``; and, for every clip,
from the end of its speech by loudness to the arrival of the text that holds its end. Lost sound is what was
sent less what the server's ``/metrics`` say was heard.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import soundfile
from websockets.asyncio.client import ClientConnection, connect

from earshot.audio.decode import read_audio
from earshot.audio.resample import resample
from earshot.cli._sample import sample_path
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from live import SPEECH, speech_edges

RATE = 24_000
BLOCK = RATE // 10
BEFORE, AFTER = 0.3, 0.7


@dataclass
class Speech:
    """What one client says. samples: at 24 kHz; ends: of each clip's speech, seconds."""

    samples: Samples
    ends: list[float]


@dataclass
class Heard:
    """What came back to one client. delays: of finals; clip_delays: of clips; words: in all."""

    num_sent: int = 0
    finals: list[tuple[float, float]] = field(default_factory=list)  # end of utterance, arrival; of the stream
    num_words: int = 0

    def delays(self) -> list[float]:
        """Seconds from the end of each utterance to its text."""
        return [arrival - end for end, arrival in self.finals]

    def clip_delays(self, ends: Sequence[float]) -> list[float]:
        """Seconds from the end of each clip to the first text that reaches it."""
        delays = []
        for end in ends:
            reaching = [arrival for utterance, arrival in self.finals if utterance >= end - 0.5]
            if reaching:
                delays.append(max(0.0, min(reaching) - end))
        return delays


class Server:
    """``earshot serve`` on a free port."""

    def __init__(self, *arguments: str) -> None:
        self._home = tempfile.TemporaryDirectory()
        command = [sys.executable, "-m", "earshot", "serve", "--port", "0", *arguments]
        environment = {**os.environ, "EARSHOT_HOME": self._home.name}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if found is None:
            raise SystemExit(f"the server does not start: {line}")
        self.address = found[0]

    def metric(self, name: str) -> float:
        """One figure of /metrics."""
        text = httpx.get(f"{self.address}/metrics").text
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def resident_mb(self) -> float:
        """Resident memory, MB."""
        return self.metric("process_resident_memory_bytes") / 1e6

    def cpu_seconds(self) -> float:
        """Used so far."""
        return self.metric("process_cpu_seconds_total")

    def close(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._home.cleanup()


@contextmanager
def serving(*arguments: str) -> Iterator[Server]:
    """A server for the block."""
    server = Server(*arguments)
    try:
        yield server
    finally:
        server.close()


def load_clips() -> list[Samples]:
    """Real speech at 16 kHz, trimmed to what is spoken."""
    manifest = SPEECH / "librispeech" / "manifest.jsonl"
    if not manifest.exists():
        whole = read_audio(sample_path()).samples
        return [whole[start : start + 8 * SAMPLE_RATE] for start in range(0, 40 * SAMPLE_RATE, 8 * SAMPLE_RATE)]
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    clips = []
    for row in [row for row in rows if 2 < row["duration"] < 20][::2]:
        samples = read_audio(SPEECH / "librispeech" / row["audio"]).samples
        first, last = speech_edges(samples)
        clips.append(samples[int(first * SAMPLE_RATE) : int((last + 0.05) * SAMPLE_RATE)])
    return clips


def make_speech(clips: Sequence[Samples], seconds: float, seed: int) -> Speech:
    """Clips in an order of their own, until they last that long."""
    random = np.random.default_rng(seed)
    parts: list[Samples] = []
    ends: list[float] = []
    num_samples = 0
    while num_samples < seconds * SAMPLE_RATE:
        clip = clips[int(random.integers(len(clips)))]
        before, after = (
            random.normal(0, 2e-4, int(part * SAMPLE_RATE)).astype(np.float32) for part in (BEFORE, AFTER)
        )
        ends.append((num_samples + len(before) + len(clip)) / SAMPLE_RATE - 0.05)
        parts += [before, clip, after]
        num_samples += len(before) + len(clip) + len(after)
    joined = np.concatenate([*parts, np.zeros(SAMPLE_RATE, np.float32)])
    return Speech(resample(Audio(joined), RATE).samples, ends)


# --- live ---------------------------------------------------------------------------------------------------


async def say(socket: ClientConnection, speech: Speech, heard: Heard, start: float) -> None:
    """Send at the pace of real time; a block is sent when its last sample would have been spoken."""
    data = (np.clip(speech.samples, -1, 1) * 32_767).astype("<i2")
    for index in range(0, len(data), BLOCK):
        block = data[index : index + BLOCK]
        await asyncio.sleep(max(0.0, start + (index + len(block)) / RATE - time.perf_counter()))
        audio = base64.b64encode(block.tobytes()).decode()
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        heard.num_sent += len(block)


async def listen(socket: ClientConnection, heard: Heard, start: float) -> None:
    """Note when each text came."""
    end = 0.0
    async for message in socket:
        event = json.loads(message)
        if event["type"] == "input_audio_buffer.speech_stopped":
            end = event["audio_end_ms"] / 1000
        elif event["type"].endswith(".completed") and event["transcript"]:
            heard.finals.append((end, time.perf_counter() - start))
            heard.num_words += len(event["transcript"].split())


async def speak(address: str, speech: Speech, delay: float) -> Heard:
    """One client from its first to its last word."""
    heard = Heard()
    url = address.replace("http", "ws") + "/v1/realtime?intent=transcription"
    async with connect(url, compression=None) as socket:
        await socket.recv()
        await asyncio.sleep(delay)
        start = time.perf_counter()
        listening = asyncio.create_task(listen(socket, heard, start))
        await say(socket, speech, heard, start)
        await socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
        await asyncio.sleep(3)
        await socket.close()
        await asyncio.wait([listening])
    return heard


async def run_streams(address: str, speeches: Sequence[Speech], num_idle: int) -> tuple[list[Heard], int]:
    """All clients at once, shifted against one another; returns also how many idle sockets were dropped."""
    url = address.replace("http", "ws")
    async with AsyncExitStack() as stack:
        paths = ("/vosk", "/v1/realtime")
        idle = [
            await stack.enter_async_context(connect(url + paths[index % 2], compression=None))
            for index in range(num_idle)
        ]
        shifts = np.random.default_rng(1).uniform(0, 3, len(speeches))
        heard = await asyncio.gather(
            *(speak(address, speech, float(shift)) for speech, shift in zip(speeches, shifts, strict=True))
        )
        num_dropped = sum(socket.close_code is not None for socket in idle)
        for socket in idle:
            waiter = await socket.ping()
            try:
                await asyncio.wait_for(waiter, 10)
            except (TimeoutError, OSError):
                num_dropped += 1
    return list(heard), num_dropped


def percentile(values: Sequence[float], share: float) -> float:
    """In seconds; NaN for none."""
    return float(np.percentile(values, share)) if values else float("nan")


def measure_live(num_streams: int, num_idle: int, seconds: float) -> None:
    """A table of delays, losses and CPU."""
    clips = load_clips()
    speeches = [make_speech(clips, seconds, seed) for seed in range(num_streams)]
    with serving() as server:
        before = server.cpu_seconds()
        started = time.perf_counter()
        heard, num_dropped = asyncio.run(run_streams(server.address, speeches, num_idle))
        elapsed = time.perf_counter() - started
        cores = (server.cpu_seconds() - before) / elapsed
        sent = sum(one.num_sent * SAMPLE_RATE // RATE for one in heard)  # whole samples after resampling
        lost = sent - round(server.metric("earshot_live_audio_seconds_total") * SAMPLE_RATE)
        memory = server.resident_mb()
    delays = [delay for one in heard for delay in one.delays()]
    clip_delays = [
        delay for one, speech in zip(heard, speeches, strict=True) for delay in one.clip_delays(speech.ends)
    ]
    num_clips = sum(len(speech.ends) for speech in speeches)
    print(f"{num_streams} live streams of {seconds:g} s, {num_idle} idle sockets")
    for name, values in (("end of utterance → final", delays), ("end of clip → its text", clip_delays)):
        print(
            f"  {name:26}  n {len(values):4}  median {percentile(values, 50):.2f} s"
            f"  p95 {percentile(values, 95):.2f} s  max {percentile(values, 100):.2f} s"
        )
    print(f"  clips whose end was heard   {len(clip_delays)} of {num_clips}")
    print(f"  words                       {sum(one.num_words for one in heard)}")
    print(f"  lost sound                  {max(0, lost)} samples of {sent}")
    print(f"  idle sockets dropped        {num_dropped}")
    print(f"  server                      {cores:.2f} cores, {memory:.0f} MB", flush=True)


# --- upload -------------------------------------------------------------------------------------------------


def measure_upload(minutes: float) -> None:
    """The same recording by the command line and by an upload, in turns, best of each."""
    clips = load_clips()
    speech = make_speech(clips, 60 * minutes, 99)
    samples = resample(Audio(speech.samples, RATE), SAMPLE_RATE).samples
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        path = Path(folder) / "long.wav"
        soundfile.write(path, samples, SAMPLE_RATE)
        duration = len(samples) / SAMPLE_RATE
        by_command, by_upload = [], []
        for _ in range(2 if minutes < 30 else 1):
            by_upload.append(_timed_upload(server, path))
            by_command.append(_timed_command(path))
        memory = server.resident_mb()
    command, upload = min(by_command), min(by_upload)
    print(f"a recording of {duration / 60:.1f} minutes ({duration / 60 * 1.92:.0f} MB)")
    print(
        f"  earshot transcribe          {command:.1f} s  ({duration / command:.0f} × real time, start included)"
    )
    print(f"  upload, verbose_json        {upload:.1f} s  ({duration / upload:.0f} × real time)")
    print(f"  speed of the upload         {100 * command / upload:.0f} % of the command line's")
    print(f"  server                      {memory:.0f} MB", flush=True)


def measure_beside(num_streams: int, minutes: float, seconds: float) -> None:
    """Live streams while a recording is in work: what each costs the other."""
    clips = load_clips()
    recording = resample(Audio(make_speech(clips, 60 * minutes, 99).samples, RATE), SAMPLE_RATE)
    speeches = [make_speech(clips, seconds, seed) for seed in range(num_streams)]

    async def both(server: Server, path: Path) -> tuple[list[Heard], float]:
        upload = asyncio.create_task(asyncio.to_thread(_timed_upload, server, path))
        heard, _ = await run_streams(server.address, speeches, 0)
        return heard, await upload

    with tempfile.TemporaryDirectory() as folder, serving() as server:
        path = Path(folder) / "long.wav"
        soundfile.write(path, recording.samples, SAMPLE_RATE)
        heard, upload = asyncio.run(both(server, path))
    delays = [delay for one in heard for delay in one.delays()]
    print(
        f"{num_streams} live streams of {seconds:g} s beside an upload of {recording.duration / 60:.1f} minutes"
    )
    print(
        f"  end of utterance → final    median {percentile(delays, 50):.2f} s"
        f"  p95 {percentile(delays, 95):.2f} s"
    )
    print(
        f"  upload                      {upload:.1f} s  ({recording.duration / upload:.0f} × real time)",
        flush=True,
    )


def _timed_upload(server: Server, path: Path) -> float:
    started = time.perf_counter()
    with path.open("rb") as file:
        answer = httpx.post(
            f"{server.address}/v1/audio/transcriptions",
            data={
                "model": "whisper-1",
                "response_format": "verbose_json",
                "timestamp_granularities[]": ["word", "segment"],
            },
            files={"file": file},
            timeout=None,
        )
    answer.raise_for_status()
    return time.perf_counter() - started


def _timed_command(path: Path) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "earshot", "transcribe", str(path), "-f", "json", "-o", str(path.parent)]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


# --- memory -------------------------------------------------------------------------------------------------


def measure_memory(num_requests: int, num_sessions: int) -> None:
    """Resident memory after each tenth of the requests and sessions, and its slope over the second half."""
    clips = load_clips()
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        path = Path(folder) / "clip.flac"
        soundfile.write(path, clips[0][: 4 * SAMPLE_RATE], SAMPLE_RATE)
        speech = Speech(resample(Audio(clips[1][: 3 * SAMPLE_RATE]), RATE).samples, [])
        for name, count, act in (
            ("requests", num_requests, lambda: _timed_upload(server, path)),
            ("sessions", num_sessions, lambda: asyncio.run(_session(server.address, speech))),
        ):
            if not count:
                continue
            figures = []
            for index in range(1, count + 1):
                act()
                if index % max(1, count // 10) == 0:
                    figures.append((index, server.resident_mb()))
            half = figures[len(figures) // 2 :]
            counts, memories = (np.array(values, float) for values in zip(*half, strict=True))
            slope = float(np.polyfit(counts, memories, 1)[0]) if len(half) > 1 else float("nan")
            print(f"resident memory over {count} {name}")
            print("  " + "  ".join(f"{index}: {memory:.1f}" for index, memory in figures) + "  MB")
            print(f"  slope over the second half  {1000 * slope:+.1f} kB each", flush=True)


async def _session(address: str, speech: Speech) -> None:
    """A short turn as fast as it goes."""
    url = address.replace("http", "ws") + "/v1/realtime?intent=transcription"
    async with connect(url, compression=None) as socket:
        data = (np.clip(speech.samples, -1, 1) * 32_767).astype("<i2")
        for index in range(0, len(data), RATE):
            audio = base64.b64encode(data[index : index + RATE].tobytes()).decode()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        await socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
        while not json.loads(await socket.recv())["type"].endswith(".completed"):
            pass


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["live", "one", "upload", "beside", "memory"])
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--idle", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--upload-minutes", type=float, default=60.0)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--sessions", type=int, default=200)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}", flush=True)
    if "live" in options.parts:
        measure_live(options.streams, options.idle, options.seconds)
    if "one" in options.parts:
        measure_live(1, 0, options.seconds)
    if "upload" in options.parts:
        measure_upload(options.upload_minutes)
    if "beside" in options.parts:
        measure_beside(4, options.upload_minutes / 3, options.seconds)
    if "memory" in options.parts:
        measure_memory(options.requests, options.sessions)


if __name__ == "__main__":
    main()
