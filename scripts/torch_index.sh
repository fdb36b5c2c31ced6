#!/bin/sh
# Print the URL of the package index that has the right wheel of PyTorch, or nothing for pip's own index. The reason is
# written to standard error.
# usage: torch_index.sh PYTHON
# If TORCH_INDEX_URL is set, it decides: the URL of an index, or empty for pip's own, whose wheel contains CUDA on Linux.
set -eu
cpu=https://download.pytorch.org/whl/cpu

if [ -n "${TORCH_INDEX_URL+set}" ]; then
    shown=$(printf %s "$TORCH_INDEX_URL" | sed 's|://.*@|://***@|') # without a password
    echo "PyTorch: from ${shown:-pip\'s own index}, as TORCH_INDEX_URL says." >&2
    echo "$TORCH_INDEX_URL"
    exit
fi
# on other systems, the wheel of pip's own index is for CPUs (and Apple's GPUs)
[ "$(uname -s)" = Linux ] || exit 0
if nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
    echo "PyTorch: with CUDA, because this machine has an NVIDIA GPU (for the CPU wheel, set TORCH_INDEX_URL=$cpu)." >&2
    exit
fi
# pip would wait for minutes if the index does not answer. `timeout` is needed because a name lookup has no time limit.
if timeout 15 "$1" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5).close()' \
    "$cpu/torch/" 2>/dev/null; then
    echo "PyTorch: the CPU wheel, because this machine has no NVIDIA GPU (for the one with CUDA, set TORCH_INDEX_URL=)." >&2
    echo "$cpu"
else
    echo "PyTorch: from pip's own index, because $cpu does not answer. That wheel may contain CUDA," >&2
    echo "about 4 GB more. To insist on the CPU wheel, run make with TORCH_INDEX_URL=$cpu." >&2
fi
