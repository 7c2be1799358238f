"""From a net's log-probabilities to tokens and words with times: CTC decoding and forced alignment."""
