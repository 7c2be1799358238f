"""What actions say of themselves, by language. Sentences of single entries stand in the actions file."""

from __future__ import annotations

from earshot.assistant.actions.base import Surroundings

_WORDS = {
    "en": {
        "heard": "You said: {text}",
        "heard nothing": "You have said nothing yet.",
        "time": "It is {time}.",
        "date": "It is {weekday}, {date}.",
        "weekdays": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "no help": "Nothing can be said yet.",
        "no notes": "There are no notes.",
        "no timers": "No timer is running.",
        "timer": "{time} from now.",
        "reminder": "I will remind you in {time}.",
        "a timer": "Timer",
        "hours": "hour hours hours",
        "minutes": "minute minutes minutes",
        "seconds": "second seconds seconds",
        "no windows": "No window is open.",
        "clipboard is empty": "The clipboard is empty.",
    },
    "ru": {
        "heard": "Вы сказали: {text}",
        "heard nothing": "Вы ещё ничего не сказали.",
        "time": "Сейчас {time}.",
        "date": "Сегодня {weekday}, {date}.",
        "weekdays": "понедельник вторник среда четверг пятница суббота воскресенье",
        "no help": "Пока ничего нельзя сказать.",
        "no notes": "Заметок нет.",
        "no timers": "Таймеров нет.",
        "timer": "Таймер: {time}.",
        "reminder": "Напомню через {time}.",
        "a timer": "Таймер",
        "hours": "час часа часов",
        "minutes": "минуту минуты минут",
        "seconds": "секунду секунды секунд",
        "no windows": "Окон нет.",
        "clipboard is empty": "Буфер обмена пуст.",
    },
}
"""Units of time: with one, with two to four (as Slavic languages count), with others."""


def said(key: str, surroundings: Surroundings, **values: str) -> str:
    """A sentence of the table, in English where the language has none."""
    table = _WORDS.get(surroundings.language, _WORDS["en"])
    return table[key].format_map(values)


def counted(count: int, unit: str, surroundings: Surroundings) -> str:
    """As in "1 minute", "5 minutes". unit: hours, minutes or seconds."""
    one, few, many = said(unit, surroundings).split()
    if surroundings.language == "ru":
        is_teen = count % 100 in range(11, 15)
        form = many if is_teen else {1: one, 2: few, 3: few, 4: few}.get(count % 10, many)
    else:
        form = one if count == 1 else many
    return f"{count} {form}"
