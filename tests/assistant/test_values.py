"""Whatever is said: an argument stays one argument, a name a name, an address at its host."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.assistant.actions.addresses import AddressPhrase
from earshot.assistant.actions.arguments import Arguments
from earshot.assistant.actions.filling import filled, parse, parsed, slots_in
from earshot.assistant.actions.plain_text import disguised, unfit
from earshot.assistant.actions.projects import slug
from earshot.assistant.actions.values import FilePath, Name, Number, Text
from earshot.core.errors import ActionError

HOME = Path("/home/nobody")
anything = st.text(max_size=60)


@given(anything)
def test_one_slot_is_one_argument_and_no_option(text: str) -> None:
    written = parsed(["tool", "first", "{x}", "last"])
    try:
        argv = Arguments().fill(written, {"x": text}, HOME)
    except ActionError:
        return
    assert len(argv) == 4
    assert (argv[:2], argv[3]) == (("tool", "first"), "last")
    assert argv[2][0] not in "-+@"
    assert unfit(argv[2]) is None


@given(anything)
def test_an_address_keeps_its_host_and_its_parts(text: str) -> None:
    written = parsed("https://example.org/a/{x}/b?q={x}")
    try:
        parts = urlsplit(AddressPhrase().fill(written, {"x": text}, HOME))
    except ActionError:
        return
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "example.org", "")
    segments = parts.path.split("/")
    assert (len(segments), segments[1], segments[3]) == (4, "a", "b")
    assert segments[2] not in ("", ".", "..")
    assert parts.query.count("&") == 0


@given(anything)
def test_a_name_is_a_name_of_one_file(text: str) -> None:
    try:
        name = Name().read(text, HOME)
    except ActionError:
        return
    assert Path(name).name == name
    assert name not in (".", "..")
    assert not name.startswith((".", "-"))
    assert disguised(name) is None


@given(anything)
def test_a_folder_of_a_project_is_a_child_of_its_root(text: str) -> None:
    try:
        made = slug(Name().read(text, HOME))
    except ActionError:
        return
    assert (HOME / made).parent == HOME
    assert not made.startswith((".", "-"))
    assert len(made.encode()) <= 200


@given(anything)
def test_a_path_stays_below_its_folder(text: str) -> None:
    try:
        path = FilePath(("/srv/allowed",)).read(text, HOME)
    except ActionError:
        return
    assert path.is_relative_to("/srv/allowed")


@given(anything)
def test_what_was_said_is_never_read_for_slots(text: str) -> None:
    assert filled(parse("a {x} b"), {"x": text}) == f"a {text} b"
    assert list(slots_in(filled(parsed(["{x}"]), {"x": "{y}"}))) == []


@pytest.mark.parametrize(
    "value", ["1e", "٣", "0x1", "", "1 2", "nan", True, None, [], float("nan"), float("inf")]
)
def test_what_is_no_number_is_refused(value: object) -> None:
    for number in (Number(0, 100), Number(), Number(is_whole=False)):
        with pytest.raises(ActionError):
            number.read(value, HOME)


def test_numbers_of_grammars_and_keyboards_are_read() -> None:
    assert Number(0, 100).read(" 30 ", HOME) == 30
    assert Number(0, 1, is_whole=False).read(0.5, HOME) == 0.5
    assert Number(-5).read("-5", HOME) == -5


@pytest.mark.parametrize(
    "text", ["नमस्ते दुनिया", "สวัสดี", "Tiếng Việt", "שָׁלוֹם", "👩‍👩‍👧 ok", "می‌خواهم", "Ærøskøbing"]
)
def test_honest_texts_of_all_scripts_pass(text: str) -> None:
    assert Text().read(text, HOME)
