"""What was said above what was heard, word under word, mistakes in colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from earshot.text.clean import clean_text, display_width
from earshot.text.error_rate import Edit, wrong_letters

if TYPE_CHECKING:
    from rich.text import Text

_LABELS: Final = ("text", "heard", "")
_INDENT: Final = max(map(len, _LABELS)) + 2
_MARKS: Final = {"hit": " ", "substitution": "S", "deletion": "D", "insertion": "I"}
_STYLES: Final = {"hit": "", "substitution": "yellow", "deletion": "red", "insertion": "magenta"}


def alignment_lines(edits: Sequence[Edit], width: int) -> Iterator[Text]:
    """Lines of at most ``width`` columns: the text, what was heard, and S, D or I under each mistake.

    A word that is missing on one side stands there as asterisks, as scoring tools write it. A line of marks is
    left out where it would be empty.
    """
    from rich.text import Text

    for columns in _folded(edits, max(width - _INDENT, 1)):
        has_mistakes = any(edit.kind != "hit" for edit, _, _ in columns)
        for row, label in enumerate(_LABELS if has_mistakes else _LABELS[:2]):
            line = Text()
            line.append(label.ljust(_INDENT), style="dim")
            for edit, words, space in columns:
                word = (*words, _MARKS[edit.kind])[row]
                if row == 1 and edit.kind == "substitution":
                    for letters, is_wrong in wrong_letters(Edit(edit.kind, *words)):
                        line.append(letters, style="bold red" if is_wrong else _STYLES[edit.kind])
                else:
                    line.append(word, style=_STYLES[edit.kind])
                line.append(" " * (space - display_width(word) + 1))
            line.rstrip()
            yield line


def _folded(edits: Iterable[Edit], width: int) -> Iterator[list[tuple[Edit, tuple[str, str], int]]]:
    """Columns with their two words and how wide they are, as many as fit beside one another."""
    columns: list[tuple[Edit, tuple[str, str], int]] = []
    used = 0
    for edit in edits:
        reference, hypothesis = (clean_text(one or "") for one in (edit.reference, edit.hypothesis))
        space = max(display_width(reference), display_width(hypothesis))
        if columns and used + space > width:
            yield columns
            columns, used = [], 0
        columns.append((edit, (reference or "*" * space, hypothesis or "*" * space), space))
        used += space + 1
    if columns:
        yield columns
