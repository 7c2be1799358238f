from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from earshot.core.errors import ModelError, UnknownModelError
from earshot.core.paths import data_home
from earshot.models.catalogue import Catalogue, RemoteFile

ENTRY = """
[[model]]
name = "{name}"
engine = "vosk"
languages = ["xx"]
size = 10
url = "https://models.example.org/{name}.zip"
"""


def user_catalogue(text: str) -> Catalogue:
    data_home().mkdir(parents=True, exist_ok=True)
    (data_home() / "catalogue.toml").write_text(text)
    return Catalogue.load()


def test_what_users_look_for_is_there() -> None:
    entries = Catalogue.load().entries
    vosk = {code for entry in entries if entry.engine == "vosk" for code in entry.languages}
    assert {"en", "de", "es", "fr", "it", "ja", "nl", "pl", "pt", "ru", "uk", "zh", "hi", "tr", "vi"} <= vosk
    names = {entry.name for entry in entries}
    assert {"vosk-model-small-ru-0.22", "whisper-tiny", "wav2vec2-base-960h", "moonshine-base-en"} <= names
    assert any(entry.engine == "sherpa" and entry.checksum == "sha256" for entry in entries)


def test_every_entry_can_be_fetched_safely_and_is_told_apart() -> None:
    entries = Catalogue.load().entries
    names = [name.lower() for entry in entries for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))
    for entry in entries:
        assert all(urlsplit(file.url).scheme == "https" for file in entry.files)
        assert entry.languages
        assert entry.description
        assert entry.page
        if not entry.is_archive and not entry.size_is_approximate:
            assert entry.size == sum(file.size or 0 for file in entry.files)


def test_checksums_of_different_weights_differ() -> None:
    """The mistake that copying a line makes."""
    weights = [
        file.sha256
        for entry in Catalogue.load().entries
        for file in entry.files
        if file.sha256 and (file.path is None or file.path.startswith(("model.", "encoder", "decoder")))
    ]
    assert len(weights) == len(set(weights))


def test_a_name_is_found_in_any_case_and_by_its_alias() -> None:
    catalogue = Catalogue.load()
    assert catalogue.find("Vosk-Model-Small-RU-0.22").name == "vosk-model-small-ru-0.22"
    assert catalogue.find("large-v3").name == "whisper-large-v3"
    assert catalogue.find("facebook/wav2vec2-base-960h").name == "wav2vec2-base-960h"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownModelError, match=r"did you mean 'vosk-model-small-ru-0\.22'"):
        Catalogue.load().find("vosk-model-smal-ru-0.22")
    with pytest.raises(UnknownModelError, match="earshot models list"):
        Catalogue.load().find("completely different")


def test_the_users_catalogue_adds_and_replaces() -> None:
    num_entries = len(Catalogue.load().entries)
    catalogue = user_catalogue(ENTRY.format(name="ours") + ENTRY.format(name="vosk-model-small-ru-0.22"))
    assert len(catalogue.entries) == num_entries + 1
    assert catalogue.find("ours").languages == ("xx",)
    assert catalogue.find("vosk-model-small-ru-0.22").files == (
        RemoteFile("https://models.example.org/vosk-model-small-ru-0.22.zip", None, 10),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[model", "no valid TOML"),
        ("[[modle]]\n", "no key 'modle': did you mean 'model'"),
        ("format = 2", "format 2"),
        ("model = 3", "written as"),
        (ENTRY.format(name="x") + 'sha265 = "a"', "no key 'sha265': did you mean 'sha256'"),
        (ENTRY.format(name="x") + 'sha256 = "abc"', "no SHA-256"),
        (ENTRY.format(name="x") + 'md5 = "abc"', "no MD5"),
        (ENTRY.format(name="../x"), "cannot be the name"),
        (ENTRY.format(name="x").replace("10", "-10"), "no size"),
        (ENTRY.format(name="x").replace('["xx"]', '"whisperr"'), "no language set"),
        (ENTRY.format(name="x").replace("url =", "ulr ="), "did you mean 'url'"),
        (ENTRY.format(name="x") + "files = []", "either"),
        (
            '[[model]]\nname="x"\nengine="y"\nsize=1\nbase="https://a.org"\nfiles=[{path="../../x"}]',
            "leads out",
        ),
    ],
)
def test_a_broken_catalogue_says_where(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        user_catalogue(text)
    assert "catalogue.toml" in str(caught.value) or "cannot be the name" in message or "leads out" in message


def test_a_catalogue_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match="cannot be read"):
        Catalogue.load(path)


def test_where_a_mirror_has_the_files() -> None:
    catalogue = Catalogue.load()
    vosk, whisper = catalogue.find("vosk-model-small-ru-0.22"), catalogue.find("whisper-tiny")
    assert vosk.url_of(vosk.files[0], "https://m.org/x/") == "https://m.org/x/vosk-model-small-ru-0.22.zip"
    assert whisper.url_of(whisper.files[0], "https://m.org") == "https://m.org/whisper-tiny/model.bin"
    assert whisper.url_of(whisper.files[0], None).startswith("https://huggingface.co/Systran/")
