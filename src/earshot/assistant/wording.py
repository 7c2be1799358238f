"""What the assistant itself says, and the few sentences that it understands without a grammar, by language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

CONTROLS = ("yes", "no", "cancel", "sleep", "start-dictation", "stop-dictation")
"""Meanings of the assistant's own sentences; as intents of its own grammar they are called ``earshot.yes`` …"""


@dataclass(frozen=True, slots=True)
class Wording:
    """One language. Texts hold ``{}`` where something is named.

    is_spoken: whether replies can be said aloud; of a language without wording they are shown, in English.
    controls: templates of sentences, by their meanings.
    """

    language: str
    is_spoken: bool
    controls: Mapping[str, Sequence[str]]
    not_understood: str
    could_say: str
    cancelled: str
    not_confirmed: str
    no_answer: str
    not_your_voice: str
    timer: str
    late_timer: str
    timer_name: str


ENGLISH = Wording(
    language="en",
    is_spoken=True,
    controls=MappingProxyType(
        {
            "yes": ("(yes|yeah|yep|sure|okay|do it|go ahead|yes please|yes do it|of course)",),
            "no": ("(no|nope|do not|don't|no thanks|no thank you|better not)",),
            "cancel": ("(cancel|cancel that|cancel it|never mind|forget it)",),
            "sleep": ("(stop listening|go to sleep)",),
            "start-dictation": ("(start dictation|start dictating|take dictation)",),
            "stop-dictation": ("(stop|end) (dictation|dictating)",),
        }
    ),
    not_understood="I did not understand.",
    could_say="You could say: {}",
    cancelled="Cancelled.",
    not_confirmed="No answer: not done.",
    no_answer="No answer: forgotten.",
    not_your_voice="That was another voice.",
    timer="{} is over.",
    late_timer="{} was over at {}.",
    timer_name="The timer",
)

RUSSIAN = Wording(
    language="ru",
    is_spoken=True,
    controls=MappingProxyType(
        {
            "yes": ("(да|ага|давай|конечно|хорошо|да давай|да пожалуйста|выполняй)",),
            "no": ("(нет|не надо|не нужно|нет спасибо|нет не надо)",),
            "cancel": ("(отмена|отмени|отменить|забудь|неважно)",),
            "sleep": ("(хватит слушать|не слушай|спи)",),
            "start-dictation": ("(начать|начни|включи) диктовку",),
            "stop-dictation": ("(закончить|закончи|останови|стоп|конец) (диктовку|диктовка|диктовки)",),
        }
    ),
    not_understood="Я не поняла.",
    could_say="Можно сказать: {}",
    cancelled="Отменено.",
    not_confirmed="Ответа нет: не делаю.",
    no_answer="Ответа нет: забыто.",
    not_your_voice="Это был другой голос.",
    timer="{}: время вышло.",
    late_timer="{}: время вышло в {}.",
    timer_name="Таймер",
)

_WORDINGS = {wording.language: wording for wording in (ENGLISH, RUSSIAN)}


def wording_of(language: str | None) -> Wording:
    """The wording of a language (ISO 639-1); one that we do not speak gets English to read, and sounds."""
    code = (language or "en").partition("-")[0].lower()
    if code in _WORDINGS:
        return _WORDINGS[code]
    return replace(ENGLISH, language=code, is_spoken=False)
