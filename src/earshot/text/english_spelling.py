"""British spellings in their American form, for scoring: neither is an error of recognition."""

from __future__ import annotations

import re

_WHOLE = {
    "grey": "gray",
    "greys": "grays",
    "greyer": "grayer",
    "aeroplane": "airplane",
    "aeroplanes": "airplanes",
    "aluminium": "aluminum",
    "analyse": "analyze",
    "analysed": "analyzed",
    "analysing": "analyzing",
    "axe": "ax",
    "catalogue": "catalog",
    "catalogues": "catalogs",
    "cheque": "check",
    "cheques": "checks",
    "cosy": "cozy",
    "defence": "defense",
    "defences": "defenses",
    "dialogue": "dialog",
    "dialogues": "dialogs",
    "draught": "draft",
    "draughts": "drafts",
    "enrol": "enroll",
    "fulfil": "fulfill",
    "fulfils": "fulfills",
    "fulfilment": "fulfillment",
    "gaol": "jail",
    "jewellery": "jewelry",
    "judgement": "judgment",
    "judgements": "judgments",
    "kerb": "curb",
    "licence": "license",
    "licences": "licenses",
    "manoeuvre": "maneuver",
    "manoeuvres": "maneuvers",
    "mould": "mold",
    "mum": "mom",
    "offence": "offense",
    "offences": "offenses",
    "plough": "plow",
    "ploughed": "plowed",
    "ploughs": "plows",
    "practise": "practice",
    "practised": "practiced",
    "practising": "practicing",
    "pretence": "pretense",
    "programme": "program",
    "programmes": "programs",
    "pyjamas": "pajamas",
    "sceptic": "skeptic",
    "sceptical": "skeptical",
    "skilful": "skillful",
    "smoulder": "smolder",
    "storey": "story",
    "storeys": "stories",
    "sulphur": "sulfur",
    "tyre": "tire",
    "tyres": "tires",
    "waggon": "wagon",
    "waggons": "wagons",
    "whisky": "whiskey",
    "wilful": "willful",
    "woollen": "woolen",
    "towards": "toward",
    "afterwards": "afterward",
    "backwards": "backward",
    "forwards": "forward",
    "upwards": "upward",
    "downwards": "downward",
    "amongst": "among",
    "whilst": "while",
    "learnt": "learned",
    "burnt": "burned",
    "spelt": "spelled",
    "dreamt": "dreamed",
    "leapt": "leaped",
}

# Stems and how their common endings are spelled; each pattern takes a whole word.
_PATTERNS = (
    (
        re.compile(
            r"((?:dis)?(?:arm|ard|behavi|cand|clam|col|endeav|fav|ferv|flav|harb|hon|hum|lab|neighb|od|parl|ranc|"
            r"rig|rum|sav|savi|splend|succ|tum|val|vap|vig))our"
            r"(s|ed|ing|able|ably|ite|ites|ful|fully|less|hood|hoods|er|ers|ly|y|'s)?"
        ),
        r"\1or\2",
    ),
    (
        re.compile(
            r"((?:un)?(?:agon|apolog|author|capital|character|civil|colon|critic|dramat|econom|emphas|equal|"
            r"familiar|final|fratern|general|harmon|hypnot|ideal|immortal|industrial|legal|local|maxim|memor|"
            r"minim|mobil|modern|monopol|national|neutral|normal|optim|organ|patron|penal|popular|public|pulver|"
            r"real|recogn|reorgan|scrutin|social|special|stabil|standard|steril|summar|symbol|sympath|terror|"
            r"tranquill|util|visual|vital))is(e|es|ed|er|ers|ing|able|ation|ations)"
        ),
        r"\1iz\2",
    ),
    (
        re.compile(
            r"((?:epi)?cent|lit|lust|meag|met|(?:kilo|centi|milli)met|fib|sab|somb|spect|theat)re(s|'s)?"
        ),
        r"\1er\2",
    ),
    (
        re.compile(
            r"(cancel|channel|counsel|equal|fuel|jewel|label|level|marvel|model|quarrel|signal|travel|tunnel)"
            r"l(ed|ing|er|ers|ous|or|ors)"
        ),
        r"\1\2",
    ),
)


def american(word: str) -> str:
    """A lower-case word in American spelling; any other word as it is."""
    if word in _WHOLE:
        return _WHOLE[word]
    for pattern, form in _PATTERNS:
        if pattern.fullmatch(word):
            return pattern.sub(form, word)
    return word
