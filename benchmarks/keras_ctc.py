"""The peer of ``training_throughput.py``: a plain Keras loop, as tutorials write it. Run by Keras's own Python.

    python keras_ctc.py JOB.json      # then commands on stdin, a line of JSON each on stdout

13 MFCC of python_speech_features are computed for each batch on the fly, normalised by utterance; batches are
in file order, padded to their longest; two bidirectional LSTM layers of 128, CTC over letters, Adam.
JOB: {"train": [[wav, text] …], "judge": [[wav, text] …], "letters", "batch", "rate", "threads"}.
Commands: ``epoch`` → wall and CPU seconds and the mean loss; ``judge`` → the losses of what is not trained on.
"""

# ruff: noqa: E402 - threads and backend must be set before the libraries load
# mypy: ignore-errors
# (Keras and TensorFlow live in an environment of their own.)
from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

JOB = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = str(JOB["threads"])
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy as np
import python_speech_features
import soundfile
import tensorflow

tensorflow.config.threading.set_intra_op_parallelism_threads(JOB["threads"])
tensorflow.config.threading.set_inter_op_parallelism_threads(1)
keras.utils.set_random_seed(1)

BLANK = 0
IDS = {letter: number for number, letter in enumerate(JOB["letters"], 1)}


def features(path):
    """13 MFCC, mean 0 and variance 1 over the utterance: float32 (frames, 13)."""
    samples, rate = soundfile.read(path)
    mfcc = python_speech_features.mfcc(samples, rate, numcep=13)
    return ((mfcc - mfcc.mean(0)) / (mfcc.std(0) + 1e-8)).astype(np.float32)


class Batches(keras.utils.PyDataset):
    """In file order, padded to the longest."""

    def __init__(self, lines, size):
        super().__init__()
        self._lines, self._size = lines, size

    def __len__(self):
        return -(-len(self._lines) // self._size)

    def __getitem__(self, number):
        lines = self._lines[number * self._size : (number + 1) * self._size]
        inputs = [features(path) for path, _ in lines]
        texts = [[IDS[letter] for letter in text] for _, text in lines]
        x = np.zeros((len(lines), max(map(len, inputs)), 13), np.float32)
        # A target is the number of frames, the number of letters, the letters.
        y = np.zeros((len(lines), 2 + max(map(len, texts))), np.int32)
        for row, (of_input, text) in enumerate(zip(inputs, texts, strict=True)):
            x[row, : len(of_input)] = of_input
            y[row, :2] = len(of_input), len(text)
            y[row, 2 : 2 + len(text)] = text
        return x, y


def ctc(y_true, y_pred):
    """Loss of each utterance, in nats."""
    y_true = keras.ops.cast(y_true, "int32")
    return keras.ops.ctc_loss(y_true[:, 2:], y_pred, y_true[:, 1], y_true[:, 0], mask_index=BLANK)


def build():
    """13 MFCC → 2 × BLSTM-128 → letters."""
    net = keras.Sequential(
        [
            keras.layers.Input((None, 13)),
            keras.layers.Bidirectional(keras.layers.LSTM(128, return_sequences=True)),
            keras.layers.Bidirectional(keras.layers.LSTM(128, return_sequences=True)),
            keras.layers.Dense(len(IDS) + 1),
        ]
    )
    adam = keras.optimizers.Adam(JOB["rate"])
    net.compile(optimizer=adam, loss=ctc)
    return net


def main():
    """Do as told until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    net = build()
    train, judge = (Batches(JOB[name], JOB["batch"]) for name in ("train", "judge"))
    for line in sys.stdin:
        if line.strip() == "epoch":
            wall, cpu = time.perf_counter(), time.process_time()
            history = net.fit(train, shuffle=False, verbose=0)
            row = {
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
                "loss": history.history["loss"][-1],
            }
        else:
            losses = []
            for number in range(len(judge)):
                x, y = judge[number]
                losses += keras.ops.convert_to_numpy(ctc(y, net(x))).tolist()
            row = {"losses": losses}
        answers.write(json.dumps(row) + "\n")


main()
