"""Finds out what the hardware computes fast, and how many cores this process may use.

Needs torch only for GPUs.
"""

import os
import platform
import re
from functools import lru_cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Linux's names for instructions that multiply bytes, or bfloat16 numbers, several times faster than float32.
X86_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
INT8_FLAGS = X86_INT8_FLAGS | {"asimddp", "i8mm"}
X86_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
BF16_FLAGS = X86_BF16_FLAGS | {"bf16"}
# Device files of the drivers of NVIDIA, AMD and WSL.
_GPU_NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


@lru_cache(maxsize=1)
def processor_flags() -> frozenset[str]:
    """Return the names of the processor's extensions; none if the system does not say."""
    try:
        match = re.search(r"^(?:flags|Features)\s*:(.*)$", CPUINFO.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        # every Mac with an ARM processor has dot products of bytes
        is_arm_mac = (platform.system(), platform.machine()) == ("Darwin", "arm64")
        return frozenset({"asimddp"}) if is_arm_mac else frozenset()
    return frozenset(match[1].split()) if match else frozenset()


def has_fast_int8() -> bool:
    """Return whether the processor has dot products of bytes; without them int8 gains little and may saturate."""
    return bool(processor_flags() & INT8_FLAGS)


def has_fast_bf16(device: str = "cpu") -> bool:
    """Return whether a device has bfloat16 products; without them, bfloat16 is many times slower than float32.

    device: for "cuda", torch is asked; any other device is the processor.
    """
    if device == "cuda":
        import torch  # noqa: PLC0415

        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(processor_flags() & BF16_FLAGS)


def has_x86_bf16() -> bool:
    """Return whether the processor is an x86 processor with bfloat16 products."""
    return bool(processor_flags() & X86_BF16_FLAGS)


def has_x86_int8() -> bool:
    """Return whether the processor is an x86 processor with dot products of bytes."""
    return bool(processor_flags() & X86_INT8_FLAGS)


def cores_for(processes: int) -> int:
    """Return how many cores each of several processes may use; OMP_NUM_THREADS takes precedence."""
    chosen = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if chosen.isdecimal() and int(chosen) > 0:
        return int(chosen)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(available // processes, 1)


def resolve_device(device: str) -> str:
    """Return "cuda" or "cpu" for "auto"; return any other device unchanged."""
    if device != "auto":
        return device
    if platform.system() == "Linux" and not any(Path(node).exists() for node in _GPU_NODES):
        return "cpu"  # this needs no torch, whose import takes seconds
    import torch  # noqa: PLC0415

    return "cuda" if torch.cuda.is_available() else "cpu"
