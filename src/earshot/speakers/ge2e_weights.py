"""The weights of the GE2E voice encoder: found in the Resemblyzer wheel, made an ONNX model once.

Neither that package nor torch is imported. The wheel's file is a torch checkpoint of the old form: pickles,
then the numbers. A pickle can run code, so this one is read by an unpickler that knows the three names it
needs and makes plain arrays of them; any other name is refused.
"""

from __future__ import annotations

import importlib.metadata
import io
import pickle
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.core.errors import MissingExtraError, ModelError, UnknownModelError
from earshot.models.card import ModelCard, write_card
from earshot.models.store import ModelStore

HOW_TO_INSTALL = "pip install --no-deps Resemblyzer"
NAME = "ge2e"
GRAPH, WEIGHTS = "ge2e.onnx", "ge2e.bin"

_MAGIC = 0x1950A86A20F9469CFC6C
_LARGEST = 64 * 2**20  # bytes of a checkpoint; the wheel's has 17 MB
_HIDDEN = 256
_SHAPES = {
    **{f"lstm.weight_ih_l{layer}": (4 * _HIDDEN, 40 if layer == 0 else _HIDDEN) for layer in range(3)},
    **{f"lstm.weight_hh_l{layer}": (4 * _HIDDEN, _HIDDEN) for layer in range(3)},
    **{f"lstm.bias_{side}_l{layer}": (4 * _HIDDEN,) for layer in range(3) for side in ("ih", "hh")},
    "linear.weight": (_HIDDEN, _HIDDEN),
    "linear.bias": (_HIDDEN,),
}

Array = npt.NDArray[np.float32]


def wheel_weights() -> Path | None:
    """The checkpoint of an installed Resemblyzer, None where there is none. Imports nothing of it."""
    try:
        files = importlib.metadata.distribution("Resemblyzer").files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in files if file.name == "pretrained.pt")
    return next((path for path in paths if path.is_file()), None)


def is_available() -> bool:
    """Whether the encoder can be had without asking anybody: converted before, or in an installed wheel."""
    return _converted(ModelStore()) is not None or wheel_weights() is not None


def model_folder() -> Path:
    """The folder of the ONNX model, made from the wheel's weights the first time.

    Raises MissingExtraError when there are neither, ModelError when the weights are not those or the store
    cannot be written.
    """
    store = ModelStore()
    if folder := _converted(store):
        return folder
    if (checkpoint := wheel_weights()) is None:
        raise MissingExtraError(
            "the voice encoder ge2e needs the weights in the Resemblyzer package, which is not installed",
            fix=f"{HOW_TO_INSTALL} (none of its dependencies is needed)",
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / NAME
        folder.mkdir()
        convert(checkpoint, folder)
        try:
            store.add(folder, name=NAME)
        except ModelError:
            if _converted(store) is None:  # else another process was faster
                raise
    return store.find(NAME)


def _converted(store: ModelStore) -> Path | None:
    try:
        folder = store.get(NAME).path
    except UnknownModelError:
        return None
    return folder if (folder / GRAPH).is_file() and (folder / WEIGHTS).is_file() else None


def convert(checkpoint: Path, folder: Path) -> None:
    """Write the ONNX model and its card into ``folder``. Raises ModelError for another kind of checkpoint."""
    weights = read_checkpoint(checkpoint)
    for name, shape in _SHAPES.items():
        if name not in weights or weights[name].shape != shape:
            raise ModelError(
                f"{checkpoint} is no GE2E voice encoder: {name} is not {shape}", fix=HOW_TO_INSTALL
            )
    # The graph ships with Earshot and says where in this file each of its tensors stands.
    graph = Path(__file__).parent / "data" / GRAPH
    (folder / GRAPH).write_bytes(graph.read_bytes())
    (folder / WEIGHTS).write_bytes(b"".join(array.tobytes() for array in onnx_tensors(weights)))
    write_card(
        folder,
        ModelCard(
            name=NAME,
            engine="speakers",
            sample_rate=16_000,
            licence="Apache-2.0",
            description="voice encoder: three LSTM layers, 1.4 M parameters, trained with the GE2E loss "
            "(Wan et al. 2018) by C. Jemine",
            source="the Resemblyzer package",
        ),
    )


def onnx_tensors(weights: Mapping[str, Array]) -> list[Array]:
    """The tensors of the graph in its order: for each layer W, R, B, then the linear map and its bias.

    torch stacks the gates as input, forget, cell, output; ONNX as input, output, forget, cell.
    """

    def stacked(array: Array) -> Array:
        gates = array.reshape(4, _HIDDEN, -1)[[0, 3, 1, 2]]
        return np.ascontiguousarray(gates.reshape(array.shape), "<f4")

    tensors = []
    for layer in range(3):
        biases = [stacked(weights[f"lstm.bias_{side}_l{layer}"]) for side in ("ih", "hh")]
        tensors += [
            stacked(weights[f"lstm.weight_ih_l{layer}"])[None],
            stacked(weights[f"lstm.weight_hh_l{layer}"])[None],
            np.concatenate(biases)[None],
        ]
    return [*tensors, *(np.ascontiguousarray(weights[f"linear.{part}"], "<f4") for part in ("weight", "bias"))]


def read_checkpoint(path: Path) -> dict[str, Array]:
    """The float32 tensors of ``model_state`` in a torch checkpoint of the old form. Raises ModelError."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ModelError(f"{path} is larger than any voice encoder", fix=HOW_TO_INSTALL)
        file = io.BytesIO(path.read_bytes())
        if _load(file) != _MAGIC or _load(file) != 1001:
            raise ModelError(f"{path} is no torch checkpoint of the old form", fix=HOW_TO_INSTALL)
        _load(file)  # sizes of C types on the machine that wrote it
        storages: dict[str, _Storage] = {}
        checkpoint = _load(file, storages)
        for key in _load(file):
            storages[key].read(file)
        state = checkpoint["model_state"]
        return {name: tensor.array() for name, tensor in state.items()}
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}", fix=HOW_TO_INSTALL) from error
    except Exception as error:  # a broken pickle raises anything
        raise ModelError(f"{path} is damaged: {error}", fix=HOW_TO_INSTALL) from error


@dataclass(slots=True)
class _Storage:
    """The numbers of one or more tensors; they stand in the file behind all pickles."""

    size: int
    values: Array = field(default_factory=lambda: np.empty(0, np.float32))

    def read(self, file: io.BytesIO) -> None:
        size = int.from_bytes(file.read(8), "little")
        if size != self.size:
            raise ModelError(f"a tensor has {size} values instead of {self.size}")
        self.values = np.frombuffer(file.read(4 * size), "<f4")


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]

    def array(self) -> Array:
        count = int(np.prod(self.shape))
        return self.storage.values[self.offset : self.offset + count].reshape(self.shape)


def _rebuild(storage: _Storage, offset: int, shape: tuple[int, ...], *_rest: object) -> _Tensor:
    """Stands for torch's function of the file; all its tensors are contiguous."""
    return _Tensor(storage, offset, shape)


_KNOWN: dict[tuple[str, str], Callable[..., Any] | str] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch", "FloatStorage"): "float32",
}


class _Unpickler(pickle.Unpickler):
    """Knows the three names of ``_KNOWN``; storages come by persistent id."""

    def __init__(self, file: io.BytesIO, storages: dict[str, _Storage]) -> None:
        super().__init__(file)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise ModelError(f"it asks for {module}.{name}, which no weights need")
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", "float32", str(key), str(), int(size), None):
                return self._storages.setdefault(key, _Storage(size))
        raise ModelError("it holds something else than float32 tensors")


def _load(file: io.BytesIO, storages: dict[str, _Storage] | None = None) -> Any:
    return _Unpickler(file, {} if storages is None else storages).load()
