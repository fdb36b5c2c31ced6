"""What computes a model's tag probabilities: PyTorch or ONNX Runtime, and which is chosen."""
