"""Russian whole numbers in words as digits: "двадцать пять" → 25, "двух тысяч трёхсот" → 2300.

Cardinals in all cases; ordinals ("двадцать пятый") stay words, since digits would need the ending ("25-й").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TEENS = """
    одиннадцат двенадцат тринадцат четырнадцат пятнадцат шестнадцат семнадцат восемнадцат девятнадцат двадцат
"""
_FORMS = {
    0: "ноль нуль ноля нуля нолю нулю",
    1: "один одна одно одного одной одному одну одним одном",
    2: "два две двух двум двумя",
    3: "три трех трем тремя",
    4: "четыре четырех четырем четырьмя",
    5: "пять пяти пятью",
    6: "шесть шести шестью",
    7: "семь семи семью",
    8: "восемь восьми восемью восьмью",
    9: "девять девяти девятью",
    10: "десять десяти десятью",
    **{
        value: f"{stem}ь {stem}и {stem}ью"
        for value, stem in enumerate(
            _TEENS.split(),
            start=11,
        )
    },
    30: "тридцать тридцати тридцатью",
    40: "сорок сорока",
    50: "пятьдесят пятидесяти пятьюдесятью",
    60: "шестьдесят шестидесяти шестьюдесятью",
    70: "семьдесят семидесяти семьюдесятью",
    80: "восемьдесят восьмидесяти восемьюдесятью",
    90: "девяносто девяноста",
    100: "сто ста",
    200: "двести двухсот двумстам двумястами двухстах",
    300: "триста трехсот тремстам тремястами трехстах",
    400: "четыреста четырехсот четыремстам четырьмястами четырехстах",
    500: "пятьсот пятисот пятистам пятьюстами пятистах",
    600: "шестьсот шестисот шестистам шестьюстами шестистах",
    700: "семьсот семисот семистам семьюстами семистах",
    800: "восемьсот восьмисот восьмистам восемьюстами восьмистах",
    900: "девятьсот девятисот девятистам девятьюстами девятистах",
}
_VALUES = {form: value for value, forms in _FORMS.items() for form in forms.split()}
_SCALES = {
    form: scale
    for scale, forms in (
        (10**3, "тысяча тысячи тысяч тысяче тысячу тысячей тысячью тысячам тысячами тысячах"),
        (10**6, "миллион миллиона миллионов миллиону миллионом миллионе миллионам миллионами миллионах"),
        (10**9, "миллиард миллиарда миллиардов миллиарду миллиардом миллиарде миллиардам миллиардами"),
    )
    for form in forms.split()
}
_TRAILING = re.compile(r"\W+$")
_ORDINAL = re.compile(
    r"(?:перв|втор|трет|четв[её]рт|пят|шест|седьм|восьм|девят|десят|\w+надцат|двадцат|тридцат|сороков|\w+десят|"
    r"девяност|сот|\w+сот|тысячн|миллионн)(?:ый|ий|ой|ая|ое|ые|ого|ому|ым|ом|ую|ых|ыми|ья|ье|ьи|ьего|ьей|ью|ьем)\W*"
)


def read_number(words: Sequence[str], position: int) -> tuple[str, str, int] | None:
    """The spoken number that begins at ``position``: its digits, the punctuation behind it, where it ends.

    words: lower case. None where no number begins, or where an ordinal ends it ("двадцать пятый"). "Тысяча"
    alone is one.
    """
    total = value = 0
    room, last_scale = 1000, 10**12  # what the next part must stay below
    end, trailing = position, ""
    while end < len(words) and not trailing:
        stem = _TRAILING.sub("", words[end]).replace("ё", "е")
        if stem in _VALUES and _VALUES[stem] < room and (_VALUES[stem] or end == position):
            value += _VALUES[stem]
            room = _room(_VALUES[stem])
        elif stem in _SCALES and _SCALES[stem] < last_scale and (value or end == position):
            last_scale = _SCALES[stem]
            total, value, room = total + (value or 1) * last_scale, 0, 1000
        else:
            break
        trailing = words[end][len(stem) :] if _TRAILING.search(words[end]) else ""
        end += 1
    if end < len(words) and not trailing and room > 1 and _ORDINAL.fullmatch(words[end]):
        return None
    return None if end == position else (str(total + value), trailing, end)


def _room(value: int) -> int:
    """After hundreds anything below 100 may follow, after tens below 10, after less nothing."""
    return 100 if value >= 100 else 10 if value >= 20 else 0
