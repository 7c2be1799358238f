"""Who is speaking: voices as vectors, diarization, identification, memory."""
