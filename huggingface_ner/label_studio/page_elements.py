"""How a browser shows the elements of HTML, as far as it matters for the text in them."""

# Text in these elements continues the text around them. Any other element separates words. Unknown elements, such
# as Word's <st1:place>, separate nothing else: an entity can begin before one and end in it.
INLINE = frozenset(
    [
        *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em"),
        *("font", "i", "ins", "kbd", "label", "mark", "nobr", "q", "rp", "rt", "ruby", "s", "samp"),
        *("small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"),
    ]
)
# Text in blocks, cells and boxes. No entity runs over the border of one.
SEPARATE = frozenset(
    [
        *("address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog"),
        *("dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "frameset"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "html", "legend", "li"),
        *("listing", "main", "menu", "nav", "ol", "p", "plaintext", "pre", "search", "section"),
        *("summary", "ul", "xmp"),
        *("caption", "col", "colgroup", "table", "tbody", "td", "tfoot", "th", "thead", "tr"),
        *("audio", "button", "canvas", "embed", "img", "input", "marquee", "math", "meter", "object"),
        *("progress", "svg", "video"),
    ]
)
# Each element inside these is separate too.
FOREIGN = frozenset(["math", "svg"])
# Blanks in these elements are shown as they are.
PREFORMATTED = frozenset(["pre", "listing", "xmp", "plaintext"])
# Text in these elements may not be shown.
FOLDED = frozenset(["details", "dialog", "math", "svg"])
# The text nodes of these elements are in the page, but cannot be selected.
UNSELECTABLE = frozenset(
    [
        *("script", "style", "noscript", "title", "datalist", "noembed", "noframes", "iframe", "rp"),
        *("textarea", "option", "optgroup", "select"),
    ]
)
