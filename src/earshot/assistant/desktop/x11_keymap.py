"""Characters that the keyboard lacks, put on keys that it does not use.

``xdotool`` alone lends one spare key to one character after the other. A program that is a moment late then
looks the key up when it means the next character already: with two busy cores, 10 of 10 Russian sentences
arrived garbled. Here all characters of a text get keys of their own before the first is typed, and keep them
until the keys run out, so that it does not matter when a program looks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from earshot.assistant.desktop.programs import Programs
from earshot.core.errors import ActionError

_ROW = re.compile(r"^\s*(\d+)((?:\s+0x[0-9a-f]+ \(\S*\))*)\s*$", re.IGNORECASE)
_KEYSYM = re.compile(r"0x([0-9a-f]+)", re.IGNORECASE)
_CHARACTERS_A_KEY = 2  # without and with Shift
_MARK = 0xFFE0
"""The keysym F35, which no keyboard has, on the third level tells the next process that a key is lent."""


@dataclass(frozen=True, slots=True)
class _Keyboard:
    """own: characters that it types by itself. lent: keys → what was put on them. unused: all keys that may be
    lent, those that are lent included.
    """

    own: frozenset[str]
    lent: dict[int, str]
    unused: tuple[int, ...]


class SpareKeys:
    """The unused keys of an X server's keyboard."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def pieces(self, text: str) -> Iterator[str]:
        """The text in pieces, each of which can be typed when it is given out: one, unless the keys run out.

        Raises ActionError where the keyboard has no unused key.
        """
        keyboard = self._read()
        room = len(keyboard.unused) * _CHARACTERS_A_KEY
        start = 0
        wanted: dict[str, None] = {}
        for position, character in enumerate(text):
            if character in keyboard.own or character in wanted:
                continue
            if not room:
                raise ActionError(
                    f"the keyboard lacks {character!r} and has no unused key for it", fix="setxkbmap us,ru"
                )
            if len(wanted) == room:
                keyboard = self._lend(keyboard, wanted)
                yield text[start:position]
                start, wanted = position, {}
            wanted[character] = None
        self._lend(keyboard, wanted)
        yield text[start:]

    def _read(self) -> _Keyboard:
        own: set[str] = {"\n"}
        lent: dict[int, str] = {}
        unused: list[int] = []
        for line in self._programs.call(["xmodmap", "-pk"]).splitlines():
            if (row := _ROW.match(line)) is None:
                continue
            code = int(row[1])
            values = [int(value, 16) for value in _KEYSYM.findall(row[2])]
            characters = "".join(map(keysym_character, values))
            if not any(values):
                unused.append(code)
            elif _MARK in values:
                unused.append(code)
                lent[code] = characters
            else:
                own.update(characters)
        return _Keyboard(frozenset(own), lent, tuple(unused))

    def _lend(self, keyboard: _Keyboard, wanted: Collection[str]) -> _Keyboard:
        """Put characters on unused keys; those that are there stay where they are."""
        present = set("".join(keyboard.lent.values()))
        missing = [character for character in wanted if character not in present]
        if not missing:
            return keyboard
        kept = keyboard.lent
        if len(missing) > (len(keyboard.unused) - len(kept)) * _CHARACTERS_A_KEY:  # begin anew
            kept, missing = {}, list(wanted)
        free = [code for code in keyboard.unused if code not in kept]
        pairs = ("".join(missing[first : first + _CHARACTERS_A_KEY]) for first in range(0, len(missing), 2))
        changes = dict(zip(free, pairs, strict=False))
        self._programs.call(["xmodmap", "-"], stdin="".join(_expression(*item) for item in changes.items()))
        return replace(keyboard, lent=kept | changes)


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
    keysyms = " ".join(f"U{ord(character):04X}" for character in pair)
    # Two groups, as keyboards with two layouts have, then the third level.
    return f"keycode {code} = {keysyms} {keysyms} {_MARK:#x} {_MARK:#x}\n"
