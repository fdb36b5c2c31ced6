"""A small process that shuts down the embedded Valkey server if the supervisor is killed.

Valkey itself does not notice that the supervisor has ended, and would run on, with nobody to stop it. The
supervisor holds the other end of the guard's standard input, which ends when the supervisor does. The guard
imports only what it needs, so it takes little memory. It has its own process group, so that a Ctrl-C does not
reach it.
"""

import fcntl
import shutil
import socket
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

# Maximum seconds for which the guard waits for the other users of the queue: the server answers requests first.
CLIENTS_TIMEOUT = 60.0
POLL_INTERVAL = 0.2
# Seconds for an answer of Valkey. It has nothing to write at its end, because each write is synced at once.
ANSWER_TIMEOUT = 30.0


def command(queue_socket: Path, lock: Path) -> list[str]:
    """Return the command that starts the guard.

    queue_socket: Valkey's socket, in a folder of its own. lock: the file that the supervisor has locked.
    """
    return [sys.executable, "-m", __name__, str(queue_socket), str(lock)]


def main() -> None:
    """Wait for the end of the supervisor and of Valkey's clients; then shut Valkey down, and delete its socket.

    If another supervisor has locked the queue meanwhile, only that supervisor stops Valkey.
    """
    path, lock = map(Path, sys.argv[1:])
    sys.stdin.read()
    until = time.monotonic() + CLIENTS_TIMEOUT
    with suppress(OSError), _connect(path) as connection:  # OSError: Valkey has ended too
        while _clients(connection) > 1 and time.monotonic() < until:
            time.sleep(POLL_INTERVAL)
    with ExitStack() as stack, suppress(BlockingIOError):
        try:
            file = stack.enter_context(lock.open("a"))
        except OSError:  # the folder is missing, so no other supervisor can have locked the queue
            pass
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(OSError), _connect(path) as connection:
            # FORCE: even if Valkey cannot write to its folder
            connection.sendall(b"SHUTDOWN FORCE\r\n")
            while connection.recv(1_000):
                pass
        shutil.rmtree(path.parent, ignore_errors=True)


def _connect(path: Path) -> socket.socket:
    """Return a connection to Valkey's socket. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(ANSWER_TIMEOUT)
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _clients(connection: socket.socket) -> int:
    """Return how many clients Valkey has, including this one. Raises OSError."""
    connection.sendall(b"INFO clients\r\n")
    answer = b""
    while b"connected_clients:" not in answer or not answer.endswith(b"\r\n"):
        received = connection.recv(65_536)
        if not received:
            raise ConnectionResetError
        answer += received
    return int(answer.split(b"connected_clients:")[1].split()[0])


if __name__ == "__main__":
    main()
