"""Sockets that are open, closed, or not to be seen."""

import socket

from huggingface_ner.server.client_connection import connection_check


def test_who_hung_up_is_seen_and_nothing_is_read() -> None:
    server, client = socket.socketpair()
    with server, client:
        is_connected = connection_check({"gunicorn.socket": server})
        assert is_connected()
        client.sendall(b"GET")
        assert is_connected()
        assert server.recv(3) == b"GET", "the next request is left whole"
        client.close()
        assert not is_connected()
    assert not is_connected(), "our own end is closed"


def test_other_servers_do_not_say() -> None:
    assert connection_check({})()
