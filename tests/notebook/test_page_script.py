"""The parts of recorder.js that need no browser, in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

import earshot.notebook

SCRIPT = Path(earshot.notebook.__file__).with_name("recorder.js")


def node(code: str, tmp_path: Path, given: object = None) -> Any:
    """What ``code`` leaves in ``answer``; ``given`` is what it finds under that name."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("no Node: apt install nodejs")
    shutil.copy(SCRIPT, tmp_path / "recorder.mjs")
    (tmp_path / "given.json").write_text(json.dumps(given))
    (tmp_path / "main.mjs").write_text(
        "import { readFileSync } from 'node:fs';\n"
        "import { Controller, defineResampler, Sender } from './recorder.mjs';\n"
        "const given = JSON.parse(readFileSync('given.json'));\n"
        f"let answer;\n{code}\nconsole.log(JSON.stringify(answer));"
    )
    done = subprocess.run([program, "main.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


RESAMPLE = """
const Resampler = defineResampler();
const resampler = new Resampler(given.rate, 16000);
const input = Float32Array.from(given.samples);
answer = [];
for (let at = 0; at < input.length; at += given.block) {
  answer.push(...resampler.accept(input.subarray(at, at + given.block)));
}
answer.push(...resampler.finish());
"""


def resampled(samples: np.ndarray, rate: int, tmp_path: Path, block: int = 128) -> np.ndarray:
    given = {"rate": rate, "samples": samples.tolist(), "block": block}
    return np.array(node(RESAMPLE, tmp_path, given))


@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000, 22_050, 16_000, 8_000])
def test_speech_comes_out_at_its_place_and_level(rate: int, tmp_path: Path) -> None:
    time = np.arange(rate // 2) / rate
    tones = (200, 1_000, 3_300)
    samples = sum(np.sin(2 * np.pi * tone * time) for tone in tones) / 4
    out = resampled(samples.astype(np.float32), rate, tmp_path)
    assert len(out) == 8_000
    wanted = sum(np.sin(2 * np.pi * tone * np.arange(8_000) / 16_000) for tone in tones) / 4
    assert np.abs(out - wanted)[200:-200].max() < 1e-3


def test_what_lies_above_half_of_the_rate_is_gone(tmp_path: Path) -> None:
    time = np.arange(24_000) / 48_000
    for tone in (8_200, 12_000, 20_000):
        out = resampled(np.sin(2 * np.pi * tone * time).astype(np.float32), 48_000, tmp_path)
        assert np.abs(out[300:-300]).max() < 1e-3


def test_the_pass_band_reaches_as_far_as_speech_needs(tmp_path: Path) -> None:
    time = np.arange(24_000) / 48_000
    out = resampled(np.sin(2 * np.pi * 6_800 * time).astype(np.float32), 48_000, tmp_path)
    assert np.sqrt(2 * np.mean(out[300:-300] ** 2)) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_blocks_of_any_size_give_the_same_sound(rate: int, tmp_path: Path) -> None:
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, 5_000).astype(np.float32)
    whole = resampled(samples, rate, tmp_path, block=5_000)
    assert np.array_equal(resampled(samples, rate, tmp_path, block=128), whole)
    assert np.array_equal(resampled(samples, rate, tmp_path, block=1), whole)


def test_noise_is_resampled_as_soxr_does(tmp_path: Path) -> None:
    # Below 6.5 kHz, where both pass all.
    noise = np.random.default_rng(2).normal(0, 0.1, 48_000)
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(48_000, 1 / 48_000) > 6_500] = 0
    samples = np.fft.irfft(spectrum).astype(np.float32)
    ours, theirs = resampled(samples, 48_000, tmp_path), soxr.resample(samples, 48_000, 16_000, "HQ")
    assert np.abs(ours - theirs)[300:-300].max() < 2e-3


CONNECTION = """
// A kernel behind a connection that loses, repeats and delays; the numbers in given.fates decide.
const kernel = { expected: 0, heard: [], last: false };
const wire = [];
let clock = 0;
globalThis.performance = { now: () => clock };
const sender = new Sender("r", (header, [buffer]) => wire.push([header, new Int16Array(buffer.slice(0))]));
const take = ([header, samples]) => {
  const isBehind = header.sequence > kernel.expected;
  if (header.sequence === kernel.expected) {
    kernel.expected++;
    kernel.heard.push(...samples);
    kernel.last = header.is_last;
  }
  return [kernel.expected, isBehind];
};
let value = 0, peak = 0;
const step = (fate) => {
  clock += 500;
  const message = wire.shift();
  if (message && fate !== "lost") {
    const times = fate === "repeated" ? 2 : 1;
    for (let i = 0; i < times; i++) sender.acknowledge(...take(message));
  }
  peak = Math.max(peak, wire.length);
  sender.check();
};
for (const fate of given.fates) {
  sender.add(Int16Array.from({ length: 800 }, () => value++ % 30000));
  step(fate);
}
sender.finish();
for (let i = 0; i < 5000 && !sender.isComplete; i++) step("ok");
answer = {
  isWhole: kernel.heard.length === value && kernel.heard.every((sample, i) => sample === i % 30000),
  isComplete: sender.isComplete, last: kernel.last, peak,
};
"""


@pytest.mark.parametrize("seed", range(5))
def test_every_sample_arrives_once_whatever_the_connection_does(seed: int, tmp_path: Path) -> None:
    chosen = np.random.default_rng(seed).choice(["ok", "ok", "ok", "lost", "repeated", "nothing"], 300)
    answer = node(CONNECTION, tmp_path, {"fates": chosen.tolist()})
    assert answer["isWhole"]
    assert answer["isComplete"]
    assert answer["last"]


def test_a_kernel_that_does_not_answer_is_not_flooded(tmp_path: Path) -> None:
    code = """
    globalThis.performance = { now: () => 0 };
    let sent = 0;
    const sender = new Sender("r", () => sent++);
    for (let i = 0; i < 4000; i++) sender.add(new Int16Array(800));
    const before = sent;
    sender.acknowledge(50, false);
    answer = { before, after: sent, kept: sender.kept.length, keptMs: sender.keptMs };
    """
    assert node(code, tmp_path) == {"before": 50, "after": 100, "kept": 950, "keptMs": 190_000}


REOPENING = """
const never = () => {};
const timers = [];
globalThis.setTimeout = (call, ms) => timers.push({ call, ms });
globalThis.clearTimeout = globalThis.setInterval = globalThis.clearInterval = never;
globalThis.addEventListener = globalThis.removeEventListener = never;
globalThis.isSecureContext = true;
globalThis.AudioContext = class {
  audioWorklet = { addModule: async () => {} };
  state = "running";
  createMediaStreamSource = () => ({ connect: never });
  resume = async () => {};
  close = async () => {};
};
globalThis.AudioWorkletNode = class {
  port = { postMessage: never };
  connect = never;
  disconnect = never;
};
const asked = []; // of the browser: microphones, each given or refused by the test
const getUserMedia = () => new Promise((give, refuse) => asked.push({ give, refuse }));
const navigator = { mediaDevices: { getUserMedia, enumerateDevices: async () => [] } };
Object.defineProperty(globalThis, "navigator", { value: navigator });
const settle = () => new Promise((resolve) => setImmediate(resolve));
const stream = () => {
  const track = { label: "m", isOn: true, addEventListener: never, stop: () => (track.isOn = false) };
  return { track, getTracks: () => [track], getAudioTracks: () => [track] };
};
const begin = async () => {
  const recording = controller.record();
  const given = stream();
  asked.at(-1).give(given);
  await recording;
  return given;
};
const controller = new Controller({ get: () => ({}), on: never, off: never, send: never });
controller.set({ status: "idle" });
await begin();
timers.findLast(({ ms }) => ms === 4000).call(); // nothing was heard
await settle();
"""


@pytest.mark.parametrize("fate", ["give(late)", "refuse(new DOMException('', 'AbortError'))"])
def test_a_microphone_that_opens_again_after_stop_disturbs_nothing(fate: str, tmp_path: Path) -> None:
    code = f"""{REOPENING}
    const reopening = asked.at(-1);
    const late = stream();
    controller.stop();
    await settle();
    controller.dropRecording();
    controller.set({{ status: "idle" }});
    const next = await begin();
    const newer = controller.microphone;
    reopening.{fate};
    await settle();
    answer = {{
      asked: asked.length, notice: controller.notice, isOn: next.track.isOn, isLate: late.track.isOn,
      isNewer: newer !== null && controller.microphone === newer,
    }};
    """
    answer = node(code, tmp_path)
    assert answer.pop("isLate") == ("refuse" in fate)  # one that was never given was never stopped
    assert answer == {"asked": 3, "notice": None, "isOn": True, "isNewer": True}


def test_a_microphone_that_does_not_open_again_ends_the_recording_and_is_told(tmp_path: Path) -> None:
    code = f"""{REOPENING}
    asked.at(-1).refuse(new DOMException("", "NotReadableError"));
    await settle();
    answer = {{ ...controller.notice, isOver: controller.microphone === null }};
    """
    answer = node(code, tmp_path)
    assert answer["kind"] == "error"
    assert "does not start" in answer["text"]
    assert answer["isOver"]


def test_the_page_fetches_nothing() -> None:
    text = SCRIPT.read_text()
    for word in ("fetch(", "XMLHttpRequest", "import(", "https://", "http://", "WebSocket", "eval("):
        assert word not in text
    assert "innerHTML" not in text  # what was said is text, never markup
    css = SCRIPT.with_suffix(".css").read_text()
    assert "url(" not in css
    assert "@import" not in css
