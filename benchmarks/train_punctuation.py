"""Train the punctuation and casing nets from public-domain books, and write them as small ONNX files.

    python benchmarks/train_punctuation.py ../shared/speech/text --language en
    python benchmarks/train_punctuation.py ../shared/speech/text --language ru --leave-out dama --output OUT

Takes five minutes of one core for English, two for Russian; needs torch and onnx, which using the result does
not. Windows of random length begin anywhere, half of them at the start of a sentence, so that the net bears
pieces of speech. The last tenth of every book's chapters is measured, never learned from; of the rest one
chapter in twenty sets the biases. ``--leave-out`` keeps a whole book out, to see what is left in the words of
another author.
"""

# torch brings no types that mypy can follow here: a subclass of nn.Module is one of Any, and so on.
# mypy: disable-error-code="misc, no-any-return, untyped-decorator"
from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from earshot.text.punctuation_model import CASES, LABELS, NUM_AFFIXES, Vocabulary, bare_form
from punctuation_books import BOOKS, LabelledWord, as_heard, read_books
from punctuation_scores import fit_biases, scores, table

DATA = Path(__file__).parents[1] / "src/earshot/text/data/punctuation"
NUM_BUCKETS = 6000
WIDTH, HIDDEN = 80, 112
BATCH_WORDS = 2560
IGNORED = -100


class Net(nn.Module):
    """Word + affixes → two bidirectional LSTM layers → marks and cases."""

    def __init__(self, num_words: int, dropout: float) -> None:
        super().__init__()
        self.words = nn.Embedding(num_words + 1, WIDTH)
        self.affixes = nn.Embedding(NUM_BUCKETS, WIDTH)
        for table_ in (self.words, self.affixes):
            nn.init.normal_(table_.weight, std=0.1)
        self.first = nn.LSTM(WIDTH, HIDDEN, batch_first=True, bidirectional=True)
        self.second = nn.LSTM(2 * HIDDEN, HIDDEN, batch_first=True, bidirectional=True)
        self.labels = nn.Linear(2 * HIDDEN, len(LABELS))
        self.cases = nn.Linear(2 * HIDDEN + WIDTH, len(CASES))
        self.drop = nn.Dropout(dropout)

    def forward(self, words: torch.Tensor, affixes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, n) and (batch, n, NUM_AFFIXES) → (batch, n, marks), (batch, n, cases), before the softmax."""
        seen = self.drop(self.words(words) + self.affixes(affixes).sum(-2))
        state, _ = self.first(seen)
        state, _ = self.second(self.drop(state))
        state = self.drop(state)
        return self.labels(state), self.cases(torch.cat([state, seen], -1))


@dataclass
class Stream:
    """Words as arrays: numbers (n,), buckets (n, NUM_AFFIXES), labels (n,), cases (n,), starts of sentences."""

    numbers: npt.NDArray[np.int64]
    buckets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    cases: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, words: Sequence[LabelledWord], vocabulary: Vocabulary) -> Stream:
        """Encode words."""
        numbers, buckets = vocabulary.encode([bare_form(word.text) for word in words])
        # A capital at the start of a sentence says nothing about the word.
        cases = [IGNORED if word.starts and word.case else word.case for word in words]
        starts = [index for index, word in enumerate(words) if word.starts]
        return cls(
            numbers.astype(np.int64),
            buckets.astype(np.int64),
            np.array([word.label for word in words]),
            np.array(cases),
            np.array(starts),
        )


def coins(seed: int) -> Iterator[bool]:
    """Fair, endless, repeatable."""
    generator = random.Random(seed)
    while True:
        yield generator.random() < 0.5


def most_frequent(words: Sequence[LabelledWord], at_least: int) -> list[str]:
    """Bare forms, the most frequent first."""
    counts = Counter(bare_form(word.text) for word in words)
    return [
        word
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= at_least
    ]


def train(stream: Stream, tuning: Stream, num_words: int, options: argparse.Namespace) -> Net:
    """One net, from windows drawn at random; an epoch is as many words as the stream has.

    tuning: only watched; the loss on it is printed.
    """
    torch.manual_seed(options.seed)
    generator = np.random.default_rng(options.seed)
    net = Net(num_words, options.dropout)
    steps = options.epochs * len(stream.labels) // BATCH_WORDS
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.15)
    began, total = time.monotonic(), 0.0
    for step in range(steps):
        length = int(generator.integers(6, 129))
        starts = _starts(stream, length, max(1, BATCH_WORDS // length), generator)
        index = starts[:, None] + np.arange(length)
        numbers = stream.numbers[index]
        # Some words are made unknown, so that letters and neighbours tell too.
        numbers = np.where(generator.random(numbers.shape) < options.hide, 0, numbers)
        labels, cases = net(torch.from_numpy(numbers), torch.from_numpy(stream.buckets[index]))
        loss = functional.cross_entropy(labels.flatten(0, 1), torch.from_numpy(stream.labels[index]).flatten())
        loss = loss + 0.5 * functional.cross_entropy(
            cases.flatten(0, 1), torch.from_numpy(stream.cases[index]).flatten(), ignore_index=IGNORED
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if (step + 1) % 200 == 0 or step + 1 == steps:
            mean = total / (step % 200 + 1)
            unseen = _watched(net, tuning)
            print(
                f"step {step + 1}/{steps}  loss {mean:.4f}, of marks on unseen chapters {unseen:.4f}"
                f"  {time.monotonic() - began:.0f} s",
                flush=True,
            )
            total = 0.0
    return net.eval()


@torch.no_grad()
def _watched(net: Net, stream: Stream) -> float:
    net.eval()
    count = len(stream.labels) // 128
    index = np.arange(count * 128).reshape(count, 128)
    labels, _ = net(torch.from_numpy(stream.numbers[index]), torch.from_numpy(stream.buckets[index]))
    net.train()
    return functional.cross_entropy(
        labels.flatten(0, 1), torch.from_numpy(stream.labels[index]).flatten()
    ).item()


def _starts(stream: Stream, length: int, number: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    last = len(stream.labels) - length
    anywhere = generator.integers(0, last, number)
    sentences = stream.starts[generator.integers(0, len(stream.starts), number)]
    return np.minimum(np.where(generator.random(number) < 0.5, sentences, anywhere), last)


# --- the file ----------------------------------------------------------------------------------------------


def write_model(net: Net, vocabulary: list[str], path: Path) -> None:
    """The net as ONNX: int8 weights with a scale a row; onnxruntime makes them float32 as it loads them."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def int8(name: str, values: npt.NDArray[np.float32], *, is_table: bool = False) -> str:
        scale = np.maximum(np.abs(values).max(axis=-1, keepdims=True) / 127, 1e-12).astype(np.float32)
        rounded = np.round(values / scale).astype(np.int8)
        weights.append(numpy_helper.from_array(rounded, f"{name}.int8"))
        weights.append(numpy_helper.from_array(scale.astype(np.float16), f"{name}.scale"))
        if not is_table:  # a table's rows are scaled when they are looked up
            nodes.append(helper.make_node("Cast", [f"{name}.int8"], [f"{name}.cast"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Cast", [f"{name}.scale"], [f"{name}.wide"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Mul", [f"{name}.cast", f"{name}.wide"], [name]))
        return name

    def constant(name: str, values: npt.NDArray[Any]) -> str:
        weights.append(numpy_helper.from_array(values, name))
        return name

    def looked_up(name: str, values: npt.NDArray[np.float32], indices: str) -> str:
        int8(name, values, is_table=True)
        for part in ("int8", "scale"):
            nodes.append(helper.make_node("Gather", [f"{name}.{part}", indices], [f"{name}.{part}.rows"]))
            nodes.append(
                helper.make_node("Cast", [f"{name}.{part}.rows"], [f"{name}.{part}.f"], to=TensorProto.FLOAT)
            )
        nodes.append(helper.make_node("Mul", [f"{name}.int8.f", f"{name}.scale.f"], [f"{name}.rows"]))
        return f"{name}.rows"

    state = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    words = looked_up("words.table", state["words.weight"], "words")
    affixes = looked_up("affixes.table", state["affixes.weight"], "affixes")
    constant("axis", np.array([2], np.int64))
    nodes.append(helper.make_node("ReduceSum", [affixes, "axis"], ["affixes.sum"], keepdims=0))
    nodes.append(helper.make_node("Add", [words, "affixes.sum"], ["seen"]))
    nodes.append(helper.make_node("Transpose", ["seen"], ["in.first"], perm=[1, 0, 2]))
    for layer, following in (("first", "in.second"), ("second", "state.time_first")):
        names = [f"{layer}.{part}" for part in ("w", "r", "b")]
        int8(names[0], _directions(state, layer, "weight_ih_l0"))
        int8(names[1], _directions(state, layer, "weight_hh_l0"))
        bias = [_directions(state, layer, f"bias_{kind}_l0") for kind in ("ih", "hh")]
        constant(names[2], np.concatenate(bias, axis=1))
        nodes.append(
            helper.make_node(
                "LSTM", [f"in.{layer}", *names], [f"{layer}.out"], hidden_size=HIDDEN, direction="bidirectional"
            )
        )
        nodes.append(helper.make_node("Transpose", [f"{layer}.out"], [f"{layer}.joined"], perm=[0, 2, 1, 3]))
        constant(f"{layer}.shape", np.array([0, 0, 2 * HIDDEN], np.int64))
        nodes.append(helper.make_node("Reshape", [f"{layer}.joined", f"{layer}.shape"], [following]))
    nodes.append(helper.make_node("Transpose", ["state.time_first"], ["state"], perm=[1, 0, 2]))
    nodes.append(helper.make_node("Concat", ["state", "seen"], ["state.seen"], axis=2))
    for head, source in (("labels", "state"), ("cases", "state.seen")):
        constant(f"{head}.w", state[f"{head}.weight"].T.copy())
        constant(f"{head}.b", state[f"{head}.bias"])
        nodes.append(helper.make_node("MatMul", [source, f"{head}.w"], [f"{head}.product"]))
        nodes.append(helper.make_node("Add", [f"{head}.product", f"{head}.b"], [f"{head}.sum"]))
        nodes.append(helper.make_node("LogSoftmax", [f"{head}.sum"], [head], axis=2))
    graph = helper.make_graph(
        nodes,
        "punctuation",
        [
            helper.make_tensor_value_info("words", TensorProto.INT32, ["batch", "n"]),
            helper.make_tensor_value_info("affixes", TensorProto.INT32, ["batch", "n", NUM_AFFIXES]),
        ],
        [
            helper.make_tensor_value_info("labels", TensorProto.FLOAT, ["batch", "n", len(LABELS)]),
            helper.make_tensor_value_info("cases", TensorProto.FLOAT, ["batch", "n", len(CASES)]),
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {"vocabulary": "\n".join(vocabulary), "num_buckets": str(NUM_BUCKETS)})
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def _directions(state: dict[str, npt.NDArray[np.float32]], layer: str, name: str) -> npt.NDArray[np.float32]:
    """Both directions, gates from torch's order (input, forget, cell, output) to ONNX's (i, o, f, c)."""
    both = []
    for ending in ("", "_reverse"):
        i, f, c, o = np.split(state[f"{layer}.{name}{ending}"], 4)
        both.append(np.concatenate([i, o, f, c]))
    return np.stack(both)


# --- the run -----------------------------------------------------------------------------------------------


def write_card(folder: Path, language: str, training: dict[str, Any], words: int, books: list[str]) -> None:
    """The card without what is measured."""
    content = (folder / "model.onnx").read_bytes()
    card: dict[str, Any] = {
        "format": 1,
        "name": f"punctuation-{language}",
        "engine": "punctuation",
        "languages": [language],
        "language": language,
        "licence": "public domain (trained on books in the public domain alone)",
        "description": f"marks and capitals for bare words: 2 bidirectional LSTM layers of {HIDDEN}, int8",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "training_data": books,
        "num_training_words": words,
        "training": {"script": "benchmarks/train_punctuation.py", **training},
        "marks": list(LABELS),
        "biases": {},
        "files": {"model.onnx": {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}},
        "size": len(content),
    }
    _save(folder, card)


def measure(
    folder: Path, tuning: Sequence[LabelledWord], tested: Sequence[Sequence[LabelledWord]], what: str
) -> None:
    """Set the biases, then put the figures on the card and print them."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["biases"] = {}
    _save(folder, card)
    card["biases"] = fit_biases(folder, tuning)
    _save(folder, card)
    figures = scores(folder, tested)
    card["metrics"] = {"data": what, **figures}
    _save(folder, card)
    print(table(figures))
    print(f"{folder}: {card['size'] / 1e6:.2f} MB")


def _save(folder: Path, card: dict[str, Any]) -> None:
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    (folder / "card.json").write_text(text, encoding="utf-8")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of books, NAME.LANGUAGE.txt")
    parser.add_argument("--language", default="en", choices=sorted(BOOKS))
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--dropout", type=float, default=0.35)
    parser.add_argument(
        "--hide", type=float, default=0.125, help="part of the words that are hidden in training"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="default: the folder inside the package")
    parser.add_argument(
        "--leave-out", metavar="NAME", help="a book to keep out and to measure on; needs --output"
    )
    parser.add_argument(
        "--measure-only", action="store_true", help="of what is there already: biases and figures"
    )
    options = parser.parse_args()
    if options.leave_out and not options.output:
        parser.error("--leave-out needs --output")
    return options


def main() -> None:
    """Train, write, measure."""
    options = parse()
    torch.set_num_threads(1)
    books = read_books(options.folder, options.language)
    left_out = [book for book in books if options.leave_out and book.name.startswith(options.leave_out)]
    learning = [book for book in books if book not in left_out]
    chapters = [chapter for book in learning for chapter in book.training]
    # One chapter in twenty, evenly from all books, sets the biases.
    tuning = [word for chapter in chapters[10::20] for word in chapter]
    folder = options.output or DATA / options.language
    if not options.measure_only:
        learned = [word for index, chapter in enumerate(chapters) if index % 20 != 10 for word in chapter]
        learned = list(as_heard(learned, coins(options.seed)))
        vocabulary = most_frequent(learned, at_least=3)
        encoder = Vocabulary.of(vocabulary, NUM_BUCKETS)
        print(f"{len(learned)} words to learn from, {len(tuning)} to tune, vocabulary of {len(vocabulary)}")
        net = train(Stream.of(learned, encoder), Stream.of(tuning, encoder), len(vocabulary), options)
        write_model(net, vocabulary, folder / "model.onnx")
        training = {name: getattr(options, name) for name in ("epochs", "dropout", "hide", "seed")}
        write_card(folder, options.language, training, len(learned), [book.name for book in learning])
    if left_out:
        tested = [chapter for book in left_out for chapter in book.training + book.held_out]
        measure(folder, tuning, tested, f"{left_out[0].name}, a book that was not learned from")
    else:
        tested = [chapter for book in books for chapter in book.held_out]
        measure(folder, tuning, tested, "the last tenth of the chapters of every book, not learned from")


if __name__ == "__main__":
    main()
