"""A Vosk model of two kilobytes, real in every file, that knows two sounds: a hum (low) and a hiss (high).

Its network is one affine layer on MFCCs: log energy says whether there is sound, the first cepstral coefficient
whether it is low or high. Kaldi reads models and networks as text too, and the graphs are plain OpenFst files.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from earshot.core.types import Audio

WORDS = {"<eps>": 0, "hum": 1, "hiss": 2, "[unk]": 3}

Arc = tuple[int, int, float, int]  # input label, output label, cost, next state

# Transition ids: 1 and 2 of silence, 3 and 4 of the hum, 5 and 6 of the hiss; odd ones loop.
_LOOP: list[tuple[float | None, list[Arc]]] = [
    (0.0, [(2, 0, 0.5, 1), (4, 1, 2.0, 2), (6, 2, 2.0, 3)]),
    *[(None, [(loop, 0, 0.1, state), (0, 0, 0.0, 0)]) for state, loop in ((1, 1), (2, 3), (3, 5))],
]
_EITHER: list[tuple[float | None, list[Arc]]] = [(0.0, [(1, 1, 0.0, 0), (2, 2, 0.0, 0)])]

_MODEL_CONF = """\
--min-active=200
--max-active=3000
--beam=10.0
--lattice-beam=2.0   # wider ones drown in the few states
--acoustic-scale=1.0
--frame-subsampling-factor=3
--endpoint.silence-phones=1
--endpoint.rule2.min-trailing-silence=0.5
--endpoint.rule3.min-trailing-silence=0.75
--endpoint.rule4.min-trailing-silence=1.0
"""

_TRANSITIONS = (
    "<TransitionModel> <Topology> <TopologyEntry> <ForPhones> 1 2 3 </ForPhones> <State> 0 <PdfClass> 0 "
    "<Transition> 0 0.5 <Transition> 1 0.5 </State> <State> 1 </State> </TopologyEntry> </Topology> "
    "<Triples> 3 1 0 0 2 0 1 3 0 2 </Triples> "
    "<LogProbs> [ 0 -0.693 -0.693 -0.693 -0.693 -0.693 -0.693 ] </LogProbs> </TransitionModel> "
)


def write_tiny_vosk(folder: Path, *, static: bool) -> Path:
    """static: one ready graph, as big models have; else one that is composed with a grammar, as small ones."""
    for name in ("am", "conf", "graph/phones"):
        (folder / name).mkdir(parents=True)
    (folder / "conf/mfcc.conf").write_text(
        "--sample-frequency=16000\n--num-mel-bins=23\n--num-ceps=13\n--use-energy=true\n--dither=0\n"
    )
    (folder / "conf/model.conf").write_text(_MODEL_CONF)
    (folder / "am/final.mdl").write_text(_TRANSITIONS + _network())
    (folder / "graph/words.txt").write_text("".join(f"{word} {i}\n" for word, i in WORDS.items()))
    (folder / "graph/phones/word_boundary.int").write_text("1 nonword\n2 singleton\n3 singleton\n")
    if static:
        _write_fst(folder / "graph/HCLG.fst", _LOOP)
    else:
        _write_fst(folder / "graph/HCLr.fst", _LOOP)
        _write_fst(folder / "graph/Gr.fst", _EITHER)
        (folder / "graph/disambig_tid.int").write_text("")
    return folder


def sounds(*parts: str) -> Audio:
    """Half-second hums and hisses and rests of background noise; ``rest2`` is a rest of two seconds."""
    noise = np.random.default_rng(0)

    def sound(part: str) -> np.ndarray:
        name, seconds = part.rstrip("0123456789"), float(part.lstrip("humisret") or 0.5)
        n = int(seconds * 16_000)
        background = noise.standard_normal(n) * 1e-5
        match name:
            case "hum":
                return 0.3 * np.sin(2 * np.pi * 200 * np.arange(n) / 16_000) + background
            case "hiss":
                return 0.1 * np.diff(noise.standard_normal(n), prepend=0.0)
            case "rest":
                return background
        raise ValueError(part)

    return Audio(np.concatenate([sound(part) for part in parts]).astype(np.float32))


def _network() -> str:
    """Scores of silence, hum and hiss from 13 cepstral coefficients of which two count."""
    rows = [[0.0] * 13, [0.5, 0.1] + [0.0] * 11, [0.5, -0.1] + [0.0] * 11]
    weights = " [\n" + "\n".join(" ".join(map(str, row)) for row in rows) + " ]\n"
    return (
        "<Nnet3> \ninput-node name=input dim=13\ncomponent-node name=a component=a input=input\n"
        "output-node name=output input=a objective=linear\n\n<NumComponents> 1 \n"
        f"<ComponentName> a <FixedAffineComponent> <LinearParams> {weights}<BiasParams>  [ 0 -7 -7 ]\n"
        "</FixedAffineComponent> \n</Nnet3> <LeftContext> 0 <RightContext> 0 <Priors>  [ ]\n"
    )


def _write_fst(path: Path, states: list[tuple[float | None, list[Arc]]]) -> None:
    """An OpenFst file of type "vector": header, then a state's final cost, number of arcs and arcs."""
    data = struct.pack("<i", 2_125_659_606)
    for text in (b"vector", b"standard"):
        data += struct.pack("<i", len(text)) + text
    num_arcs = sum(len(arcs) for _, arcs in states)
    data += struct.pack("<iiQqqq", 2, 0, 3, 0, len(states), num_arcs)
    for final, arcs in states:
        data += struct.pack("<fq", float("inf") if final is None else final, len(arcs))
        data += b"".join(struct.pack("<iifi", *arc) for arc in arcs)
    path.write_bytes(data)
