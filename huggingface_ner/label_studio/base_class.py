"""label-studio-ml's base class, imported without PyTorch.

Its module uses PyTorch only for jobs that we do not run. PyTorch takes seconds to import and 200 MB of memory in
each process, and a model that OpenVINO or ONNX Runtime serves does not need it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without_torch() -> Iterator[None]:
    """Make ``import torch`` fail, unless torch was imported before.

    Use it only while no other thread may import torch.
    """
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]  # the import system then raises ModuleNotFoundError
    try:
        yield
    finally:
        if hidden:
            del sys.modules["torch"]


with _without_torch():
    from label_studio_ml.model import LabelStudioMLBase

__all__ = ["LabelStudioMLBase"]
