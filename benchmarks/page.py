"""How soon the server's page can be used, and whether it stays smooth with a transcript of three hours.

    python benchmarks/page.py [--words 30000] [--sessions 300] [--runs 5]

A real server with a library made for this, and headless Chromium, which draws without a graphics card. Times
count from the moment at which the browser sets out for the page. A frame is the time between two that the
browser gives to the page; at 60 a second it takes 16.7 ms.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.server.page.browser import browser

from earshot.core.types import Segment, Transcript, Word
from earshot.engines.scripted import ScriptedRecognizer
from earshot.server.library import Library
from earshot.server.library_types import LibrarySession
from earshot.server.runner import Server
from earshot.server.settings import ServerOptions

VOCABULARY = """
the of and to in that was his he it with is for as had you not be her on at by which have or from this him but
she they were my are me one their an said them we who would been will no when if more out up into do any
your what has man could other than our some very time upon about may its only now little like these then made
"""

SCROLL = """
const done = arguments[0], box = document.querySelector('.text'), frames = [];
let last = performance.now(), count = 0;
function step(now) {
  frames.push(now - last);
  last = now;
  box.scrollTop += STEP;
  if (++count < COUNT && box.scrollTop + box.clientHeight < box.scrollHeight - 2) requestAnimationFrame(step);
  else done(frames.slice(2));
}
requestAnimationFrame(step);
"""

FOLLOW = """
const done = arguments[0], frames = [], view = earshot.view;
let last = performance.now(), seconds = 5400;
function step(now) {
  frames.push(now - last);
  last = now;
  view.follow(seconds += 0.3);
  if (frames.length < 300) requestAnimationFrame(step);
  else done(frames.slice(2));
}
requestAnimationFrame(step);
"""


def long_transcript(num_words: int) -> Transcript:
    """Sentences of 5 to 25 words, as fast as people talk: 10,000 words an hour."""
    chance = random.Random(7)
    words = VOCABULARY.split()
    segments: list[Segment] = []
    seconds, left = 0.0, num_words
    while left > 0:
        listed = []
        for _ in range(min(left, chance.randint(5, 25))):
            listed.append(
                Word(
                    chance.choice(words), seconds, seconds + 0.3, min(1.0, chance.betavariate(9, 1)), "aligned"
                )
            )
            seconds += 0.33
        text = " ".join(word.text for word in listed)
        speaker = f"S{len(segments) // 9 % 3}"
        segments.append(Segment(text, listed[0].start or 0.0, seconds, tuple(listed), speaker, "en"))
        seconds += chance.choice((0.2, 0.4, 0.6, 3.0))
        left -= len(listed)
    return Transcript(tuple(segments), "en", seconds, "moonshine/tiny-en")


def make_library(folder: Path, num_words: int, num_sessions: int) -> None:
    """One long session with sound, and many short ones."""
    library = Library(folder)
    moment = datetime.now(UTC)
    for number in range(num_sessions):
        created = (moment - timedelta(hours=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        library.add(LibrarySession(f"s{number}", f"Session {number}", created, "upload", "ready"))
        library.put_transcript(f"s{number}", long_transcript(60))
    transcript = long_transcript(num_words)
    path = folder / "recordings" / "long" / "recording.flac"
    path.parent.mkdir(parents=True)
    noise = np.random.default_rng(1).normal(0, 0.02, 16_000 * 60).astype(np.float32)
    with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16", format="FLAC") as file:
        for _ in range(int((transcript.duration or 0) // 60) + 1):
            file.write(noise)
    library.add(
        LibrarySession(
            "long",
            "Three hours",
            moment.isoformat(),
            "upload",
            "ready",
            audio_path="recordings/long/recording.flac",
        )
    )
    library.put_transcript("long", transcript)
    library.close()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server on a free port."""
    options = ServerOptions(port=0, engine="scripted", data_folder=folder)
    server = Server(options, recognizers={"scripted": ScriptedRecognizer()})
    ready = threading.Event()
    thread = threading.Thread(target=server.run, args=(ready.set,), daemon=True)
    thread.start()
    ready.wait(60)
    try:
        yield server.address
    finally:
        server.stop()
        thread.join(30)


def marks(driver: Any, address: str, *names: str) -> list[float]:
    """Milliseconds from the start of the navigation to each mark of the page."""
    driver.get("about:blank")
    driver.get(address)
    driver.set_script_timeout(60)
    found: list[float] = driver.execute_async_script(
        "const [names, done] = arguments;"
        "const look = () => {"
        " const times = names.map((name) => performance.getEntriesByName(name)[0]?.startTime);"
        " if (times.every((time) => time !== undefined)) done(times); else setTimeout(look, 20); }; look()",
        list(names),
    )
    paint = driver.execute_script(
        "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
    )
    return [paint or float("nan"), *found]


def report_times(title: str, names: tuple[str, ...], rows: list[list[float]]) -> None:
    """A line a measure: median and worst of the runs."""
    print(f"\n{title}, ms (median / worst of {len(rows)})")
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        print(f"  {name:<44}{statistics.median(column):8.0f} /{max(column):6.0f}")


def report_frames(title: str, frames: list[float]) -> None:
    """How long frames took."""
    p50, p95, p99 = np.percentile(frames, [50, 95, 99])
    late = 100 * np.mean(np.array(frames) > 34)
    print(
        f"  {title:<44}{len(frames):5} frames: median {p50:5.1f}, p95 {p95:5.1f}, p99 {p99:5.1f}, "
        f"worst {max(frames):5.1f} ms; {late:.1f} % over 34 ms"
    )


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--words", type=int, default=30_000)
    parser.add_argument("--sessions", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_library(folder, options.words, options.sessions)
        with serving(folder) as address, browser(folder, size=(1280, 900)) as driver:
            start = [marks(driver, f"{address}/#/", "earshot-ready") for _ in range(options.runs)]
            report_times(
                f"Start page, {options.sessions + 1} sessions (the first run without anything cached)",
                ("first paint", "library shown, all controls work"),
                start,
            )
            long = [
                marks(driver, f"{address}/#/s/long", "earshot-text", "earshot-text-whole")
                for _ in range(options.runs)
            ]
            report_times(
                f"Transcript of {options.words} words",
                ("first paint", "first paragraphs can be read and played", "all of it is there"),
                long,
            )
            nodes = driver.execute_script("return document.querySelectorAll('*').length")
            rows = driver.execute_script("return earshot.view.rows.rows.length")
            print(f"  {rows} paragraphs, {nodes} elements in the page")
            print("\nFrames of that transcript")
            for title, step, count in (
                ("scrolling 40 px a frame, as with a wheel", 40, 300),
                ("scrolling 900 px a frame, a screen each", 900, 300),
                ("scrolling 4000 px a frame, the bar dragged", 4000, 60),
            ):
                driver.execute_script("document.querySelector('.text').scrollTop = 0")
                frames = driver.execute_async_script(
                    SCROLL.replace("STEP", str(step)).replace("COUNT", str(count))
                )
                report_frames(title, frames)
            report_frames("playing: a word further each frame", driver.execute_async_script(FOLLOW))


if __name__ == "__main__":
    main()
