"""An HTTP client whose requests have a time limit for the whole.

httpx's own limits are for each read. They start again with every byte that arrives, so a Label Studio, or a proxy
before it, that sends a byte now and then could hold a job for hours.
"""

import socket
import weakref
from typing import Any

import httpx

from huggingface_ner.label_studio.fetch_deadline import Deadline

# How the names of httpcore's events end after which it has a new socket. They begin with "connection", "proxy" or
# "socks".
_CONNECTED = (".connect_tcp.complete", ".start_tls.complete")


class TimedClient(httpx.Client):
    """A client for one thread. A request that is not answered within ``limit`` seconds raises httpx.ReadTimeout.

    limit: the time limit of the next requests. The other arguments are those of httpx.Client.
    """

    def __init__(self, limit: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.limit = limit
        # of connections that are kept for further requests, too
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request and read its answer."""
        late = httpx.ReadTimeout(f"no complete answer within {self.limit:g} s", request=request)
        with Deadline(self.limit) as deadline:

            def note(event: str, details: dict[str, Any]) -> None:
                if event.endswith(_CONNECTED):
                    made: socket.socket = details["return_value"].get_extra_info("socket")
                    self._sockets.add(made)
                    deadline.add(made)

            for known in [*self._sockets]:
                if known.fileno() >= 0:
                    deadline.add(known)
            request.extensions = {**request.extensions, "trace": note}
            try:
                response = super().send(request, **options)
            except httpx.TransportError as error:
                if deadline.is_over:
                    raise late from error
                raise
            if deadline.is_over:  # the answer may be cut off, although its end looks regular
                response.close()
                raise late
            return response
