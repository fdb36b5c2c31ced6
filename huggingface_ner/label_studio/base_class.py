"""label-studio-ml's base class, without the PyTorch that its module imports for jobs that we do not run.

A model that ONNX Runtime serves needs no PyTorch, which takes seconds to import and 200 MB of each process.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without_torch() -> Iterator[None]:
    """Let ``import torch`` fail, unless it was imported before; not while another thread may import it."""
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]  # what the import system takes as "cannot be had"
    try:
        yield
    finally:
        if hidden:
            del sys.modules["torch"]


with _without_torch():
    from label_studio_ml.model import LabelStudioMLBase

__all__ = ["LabelStudioMLBase"]
