"""Training of recognizers: a manifest becomes a CTC model that ``transcribe``, ``listen`` and ``serve`` use."""
