"""A straight line between two kinds of vectors: logistic regression with a ridge, by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earshot.commands.embedding import Matrix

_STEPS = 12
"""Newton converges in fewer; a kind that is parted wholly would let it run on."""


@dataclass(frozen=True, slots=True, eq=False)
class Discriminant:
    """weights: (d,); bias: their logit in favour of the first kind is ``x @ weights + bias``."""

    weights: Matrix
    bias: float

    def logits(self, vectors: Matrix) -> Matrix:
        """Of rows (n, d): (n,)."""
        return np.asarray(vectors @ self.weights + np.float32(self.bias), np.float32)


def fit(positives: Matrix, negatives: Matrix, *, ridge: float, balance: float) -> Discriminant:
    """Logistic regression (Cox 1958) of (n, d) against (m, d), by iteratively reweighted least squares.

    ridge: of the weights, relative to one negative. balance: what all positives weigh, of all negatives.
    """
    rows = np.concatenate([positives, negatives]).astype(np.float32)
    rows = np.hstack([rows, np.ones((len(rows), 1), np.float32)])
    wanted = np.concatenate([np.ones(len(positives)), np.zeros(len(negatives))])
    share = balance * len(negatives) / max(1, len(positives))
    cost = np.where(wanted > 0, share, 1.0)
    penalty = np.full(rows.shape[1], ridge)
    penalty[-1] = 1e-6
    weights = np.zeros(rows.shape[1])
    weights[-1] = np.log(balance)
    for _ in range(_STEPS):
        probabilities = 1 / (1 + np.exp(-np.clip(rows @ weights.astype(np.float32), -30, 30)))
        slope = rows.T @ (cost * (probabilities - wanted)).astype(np.float32) + penalty * weights
        curvature = (cost * np.maximum(probabilities * (1 - probabilities), 1e-6)).astype(np.float32)
        hessian = (rows * curvature[:, None]).T @ rows + np.diag(penalty)
        step = np.linalg.solve(hessian.astype(np.float64), slope)
        # A full step overshoots where the kinds lie far apart.
        weights -= step * min(1.0, 8.0 / max(1e-9, float(np.abs(rows[:64] @ step).max())))
        if float(np.abs(step).max()) < 1e-3:
            break
    return Discriminant(weights[:-1].astype(np.float32), float(weights[-1]))
