from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

from earshot.core.errors import DownloadError, ModelError, OutputError, UnknownModelError
from earshot.core.paths import models_home
from earshot.models.card import read_card
from earshot.models.catalogue import Catalogue, CatalogueEntry, RemoteFile
from earshot.models.download import RetryPolicy
from earshot.models.staging import model_locked
from earshot.models.store import ModelStore

from .conftest import MOONSHINE, SHERPA, VOSK, WAV2VEC2, WHISPER, write_files, zipped
from .server import FileServer

QUICK = RetryPolicy(attempts=2, first_delay=0.01, timeout=5)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def vosk_entry(
    server: FileServer, *, checksum: bool = True, name: str = "vosk-model-small-xx-1"
) -> CatalogueEntry:
    data = zipped(VOSK, top=name)
    server.files[f"/{name}.zip"] = data
    file = RemoteFile(server.url(f"/{name}.zip"), None, len(data), sha256(data) if checksum else None)
    return CatalogueEntry(name, "vosk", len(data), (file,), ("xx",), licence="Apache-2.0")


def whisper_entry(server: FileServer) -> CatalogueEntry:
    for name, data in WHISPER.items():
        server.files[f"/hub/{name}"] = data
    files = tuple(
        RemoteFile(server.url(f"/hub/{name}"), name, len(data), sha256(data)) for name, data in WHISPER.items()
    )
    size = sum(map(len, WHISPER.values()))
    return CatalogueEntry("whisper-nano", "whisper", size, files, ("en", "xx"), aliases=("nano",))


@pytest.fixture
def store(server: FileServer) -> ModelStore:
    return ModelStore(catalogue=Catalogue([vosk_entry(server), whisper_entry(server)]), retry=QUICK)


def leftovers(root: Path) -> list[str]:
    """What should not be in a store at rest."""
    return [
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.name.startswith(".staging") or ".downloads/" in path.as_posix()
    ]


def test_an_archive_is_pulled_checked_and_carded(store: ModelStore) -> None:
    steps: list[tuple[float, float | None]] = []
    model = store.pull("vosk-model-small-xx-1", progress=lambda done, total: steps.append((done, total)))
    assert model.path == models_home() / "vosk-model-small-xx-1"
    assert {name: (model.path / name).read_bytes() for name in VOSK} == VOSK
    card = read_card(model.path)
    assert (card.engine, card.languages, card.licence, card.verified) == (
        "vosk",
        ("xx",),
        "Apache-2.0",
        "sha256",
    )
    assert card.sample_rate == 8000  # from the model's own mfcc.conf
    assert card.files["am/final.mdl"].sha256 == sha256(VOSK["am/final.mdl"])
    assert card.size == sum(map(len, VOSK.values()))
    assert card.source
    assert steps[-1][0] == steps[-1][1]
    assert not leftovers(store.root)


def test_a_model_of_several_files_is_pulled(store: ModelStore) -> None:
    steps: list[tuple[float, float | None]] = []
    model = store.pull("NANO", progress=lambda done, total: steps.append((done, total)))
    assert model.name == "whisper-nano"
    assert (model.path / "model.bin").read_bytes() == WHISPER["model.bin"]
    total = sum(map(len, WHISPER.values()))
    assert steps[-1] == (total, total)
    assert all(of == total for _, of in steps)


def test_a_second_pull_asks_nobody(store: ModelStore, server: FileServer) -> None:
    store.pull("whisper-nano")
    server.requests.clear()
    notices: list[str] = []
    store.pull("whisper-nano", notice=notices.append)
    assert server.requests == []
    assert notices == ["whisper-nano is installed already"]
    store.pull("whisper-nano", replace=True)
    assert len(server.requests) == len(WHISPER)
    assert not leftovers(store.root)


def test_a_mirror_is_held_to_the_same_checksums(store: ModelStore, server: FileServer) -> None:
    server.files["/mirror/vosk-model-small-xx-1.zip"] = server.files.pop("/vosk-model-small-xx-1.zip")
    store.pull("vosk-model-small-xx-1", mirror=server.url("/mirror"))
    for name, data in WHISPER.items():
        server.files[f"/mirror/whisper-nano/{name}"] = data
    server.files["/mirror/whisper-nano/model.bin"] = b"\x06\x00\x00\x00" + b"x" * 50_000
    with pytest.raises(DownloadError, match="SHA-256"):
        store.pull("whisper-nano", mirror=server.url("/mirror"))
    assert [model.name for model in store.list()] == ["vosk-model-small-xx-1"]


def test_an_interrupted_pull_goes_on(store: ModelStore, server: FileServer) -> None:
    server.cuts = [len(WHISPER["model.bin"]), 1, 0]
    with pytest.raises(DownloadError):
        store.pull("whisper-nano")
    assert store.list() == ()
    server.cuts.clear()
    server.requests.clear()
    store.pull("whisper-nano")
    assert server.requests[0] == ("/hub/vocabulary.txt", "bytes=1-")
    assert ("/hub/model.bin", None) not in server.requests
    assert not leftovers(store.root)


def test_without_a_checksum_nothing_is_pulled_unless_told(server: FileServer) -> None:
    store = ModelStore(catalogue=Catalogue([vosk_entry(server, checksum=False)]), retry=QUICK)
    with pytest.raises(ModelError, match="no checksum") as caught:
        store.pull("vosk-model-small-xx-1")
    assert "--accept-unverified" in (caught.value.fix or "")
    assert server.requests == []
    model = store.pull("vosk-model-small-xx-1", accept_unverified=True)
    assert model.card
    assert model.card.verified == "first-use"


def test_what_was_trusted_once_is_pinned(server: FileServer) -> None:
    store = ModelStore(catalogue=Catalogue([vosk_entry(server, checksum=False)]), retry=QUICK)
    store.pull("vosk-model-small-xx-1", accept_unverified=True)
    store.pull("vosk-model-small-xx-1", replace=True)  # the pin is a checksum: no need to be told again
    store.remove("vosk-model-small-xx-1")
    good = server.files["/vosk-model-small-xx-1.zip"]
    server.files["/vosk-model-small-xx-1.zip"] = good[:-1] + b"x"
    with pytest.raises(DownloadError, match="SHA-256"):
        store.pull("vosk-model-small-xx-1", accept_unverified=True)
    server.files["/vosk-model-small-xx-1.zip"] = good
    assert store.pull("vosk-model-small-xx-1").card


def test_the_makers_md5_is_checked_and_pins_a_sha256(server: FileServer) -> None:
    entry = vosk_entry(server, checksum=False)
    file = entry.files[0]
    data = server.files["/vosk-model-small-xx-1.zip"]
    md5 = RemoteFile(file.url, None, file.size, md5=hashlib.md5(data).hexdigest())
    store = ModelStore(catalogue=Catalogue([CatalogueEntry("m", "vosk", 1, (md5,))]), retry=QUICK)
    model = store.pull("m")
    assert model.card
    assert model.card.verified == "md5"
    assert json.loads((store.root / ".pins.json").read_text())[file.url]["sha256"] == sha256(data)


def test_broken_pins_stop_a_pull(store: ModelStore) -> None:
    store.root.mkdir(parents=True)
    for text in ("{", "[]", '{"a": 1}', '{"a": {"size": 1, "sha256": "x"}}'):
        (store.root / ".pins.json").write_text(text)
        with pytest.raises(ModelError, match=r"pins\.json"):
            store.pull("whisper-nano")


def test_an_archive_that_holds_something_else(server: FileServer) -> None:
    for files, message in (
        ({"readme.txt": b"hello"}, "no model that Earshot knows"),
        (WHISPER, "whisper model"),
    ):
        data = zipped(files)
        server.files["/x.zip"] = data
        file = RemoteFile(server.url("/x.zip"), None, len(data), sha256(data))
        store = ModelStore(catalogue=Catalogue([CatalogueEntry("x", "vosk", 1, (file,))]), retry=QUICK)
        with pytest.raises(ModelError, match=message):
            store.pull("x")
        assert store.list() == ()


def test_a_hostile_archive_installs_nothing(server: FileServer) -> None:
    data = zipped({"am/final.mdl": b"x", "../../../evil": b"evil"})
    server.files["/x.zip"] = data
    file = RemoteFile(server.url("/x.zip"), None, len(data), sha256(data))
    store = ModelStore(catalogue=Catalogue([CatalogueEntry("x", "vosk", 1, (file,))]), retry=QUICK)
    with pytest.raises(ModelError, match="leads out"):
        store.pull("x")
    assert store.list() == ()
    assert not any(path.name == "evil" for path in store.root.parent.parent.rglob("*"))


def test_find_gives_the_folder_or_the_command(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="is not installed: earshot models pull whisper-nano"):
        store.find("nano")
    with pytest.raises(UnknownModelError, match="did you mean 'whisper-nano'"):
        store.find("wisper-nano")
    assert store.find(store.pull("nano").name, engine="whisper") == store.find("nano")
    with pytest.raises(ModelError, match="is for the engine whisper, not vosk"):
        store.find("nano", engine="vosk")
    folder = write_files(tmp_path / "mine", VOSK)
    assert store.find(str(folder), engine="vosk") == folder
    assert store.find(folder) == folder
    with pytest.raises(ModelError, match="is for the engine vosk"):
        store.find(folder, engine="whisper")
    with pytest.raises(ModelError, match=r"is no model that Earshot knows \(it holds photo\.jpg\)"):
        store.find(write_files(tmp_path / "holiday", {"photo.jpg": b"x"}))
    for name in ("../home", "/etc", "a/b", ""):
        with pytest.raises(ModelError):
            store.find(name, engine="vosk")


def test_a_folder_dropped_into_the_store_is_a_model(store: ModelStore) -> None:
    write_files(store.root / "by-hand", MOONSHINE)
    write_files(store.root / "rubbish", {"x": b"y"})
    listed = {model.name: model for model in store.list()}
    assert listed["by-hand"].card
    assert listed["by-hand"].card.engine == "moonshine"
    assert listed["rubbish"].problem
    assert store.find("by-hand") == store.root / "by-hand"
    with pytest.raises(ModelError, match="broken"):
        store.find("rubbish")


@pytest.mark.parametrize(
    "card", [b"", b"[]", b"{", b'{"engine": 3}', b'{"engine": "vosk", "files": {"../x": {"size": 1}}}',
             b'{"engine": "vosk", "files": {"a": {"size": -1, "sha256": "a"}}}', b"\xff", b'{"format": 9}',
             b'{"engine": "x", "name": "../../x"}', b"[" * 100_000, b'{"engine": "x", "languages": "en"}']
)  # fmt: skip
def test_a_broken_card_is_told_and_breaks_nothing(store: ModelStore, card: bytes) -> None:
    write_files(store.root / "model", {**VOSK, "card.json": card})
    model = store.list()[0]
    assert model.problem
    with pytest.raises(ModelError, match="is broken"):
        store.find("model")
    assert store.verify()[0].problems
    store.remove("model")
    assert store.list() == ()


def test_verify_finds_what_changed(store: ModelStore) -> None:
    model = store.pull("vosk-model-small-xx-1")
    assert store.verify() == store.verify(["vosk-model-small-xx-1"])
    assert store.verify()[0].problems == ()
    (model.path / "am/final.mdl").write_bytes(b"Acoustic model" * 100)
    (model.path / "conf/mfcc.conf").unlink()
    (model.path / "conf/model.conf").write_bytes(b"")
    (model.path / "extra").write_bytes(b"")
    assert store.verify()[0].problems == (
        "am/final.mdl has changed (its SHA-256 differs)",
        "conf/mfcc.conf is missing",
        "conf/model.conf has 0 bytes instead of 12",
        "extra is not on the card",
    )


def test_remove_removes_only_that(store: ModelStore) -> None:
    store.pull("whisper-nano")
    store.pull("vosk-model-small-xx-1")
    store.remove("nano")
    assert [model.name for model in store.list()] == ["vosk-model-small-xx-1"]
    for name in ("nano", "../models", "", ".locks"):
        with pytest.raises(ModelError):
            store.remove(name)
    assert not leftovers(store.root)


SPHINX = {"en/mdef": b"1", "en/means": b"2", "en.lm.bin": b"3", "en.dict": b"a AH\n"}
KINDS = {
    "pocketsphinx": SPHINX,
    "vosk": VOSK,
    "whisper": WHISPER,
    "moonshine": MOONSHINE,
    "sherpa": SHERPA,
    "wav2vec2": WAV2VEC2,
}


@pytest.mark.parametrize("engine", KINDS)
@pytest.mark.parametrize("as_archive", [False, True])
def test_import_tells_the_engine_by_the_files(
    store: ModelStore, tmp_path: Path, engine: str, as_archive: bool
) -> None:
    if as_archive:
        path = tmp_path / "My model (2).zip"
        path.write_bytes(zipped(KINDS[engine]))
    else:
        path = write_files(tmp_path / "My model (2)", {**KINDS[engine], ".git/config": b"x", ".DS_Store": b"x"})
    (model,) = store.add(path, languages=("xx",))
    assert model.name == "My-model-2"
    assert model.card
    assert (model.card.engine, model.card.languages, model.card.verified) == (engine, ("xx",), "import")
    assert set(model.card.files) == set(KINDS[engine])
    assert path.exists()
    assert not leftovers(store.root)


@pytest.mark.parametrize(
    "files",
    [
        {
            "tiny.en-tokens.txt": b"IQ== 0\n",
            "tiny.en-encoder.int8.onnx": b"e",
            "tiny.en-decoder.int8.onnx": b"d",
        },
        {"tokens.txt": b"<blk> 0\n", "encoder_model.ort": b"e", "decoder_model_merged.ort": b"d"},
    ],
)
def test_import_knows_sherpas_other_names(store: ModelStore, tmp_path: Path, files: dict[str, bytes]) -> None:
    (model,) = store.add(write_files(tmp_path / "sherpa-thing", files), languages=("en",))
    assert model.card
    assert model.card.engine == "sherpa"
    with pytest.raises(ModelError, match="no model that Earshot knows"):
        store.add(write_files(tmp_path / "notes", {"my-tokens.txt": b"a", "talk.txt": b"b"}))


def test_import_knows_the_catalogues_names(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "vosk-model-small-xx-1.zip"
    path.write_bytes(zipped(VOSK, top="vosk-model-small-xx-1"))
    (model,) = store.add(path)
    assert model.name == "vosk-model-small-xx-1"
    assert model.card
    assert model.card.languages == ("xx",)
    (model,) = store.add(write_files(tmp_path / "nano", WHISPER))
    assert model.name == "whisper-nano"
    (model,) = store.add(write_files(tmp_path / "x" / "nano", VOSK))  # of that name, but another thing
    assert (model.name, model.card and model.card.languages) == ("nano", ())


def test_import_of_a_name_that_is_taken(store: ModelStore, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", VOSK)
    store.add(folder)
    with pytest.raises(ModelError, match="installed already: replace it with --replace"):
        store.add(folder)
    with pytest.raises(ModelError, match="installed already"):
        store.add(folder, name="MINE")
    (folder / "am/final.mdl").write_bytes(b"new")
    store.add(folder, replace=True)
    assert (store.find("mine") / "am/final.mdl").read_bytes() == b"new"
    store.add(folder, name="other")
    assert [model.name for model in store.list()] == ["mine", "other"]


def test_import_of_what_is_no_model(store: ModelStore, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "holiday", {"photo.jpg": b"x"})
    with pytest.raises(ModelError, match=r"photo\.jpg") as caught:
        store.add(folder)
    for looked_for in ("am/final.mdl", "model.bin", "tokens.txt", "encoder_model.ort", "ForCTC"):
        assert looked_for in (caught.value.fix or "")
    (model,) = store.add(folder, engine="vosk", name="odd")
    assert model.card
    assert model.card.engine == "vosk"
    with pytest.raises(ModelError, match="there is no"):
        store.add(tmp_path / "nothing")
    (tmp_path / "words.txt").write_text("words")
    with pytest.raises(ModelError, match="neither a folder nor"):
        store.add(tmp_path / "words.txt")
    with pytest.raises(ModelError, match="cannot be the name"):
        store.add(folder, engine="vosk", name="../x")


def test_pickles_are_not_taken(store: ModelStore, tmp_path: Path) -> None:
    files = {**WAV2VEC2, "pytorch_model.bin": b"\x80\x02x", "optimizer.pt": b"PK\x03\x04"}
    (model,) = store.add(write_files(tmp_path / "both", files))
    assert model.card
    assert set(model.card.files) == set(WAV2VEC2)
    del files["model.safetensors"]
    with pytest.raises(ModelError, match=r"Python pickle \(.*\)") as caught:
        store.add(write_files(tmp_path / "pickled", files))
    assert "safe_serialization" in (caught.value.fix or "")
    assert [model.name for model in store.list()] == ["both"]


def test_links_in_a_folder_lead_nowhere_else(store: ModelStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = write_files(tmp_path / "mine", VOSK)
    (folder / "inside").symlink_to(folder / "am/final.mdl")
    store.add(folder)
    assert not (store.find("mine") / "inside").is_symlink()
    (folder / "outside").symlink_to(secret)
    with pytest.raises(ModelError, match="link out of the folder"):
        store.add(folder, replace=True)
    (folder / "outside").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(ModelError, match="no regular file"):
        store.add(folder, replace=True)


def test_the_cache_of_the_model_hub_can_be_imported(store: ModelStore, tmp_path: Path) -> None:
    cache = tmp_path / "models--Systran--faster-whisper-femto"
    snapshot = cache / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    for name, data in WHISPER.items():
        write_files(cache / "blobs", {sha256(data): data})
        (snapshot / name).symlink_to(Path("../../blobs") / sha256(data))
    (model,) = store.add(snapshot)
    assert model.name == "faster-whisper-femto"
    assert (model.path / "model.bin").read_bytes() == WHISPER["model.bin"]


def test_a_damaged_model_with_a_card_is_not_imported(store: ModelStore, tmp_path: Path) -> None:
    model = store.pull("vosk-model-small-xx-1")
    copy = write_files(
        tmp_path / "copy", {name: (model.path / name).read_bytes() for name in [*VOSK, "card.json"]}
    )
    (copy / "am/final.mdl").write_bytes(b"changed")
    with pytest.raises(ModelError, match="damaged"):
        store.add(copy, name="copy")


def test_a_bundle_moves_models_to_another_computer(store: ModelStore, tmp_path: Path) -> None:
    store.pull("whisper-nano")
    store.pull("vosk-model-small-xx-1")
    bundle = tmp_path / "bundle.tar"
    steps: list[tuple[float, float | None]] = []
    names = store.bundle(["nano", "vosk-model-small-xx-1"], bundle, progress=lambda d, t: steps.append((d, t)))
    assert names == ("vosk-model-small-xx-1", "whisper-nano")
    assert steps[-1][0] == steps[-1][1]
    there = ModelStore(tmp_path / "there", Catalogue([]))
    added = there.add(bundle)
    assert [model.name for model in added] == list(names)
    assert all(not result.problems for result in there.verify())
    assert (there.find("whisper-nano") / "model.bin").read_bytes() == WHISPER["model.bin"]
    with pytest.raises(ModelError, match="installed already: vosk-model-small-xx-1, whisper-nano"):
        there.add(bundle)
    assert len(there.add(bundle, replace=True)) == 2
    with pytest.raises(ModelError, match="is a bundle"):
        there.add(bundle, name="x")
    assert not leftovers(there.root)


def test_the_same_models_give_the_same_bundle(store: ModelStore, tmp_path: Path) -> None:
    store.pull("whisper-nano")
    store.pull("vosk-model-small-xx-1")
    store.bundle(["whisper-nano", "vosk-model-small-xx-1"], tmp_path / "a.tar")
    for path in store.root.rglob("*"):
        os.utime(path, (1, 1))
    store.bundle(["vosk-model-small-xx-1", "nano", "nano"], tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_changed_model_is_not_bundled(store: ModelStore, tmp_path: Path) -> None:
    model = store.pull("whisper-nano")
    good = (model.path / "model.bin").read_bytes()
    for bad in (good[:-1], good + b"x", good[:-1] + b"x", None):
        (model.path / "model.bin").unlink()
        if bad is not None:
            (model.path / "model.bin").write_bytes(bad)
        with pytest.raises(ModelError, match=r"model\.bin of whisper-nano is not what its card says"):
            store.bundle(["whisper-nano"], tmp_path / "x.tar")
        assert not list(tmp_path.glob("*x.tar*"))
        (model.path / "model.bin").write_bytes(good)
    with pytest.raises(OutputError):
        store.bundle(["whisper-nano"], tmp_path)
    with pytest.raises(ModelError, match="at least one"):
        store.bundle([], tmp_path / "x.tar")


@pytest.mark.parametrize("manifest", [b"{", b'{"models": 3}', b'{"models": ["../x"]}', b'{"models": ["gone"]}'])
def test_a_broken_bundle(store: ModelStore, tmp_path: Path, manifest: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("earshot-bundle.json")
        info.size = len(manifest)
        tar.addfile(info, io.BytesIO(manifest))
    (tmp_path / "bundle.tar").write_bytes(buffer.getvalue())
    with pytest.raises(ModelError, match=r"bundle|cannot be the name"):
        store.add(tmp_path / "bundle.tar")
    assert store.list() == ()


PULL = """
import sys
from earshot.models.store import ModelStore
print("begin", flush=True)
store = ModelStore()
store.pull("whisper-nano", notice=lambda line: print(line, flush=True))
print("end", flush=True)
"""


def user_catalogue(server: FileServer) -> None:
    """What whisper_entry says, for other processes."""
    entry = whisper_entry(server)
    files = ", ".join(
        f'{{path = "{file.path}", size = {file.size}, sha256 = "{file.sha256}"}}' for file in entry.files
    )
    home = models_home().parent
    home.mkdir(parents=True, exist_ok=True)
    (home / "catalogue.toml").write_text(
        f'[[model]]\nname = "whisper-nano"\nengine = "whisper"\nlanguages = ["en"]\nsize = {entry.size}\n'
        f'base = "{server.url("/hub")}"\nfiles = [{files}]\n'
    )


def start_pull() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PULL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_until(is_so: object) -> None:
    end = time.monotonic() + 30
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind there")
@pytest.mark.parametrize("end", ["SIGINT", "SIGKILL"])
def test_a_pull_that_is_interrupted_is_continued(server: FileServer, end: str) -> None:
    server.pause = 0.3  # 16 kB each time, so the 50 kB of model.bin take a second
    user_catalogue(server)
    partial = models_home() / ".downloads" / "whisper-nano" / "model.bin.partial"
    process = start_pull()
    wait_until(lambda: partial.exists() and partial.stat().st_size > 0)
    process.send_signal(getattr(signal, end))
    process.communicate(timeout=30)
    assert process.returncode != 0
    store = ModelStore()
    assert store.list() == ()
    server.pause = 0
    server.requests.clear()
    store.pull("whisper-nano")
    path, wanted = server.requests[0]
    assert path == "/hub/model.bin"
    assert wanted is not None
    assert store.verify()[0].problems == ()
    assert not leftovers(store.root)


def test_two_processes_pull_one_model_once(server: FileServer) -> None:
    server.pause = 0.1
    user_catalogue(server)
    processes = [start_pull() for _ in range(2)]
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert sorted("installed already" in output for output, _ in results) == [False, True]
    assert sorted(path for path, _ in server.requests) == sorted(f"/hub/{name}" for name in WHISPER)
    assert ModelStore().verify()[0].problems == ()


def test_a_process_that_must_wait_says_so(server: FileServer) -> None:
    user_catalogue(server)
    models_home().mkdir(parents=True)
    with model_locked(models_home(), "whisper-nano"):
        process = start_pull()
        assert process.stdout
        assert process.stdout.readline() == "begin\n"
        assert "another process is at work on whisper-nano" in process.stdout.readline()
        assert server.requests == []
    assert "end" in process.communicate(timeout=60)[0]
    assert process.returncode == 0


def test_two_threads_pull_two_models(store: ModelStore) -> None:
    errors: list[Exception] = []

    def pull(name: str) -> None:
        try:
            store.pull(name)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=pull, args=(n,)) for n in ("whisper-nano", "vosk-model-small-xx-1") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(store.list()) == 2
    assert not leftovers(store.root)


def test_what_a_killed_process_left_is_cleared_away(store: ModelStore) -> None:
    write_files(store.root / ".staging-dead", {"content/model.bin": b"x" * 100})
    store.pull("whisper-nano")
    assert not leftovers(store.root)


def test_a_full_disk_while_installing(server: FileServer, small_disk: Path) -> None:
    data = zipped({**VOSK, "graph/HCLG.fst": bytes(1_500_000) + os.urandom(800_000)})
    server.files["/x.zip"] = data
    file = RemoteFile(server.url("/x.zip"), None, None, sha256(data))
    catalogue = Catalogue([CatalogueEntry("x", "vosk", len(data), (file,))])
    server.has_length = False  # so that the archive itself still fits
    store = ModelStore(small_disk / "models", catalogue, retry=QUICK)
    with pytest.raises(ModelError, match=r"needs 2 MB and|disk is full"):
        store.pull("x")
    assert store.list() == ()


def test_a_store_that_may_not_be_written(tmp_path: Path, server: FileServer) -> None:
    (tmp_path / "file").write_text("")
    store = ModelStore(tmp_path / "file" / "models", Catalogue([whisper_entry(server)]))
    with pytest.raises(ModelError, match=r"cannot write in .*: Not a directory") as caught:
        store.pull("whisper-nano")
    assert "EARSHOT_HOME" in (caught.value.fix or "")
    assert store.list() == ()


def test_only_pulling_opens_sockets(tmp_path: Path) -> None:
    """Everything else works where a socket is an error."""
    folder = write_files(tmp_path / "mine", VOSK)
    script = f"""
import socket, pathlib
def refuse(*a, **k): raise AssertionError("a socket")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from earshot.models.store import ModelStore
store = ModelStore()
store.add(pathlib.Path({str(folder)!r}))
store.list(); store.find("mine"); store.verify()
store.bundle(["mine"], pathlib.Path({str(tmp_path / "b.tar")!r}))
store.catalogue.find("tiny"); store.remove("mine")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
