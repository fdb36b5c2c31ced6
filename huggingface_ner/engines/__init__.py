"""Engines, which compute a model's tag probabilities (PyTorch or ONNX Runtime), and the choice of one."""
