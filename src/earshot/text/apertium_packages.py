"""Facts about Apertium: its names of languages, and the Debian package of each direction.

Taken from the packages of Debian 12 (their .mode files); variants of a language are left to the mode's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# ISO 639-1 to what modes call the language, the usual name first. Written varieties follow an underscore.
_CODES = {
    "af": "afr", "an": "arg", "ast": "ast", "be": "bel", "bg": "bul", "br": "br", "bs": "hbs_BS hbs",
    "ca": "cat ca", "da": "dan", "en": "eng en", "eo": "eo", "es": "spa es", "eu": "eu", "fr": "fra fr",
    "frp": "frp", "gl": "gl", "hi": "hin", "hr": "hbs_HR hbs", "id": "ind", "is": "isl", "it": "ita",
    "mk": "mkd", "ms": "zlm", "nb": "nob", "nl": "nld", "nn": "nno", "no": "nob", "oc": "oci oc", "pl": "pol",
    "pt": "por pt", "ro": "ro", "ru": "rus", "sc": "srd", "sh": "hbs", "sl": "slv", "sr": "hbs_SR hbs",
    "sv": "swe", "szl": "szl", "uk": "ukr", "ur": "urd",
}  # fmt: skip

CODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {code: tuple(names.split()) for code, names in _CODES.items()}
)

# Of each package the directions that it brings, as "source>target" of modes.
_PACKAGES = {
    "apertium-afr-nld": "afr>nld nld>afr",
    "apertium-arg-cat": "arg>cat cat>arg",
    "apertium-bel-rus": "bel>rus rus>bel",
    "apertium-br-fr": "br>fr",
    "apertium-cat-ita": "cat>ita ita>cat",
    "apertium-cat-srd": "cat>srd",
    "apertium-dan-nor": "dan>nno dan>nob nno>dan nob>dan",
    "apertium-en-gl": "en>gl gl>en",
    "apertium-eng-cat": "cat>eng eng>cat",
    "apertium-eng-spa": "eng>spa spa>eng",
    "apertium-eo-ca": "ca>eo",
    "apertium-eo-en": "en>eo eo>en",
    "apertium-eo-es": "es>eo",
    "apertium-eo-fr": "fr>eo",
    "apertium-es-gl": "es>gl gl>es",
    "apertium-es-pt": "es>pt pt>es",
    "apertium-es-ro": "ro>es",
    "apertium-eu-en": "eu>en",
    "apertium-eu-es": "eu>es",
    "apertium-fr-es": "es>fr fr>es",
    "apertium-fra-cat": "cat>fra fra>cat",
    "apertium-fra-frp": "fra>frp frp>fra",
    "apertium-hbs-eng": "eng>hbs_BS eng>hbs_HR eng>hbs_SR eng>hbs hbs>eng",
    "apertium-hbs-mkd": "hbs>mkd mkd>hbs_BS mkd>hbs_HR mkd>hbs_SR",
    "apertium-hbs-slv": "hbs>slv slv>hbs_BS slv>hbs_HR slv>hbs_SR slv>hbs",
    "apertium-ind-zlm": "ind>zlm zlm>ind",
    "apertium-isl-eng": "isl>eng",
    "apertium-isl-swe": "isl>swe swe>isl",
    "apertium-mkd-bul": "bul>mkd mkd>bul",
    "apertium-mkd-eng": "mkd>eng",
    "apertium-nno-nob": "nno>nob nob>nno",
    "apertium-oc-ca": "ca>oc oc>ca",
    "apertium-oc-es": "es>oc oc>es",
    "apertium-oci-fra": "fra>oci oci>fra",
    "apertium-pol-szl": "pol>szl szl>pol",
    "apertium-por-cat": "cat>por por>cat",
    "apertium-pt-gl": "gl>pt pt>gl",
    "apertium-rus-ukr": "rus>ukr ukr>rus",
    "apertium-spa-arg": "arg>spa spa>arg",
    "apertium-spa-ast": "spa>ast",
    "apertium-spa-cat": "cat>spa spa>cat",
    "apertium-spa-ita": "ita>spa spa>ita",
    "apertium-srd-ita": "ita>srd",
    "apertium-swe-dan": "dan>swe swe>dan",
    "apertium-swe-nor": "nno>swe nob>swe swe>nno swe>nob",
    "apertium-urd-hin": "hin>urd urd>hin",
}

PACKAGES: Mapping[str, str] = MappingProxyType(
    {mode.replace(">", "-"): package for package, modes in _PACKAGES.items() for mode in modes.split()}
)
"""The Debian package that brings a mode (``eng-spa``)."""


def language_names(code: str) -> tuple[str, ...]:
    """What modes may call a language: of ``en``, ``eng`` and ``en-GB`` it is ``eng``, then ``en``."""
    parts = code.replace("_", "-").split("-")
    primary = language_code(parts[0].lower())
    names = CODES.get(primary, (primary,))
    if (
        len(parts) == 2 and len(parts[1]) == 2 and parts[1].isalpha()
    ):  # pt-BR is por_BR or pt_BR where there is one
        return (*(f"{name}_{parts[1].upper()}" for name in names if "_" not in name), *names)
    return names


def language_code(name: str) -> str:
    """The ISO 639-1 code of what a mode or the user calls a language; the name itself where there is none."""
    base = name.replace("-", "_").split("_")[0]
    for code, names in CODES.items():
        if name == code or name in names[:1]:
            return code
    return next((code for code, names in CODES.items() if base == code or base in names), base)


def targets_from(source: str) -> list[str]:
    """The codes into which some package translates ``source``, sorted."""
    names = language_names(source)
    return sorted({language_code(mode.split("-")[1]) for mode in PACKAGES if mode.split("-")[0] in names})
