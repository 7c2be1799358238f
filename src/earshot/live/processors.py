"""What makes a finished utterance more readable, by the names that the command line has for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from earshot.core.types import Segment
from earshot.live.finishing import PostProcessor

if TYPE_CHECKING:
    from earshot.text.numbers import NumberForm
    from earshot.text.punctuation import IncrementalPunctuator


@dataclass(frozen=True, slots=True)
class TextOptions:
    """is_punctuated: add marks and capitals to text that has none. numbers: None leaves them as they are."""

    is_punctuated: bool = True
    numbers: NumberForm | None = None


def post_processors(options: TextOptions) -> list[PostProcessor]:
    """In the order in which they are applied: the net that punctuates knows words, not digits."""
    steps: list[PostProcessor] = []
    if options.is_punctuated:
        steps.append(BareTextPunctuation())
    if options.numbers is not None:
        from earshot.text.numbers import numbers_as

        steps.append(partial(numbers_as, form=options.numbers))
    return steps


class BareTextPunctuation:
    """Punctuates what an engine writes without marks, in languages that have a net; the rest stays.

    The net is loaded at the first bare utterance and kept.
    """

    def __init__(self) -> None:
        self._punctuators: dict[str, IncrementalPunctuator | None] = {}

    def __call__(self, segment: Segment) -> Segment:
        """The segment with marks and capitals, or as it is."""
        from earshot.text.punctuation import looks_bare

        if segment.language is None or not looks_bare(segment.text):
            return segment
        punctuator = self._find(segment.language)
        return punctuator(segment) if punctuator is not None else segment

    def _find(self, language: str) -> IncrementalPunctuator | None:
        if language not in self._punctuators:
            from earshot.text.punctuation import IncrementalPunctuator, find_punctuator

            punctuator = find_punctuator(language)
            self._punctuators[language] = IncrementalPunctuator(punctuator) if punctuator else None
        return self._punctuators[language]
