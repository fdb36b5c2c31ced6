"""Writes attributes as sanitize-html does; a browser shows them as text inside some elements (``<noscript>``)."""

import math
import re
from collections.abc import Mapping

_VALID_NAME = re.compile(r"[^\0\t\n\f\r /<=>]+")
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_HANDLER = re.compile(r"on", re.IGNORECASE)
_DECLARATION = re.compile(r"""(?:"[^"]*"|'[^']*'|\([^)]*\)|[^;"'(])+""")
_IMPORTANT = re.compile(r"\s*!\s*important\s*\Z", re.IGNORECASE)
_CANDIDATE = re.compile(r"[\s,]*([^\s,][^\s]*)(?:\s+([\d.]+[wxh]))?\s*(?:,|\Z)")
_CONTROL = re.compile(r"[\x00-\x20]+")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9.\-+]*):")
_SAFE_SCHEMES = frozenset({"http", "https", "ftp", "mailto", "tel"})
# Attributes that are not written when they are empty.
_NOT_BOOLEAN = frozenset(
    [
        "abbr",
        "accept",
        "accept-charset",
        "accesskey",
        "action",
        "allow",
        "as",
        "autocapitalize",
        "autocomplete",
        "blocking",
        "charset",
        "cite",
        "class",
        "color",
        "cols",
        "colspan",
        "content",
        "contenteditable",
        "coords",
        "crossorigin",
        "data",
        "datetime",
        "decoding",
        "dir",
        "dirname",
        "download",
        "draggable",
        "enctype",
        "enterkeyhint",
        "fetchpriority",
        "for",
        "form",
        "formaction",
        "formenctype",
        "formmethod",
        "formtarget",
        "headers",
        "height",
        "hidden",
        "high",
        "href",
        "hreflang",
        "http-equiv",
        "id",
        "imagesizes",
        "imagesrcset",
        "inputmode",
        "integrity",
        "is",
        "itemid",
        "itemprop",
        "itemref",
        "itemtype",
        "kind",
        "label",
        "lang",
        "list",
        "loading",
        "low",
        "max",
        "maxlength",
        "media",
        "method",
        "min",
        "minlength",
        "name",
        "nonce",
        "optimum",
        "pattern",
        "ping",
        "placeholder",
        "popover",
        "popovertarget",
        "popovertargetaction",
        "poster",
        "preload",
        "referrerpolicy",
        "rel",
        "rows",
        "rowspan",
        "sandbox",
        "scope",
        "shape",
        "size",
        "sizes",
        "slot",
        "span",
        "spellcheck",
        "src",
        "srcdoc",
        "srclang",
        "srcset",
        "start",
        "step",
        "style",
        "tabindex",
        "target",
        "title",
        "translate",
        "type",
        "usemap",
        "value",
        "width",
        "wrap",
    ]
)


def write_attributes(attributes: Mapping[str, str]) -> str:
    """Return an opening tag's attributes, each after a blank; names in lower case."""
    # the page keeps them in a JavaScript object, which has keys that are whole numbers first, in order
    ordered = sorted(attributes, key=lambda name: int(name) if _WHOLE_NUMBER.fullmatch(name) else math.inf)
    return "".join(_attribute(name, attributes[name]) for name in ordered)


def escape(text: str) -> str:
    """Return text as sanitize-html writes it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _attribute(name: str, value: str) -> str:
    if not _VALID_NAME.fullmatch(name) or _HANDLER.match(name) or (not value and name in _NOT_BOOLEAN):
        return ""
    if name in ("href", "src", "cite") and _is_unsafe(value):
        return ""
    if name == "srcset":
        value = ", ".join(
            " ".join(filter(None, candidate.groups()))
            for candidate in _CANDIDATE.finditer(value)
            if not _is_unsafe(candidate[1])
        )
    elif name == "style":
        value = _style(value)
    if not value:
        return "" if name in _NOT_BOOLEAN else f' {name}=""' if name == "alt" else f" {name}"
    return f' {name}="{escape(value).replace(chr(34), "&quot;")}"'


def _style(value: str) -> str:
    """Return declarations without the blanks around their parts; "" if one cannot be read."""
    written = []
    for declaration in _DECLARATION.findall(value):
        name, colon, setting = declaration.strip().partition(":")
        if not name and not colon:
            continue
        if not name.strip() or not colon or not setting.strip():
            return ""
        is_important = _IMPORTANT.search(setting) is not None
        setting = _IMPORTANT.sub("", setting).strip()
        written.append(f"{name.strip()}:{setting}{' !important' if is_important else ''}")
    return ";".join(written)


def _is_unsafe(address: str) -> bool:
    """Return whether an address has a scheme that the page does not allow."""
    scheme = _SCHEME.match(_COMMENT.sub("", _CONTROL.sub("", address)))
    return scheme is not None and scheme[1].lower() not in _SAFE_SCHEMES
