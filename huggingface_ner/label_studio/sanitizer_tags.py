"""The rules of htmlparser2 and sanitize-html for tags, which differ from the rules of HTML5."""

VOID = frozenset(
    [
        "area",
        "base",
        "basefont",
        "br",
        "col",
        "command",
        "embed",
        "frame",
        "hr",
        "img",
        "input",
        "isindex",
        "keygen",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
WRITTEN_SELF_CLOSING = frozenset(["img", "br", "hr", "area", "base", "basefont", "input", "link", "meta"])
FOREIGN = frozenset({"math", "svg"})
INTEGRATION = frozenset(["mi", "mo", "mn", "ms", "mtext", "annotation-xml", "foreignobject", "desc", "title"])
AROUND = frozenset({"html", "head", "body"})

_FORM = frozenset(["input", "option", "optgroup", "select", "button", "datalist", "textarea"])
_P = frozenset({"p"})
# Tag -> the open tags that it closes.
CLOSES: dict[str, frozenset[str]] = {
    **dict.fromkeys(["select", "input", "output", "button", "datalist", "textarea"], _FORM),
    **dict.fromkeys(
        [
            "p",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "address",
            "article",
            "aside",
            "blockquote",
            "details",
            "div",
            "dl",
            "fieldset",
            "figcaption",
            "figure",
            "footer",
            "form",
            "header",
            "hr",
            "main",
            "nav",
            "ol",
            "pre",
            "section",
            "table",
            "ul",
        ],
        _P,
    ),
    **dict.fromkeys(("dd", "dt"), frozenset({"dd", "dt"})),
    **dict.fromkeys(("rt", "rp"), frozenset({"rt", "rp"})),
    **dict.fromkeys(("tbody", "tfoot"), frozenset({"thead", "tbody"})),
    "tr": frozenset({"tr", "th", "td"}),
    "th": frozenset({"th"}),
    "td": frozenset({"thead", "th", "td"}),
    "body": frozenset({"head", "link", "script"}),
    "li": frozenset({"li"}),
    "option": frozenset({"option"}),
    "optgroup": frozenset({"optgroup", "option"}),
}
