"""What our server says of a client, and what others do not."""

import threading

from huggingface_ner.server.client_connection import IS_CONNECTED, connection_check


def test_our_server_says_whether_the_client_has_gone() -> None:
    gone = threading.Event()
    is_connected = connection_check({IS_CONNECTED: lambda: not gone.is_set()})
    assert is_connected()
    gone.set()
    assert not is_connected()


def test_other_servers_do_not_say() -> None:
    assert connection_check({})()
