"""Time as whole samples inside, seconds at the edges, so that sums do not drift in a ten-hour file."""

from __future__ import annotations

from dataclasses import dataclass


def to_samples(seconds: float, sample_rate: int) -> int:
    """The sample nearest to ``seconds``."""
    return round(seconds * sample_rate)


def to_seconds(num_samples: int, sample_rate: int) -> float:
    """Exact to the last bit of a double: 10 hours at 48 kHz err by less than 1e-11 s."""
    return num_samples / sample_rate


@dataclass(slots=True)
class SampleClock:
    """Counts the samples that have passed in one stream."""

    sample_rate: int
    num_samples: int = 0

    def advance(self, num_samples: int) -> None:
        """Count ``num_samples`` more."""
        self.num_samples += num_samples

    @property
    def seconds(self) -> float:
        """Stream time now."""
        return to_seconds(self.num_samples, self.sample_rate)
