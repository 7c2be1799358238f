"""A training that begins with what another one has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earshot.core.errors import TrainingError
from earshot.decoding.alphabet import Alphabet
from earshot.training.recognition.checkpoints import LAST, alphabet_of, read_checkpoint


def begin_with(net: Any, alphabet: Alphabet, folder: Path) -> str:
    """Give a net the weights of another run's best one, wherever names and shapes agree; the head's by symbols.

    Returns a line that tells how many. Raises TrainingError.
    """
    state = read_checkpoint(folder / LAST)
    before = alphabet_of(state["earshot"])
    averaged = {key.removeprefix("average."): value for key, value in state["state_dict"].items()}
    theirs, mine = state["earshot"]["best"] or averaged, net.state_dict()
    taken = learned = 0
    learns = {key for key, _ in net.named_parameters()}
    for key, value in mine.items():
        if key.startswith("head."):
            for place, symbol in enumerate(alphabet.symbols):
                if symbol in before.symbols and theirs[key].shape[1:] == value.shape[1:]:
                    value[place] = theirs[key][before.symbols.index(symbol)]
        elif key in theirs and theirs[key].shape == value.shape:
            value.copy_(theirs[key])
            taken += 1
            learned += key in learns
    if not learned:
        raise TrainingError(f"{folder} holds another kind of net", fix="name the same [net] and [features]")
    net.load_state_dict(mine)
    known = len({*alphabet.symbols} & {*before.symbols})
    return f"begins with    {taken} of {len(mine)} parts of {folder.name}, {known} of {len(alphabet)} symbols"
