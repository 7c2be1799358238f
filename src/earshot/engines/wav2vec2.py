"""wav2vec 2.0 and its kin through ``transformers``: any checkpoint that ends in CTC letters.

Baevski et al. 2020, "wav2vec 2.0: a framework for self-supervised learning of speech representations", NeurIPS;
HuBERT, WavLM, Data2Vec, SEW, UniSpeech, wav2vec2-conformer and wav2vec2-BERT load the same way. Checkpoints
that are already in the model hub's cache are found by their name; the network is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from earshot.core.errors import EngineError
from earshot.core.optional import require
from earshot.core.types import Samples
from earshot.decoding.ctc import LogProbs
from earshot.decoding.ngram_files import read_ngrams
from earshot.decoding.ngram_model import NgramModel
from earshot.engines.base import Engine, EngineOptions
from earshot.engines.ctc_base import CtcBase, check_language
from earshot.engines.wav2vec2_model import CtcNet
from earshot.engines.windows import OVERLAP, WINDOW


class Wav2Vec2Recognizer(CtcBase):
    """One CTC checkpoint; safe to call from several threads at once.

    folder: holds config.json, vocab.json, preprocessor_config.json and the weights. name: how it calls itself.
    language: what is spoken; must be one of the model's where the model names them. num_threads: of torch,
    while it recognizes; None leaves torch as it is. device: "cpu", "cuda", "cuda:1", "mps" ….
    language_model, window, overlap: see ``CtcBase``.

    Vocabularies of capitals only (LibriSpeech's) give text in small letters; others give what they hold.
    Raises ModelError when a file is missing or broken, or the model is of another kind.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        language: str | None = None,
        num_threads: int | None = None,
        device: str = "cpu",
        language_model: NgramModel | None = None,
        window: float = WINDOW,
        overlap: float = OVERLAP,
    ) -> None:
        name = f"wav2vec2/{name or folder.name}"
        languages = _stated_languages(folder)
        check_language(name, language, languages)  # before the weights are read
        net = CtcNet(folder, num_threads=num_threads, device=device)
        super().__init__(
            name,
            net.symbols,
            net.blank,
            delimiter=net.delimiter,
            frame_shift=net.frame_shift,
            languages=languages,
            language=language,
            language_model=language_model,
            window=window,
            overlap=overlap,
        )
        self._net: CtcNet | None = net

    def _hear(self, windows: Sequence[Samples]) -> Iterator[LogProbs]:
        """One after the other.

        Nothing is padded to equal length: checkpoints with group normalization hear padding, and on two cores
        four clips of a second took 2.13 s in a batch and 2.11 s one by one.
        """
        net = self._open_net()
        return map(net.log_probs, windows)

    def _prepared(self, samples: Samples) -> Samples:
        return self._open_net().normalised(samples)

    def close(self) -> None:
        """Release the weights."""
        self._net = None

    def _open_net(self) -> CtcNet:
        if self._net is None:
            raise EngineError(f"{self.name} is closed", fix="load it again")
        return self._net


def _stated_languages(folder: Path) -> frozenset[str]:
    """ISO 639-1 codes from the folder's card, else from the head of its README; empty where neither tells."""
    if (folder / "card.json").is_file():
        from earshot.models.card import read_card

        if stated := read_card(folder).languages:
            return frozenset(stated)
    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as file:
            head = file.read(10_000)
    except OSError:
        return frozenset()
    front = re.match(r"---\s*\n(.*?)\n---", head, re.DOTALL)
    stated_line = front and re.search(
        r"^language:[ \t]*(\S.*)?((?:\n[ \t]*-[ \t]*\S+)*)", front[1], re.MULTILINE
    )
    if not stated_line:
        return frozenset()
    codes = re.findall(r"[A-Za-z]{2,3}(?:-[A-Za-z]+)?", f"{stated_line[1] or ''} {stated_line[2] or ''}")
    return frozenset(code.split("-")[0].lower() for code in codes)


def _cached_checkpoint(name: str) -> Path | None:
    """The folder of a checkpoint that a download by other programs left in the cache of the model hub."""
    hub = require("huggingface_hub", extra="wav2vec2", purpose="the wav2vec2 engine")
    try:
        return Path(hub.snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):
        return None


def _load(options: EngineOptions) -> Wav2Vec2Recognizer:
    from earshot.engines.folder import model_folder, own_folder

    model = options.model or ""
    folder = own_folder(model)
    if folder is None and re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        folder = _cached_checkpoint(model)
    if folder is None:
        folder = model_folder(options.model, engine="wav2vec2")
    return Wav2Vec2Recognizer(
        folder,
        name=model.rsplit("/", 1)[-1] if folder.parent.name == "snapshots" else None,
        language=options.language,
        num_threads=options.num_threads,
        device=options.device,
        language_model=read_ngrams(options.language_model) if options.language_model else None,
    )


ENGINE = Engine(
    "wav2vec2",
    "any CTC checkpoint of transformers, with word times and confidences",
    _load,
    extra="wav2vec2",
    modules=("torch", "transformers"),
    takes_language_model=True,
)
