#!/bin/sh
# Print the package index to take PyTorch's wheel from; nothing for pip's own. Says why on standard error.
# usage: torch_index.sh PYTHON
# TORCH_INDEX_URL, if set, decides: an index, or empty for pip's own, whose wheel carries CUDA on Linux.
set -eu
cpu=https://download.pytorch.org/whl/cpu

if [ -n "${TORCH_INDEX_URL+set}" ]; then
    echo "PyTorch: from ${TORCH_INDEX_URL:-pip\'s own index}, as TORCH_INDEX_URL says." >&2
    echo "$TORCH_INDEX_URL"
    exit
fi
# elsewhere the wheel of pip's own index is for CPUs (and Apple's GPUs)
[ "$(uname -s)" = Linux ] || exit 0
if nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
    echo "PyTorch: with CUDA, for this machine has an NVIDIA GPU (TORCH_INDEX_URL=$cpu takes the CPU wheel)." >&2
    exit
fi
# pip would try an index that does not answer for minutes. `timeout`, since looking up a name has no time limit.
if timeout 15 "$1" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5).close()' \
    "$cpu/torch/" 2>/dev/null; then
    echo "PyTorch: the CPU wheel, for this machine has no NVIDIA GPU (TORCH_INDEX_URL= takes the one with CUDA)." >&2
    echo "$cpu"
else
    echo "PyTorch: from pip's own index, since $cpu does not answer. That wheel may carry CUDA," >&2
    echo "some 4 GB more; to insist on the CPU wheel, run make with TORCH_INDEX_URL=$cpu." >&2
fi
