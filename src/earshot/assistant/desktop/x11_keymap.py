"""Characters that the keyboard lacks, put on keys that it does not use.

``xdotool`` alone lends one spare key to one character after the other. A program that is a moment late then
looks the key up when it means the next character already: with two busy cores, 10 of 10 Russian sentences
arrived garbled. Here all characters of a text get keys of their own before the first is typed, and keep them
until the keys run out, so that it does not matter when a program looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from earshot.assistant.desktop.programs import Programs

_ROW = re.compile(r"^\s*(\d+)((?:\s+0x[0-9a-f]+ \(\S*\))*)\s*$", re.IGNORECASE)
_KEYSYM = re.compile(r"0x([0-9a-f]+)", re.IGNORECASE)
_CHARACTERS_A_KEY = 2  # without and with Shift


class SpareKeys:
    """The unused keys of an X server's keyboard, and what this process has put on them."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._lent: dict[int, str] = {}  # key code → its one or two characters

    def pieces(self, text: str) -> Iterator[str]:
        """The text in pieces, each of which can be typed when it is given out: one, unless the keys run out."""
        known, spare = self._read()
        if not any(character not in known for character in text):
            yield text  # English on an English keyboard: nothing to be changed
            return
        room = len(spare) * _CHARACTERS_A_KEY
        start = 0
        lent: dict[str, None] = {}
        for position, character in enumerate(text):
            if character in known or character in lent:
                continue
            if len(lent) == room:
                self._lend(lent, spare)
                yield text[start:position]
                start, lent = position, {}
            lent[character] = None
        self._lend(lent, spare)
        yield text[start:]

    def _read(self) -> tuple[set[str], list[int]]:
        """What the keyboard can type by itself, and its keys without any use but ours."""
        known: set[str] = {"\n"}
        spare: list[int] = []
        for line in self._programs.call(["xmodmap", "-pk"]).splitlines():
            if (row := _ROW.match(line)) is None:
                continue
            code = int(row[1])
            values = [int(value, 16) for value in _KEYSYM.findall(row[2])]
            characters = "".join(map(keysym_character, values))
            if not any(values) or (code in self._lent and set(characters) <= set(self._lent[code])):
                spare.append(code)
            else:
                known.update(characters)
        return known, spare

    def _lend(self, characters: dict[str, None], spare: list[int]) -> None:
        """Put characters on spare keys; those that are there stay where they are."""
        present = {code: self._lent[code] for code in spare if code in self._lent}
        missing = [
            character for character in characters if not any(character in own for own in present.values())
        ]
        if not missing:
            return
        free = [code for code in spare if code not in present]
        if len(missing) > len(free) * _CHARACTERS_A_KEY:  # begin anew
            present, free, missing = {}, list(spare), list(characters)
        changes = {}
        for code, first in zip(free, range(0, len(missing), _CHARACTERS_A_KEY), strict=False):
            changes[code] = "".join(missing[first : first + _CHARACTERS_A_KEY])
        self._programs.call(["xmodmap", "-"], stdin="".join(_expression(*item) for item in changes.items()))
        self._lent = present | changes


def keysym_character(keysym: int) -> str:
    """The character of an X keysym; empty where it has none, or one that is looked for no further."""
    if 0x20 <= keysym <= 0x7E or 0xA0 <= keysym <= 0xFF:
        return chr(keysym)
    if 0x1000100 <= keysym <= 0x110FFFF:
        return chr(keysym - 0x1000000)
    if keysym in (0x6A3, 0x6B3) or 0x6C0 <= keysym <= 0x6FF:  # Cyrillic, in the order of KOI8
        return bytes([keysym & 0xFF]).decode("koi8_r")
    return ""


def _expression(code: int, characters: str) -> str:
    # A key with one character has it twice: X11 would make a capital of it by itself.
    pair = characters * 2 if len(characters) == 1 else characters
    return f"keycode {code} = {' '.join(f'U{ord(character):04X}' for character in pair)}\n"
