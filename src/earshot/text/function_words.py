"""Small words that decide where a line of subtitles may end, by language.

``articles`` and ``leaning`` words lean on what follows, so a line does not end with them (articles least of
all); before an ``opener`` (a conjunction or preposition) a new line reads well. The lists are short: the
commonest words of a language cover most of its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class FunctionWords:
    """Lower-case words of one language."""

    articles: frozenset[str]
    leaning: frozenset[str]
    openers: frozenset[str]


def _words(articles: str, prepositions: str, conjunctions: str, other_leaning: str) -> FunctionWords:
    openers = frozenset(prepositions.split()) | frozenset(conjunctions.split())
    return FunctionWords(
        articles=frozenset(articles.split()),
        leaning=openers | frozenset(other_leaning.split()),
        openers=openers,
    )


FUNCTION_WORDS: Mapping[str, FunctionWords] = MappingProxyType(
    {
        "en": _words(
            "a an the",
            "about above across after against along among around as at before behind below beneath beside "
            "between beyond by despite down during except for from in inside into like near of off on onto out "
            "over past per since through throughout to toward towards under until up upon via with within "
            "without than",
            "and but or nor so yet because although though while whereas if unless when whenever where "
            "wherever which who whom whose that whether how why what",
            "my your his her its our their this these those some any every each no very too mr mrs ms dr st "
            "prof i'm i am is are was were be been have has had will would can could shall should may might "
            "must do does did not don't",
        ),
        "de": _words(
            "der die das den dem des ein eine einen einem einer eines",
            "an auf aus bei bis durch für gegen hinter in im ins mit nach neben ohne seit statt trotz über um "
            "unter von vom vor während wegen zu zum zur zwischen",
            "und oder aber denn sondern dass weil wenn als ob obwohl damit bevor nachdem sobald während wie "
            "wer was wo",
            "mein meine dein deine sein seine ihr ihre unser unsere kein keine dieser diese dieses sehr nicht "
            "herr frau dr",
        ),
        "fr": _words(
            "le la les un une des du au aux",
            "à avant après avec chez contre dans de depuis derrière dès devant en entre envers hors jusque "
            "malgré par parmi pendant pour sans sauf selon sous sur vers",
            "et ou mais donc or ni car que qui quand comme si lorsque puisque parce dont où",
            "mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce cet cette ces très ne je tu il "
            "elle on nous vous ils elles m mme dr",
        ),
        "es": _words(
            "el la los las un una unos unas lo al del",
            "a ante bajo con contra de desde durante en entre hacia hasta mediante para por según sin sobre "
            "tras",
            "y e o u pero sino porque que si cuando como aunque mientras donde quien ni",
            "mi mis tu tus su sus nuestro nuestra este esta estos estas ese esa muy no se me te le sr sra dr",
        ),
        "it": _words(
            "il lo la i gli le un uno una del dello della dei degli delle al allo alla ai agli alle",
            "a con contro da dal dalla di durante fra in nel nella per senza sopra sotto su sul sulla tra "
            "verso",
            "e ed o ma però perché che se quando come mentre anche né dove chi",
            "mio mia tuo tua suo sua nostro vostro loro questo questa molto non si mi ti ci vi",
        ),
        "pt": _words(
            "o a os as um uma uns umas do da dos das no na nos nas ao à",
            "ante após até com contra de desde durante em entre para pela pelo por sem sob sobre",
            "e ou mas porque que se quando como embora enquanto onde quem nem",
            "meu minha teu tua seu sua nosso nossa este esta esse essa muito não me te lhe sr sra dr",
        ),
        "nl": _words(
            "de het een",
            "aan achter bij binnen boven buiten door in langs met na naar naast om onder op over per sinds te "
            "tegen tot tussen uit van vanaf via voor zonder",
            "en of maar want dat omdat als toen terwijl hoewel zodat wanneer waar wie die wat",
            "mijn jouw je zijn haar ons onze hun uw deze dit dat geen niet zeer heel meneer mevrouw dr",
        ),
        "ru": _words(
            "",
            "без в во для до за из изо к ко между на над о об от ото перед по под при про с со через у",
            "и а но или да что чтобы если когда потому как хотя пока где который которая которое которые кто "
            "то",
            "не ни мой моя твой твоя его её их наш ваш этот эта это эти тот очень",
        ),
    }
)


_NONE = FunctionWords(frozenset(), frozenset(), frozenset())


def function_words(language: str | None) -> FunctionWords:
    """Those of a language (``en``, ``en-GB``); English when it is unknown, none where we have no list."""
    code = (language or "en").lower().replace("_", "-").split("-")[0]
    return FUNCTION_WORDS.get(code, _NONE)
