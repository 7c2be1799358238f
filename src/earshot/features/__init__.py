"""Front ends: spectrogram, log-mel, MFCC; one implementation for offline, streaming and training use."""
