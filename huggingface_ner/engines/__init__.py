"""Engines, which compute a model's tag probabilities (OpenVINO, PyTorch, ONNX Runtime), and the choice of one."""
