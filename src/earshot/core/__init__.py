"""Types, errors, the sample clock, optional imports, paths and safe files: what every room stands on."""
