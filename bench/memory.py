"""What memory a service takes: proportional set sizes, so that what its processes share counts once."""

import psutil


def families(service: psutil.Process) -> dict[str, list[psutil.Process]]:
    """Return the processes of ``serve`` by what they do: "server" (its queue included) and "worker"."""
    families: dict[str, list[psutil.Process]] = {"server": [service], "worker": []}
    for child in service.children():
        name = "worker" if child.cmdline()[-1:] == ["worker"] else "server"
        families[name] += [child, *child.children(recursive=True)]
    return families


def megabytes(processes: list[psutil.Process]) -> float:
    """Return what processes take together; one that has just ended takes nothing."""
    return sum(map(_megabytes, processes))


def _megabytes(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.Error:
        return 0.0
