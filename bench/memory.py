"""Measures a service's memory as proportional set sizes, which count memory that processes share only once."""

import psutil


def families(service: psutil.Process) -> dict[str, list[psutil.Process]]:
    """Return the processes of ``serve`` in two groups: "server", which includes the queue, and "worker"."""
    families: dict[str, list[psutil.Process]] = {"server": [service], "worker": []}
    for child in service.children():
        name = "worker" if child.cmdline()[-1:] == ["worker"] else "server"
        families[name] += [child, *child.children(recursive=True)]
    return families


def megabytes(processes: list[psutil.Process]) -> float:
    """Return the memory of processes together; a process that has just ended counts as 0."""
    return sum(map(_megabytes, processes))


def _megabytes(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.Error:
        return 0.0
