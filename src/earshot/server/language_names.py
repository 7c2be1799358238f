"""Languages as clients name them: ISO 639-1 codes, tags such as ``en-US``, or English names."""

from __future__ import annotations

from earshot.server.errors import RequestError

_NAMES = {
    part.split(":")[0]: part.split(":")[1]
    for part in """
    af:afrikaans am:amharic ar:arabic as:assamese az:azerbaijani ba:bashkir be:belarusian bg:bulgarian
    bn:bengali bo:tibetan br:breton bs:bosnian ca:catalan cs:czech cy:welsh da:danish de:german el:greek
    en:english eo:esperanto es:spanish et:estonian eu:basque fa:persian fi:finnish fo:faroese fr:french
    gl:galician gu:gujarati ha:hausa he:hebrew hi:hindi hr:croatian ht:haitian hu:hungarian hy:armenian
    id:indonesian is:icelandic it:italian ja:japanese jv:javanese ka:georgian kk:kazakh km:khmer kn:kannada
    ko:korean la:latin
    lb:luxembourgish ln:lingala lo:lao lt:lithuanian lv:latvian mg:malagasy mi:maori mk:macedonian ml:malayalam
    mn:mongolian mr:marathi ms:malay mt:maltese my:burmese ne:nepali nl:dutch nn:nynorsk no:norwegian oc:occitan
    pa:punjabi pl:polish ps:pashto pt:portuguese ro:romanian ru:russian sa:sanskrit sd:sindhi si:sinhala
    sk:slovak sl:slovenian sn:shona so:somali sq:albanian sr:serbian su:sundanese sv:swedish sw:swahili ta:tamil
    te:telugu tg:tajik th:thai tk:turkmen tl:tagalog tr:turkish tt:tatar uk:ukrainian ur:urdu uz:uzbek
    vi:vietnamese yi:yiddish yo:yoruba zh:chinese
    """.split()  # noqa: SIM905 - a paragraph, not a column
}
_CODES = {name: code for code, name in _NAMES.items()}


def language_name(code: str | None) -> str:
    """``en`` → ``english``, as OpenAI's answers tell it; the code itself where it has no name here."""
    return _NAMES.get(code, code) if code else "unknown"


def language_code(wish: str | None, *, param: str = "language") -> str | None:
    """``en``, ``en-US`` and ``English`` → ``en``; None for nothing or ``auto``.

    Raises RequestError for what is no language.
    """
    if wish is None or wish.strip().lower() in ("", "auto"):
        return None
    text = wish.strip().lower()
    if text in _CODES:
        return _CODES[text]
    code = text.replace("_", "-").split("-")[0]
    if not (code.isascii() and code.isalpha() and len(code) in (2, 3)):
        raise RequestError(f"{wish[:20]!r} is no language", fix="give an ISO 639-1 code", param=param)
    return code
