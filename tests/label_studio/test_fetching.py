"""Which URLs are fetched and which are not, with real servers on this machine."""

import base64
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3

from huggingface_ner.label_studio.fetching import FetchError, UrlFetcher
from tests import cases


class _Server(ThreadingHTTPServer):
    """Answers each path with its entry in ``pages``, and records the requests in ``asked``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, body = self.server.pages.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.path == "/slow":
            for _ in range(20):
                self.wfile.write(b"x" * 5)
                self.wfile.flush()
                time.sleep(0.1)
        else:
            self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass


def _serve() -> Iterator[_Server]:
    with _Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def label_studio() -> Iterator[_Server]:
    yield from _serve()


@pytest.fixture
def other() -> Iterator[_Server]:
    yield from _serve()


def test_a_text_keeps_its_line_ends_and_its_charset(label_studio: _Server) -> None:
    label_studio.pages["/a?b=c"] = (200, {}, "Zürich\r\n".encode())
    label_studio.pages["/latin"] = (200, {"Content-Type": "text/plain; charset=iso-8859-1"}, b"Z\xfcrich")
    label_studio.pages["/odd"] = (200, {"Content-Type": "text/plain; charset=no-such"}, b"a\xff")
    fetch = UrlFetcher(label_studio.url)
    assert fetch(f"{label_studio.url}/a?b=c") == "Zürich\r\n"
    assert fetch(f"{label_studio.url}/latin") == "Z\ufffdrich"
    assert fetch(f"{label_studio.url}/odd") == "a\ufffd"


def test_packed_texts_are_unpacked_or_refused(label_studio: _Server) -> None:
    label_studio.pages["/gzip"] = (200, {"Content-Encoding": "GZip"}, gzip.compress("Zürich".encode()))
    label_studio.pages["/odd"] = (200, {"Content-Encoding": "gzip, no-such"}, b"\x0b\x02\x80Anna\x03")
    fetch = UrlFetcher(label_studio.url)
    assert fetch(f"{label_studio.url}/gzip") == "Zürich"
    with pytest.raises(FetchError, match="Content-Encoding=gzip, no-such is not supported"):
        fetch(f"{label_studio.url}/odd")


def test_the_key_goes_to_label_studios_files_only(label_studio: _Server, other: _Server) -> None:
    for path in ("/data/a", "/a", "/data/../api/b", "/data/%2e%2e/api/b", "/tasks/9/resolve/?fileuri=x"):
        label_studio.pages[path] = (200, {}, b"one")
    label_studio.pages["/data/away"] = (302, {"Location": f"{other.url}/b"}, b"")
    other.pages["/b"] = (200, {}, b"two")
    other.pages["/back"] = (302, {"Location": f"{label_studio.url}/data/a"}, b"")
    fetch = UrlFetcher(label_studio.url, api_key="legacy", allowed_hosts=["127.0.0.1"])
    with_key = []
    for url in (
        "/data/a",
        "/a",
        "/tasks/9/resolve/?fileuri=x",
        "/data/../api/b",
        "/data/%2e%2e/api/b",
        "/data/away",
        "/api/current-user/token",
        "/data/..%2fapi/current-user/token",
        "/data/..\\api/current-user/token",
        "/data/%252e%252e/api/current-user/token",
        "/data/%25252E%25252e/api/current-user/token",
        "/data/..%255capi/current-user/token",
        "/data/.\t./api/current-user/token",
        "/data/..;/api/current-user/token",
        "/data/./../api/current-user/token",
        "/DATA/a",
        "/data%2fa",
        "/data",
        "/tasks/9/resolve",
        "/tasks/9a/resolve/",
        "/tasks/\u0669/resolve/",
        "//data/a",
        "/x/data/a",
        "/tasks/9/",
    ):
        label_studio.asked.clear()
        with suppress(FetchError):
            fetch(f"{label_studio.url}{url}")
        with_key += [url for _, _, key in label_studio.asked if key == "Token legacy"]
    assert with_key == ["/data/a", "/tasks/9/resolve/?fileuri=x", "/data/away"]
    label_studio.asked.clear()
    assert fetch(f"{other.url}/back") == "one"
    assert label_studio.asked == [("GET", "/data/a", None)]
    assert {key for _, _, key in other.asked} == {None}


def test_the_key_goes_to_no_address_that_only_looks_like_label_studios(
    label_studio: _Server, other: _Server
) -> None:
    """User-info, other ports, other spellings of the host: the server that is asked decides, not the text."""
    port, further = label_studio.server_port, other.server_port
    fetch = UrlFetcher(label_studio.url, api_key="legacy", allowed_hosts=["127.0.0.1", "localhost"])
    for url in (
        f"http://127.0.0.1:{port}@127.0.0.1:{further}/data/a",
        f"http://127.0.0.1:{port}\\@127.0.0.1:{further}/data/a",
        f"http://127.0.0.1:{port}%2f@127.0.0.1:{further}/data/a",
        f"http://legacy@127.0.0.1:{further}/data/a",
        f"http://127.0.0.1:{further}/data/a#@127.0.0.1:{port}/data/a",
        f"http://127.0.0.1:{further}/data/a?http://127.0.0.1:{port}/data/a",
        f"HTTP://127.0.0.1:{further}/data/a",
        f"http://localhost:{further}/data/a",
        f"http://127.1:{further}/data/a",
        f"http://[::ffff:127.0.0.1]:{further}/data/a",
        f"//127.0.0.1:{further}/data/a",
    ):
        with suppress(FetchError):
            fetch(url)
    assert other.asked
    assert {key for _, _, key in other.asked} == {None}
    assert label_studio.asked == []
    # the same server under another name is another host, and gets no key
    with suppress(FetchError):
        fetch(f"http://localhost:{port}/data/a")
    assert {key for _, _, key in label_studio.asked} == {None}


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::8.8.8.8", True),
        ("2002:808:808::1", True),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("192.168.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b::169.254.169.254", False),
        ("64:ff9b:1::8.8.8.8", False),
        ("2002:a00:1::1", False),
        ("2002:7f00:1::1", False),
        ("2001:0:a00:1:0:0:f5ff:fffe", False),
        ("fc00::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_an_address_is_public_only_if_all_that_it_leads_to_is(
    address: str, is_public: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, port: int, **_: object) -> list[Any]:
        return [(0, 0, 0, "", (address, port))]

    def connect(*_: object, **__: object) -> None:
        raise OSError(address)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(urllib3.util.connection, "create_connection", connect)
    with pytest.raises(FetchError, match="does not answer" if is_public else "it has a private address"):
        UrlFetcher("http://ls.example", allowed_hosts=["*"])("http://texts.example/a")


def test_a_look_up_that_takes_too_long_ends_with_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    answering = threading.Event()

    def resolve(*_: object, **__: object) -> list[Any]:
        answering.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        with pytest.raises(FetchError, match=r"its address is not found within URL_TIMEOUT=0\.2 s"):
            UrlFetcher("http://ls.example", allowed_hosts=["*"], timeout=0.2)("http://texts.example/a")
    finally:
        answering.set()


@pytest.mark.parametrize("case", cases("url_texts"), ids=lambda case: case["name"])
def test_texts_are_read_as_the_page_reads_them(label_studio: _Server, case: dict[str, Any]) -> None:
    label_studio.pages["/a"] = (200, {"Content-Type": case["type"]}, base64.b64decode(case["bytes"]))
    assert UrlFetcher(label_studio.url)(f"{label_studio.url}/a") == case["text"]


def test_a_personal_access_token_is_exchanged_once(label_studio: _Server) -> None:
    def part(value: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    label_studio.pages["/api/token/refresh/"] = (200, {}, b'{"access": "short-lived"}')
    label_studio.pages["/data/a"] = (200, {}, b"one")
    fetch = UrlFetcher(label_studio.url, api_key=f"{part({'alg': 'HS256'})}.{part({'typ': 'refresh'})}.sig")
    assert [fetch(f"{label_studio.url}/data/a") for _ in range(2)] == ["one", "one"]
    assert [asked[::2] for asked in label_studio.asked] == [
        ("POST", None),
        ("GET", "Bearer short-lived"),
        ("GET", "Bearer short-lived"),
    ]


def test_a_refused_personal_access_token_is_said(label_studio: _Server) -> None:
    label_studio.pages["/api/token/refresh/"] = (401, {}, b"{}")
    with pytest.raises(FetchError, match="does not accept LABEL_STUDIO_API_KEY"):
        UrlFetcher(label_studio.url, api_key="eyJhIjoxfQ.e30.sig")(f"{label_studio.url}/data/a")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "169.254.169.254"])
@pytest.mark.parametrize("allowed", [[], ["*"]])
def test_private_addresses_are_refused(other: _Server, host: str, allowed: list[str]) -> None:
    with pytest.raises(FetchError, match=r"ALLOWED_URL_HOSTS|no such host"):
        UrlFetcher("http://ls.example", allowed_hosts=allowed)(f"http://{host}:{other.server_port}/a")
    assert other.asked == []


def test_no_redirect_leads_where_nothing_is_fetched_from(label_studio: _Server, other: _Server) -> None:
    label_studio.pages["/away"] = (302, {"Location": f"http://localhost:{other.server_port}/b"}, b"")
    label_studio.pages["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    label_studio.pages["/round"] = (302, {"Location": "/round"}, b"")
    fetch = UrlFetcher(label_studio.url)
    with pytest.raises(FetchError, match="add the host there"):
        fetch(f"{label_studio.url}/away")
    with pytest.raises(FetchError, match="only http and https"):
        fetch(f"{label_studio.url}/file")
    with pytest.raises(FetchError, match="redirects more than"):
        fetch(f"{label_studio.url}/round")
    assert other.asked == []


def test_another_port_of_label_studios_machine_is_another_host(label_studio: _Server, other: _Server) -> None:
    with pytest.raises(FetchError, match="add the host there"):
        UrlFetcher(label_studio.url)(f"{other.url}/a")


def test_size_and_time_are_bounded(label_studio: _Server) -> None:
    label_studio.pages["/big"] = (200, {}, b"x" * 100_000)
    label_studio.pages["/slow"] = (200, {"Content-Length": "100"}, b"")
    with pytest.raises(FetchError, match="URL_MAX_BYTES=1000"):
        UrlFetcher(label_studio.url, max_bytes=1000)(f"{label_studio.url}/big")
    start = time.monotonic()
    with pytest.raises(FetchError, match=r"URL_TIMEOUT|breaks off"):
        UrlFetcher(label_studio.url, timeout=0.5)(f"{label_studio.url}/slow")
    assert time.monotonic() - start < 2.5


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://example.org/a", "only http and https"),
        ("http://", "only http and https"),
        ("http://[::1", "not a valid URL"),
        ("http://example.org:port/", "not a valid URL"),
        ("http://no-such-host.invalid/", "no such host"),
        ("http://127.0.0.1:1/", "does not answer"),
    ],
)
def test_what_is_no_address_is_said(url: str, message: str) -> None:
    with pytest.raises(FetchError, match=message):
        UrlFetcher("http://ls.example", allowed_hosts=["no-such-host.invalid", "127.0.0.1"])(url)


@pytest.mark.parametrize(
    "text",
    [
        "Diallo: she flew to Dakar",
        "http://Diallo: she flew to Dakar",
        "http://Diallo:Dakar/",
        "http://she flew/Diallo",
        "http://[Diallo",
        "http://[Diallo]/",
        "http://Diallo\u2100Dakar/",
        "Diallo://Dakar",
        "http://" + "Diallo" * 50,
    ],
)
def test_a_text_in_place_of_a_url_is_not_quoted(text: str) -> None:
    with pytest.raises(FetchError, match="this is not a") as refused:
        UrlFetcher("http://ls.example")(text)
    assert "diallo" not in str(refused.value).lower()


def test_it_is_said_that_a_host_was_silent_for_too_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(FetchError, match=r"127\.0\.0\.1: it does not answer within URL_TIMEOUT=0\.2 s"):
            UrlFetcher(url, timeout=0.2)(f"{url}/data/a.txt")


def test_an_error_status_is_said(label_studio: _Server) -> None:
    with pytest.raises(FetchError, match="HTTP 404"):
        UrlFetcher(label_studio.url)(f"{label_studio.url}/missing")
