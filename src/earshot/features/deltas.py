"""Slopes over time: velocity and acceleration of features."""

from __future__ import annotations

import numpy as np

from earshot.features.stft import Matrix


def deltas(features: Matrix, num_context: int = 2) -> Matrix:
    """Slope of the regression line through each frame and ``num_context`` frames on both sides.

    features: float32 (frames, n). Returns the same shape, per frame; the ends repeat the edge frames.
    Source: the HTK book (Young et al. 2006), equation 5.16.
    """
    if num_context < 1:
        raise ValueError(f"a slope needs at least one frame on each side, not {num_context}")
    if not len(features):
        return features.copy()
    num_frames = len(features)
    padded = np.pad(features, ((num_context, num_context), (0, 0)), "edge")
    slopes = np.zeros_like(features)
    for step in range(1, num_context + 1):
        ahead = padded[num_context + step : num_context + step + num_frames]
        behind = padded[num_context - step : num_context - step + num_frames]
        slopes += np.float32(step) * (ahead - behind)
    slopes /= np.float32(2 * sum(step * step for step in range(1, num_context + 1)))
    return slopes


def with_deltas(features: Matrix, order: int = 2, num_context: int = 2) -> Matrix:
    """Features with their slopes up to ``order`` beside them: (frames, (order + 1)·n)."""
    parts = [features]
    for _ in range(order):
        parts.append(deltas(parts[-1], num_context))
    return np.concatenate(parts, axis=1)
