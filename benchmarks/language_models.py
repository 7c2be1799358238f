"""Language models against KenLM's lmplz, and decoding with them against flashlight-text, in the same run.

    python benchmarks/language_models.py perplexity --lmplz PATH      # the program of KenLM
    python benchmarks/language_models.py decoding                     # pip install flashlight-text for the peer

Books of the shared corpora ($EARSHOT_SPEECH, else ../shared/speech); the last tenth of each is held out.
Decoding: posteriors of an uncertain net, made from held-out sentences, one core, CPU time, 50 frames a second.
"""

# ruff: noqa: E402 - the thread counts must be set before the libraries load
from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from earshot.decoding.arpa import read_arpa, write_arpa
from earshot.decoding.ctc import LogProbs, greedy
from earshot.decoding.fusion import FusionOptions, make_fusion
from earshot.decoding.ngram_model import NgramModel
from earshot.decoding.ngram_pruning import prune_ngrams
from earshot.decoding.ngram_text import letters_of, read_sentences
from earshot.decoding.ngram_training import train_ngrams
from earshot.decoding.prefix_search import BeamOptions, Fusion, PrefixSearch
from earshot.text.error_rate import character_error_rate, total, word_error_rate

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.decoding.noisy import BLANK, noisy_posteriors, symbols_of

Sentences = list[list[str]]
Decode = Callable[[LogProbs], str]

FRAME_RATE = 50
LETTERS = symbols_of("abcdefghijklmnopqrstuvwxyz'")


def main() -> None:
    """The command line."""
    default = Path(__file__).parents[2] / "shared" / "speech"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["perplexity", "decoding"])
    parser.add_argument("--lmplz", default=shutil.which("lmplz"), help="KenLM's program")
    parser.add_argument("--texts", type=Path, default=Path(os.environ.get("EARSHOT_SPEECH", default)) / "text")
    parser.add_argument("--order", type=int, default=4)
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--sentences", type=int, default=60)
    arguments = parser.parse_args()
    if arguments.what == "perplexity":
        for language in ("en", "ru"):
            compare_models(*halves(arguments.texts, language), arguments.order, arguments.lmplz, language)
    else:
        compare_decoders(*halves(arguments.texts, "en"), arguments.order, arguments.width, arguments.sentences)


def halves(folder: Path, language: str) -> tuple[Sentences, Sentences]:
    """The first nine tenths of each book, and the last tenth."""
    train: Sentences = []
    held_out: Sentences = []
    for book in sorted(folder.glob(f"*.{language}.txt")):
        sentences = list(read_sentences([book]))
        cut = len(sentences) * 9 // 10
        train += sentences[:cut]
        held_out += sentences[cut:]
    return train, held_out


# --- Models ------------------------------------------------------------------------------------------------


def compare_models(train: Sentences, held_out: Sentences, order: int, lmplz: str | None, language: str) -> None:
    """Perplexity, n-grams and seconds, ours and lmplz's, then pruned."""
    num_words = sum(map(len, train))
    print(f"{language}: {num_words:,} words, {sum(map(len, held_out)):,} held out, order {order}")
    print(f"{'model':22}{'n-grams':>12}{'perplexity':>12}{'known words':>12}{'seconds':>9}")
    start = time.process_time()
    model = train_ngrams(train, order)
    told("ours", model, held_out, time.process_time() - start)
    if lmplz is None:
        print("lmplz is not there: build KenLM and name it with --lmplz")
    else:
        peer, seconds = lmplz_model(lmplz, train, order)
        told("lmplz", peer, held_out, seconds)
    for threshold in (1e-8, 1e-7, 1e-6):
        start = time.process_time()
        smaller = prune_ngrams(model, threshold)
        told(f"ours, pruned {threshold:g}", smaller, held_out, time.process_time() - start)


def told(name: str, model: NgramModel, held_out: Sentences, seconds: float) -> None:
    """One line of the table."""
    score = model.score(held_out)
    num_ngrams = sum(model.num_ngrams)
    known = score.known_perplexity
    print(f"{name:22}{num_ngrams:12,}{score.perplexity:12.3f}{known:12.3f}{seconds:9.2f}")


def lmplz_model(lmplz: str, train: Sentences, order: int) -> tuple[NgramModel, float]:
    """The peer's model of the same sentences, and the CPU seconds of its program."""
    with tempfile.TemporaryDirectory() as folder:
        text, arpa = Path(folder) / "text", Path(folder) / "arpa"
        text.write_text("".join(" ".join(words) + "\n" for words in train))
        before = os.times()
        command = [
            lmplz,
            "-o",
            str(order),
            "-S",
            "500M",
            "-T",
            folder,
            "--text",
            str(text),
            "--arpa",
            str(arpa),
        ]
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        seconds = after.children_user + after.children_system - before.children_user - before.children_system
        return read_arpa(arpa), seconds


# --- Decoding ----------------------------------------------------------------------------------------------


def compare_decoders(train: Sentences, held_out: Sentences, order: int, width: int, count: int) -> None:
    """Errors and CPU time for each decoder, at three levels of noise."""
    words = train_ngrams(train, order)
    letters = train_ngrams(map(letters_of, train), 8)
    texts = [" ".join(sentence) for sentence in held_out]
    texts = [text for text in texts if 30 < len(text) < 150 and set(text) <= {" ", *LETTERS[2:]}]
    references = texts[:: max(1, len(texts) // count)][:count]
    decoders = {
        "greedy": lambda log_probs: spelled([span.token for span in greedy(log_probs, BLANK)]),
        f"words {order}-gram": beam(make_fusion(words, LETTERS), width),
        f"words {order}-gram, closed": beam(
            make_fusion(words, LETTERS, options=FusionOptions(is_closed=True)), width
        ),
        "letters 8-gram": beam(make_fusion(letters, LETTERS), width),
    }
    if find_spec("flashlight") is None:
        print("flashlight-text is not there: pip install flashlight-text")
    else:
        decoders["flashlight-text, closed"] = flashlight(words, width)
    print(f"{len(references)} sentences, beam {width}, {len(words.words):,} words known")
    print(f"{'noise':>6} {'decoder':26}{'CER':>8}{'WER':>8}{'× real time':>13}")
    for noise in (1.0, 1.5, 2.0):
        rng = np.random.default_rng(0)
        posteriors = [noisy_posteriors(text, LETTERS, rng, noise=noise, lost_spaces=0.3) for text in references]
        for name, decode in decoders.items():
            measure(f"{noise:6.1f} {name:26}", decode, references, posteriors)


def measure(title: str, decode: Decode, references: Sequence[str], posteriors: Sequence[LogProbs]) -> None:
    """One line of the table."""
    decode(posteriors[0])
    start = time.process_time()
    found = [decode(log_probs) for log_probs in posteriors]
    seconds = time.process_time() - start
    letters, words = (
        total(rate(*pair) for pair in zip(references, found, strict=True)).rate or 0.0
        for rate in (character_error_rate, word_error_rate)
    )
    sound = sum(map(len, posteriors)) / FRAME_RATE
    print(f"{title}{letters:8.2%}{words:8.2%}{seconds / sound:13.4f}")


def spelled(tokens: Sequence[int]) -> str:
    """The text of tokens."""
    return " ".join("".join(LETTERS[token] for token in tokens).replace("|", " ").split())


def beam(fusion: Fusion, width: int) -> Decode:
    """Our search."""

    def decode(log_probs: LogProbs) -> str:
        search = PrefixSearch(BLANK, fusion, BeamOptions(width=width))
        search.accept(log_probs)
        found = search.found()
        return spelled(found[0].tokens) if found else ""

    return decode


def flashlight(model: NgramModel, width: int) -> Decode:
    """The peer's search in C++, with the same model, weights, margin and lexicon; it takes no word outside."""
    from flashlight.lib.text.decoder import (
        CriterionType,
        LexiconDecoder,
        LexiconDecoderOptions,
        SmearingMode,
        Trie,
    )
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    defaults, margin = FusionOptions(), BeamOptions().margin
    numbers = {letter: number for number, letter in enumerate(LETTERS)}
    words = [word for word in model.words[3:] if set(word) <= set(numbers)]
    with tempfile.TemporaryDirectory() as folder:
        write_arpa(model, Path(folder) / "model.arpa")
        dictionary = Dictionary([*words, "<unk>"])
        language_model = KenLM(str(Path(folder) / "model.arpa"), dictionary)
    trie = Trie(len(LETTERS), numbers["|"])
    start = language_model.start(False)
    for word in words:
        number = dictionary.get_index(word)
        _, score = language_model.score(start, number)
        trie.insert([*(numbers[letter] for letter in word), numbers["|"]], number, score)
    trie.smear(SmearingMode.MAX)
    log10 = float(np.log(10))  # its scores are decimal logarithms
    options = LexiconDecoderOptions(
        width,
        len(LETTERS),
        margin,
        defaults.weight * log10,
        defaults.word_bonus,
        -np.inf,
        0.0,
        True,
        CriterionType.CTC,
    )
    unknown = dictionary.get_index("<unk>")
    decoder = LexiconDecoder(options, trie, language_model, numbers["|"], BLANK, unknown, [], False)

    def decode(log_probs: LogProbs) -> str:
        emissions = np.ascontiguousarray(log_probs, np.float32)
        results = decoder.decode(emissions.ctypes.data, *emissions.shape)
        return " ".join(dictionary.get_entry(word) for word in results[0].words if word >= 0)

    return decode


if __name__ == "__main__":
    main()
