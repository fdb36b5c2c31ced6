"""Checks whether a client is still connected, with our server and with other servers."""

import threading

from huggingface_ner.server.client_connection import IS_CONNECTED, connection_check


def test_with_our_server_a_disconnected_client_is_noticed() -> None:
    gone = threading.Event()
    is_connected = connection_check({IS_CONNECTED: lambda: not gone.is_set()})
    assert is_connected()
    gone.set()
    assert not is_connected()


def test_with_other_servers_every_client_counts_as_connected() -> None:
    assert connection_check({})()
