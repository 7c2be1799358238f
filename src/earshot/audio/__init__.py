"""Sound in: decode any format in bounded memory, resample, find speech and cut it."""
