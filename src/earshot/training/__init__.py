"""Training of nets: torch lives here, imported where it is needed (``pip install 'earshot[train]'``).

``nets`` holds the architectures by name, ``batches`` what they are fed, ``loop`` how they learn, ``export`` how
they become ONNX, which runs without torch.
"""
