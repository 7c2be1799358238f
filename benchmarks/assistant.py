"""Commands understood by a grammar: real orders at a coffee bar, clean and in kitchen noise.

    python benchmarks/assistant.py orders [--half asked] [--snr clean,24,21,18,15,12,9,6] [--every 1]
    python benchmarks/assistant.py outside          speech that is no order; single words against other words
    python benchmarks/assistant.py cost             loading 1,000 templates; held against free decoding
    python benchmarks/assistant.py latency [--count 40]   end of speech → action started, in real time
    python benchmarks/assistant.py waiting          what it costs while nobody speaks to it
    python benchmarks/assistant.py attacks          hostile words, carried out in a temporary home

Needs the corpora of ``$EARSHOT_SPEECH`` or ``../shared/speech``: spoken_orders (201 orders by strangers,
one intent, up to six slots), librispeech, speech_commands and noise. The grammar,
``coffee_orders/orders.yaml``, was written from the labels of the written half alone; everything that was
tuned was tuned on it. The corpus names no speakers, so the halves are by recording. A command is right when
it is accepted and its intent and every slot are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import assistant_latency
from earshot.assistant import CommandRecognizer, Grammar, Recognition
from earshot.audio.decode import read_audio
from earshot.core.types import Audio, Samples
from earshot.decoding.constraint import TokenConstraint
from earshot.engines import EngineOptions, load_engine
from earshot.engines.moonshine import MoonshineRecognizer
from earshot.engines.moonshine_search import new_beam, search

SPEECH = Path(os.environ.get("EARSHOT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))
GRAMMAR = Path(__file__).parent / "coffee_orders"
ORDERS = SPEECH / "spoken_orders"
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")


def rows_of(corpus: str) -> list[dict[str, Any]]:
    """The lines of a corpus's manifest."""
    lines = (SPEECH / corpus / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def orders(half: str) -> list[dict[str, Any]]:
    """The orders of one half: "written" or "asked"."""
    rows = [row for row in rows_of("spoken_orders") if "intent" in row]
    return [row for row in rows if (_number(row["audio"]) % 2 == 0) == (half == "written")]


def _number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def mixed(row: dict[str, Any], snr: float | None, noise: Samples) -> Audio:
    """A recording with kitchen noise. snr: ratio of mean powers in dB; None for the recording as it is."""
    clean = read_audio(ORDERS / row["audio"]).samples
    if snr is None:
        return Audio(clean)
    start = _number(f"{row['audio']} {snr}") % (len(noise) - len(clean))
    piece = noise[start : start + len(clean)]
    gain = np.sqrt(np.mean(clean**2) / np.mean(piece**2) / 10 ** (snr / 10))
    both = clean + gain * piece
    return Audio((both / max(1.0, float(np.abs(both).max()))).astype(np.float32))


def is_right(row: dict[str, Any], heard: Recognition) -> bool:
    """Intent and every slot; the labels of the corpus have stray spaces."""
    said = {name: str(value).strip() for name, value in heard.slots.items()}
    return heard.intent == row["intent"] and said == {name: text.strip() for name, text in row["slots"].items()}


def ask_orders(half: str, ratios: list[float | None], every: int, *, is_shown: bool) -> None:
    """Whole commands right, at each ratio of speech to noise."""
    recognizer = CommandRecognizer(
        Grammar.load(GRAMMAR), load_engine("moonshine", EngineOptions(num_threads=1))
    )
    noise = read_audio(ORDERS / "kitchen_noise.opus").samples
    rows = orders(half)[::every]
    shares = []
    for snr in ratios:
        num_right = num_understood = 0
        begun, duration = time.process_time(), 0.0
        for row in rows:
            audio = mixed(row, snr, noise)
            heard = recognizer.recognize(audio)
            duration += audio.duration
            num_understood += is_right(row, heard)
            num_right += is_right(row, heard) and heard.accepted
            if is_shown and not (is_right(row, heard) and heard.accepted):
                print(f"    {row['slots']}\n      {heard.text!r} {heard.confidence:.2f} ({heard.open_text!r})")
        factor = (time.process_time() - begun) / duration
        name = "clean" if snr is None else f"{snr:g} dB"
        share = 100 * num_right / len(rows)
        if snr is not None:
            shares.append(share)
        print(
            f"{name:>6}: {num_right} of {len(rows)} right and accepted ({share:.1f} %),"
            f" {num_understood} right; real-time factor {factor:.3f}",
            flush=True,
        )
    if shares:
        print(f"mean over noise: {statistics.mean(shares):.1f} %")


def outside(every: int) -> None:
    """How much speech is accepted that no sentence of the grammar is, and single words told apart."""
    engine = load_engine("moonshine", EngineOptions(num_threads=1))
    coffee = CommandRecognizer(Grammar.load(GRAMMAR), engine)
    words = CommandRecognizer(Grammar.from_text(_words_grammar()), engine)
    spoken = [row for row in rows_of("speech_commands") if not row["label"].startswith("_")]
    known = [row for row in spoken if row["label"] in WORDS]
    sets = {
        "LibriSpeech, orders": (coffee, "librispeech", rows_of("librispeech")[::every]),
        "Speech Commands, orders": (coffee, "speech_commands", spoken[:: 20 * every]),
        "words that are none of the ten, ten words": (
            words,
            "speech_commands",
            [row for row in spoken if row["label"] not in WORDS][:: 10 * every],
        ),
        "noise without speech, ten words": (words, "noise", rows_of("noise")[::every]),
    }
    for name, (recognizer, corpus, rows) in sets.items():
        heard = list(_heard(recognizer, corpus, rows))
        accepted = sum(one.accepted for one in heard)
        print(f"{name}: {accepted} of {len(heard)} accepted ({100 * accepted / len(heard):.1f} %)", flush=True)
    asked = known[:: 10 * every]
    pairs = list(zip(_heard(words, "speech_commands", asked), asked, strict=True))
    right = sum(one.accepted and one.text.strip(".,!? ").lower() == row["label"] for one, row in pairs)
    wrong = sum(one.accepted for one, _ in pairs) - right
    print(f"one of ten words: {right} of {len(pairs)} right and accepted, {wrong} taken for another")


def _words_grammar() -> str:
    blocks = "".join(f"  {word.title()}:\n    data:\n      - sentences: ['{word}']\n" for word in WORDS)
    return f"language: en\nintents:\n{blocks}"


def _heard(recognizer: CommandRecognizer, corpus: str, rows: list[dict[str, Any]]) -> Iterator[Recognition]:
    for row in rows:
        yield recognizer.recognize(read_audio(SPEECH / corpus / row["audio"]))


def cost() -> None:
    """Loading, and what a constraint adds to a beam of the same width."""
    text = thousand_templates()
    loads = []
    for _ in range(5):
        begun = time.process_time()
        Grammar.from_text(text)
        loads.append(time.process_time() - begun)
    print(f"1,000 templates loaded in {statistics.median(loads):.2f} s (median of 5)")
    engine = load_engine("moonshine", EngineOptions(num_threads=1))
    assert isinstance(engine, MoonshineRecognizer)
    engine.search([Audio(np.zeros(16_000, np.float32))], _held(engine, text))  # the vocabulary is made once
    for name, grammar in (("orders", GRAMMAR), ("orders beside 1,000 templates", None)):
        held = _held(engine, text if grammar is None else None)
        print(f"{name}: {_ratio(engine, held)}", flush=True)


def _held(engine: MoonshineRecognizer, more: str | None) -> TokenConstraint:
    written = (GRAMMAR / "orders.yaml").read_text(encoding="utf-8")
    if more is not None:
        head, _, blocks = more.partition("intents:\n")
        blocks, _, lists = blocks.partition("lists:\n")
        written = written.replace("intents:\n", "intents:\n" + blocks).replace("lists:\n", "lists:\n" + lists)
        assert head
    return TokenConstraint(Grammar.from_text(written).automaton, engine.vocabulary)


def _ratio(engine: MoonshineRecognizer, held: TokenConstraint) -> str:
    """Medians over recordings: free beam, held beam, and all that a command takes, by processor time."""
    model = engine._model  # the cost of the search alone is behind the face
    times: dict[str, list[float]] = {"free": [], "held": [], "command": []}
    rows = orders("asked")[:24]
    for row in rows:
        audio = read_audio(ORDERS / row["audio"])
        for name in times:
            begun = time.process_time()
            if name == "command":
                engine.search([audio], held)
            else:
                frames = model.encode(audio.samples)
                search(model, [frames], [[new_beam(frames, held if name == "held" else None, 4)]])
            times[name].append(time.process_time() - begun)
    total = {name: sum(values) for name, values in times.items()}
    return (
        f"free beam of 4 {total['free'] / len(rows):.3f} s, held {total['held'] / total['free']:.2f} ×,"
        f" held with free recognition beside it {total['command'] / total['free']:.2f} ×"
    )


def thousand_templates() -> str:
    """A grammar of 1,000 templates of 100 intents, with lists, numbers, optional words and alternatives."""
    verbs = (
        "start stop open close show hide find play send read call move lock save mute list ask tell make bring"
    )
    things = [
        f"{kind} {thing}"
        for kind in ["red", "blue", "green", "left", "right", "upper", "lower", "old", "new", "main"]
        for thing in ["door", "window", "lamp", "folder", "file", "song", "page", "note"]
    ]
    lines = ["language: en", "intents:"]
    for number in range(1_000):
        verb, thing = verbs.split()[number % 20], things[number // 20 % 80]
        if number % 10 == 0:
            lines += [f"  Intent{number // 10}:", "    data:", "      - sentences:"]
        lines.append(
            f'          - "[please] ({verb}|{verb} up) [the] {thing} [number {{1..20:n}}] [in [the] {{room}}]'
            f' item {number}"'
        )
    rooms = ", ".join(f"room {number}" for number in range(100))
    return "\n".join([*lines, "lists:", "  room:", f"    values: [{rooms}]", ""])


def resist() -> None:
    """How many attacks do no harm; they are those of the tests."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.assistant.attacking import harm, shooting_range
    from tests.assistant.attacks import attacks

    families: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as folder, shooting_range(Path(folder)) as place:
        for attack in attacks():
            place.attack(attack)
            found = harm(place, attack)
            families.setdefault(attack.family, []).append(not found)
            for line in found:
                print(f"    {attack}: {line}")
    for family, good in families.items():
        print(f"{family:>12}: {sum(good)} of {len(good)} harmless")
    everything = [one for good in families.values() for one in good]
    print(f"{'all':>12}: {sum(everything)} of {len(everything)} harmless")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["orders", "outside", "cost", "attacks", "latency", "waiting"])
    parser.add_argument("--half", choices=["written", "asked"], default="asked")
    parser.add_argument("--snr", default="clean,24,21,18,15,12,9,6")
    parser.add_argument("--every", type=int, default=1, help="only every n-th recording")
    parser.add_argument("--count", type=int, default=40, help="orders that are played for latency")
    parser.add_argument("--show", action="store_true", help="print orders that were not understood")
    options = parser.parse_args()
    if options.part == "orders":
        ratios = [None if part == "clean" else float(part) for part in options.snr.split(",")]
        ask_orders(options.half, ratios, options.every, is_shown=options.show)
    elif options.part == "latency":
        rows = orders(options.half)[:: options.every][: options.count]
        assistant_latency.tell(assistant_latency.measure(GRAMMAR, [ORDERS / row["audio"] for row in rows]))
    elif options.part == "waiting":
        assistant_latency.waiting(GRAMMAR, SPEECH)
    elif options.part == "outside":
        outside(options.every)
    elif options.part == "attacks":
        resist()
    else:
        cost()


if __name__ == "__main__":
    main()
