"""Transcripts as text: writers and readers of every format, normalisation, error rates."""
