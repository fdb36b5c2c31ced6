"""Reads bodies that are complete, late or too long, and bodies that never arrive."""

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any

import pytest
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from huggingface_ner.server import request_bodies
from huggingface_ner.server.request_bodies import SMALL_BODY, Bodies, DisconnectedError, TooManyBodiesError
from tests.server import event_loop


class Client:
    """Sends pieces of a body; if the body is not complete then, stalls or disconnects."""

    def __init__(self, pieces: Iterable[bytes], *, stalls: bool = False, leaves: bool = False) -> None:
        self.left = list(pieces)
        self._stalls = stalls
        self._leaves = leaves

    async def receive(self) -> MutableMapping[str, Any]:
        if self.left:
            piece = self.left.pop(0)
            return {
                "type": "http.request",
                "body": piece,
                "more_body": bool(self.left or self._stalls or self._leaves),
            }
        if self._leaves:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError


async def read(bodies: Bodies, client: Client, announced: int = 0) -> bytes:
    async with bodies.read(client.receive, announced) as body:
        return body


@pytest.mark.parametrize("pieces", [[b""], [b"{}"], [b"{", b"", b"}"]])
def test_a_body_is_read_whole(pieces: list[bytes]) -> None:
    assert event_loop.run(read(Bodies(1_000), Client(pieces))) == b"".join(pieces)


@pytest.mark.parametrize("pieces", [[], [b"{"]])
def test_a_body_that_stalls_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]) -> None:
    monkeypatch.setattr(request_bodies, "BODY_TIMEOUT", 0.05)
    with pytest.raises(RequestTimeout, match="not complete after"):
        event_loop.run(read(Bodies(1_000), Client(pieces, stalls=True)))


def test_a_client_that_drips_gets_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_bodies, "BODY_TIMEOUT", 0.2)

    async def drip() -> MutableMapping[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def body() -> None:
        async with Bodies(1_000_000).read(drip, 0):
            raise AssertionError

    with pytest.raises(RequestTimeout):
        event_loop.run(body())


def test_a_client_that_leaves_is_noticed() -> None:
    with pytest.raises(DisconnectedError):
        event_loop.run(read(Bodies(1_000), Client([b"{"], leaves=True)))


@pytest.mark.parametrize(("pieces", "announced"), [([b"x" * 600, b"x" * 600], 0), ([b"x" * 1_200], 1_200)])
def test_the_rest_of_a_body_that_is_too_long_is_thrown_away(pieces: list[bytes], announced: int) -> None:
    client = Client([*pieces, b"x", b"x"])
    with pytest.raises(RequestEntityTooLarge):
        event_loop.run(read(Bodies(1_000), client, announced))
    assert not client.left


def test_long_bodies_share_limited_memory_and_short_ones_are_always_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_bodies, "BODIES_IN_MEMORY", 2)
    long = b"x" * (2 * SMALL_BODY)
    bodies = Bodies(len(long))

    async def body() -> None:
        async with (
            bodies.read(Client([long]).receive, 0),
            bodies.read(Client([long]).receive, 0),
        ):
            with pytest.raises(TooManyBodiesError) as refusal:
                await read(bodies, Client([long]))
            assert refusal.value.retry_after >= 1
            assert await read(bodies, Client([b"{}"])) == b"{}"
        assert await read(bodies, Client([long])) == long, "the bodies of answered requests take no memory"

    event_loop.run(body())
