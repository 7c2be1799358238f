"""What makes a finished utterance more readable: marks and capitals, numbers in one form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from earshot.core.types import Segment

if TYPE_CHECKING:
    from earshot.text.numbers import NumberForm
    from earshot.text.punctuation import IncrementalPunctuator, Punctuator

PostProcessor: TypeAlias = Callable[[Segment], Segment]
"""Makes a finished utterance more readable: punctuation, casing, numbers. It must be quick: the reader waits.
Words that it changes keep the times of those they come from, or None."""


@dataclass(frozen=True, slots=True)
class TextOptions:
    """is_punctuated: add marks and capitals to text that has none. numbers: None leaves them as they are."""

    is_punctuated: bool = True
    numbers: NumberForm | None = None


def post_processors(options: TextOptions, punctuators: Punctuators | None = None) -> list[PostProcessor]:
    """For one listener, in the order of application: the net that punctuates knows words, not digits.

    punctuators: nets to share.
    """
    steps: list[PostProcessor] = []
    if options.is_punctuated:
        steps.append(BareTextPunctuation(punctuators))
    if options.numbers is not None:
        from earshot.text.numbers import numbers_as

        steps.append(partial(numbers_as, form=options.numbers))
    return steps


class Punctuators:
    """The nets by language: loaded when first asked for, and kept; they may serve many listeners."""

    def __init__(self) -> None:
        self._loaded: dict[str, Punctuator | None] = {}

    def find(self, language: str) -> Punctuator | None:
        """None where no net knows the language."""
        if language not in self._loaded:
            from earshot.text.punctuation import find_punctuator

            self._loaded[language] = find_punctuator(language)
        return self._loaded[language]


class BareTextPunctuation:
    """Punctuates what an engine writes without marks, in languages that have a net; the rest stays.

    It remembers the utterance before, so each listener or recording has one of its own. punctuators: nets to
    share. language: of segments that do not say theirs, None when unknown.
    """

    def __init__(self, punctuators: Punctuators | None = None, *, language: str | None = None) -> None:
        self._punctuators = punctuators or Punctuators()
        self._language = language
        self._listeners: dict[str, IncrementalPunctuator] = {}

    def __call__(self, segment: Segment, *, pause: float | None = None) -> Segment:
        """The segment with marks and capitals, or as it is. pause: seconds of silence after it where known."""
        language = segment.language or self._language
        if language is None:
            return segment
        from earshot.text.punctuation import IncrementalPunctuator, looks_bare

        if not looks_bare(segment.text):
            return segment
        if language not in self._listeners:
            punctuator = self._punctuators.find(language)
            if punctuator is None:
                return segment
            self._listeners[language] = IncrementalPunctuator(punctuator)
        return self._listeners[language](segment, pause=pause)
