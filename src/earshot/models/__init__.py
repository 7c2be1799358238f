"""The model store: catalogue, pull, verify, import, bundle."""
