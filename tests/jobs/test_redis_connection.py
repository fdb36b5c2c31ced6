"""REDIS_URL decides how Redis is reached: as a user of an access control list, and encrypted."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis, RedisError

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.settings import Settings
from tests import ROOT


def _as_user(url: str, credentials: str) -> str:
    return url.replace("redis://", f"redis://{credentials}@")


@pytest.fixture
def user_url(redis_url: str) -> str:
    """The URL of a user who has only the rights that docs/operating.md names."""
    operating = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    (rights,) = [line for line in operating.splitlines() if line.startswith("ACL SETUSER")]
    command = rights.replace("PASSWORD", "p4ss").split()
    connect(redis_url).execute_command(*command)  # type: ignore[no-untyped-call]
    return _as_user(redis_url, "huggingface-ner:p4ss")


def test_a_user_of_an_access_control_list_needs_only_our_keys(user_url: str) -> None:
    assert connect(user_url).acl_whoami() == "huggingface-ner"
    queue = TrainingQueue(connect(user_url), Settings(redis_url=user_url))
    queue.request_training(7)
    queue.request_recount(7)
    queue.suggestions.tasks_added(7)
    run = queue.begin(7)
    assert run is not None
    assert queue.renew(run)
    queue.release(run)
    queue.enqueue_due()
    queue.suggestions.enqueue_due({7: "v"})
    assert queue.status(7)["state"] == "waiting"
    with pytest.raises(RedisError, match="permission"):
        connect(user_url).set("another", "key")


@pytest.mark.parametrize("credentials", ["huggingface-ner:wr0ng", "nobody:wr0ng", ":wr0ng"])
def test_a_wrong_password_is_refused_and_not_shown(redis_url: str, user_url: str, credentials: str) -> None:
    with pytest.raises(RedisError) as error:
        connect(_as_user(redis_url, credentials)).ping()
    assert "wr0ng" not in str(error.value)


# A proxy that accepts only TLS, and passes everything on. Arguments: the certificate, and the port of Redis.
PROXY = """
import asyncio, ssl, sys

async def pump(reader, writer):
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()
    writer.close()

async def pass_on(reader, writer):
    answers, requests = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(pump(reader, requests), pump(answers, writer), return_exceptions=True)

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@pytest.fixture
def encrypted_port(redis_url: str, certificate: Path) -> Iterator[int]:
    """The port of a proxy that accepts only TLS, and passes everything on to Redis."""
    command = [sys.executable, "-c", PROXY, str(certificate), str(urlsplit(redis_url).port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        yield int(proxy.stdout.readline())
        proxy.kill()


def test_an_encrypted_connection_checks_the_certificate(encrypted_port: int, certificate: Path) -> None:
    address = f"rediss://localhost:{encrypted_port}/0"
    url = Settings(redis_url=f"{address}?ssl_ca_certs={certificate}").redis_url
    assert url is not None
    queue = TrainingQueue(connect(url, timeout=10.0), Settings())
    queue.request_training(7)
    assert queue.projects() == [7]
    with pytest.raises(RedisError, match="certificate"):
        connect(address, timeout=10.0).ping()
    with pytest.raises(RedisError):
        Redis.from_url(f"redis://localhost:{encrypted_port}/0", socket_timeout=5.0).ping()


def test_a_check_of_the_url_takes_no_connection(redis_url: str) -> None:
    assert connect(f"{redis_url}{'&' if '?' in redis_url else '?'}max_connections=1").ping()
