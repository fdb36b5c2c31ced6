"""The device that a benchmark runs on: its name, and the memory of an NVIDIA GPU.

    python -m bench.devices --device cuda

Prints the device's name; ends with status 1, and says what to do, if PyTorch cannot use the device.
"""

import argparse
import os
import platform
import re
import subprocess

import torch

from huggingface_ner.engines.hardware import CPUINFO, cores_for

# nvidia-smi counts in units of 1024 x 1024 bytes.
MEBIBYTE = 1.048576


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--device`` to a benchmark's options."""
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="what computes (default: %(default)s)"
    )


def device_name(device: str) -> str:
    """Return the name of a device and the version of PyTorch; raises SystemExit if PyTorch cannot use it."""
    if device == "cpu":
        found = CPUINFO.is_file() and re.search(r"^model name\s*: (.*)$", CPUINFO.read_text(), re.MULTILINE)
        name = found[1] if found else platform.processor() or platform.machine()
        return f"{name}, {cores_for(1)} cores; PyTorch {torch.__version__}"
    if not torch.cuda.is_available():
        raise SystemExit(
            f"PyTorch {torch.__version__} finds no NVIDIA GPU. If nvidia-smi shows one, install the wheel with "
            "CUDA: `make clean`, and then `make TORCH_INDEX_URL= install`"
        )
    name, total, driver = _nvidia_smi("name,memory.total,driver_version")
    return f"{name} with {total} MiB, driver {driver}; PyTorch {torch.__version__}"


def gpu_megabytes() -> float:
    """Return the memory of the GPU that is in use, by all processes, in MB."""
    return float(_nvidia_smi("memory.used")[0]) * MEBIBYTE


def _nvidia_smi(fields: str) -> list[str]:
    # PyTorch uses the first visible GPU; nvidia-smi knows all
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0]
    command = ["nvidia-smi", f"--id={gpu}", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [value.strip() for value in answer.strip().split(",")]


def main() -> None:
    """Print the name of a device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_device(parser)
    print(device_name(parser.parse_args().device))


if __name__ == "__main__":
    main()
