"""How good a net is on utterances that it did not learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from earshot.core.optional import require
from earshot.decoding.alphabet import BLANK, Alphabet
from earshot.decoding.ctc import greedy
from earshot.text.error_rate import character_error_rate, word_error_rate
from earshot.training.recognition.batching import plan_batches
from earshot.training.recognition.corpus import Side
from earshot.training.recognition.feeding import Batch, FeatureSource, collate

_BATCH_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Sample:
    """name: of the utterance. wanted, heard: normalised texts."""

    name: str
    wanted: str
    heard: str


@dataclass(frozen=True, slots=True)
class Judged:
    """loss: nats a letter. The rates: errors over the letters and words of all. samples: of all, in order."""

    loss: float
    character_error_rate: float
    word_error_rate: float
    samples: tuple[Sample, ...]


def total_loss(found: Any, lengths: Any, batch: Batch) -> Any:
    """CTC's −log p of all texts of a batch, in nats. found: tensor (n, frames, symbols); lengths: (n,)."""
    torch = require("torch", extra="train", purpose="training")
    return torch.nn.functional.ctc_loss(
        found.transpose(0, 1),
        torch.from_numpy(batch.targets),
        lengths,
        torch.from_numpy(batch.target_lengths),
        BLANK,
        reduction="sum",
    )


class Judge:
    """Judges by one side, greedily decoded."""

    def __init__(self, side: Side, source: FeatureSource, alphabet: Alphabet) -> None:
        self._side, self._source, self._alphabet = side, source, alphabet
        self._batches = plan_batches(side.durations, batch_seconds=_BATCH_SECONDS)

    def __call__(self, net: Any) -> Judged:
        """net: in evaluation mode."""
        torch = require("torch", extra="train", purpose="training")
        loss, num_letters, texts = 0.0, 0, self._side.texts
        device = next(net.parameters()).device
        heard: dict[int, str] = {}
        for indices in self._batches:
            batch = collate([self._source.features(int(one)) for one in indices], self._side, indices)
            with torch.inference_mode():
                inputs = (torch.from_numpy(one).to(device) for one in (batch.features, batch.lengths))
                found, lengths = (one.cpu() for one in net(*inputs))
                loss += float(total_loss(found.float(), lengths, batch))
            num_letters += len(batch.targets)
            for row, length, index in zip(found.float().numpy(), lengths.tolist(), indices, strict=True):
                spans = greedy(row[:length], BLANK)
                heard[int(index)] = self._alphabet.decode([span.token for span in spans])
        places = sorted(heard)
        letters = [character_error_rate(texts[one], heard[one]) for one in places]
        words = [word_error_rate(texts[one], heard[one]) for one in places]
        return Judged(
            loss / max(1, num_letters),
            sum(one.num_errors for one in letters) / max(1, sum(one.reference_length for one in letters)),
            sum(one.num_errors for one in words) / max(1, sum(one.reference_length for one in words)),
            tuple(Sample(self._side.utterances[one].name, texts[one], heard[one]) for one in places),
        )
