"""Decides who may act on the pages, and refuses forms that another site sends in a person's name."""

import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit

from flask import Request, Response

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.settings import Settings

COOKIE = "huggingface_ner_form"
FIELD = "token"
MAX_TOKEN = 100
# Maximum bytes of a form. Larger ones would be written to temporary files, whose folder may be small.
MAX_FORM = 10_000
NOT_ALLOWED = (
    "this is allowed only with credentials, or on the machine of the service: set BASIC_AUTH_USER and "
    "BASIC_AUTH_PASS, or use the command line"
)
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# Headers that a proxy adds. Behind a proxy on this machine, all clients seem to be on this machine.
_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


class ForbiddenError(HuggingFaceNERError):
    """A request is not allowed to act; the message says why, and what to do about it."""


def may_act(request: Request, settings: Settings) -> bool:
    """Return whether the client may act.

    If the service has credentials, every client may, because the credentials of its request have been checked
    before. Without credentials, only a request from this machine to one of this machine's own names may. The name
    is checked because another site can let its name point to this machine (DNS rebinding); requests of its pages
    then contain that name.
    """
    if settings.basic_auth_user is not None:
        return True
    if any(name in request.headers for name in _PROXY_HEADERS):
        return False
    return _is_loopback(request.remote_addr) and urlsplit(f"//{request.host}").hostname in _LOCAL_NAMES


def check_form(request: Request, settings: Settings) -> None:
    """Raise ForbiddenError unless the client may act, and the form comes from one of our own pages.

    The browser says which site has sent a form, in Sec-Fetch-Site or, without https, in Origin. The form also has
    to contain the token of a cookie that other sites can neither read nor send.
    """
    if not may_act(request, settings):
        raise ForbiddenError(NOT_ALLOWED)
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin", "")
    is_ours = site == "same-origin" if site is not None else _netloc(origin) == request.host
    request.max_content_length = MAX_FORM
    cookie, field = request.cookies.get(COOKIE, ""), request.form.get(FIELD, "")
    if not is_ours or not cookie or not hmac.compare_digest(_bytes(cookie), _bytes(field)):
        raise ForbiddenError("the form is not from this page, or is too old: load the page again, and retry")


def form_token(request: Request) -> str:
    """Return the token for the forms of a page."""
    known = request.cookies.get(COOKIE, "")
    return known if 0 < len(known) <= MAX_TOKEN and known.isascii() else secrets.token_urlsafe(32)


def give_token(answer: Response, request: Request, token: str) -> None:
    """Set the cookie with the token, unless the browser has it already."""
    if request.cookies.get(COOKIE) != token:
        answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=request.is_secure)


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
