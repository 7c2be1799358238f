"""Names of keys as people write and say them, in English and Russian, for X11, Wayland and the kernel.

One row a key: its X keysym, its Linux key code (``input-event-codes.h``), its names. Names are compared
without capitals, with hyphens and underscores as spaces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from earshot.core.errors import ActionError, nearest


@dataclass(frozen=True, slots=True)
class Key:
    """keysym: its name in X11. code: of the Linux kernel, None for a character that US keyboards lack."""

    keysym: str
    code: int | None


@dataclass(frozen=True, slots=True)
class Chord:
    """Keys pressed together: modifiers held while the key is pressed."""

    modifiers: tuple[Key, ...]
    key: Key


_MODIFIERS = (
    (Key("Control_L", 29), "ctrl|control|контрол|контроль|ктрл"),
    (Key("Shift_L", 42), "shift|шифт"),
    (Key("Alt_L", 56), "alt|альт"),
    (Key("ISO_Level3_Shift", 100), "altgr|alt gr|right alt|правый альт"),
    (Key("Super_L", 125), "super|win|windows|meta|cmd|command|супер|вин|виндовс"),
)

_NAMED = (
    (Key("Return", 28), "enter|return|энтер|ввод"),
    (Key("Escape", 1), "escape|esc|эскейп|эск"),
    (Key("Tab", 15), "tab|таб|табуляция"),
    (Key("space", 57), "space|space bar|spacebar|пробел"),
    (Key("BackSpace", 14), "backspace|back space|бэкспейс|забой"),
    (Key("Delete", 111), "delete|del|делит|удалить"),
    (Key("Insert", 110), "insert|ins|инсерт"),
    (Key("Home", 102), "home|хоум|в начало"),
    (Key("End", 107), "end|энд|в конец"),
    (Key("Page_Up", 104), "page up|pageup|pgup|пейдж ап|страница вверх"),
    (Key("Page_Down", 109), "page down|pagedown|pgdn|пейдж даун|страница вниз"),
    (Key("Up", 103), "up|up arrow|arrow up|вверх|стрелка вверх"),
    (Key("Down", 108), "down|down arrow|arrow down|вниз|стрелка вниз"),
    (Key("Left", 105), "left|left arrow|arrow left|влево|стрелка влево"),
    (Key("Right", 106), "right|right arrow|arrow right|вправо|стрелка вправо"),
    (Key("Print", 99), "print|print screen|prtsc|printscreen|принтскрин"),
    (Key("Pause", 119), "pause|break|пауза"),
    (Key("Menu", 127), "menu|context menu|меню"),
    (Key("Caps_Lock", 58), "caps lock|capslock|капс лок|капслок"),
    (Key("Num_Lock", 69), "num lock|numlock|нам лок"),
    (Key("Scroll_Lock", 70), "scroll lock|scrolllock|скролл лок"),
    (Key("minus", 12), "-|minus|hyphen|dash|минус|дефис"),
    (Key("plus", None), "plus|плюс"),
    (Key("equal", 13), "=|equals|equal|равно"),
    (Key("comma", 51), ",|comma|запятая"),
    (Key("period", 52), ".|period|dot|full stop|точка"),
    (Key("slash", 53), "/|slash|слэш"),
    (Key("backslash", 43), "\\|backslash|обратный слэш"),
    (Key("semicolon", 39), ";|semicolon|точка с запятой"),
    (Key("apostrophe", 40), "'|apostrophe|quote|апостроф"),
    (Key("grave", 41), "`|grave|backtick|backquote|гравис"),
    (Key("bracketleft", 26), "[|left bracket|open bracket|левая скобка"),
    (Key("bracketright", 27), "]|right bracket|close bracket|правая скобка"),
)

_LETTER_CODES = dict(zip("qwertyuiop", range(16, 26), strict=True))
_LETTER_CODES |= dict(zip("asdfghjkl", range(30, 39), strict=True))
_LETTER_CODES |= dict(zip("zxcvbnm", range(44, 51), strict=True))
_DIGIT_CODES = dict(zip("1234567890", range(2, 12), strict=True))
_FUNCTION_CODES = {number: 58 + number for number in range(1, 11)} | {11: 87, 12: 88}

MODIFIERS = {name: key for key, names in _MODIFIERS for name in names.split("|")}
"""Names of keys that are held."""

KEYS = (
    {name: key for key, names in _NAMED for name in names.split("|")}
    | {letter: Key(letter, code) for letter, code in (_LETTER_CODES | _DIGIT_CODES).items()}
    | {f"{f}{number}": Key(f"F{number}", code) for number, code in _FUNCTION_CODES.items() for f in ("f", "ф")}
)
"""Names of all other keys."""

_LONGEST_NAME = max(len(name.split()) for name in (*KEYS, *MODIFIERS))


def parse_keys(keys: str) -> Chord:
    """``ctrl+shift+t``, "control shift t", "page_down", "контрол шифт т" as they are to be pressed.

    A modifier alone is pressed as a key. Any single letter is a key, on other keyboards than US ones too.
    Raises ActionError with the nearest name for a key that there is not, or more than one besides modifiers.
    """
    words = _words(keys)
    found: list[Key] = []
    num_modifiers = 0
    while words:
        key, is_modifier, size = _first(words)
        if found and num_modifiers < len(found):
            raise ActionError(f"{keys!r} has more than one key", fix="write it as ctrl+shift+t")
        found.append(key)
        num_modifiers += is_modifier
        words = words[size:]
    if not found:
        raise ActionError("no key is named", fix="write it as ctrl+shift+t, enter or page_down")
    return Chord(tuple(dict.fromkeys(found[:-1])), found[-1])


def _words(keys: str) -> list[str]:
    text = keys.casefold().strip()
    if text in KEYS:  # the hyphen's key
        return [text]
    if text.endswith(("++", "+ +")) or text == "+":
        text = text[:-1] + " plus"
    return re.sub(r"(?<=\w)[-_](?=\w)|[+_\s]", " ", text).split()


def _first(words: list[str]) -> tuple[Key, bool, int]:
    """The key that the first words name, whether it is a modifier, and how many words that took."""
    for size in range(min(_LONGEST_NAME, len(words)), 0, -1):
        name = " ".join(words[:size])
        if name in MODIFIERS:
            return MODIFIERS[name], True, size
        if name in KEYS:
            return KEYS[name], False, size
    name = words[0]
    if len(name) == 1 and name.isprintable():
        return Key(f"U{ord(name):04X}", None), False, 1
    raise ActionError(f"there is no key {name!r}", fix=nearest(name, (*KEYS, *MODIFIERS)))
