"""Fetches the texts behind URLs: only from Label Studio and from hosts that the operator lists.

A task's data comes from anyone who may import tasks. A URL in it must not make the server send requests into its
own network (server-side request forgery, OWASP). So the operator lists the allowed hosts, the addresses of a host
are checked, and the connection goes to the address that was checked.
"""

import base64
import ipaddress
import json
import re
import threading
import time
from collections.abc import Iterable
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.fetch_deadline import Deadline, look_up

MAX_REDIRECTS = 5
ANY_PUBLIC_HOST = "*"
ACCESS_TOKEN_SECONDS = 240.0  # Label Studio's access tokens are valid for 5 minutes
_CHUNK = 65_536
_ENCODINGS = {"", "identity", *urllib3.HTTPResponse.CONTENT_DECODERS}
# Label Studio's routes for uploads, local files and storages. The API key is not sent to any other path
# that a task can name.
_FILE_ROUTE = re.compile(r"/(data|storage-data)/|/(tasks|projects)/[0-9]+/(resolve|presign)/", re.ASCII)
# Parts of a path that a server may read as a step to another route. A server behind a proxy may decode the path
# several times.
_WAY_UP = re.compile(r"\.\.|%(25)*(2e|2f|5c)|\\|//", re.IGNORECASE)
# The maximum length of a host's name (RFC 1035), and characters that no name has, in any script.
MAX_HOST = 253
_NOT_IN_HOSTS = re.compile(r"[^\w.:%-]")
# IPv6 addresses that gateways translate to the IPv4 address in their last 32 bits (RFC 6052), and those that are
# translated in private networks (RFC 8215).
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_PRIVATELY_TRANSLATED = ipaddress.ip_network("64:ff9b:1::/48")


class FetchError(HuggingFaceNERError):
    """A URL that may not be fetched, or whose host does not answer; the message names the host and what to do."""


class UrlFetcher:
    """Fetches texts; safe to share between threads.

    allowed_hosts: host names besides Label Studio's; ``*`` stands for every host that has only public addresses.
    max_bytes, timeout: limits for one text, redirects included; the timeout is in seconds.
    """

    def __init__(
        self,
        label_studio_host: str,
        *,
        api_key: str | None = None,
        allowed_hosts: Iterable[str] = (),
        max_bytes: int = 10_000_000,
        timeout: float = 10.0,
    ) -> None:
        self._label_studio = label_studio_host.rstrip("/")
        self._label_studio_origin = _origin(urlsplit(label_studio_host))
        self._api_key = api_key
        self._allowed = {host.lower() for host in allowed_hosts}
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._token: tuple[float, str] | None = None
        self._token_lock = threading.Lock()

    def __call__(self, url: str) -> str:
        """Return the text behind a URL, with its line ends unchanged; raises FetchError."""
        with Deadline(self._timeout) as deadline:
            is_ours = True  # False after the first redirect to another origin
            for _ in range(MAX_REDIRECTS + 1):
                is_ours = is_ours and _origin(_split(url)) == self._label_studio_origin
                headers = self._credentials(url, deadline) if is_ours else {}
                response = self._request("GET", url, headers, deadline)
                try:
                    if response.status not in (301, 302, 303, 307, 308):
                        return self._text(response, url, deadline)
                    url = _redirected(url, response.headers.get("Location", ""))
                finally:
                    response.close()
            raise FetchError(f"{_host(url)}: it redirects more than {MAX_REDIRECTS} times")

    def _request(
        self, method: str, url: str, headers: dict[str, str], deadline: Deadline, body: bytes | None = None
    ) -> urllib3.BaseHTTPResponse:
        parts = _split(url)
        host = _host(url)
        address = self._checked_address(parts, deadline)
        port = _origin(parts)[2]
        timeout = urllib3.Timeout(total=max(deadline.seconds_left, 0.001))
        pool: urllib3.HTTPConnectionPool
        if parts.scheme == "https":
            # the certificate must be for the host name, although the connection is to an address
            name = parts.hostname
            pool = urllib3.HTTPSConnectionPool(
                address, port, timeout=timeout, server_hostname=name, assert_hostname=name
            )
            pool.ConnectionCls = deadline.connections(HTTPSConnection)
        else:
            pool = urllib3.HTTPConnectionPool(address, port, timeout=timeout)
            pool.ConnectionCls = deadline.connections(HTTPConnection)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            return pool.urlopen(
                method,
                urllib3.util.parse_url(path).url,
                body=body,
                headers={"Host": parts.netloc.rpartition("@")[2], **headers},
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if deadline.is_over:
                raise FetchError(f"{host}: it does not answer within URL_TIMEOUT={self._timeout:g} s") from error
            raise FetchError(f"{host}: it does not answer: {type(error).__name__}") from error

    def _checked_address(self, parts: SplitResult, deadline: Deadline) -> str:
        """Return the address to connect to; raises FetchError for a host that is not allowed."""
        host = (parts.hostname or "").lower()
        listed = host in self._allowed or _origin(parts) == self._label_studio_origin
        if not listed and ANY_PUBLIC_HOST not in self._allowed:
            raise FetchError(
                f"{host}: texts are fetched only from LABEL_STUDIO_HOST and ALLOWED_URL_HOSTS; add the host there"
            )
        try:
            addresses = look_up(host, _origin(parts)[2], deadline)
        except TimeoutError as error:
            raise FetchError(f"{host}: its address is not found within URL_TIMEOUT={self._timeout:g} s") from error
        except (OSError, UnicodeError) as error:
            raise FetchError(f"{host}: there is no such host") from error
        if not listed and not all(_is_public(address) for address in addresses):
            raise FetchError(
                f"{host}: it has a private address; if that is intended, add the host to ALLOWED_URL_HOSTS"
            )
        return addresses[0]

    def _text(self, response: urllib3.BaseHTTPResponse, url: str, deadline: Deadline) -> str:
        host = _host(url)
        if response.status != 200:
            raise FetchError(f"{host}: it answers HTTP {response.status}")
        encoding = response.headers.get("Content-Encoding", "").lower()
        unknown = {part.strip() for part in encoding.split(",")} - _ENCODINGS
        if unknown:
            raise FetchError(f"{host}: Content-Encoding={encoding[:40]} is not supported; store the text as it is")
        content = bytearray()
        try:
            for chunk in response.stream(_CHUNK):
                content += chunk
                if len(content) > self._max_bytes:
                    raise FetchError(f"{host}: the text is longer than URL_MAX_BYTES={self._max_bytes}")
            if deadline.is_over:
                raise FetchError(f"{host}: the text takes longer than URL_TIMEOUT={self._timeout:g} s")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if deadline.is_over:
                raise FetchError(f"{host}: the text takes longer than URL_TIMEOUT={self._timeout:g} s") from error
            raise FetchError(f"{host}: the text breaks off: {type(error).__name__}") from error
        # always UTF-8, as in the browser's fetch(url).text(), even if the header names another encoding
        return content.decode("utf-8-sig", "replace")

    def _credentials(self, url: str, deadline: Deadline) -> dict[str, str]:
        """Return the authorization header for a file of Label Studio; no header for its other routes."""
        if self._api_key is None or not self._is_file_route(url):
            return {}
        if not _is_personal_access_token(self._api_key):
            return {"Authorization": f"Token {self._api_key}"}
        with self._token_lock:
            if self._token is None or self._token[0] < time.monotonic():
                self._token = (time.monotonic() + ACCESS_TOKEN_SECONDS, self._access_token(deadline))
            return {"Authorization": f"Bearer {self._token[1]}"}

    def _is_file_route(self, url: str) -> bool:
        prefix, path = urlsplit(self._label_studio).path, _split(url).path
        route = path.removeprefix(prefix)
        return path.startswith(prefix) and _FILE_ROUTE.match(route) is not None and not _WAY_UP.search(route)

    def _access_token(self, deadline: Deadline) -> str:
        """Exchange a personal access token for the short-lived one that requests carry."""
        url = f"{self._label_studio}/api/token/refresh/"
        body = json.dumps({"refresh": self._api_key}).encode()
        response = self._request("POST", url, {"Content-Type": "application/json"}, deadline, body)
        try:
            return str(json.loads(self._text(response, url, deadline))["access"])
        except (FetchError, ValueError, KeyError, TypeError) as error:
            raise FetchError(f"{_host(url)}: it does not accept LABEL_STUDIO_API_KEY: {error}") from error
        finally:
            response.close()


def _split(url: str) -> SplitResult:
    """Return the parts of a URL. Raises FetchError, which quotes nothing, because it may be the text itself."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise FetchError("this is not a valid URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FetchError("this is not a URL of a text: only http and https URLs are fetched")
    if len(parts.hostname) > MAX_HOST or _NOT_IN_HOSTS.search(parts.hostname):
        raise FetchError("this is not a valid URL: its host cannot be the name of a host")
    return parts


def _redirected(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise FetchError(f"{_host(url)}: it redirects to something that is not a valid URL") from error


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "this address"


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and (ip.is_site_local or ip in _PRIVATELY_TRANSLATED):
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (embedded := _embedded(ip)):
        return all(_is_public(str(each)) for each in embedded)
    return ip.is_global and not ip.is_multicast


def _embedded(ip: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that a connection to an IPv6 address may lead to; [] if there are none."""
    found = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _TRANSLATED or not int(ip) >> 32:  # the latter are IPv4-compatible addresses of RFC 4291
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


def _is_personal_access_token(key: str) -> bool:
    """Return whether a key is a JSON Web Token, as personal access tokens are."""
    try:
        header = json.loads(base64.urlsafe_b64decode(key.split(".", maxsplit=1)[0] + "=="))
    except ValueError:
        return False
    return key.count(".") == 2 and isinstance(header, dict)
