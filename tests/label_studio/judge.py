"""Runs the sanitiser of Label Studio's page in Chromium, to see what the page makes of HTML and texts.

The wheel of Label Studio contains the sources of its page in source maps. sanitize-html, htmlparser2, the editor's
``sanitizeHtml``, and the code that reads a task's data are taken from there. So nothing more has to be installed.
"""

import json
import posixpath
import re
import subprocess
from typing import Any

from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import Page

from tests import ROOT

_MODULES = (
    "sanitize-html",
    "htmlparser2",
    "entities",
    "domelementtype",
    "domhandler",
    "escape-string-regexp",
    "es-toolkit",
)
_OWN = (
    "/editor/src/utils/html.js",
    "/editor/src/utils/data.js",
    "/datamanager/src/utils/helpers.ts",
    "/editor/src/utils/selection-tools.js",
    "/editor/src/tags/object/RichText/domManager.ts",
    "/editor/src/tags/object/Paragraphs/model.js",
)
_JS = """
(() => {
  const sources = SOURCES, loaded = {};
  // stand-ins for packages that only some attributes need; the documents here have no such attributes
  const stubs = {
    "postcss": { parse() { throw new Error("no styles here"); } }, "parse-srcset": () => [],
    "is-plain-object": { isPlainObject: () => false }, "deepmerge": () => ({}),
  };
  const load = (path) => {
    if (!(path in loaded)) {
      const module = { exports: {} };
      loaded[path] = module;
      const here = sources[path];
      new Function("module", "exports", "require", here.code)(
        module, module.exports, (name) => stubs[name] ?? load(here.requires[name]));
    }
    return loaded[path].exports;
  };
  window.pageSanitize = new Function("sanitizeHTML", EDITOR + "; return sanitizeHtml;")(load(START));
  window.pageValue = new Function("get", VALUES + "; return parseValue;")(load(GET).get);
  const isDefined = value => value !== undefined && value !== null;
  window.pageSelection = new Function(
    "isDefined", SELECTION + "; return { fixRange, fixCodePointsInRange, rangeToGlobalOffset };")(isDefined);
  const flatten = list => list.flat();
  window.PageDom = new Function("isDefined", "flatten", MANAGER + "; return DomManager;")(isDefined, flatten);
  window.pageOrder = new Function("return (" + ORDER + ")")();
  window.pageJson = new Function(NUMBERS + "; return jsonReviverWithBigInt;")();
})()
"""
_NODES = r"""
documents => Promise.all(documents.map(async ([kind, value]) => {
  let root, frame;
  if (kind === "frame") {
    frame = document.createElement("iframe");
    frame.sandbox = "allow-same-origin allow-scripts allow-presentation";
    const done = new Promise(resolve => { frame.onload = resolve; });
    frame.srcdoc = pageSanitize(value);
    document.body.append(frame);
    await done;
    root = frame.contentDocument.body;
  } else {
    root = document.createElement("div");
    document.body.append(root);
    const escaped = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
    root.innerHTML = kind === "inline" ? pageSanitize(value) : value.replace(/[&<>"']/g, c => escaped[c])
      .split(/\n|\r/g).map(line => `<span>${line}</span>`).join("<br/>");
  }
  const nodes = [];
  let count = 0;
  const walk = (node, path) => {
    const counts = {};
    for (const child of node.childNodes) {
      const name = child.nodeType === 3 ? "text()" : child.nodeName.toLowerCase();
      counts[name] = (counts[name] ?? 0) + 1;
      const here = `${path}/${name}[${counts[name]}]`;
      if (child.nodeType === 3) {
        nodes.push([here, child.data, count]);
        count += [...child.data].length;
      } else {
        if (child.nodeName === "BR") { nodes.push(["", "\n", count]); count += 1; }
        walk(child, here);
      }
    }
  };
  walk(root, "");
  (frame ?? root).remove();
  return nodes;
}))
"""

_SELECTED = r"""
async ([inline, html, places]) => {
  const frame = document.createElement(inline ? "div" : "iframe");
  if (inline) {
    document.body.append(frame);
    frame.innerHTML = pageSanitize(html);
  } else {
    frame.sandbox = "allow-same-origin allow-scripts allow-presentation";
    const done = new Promise(resolve => { frame.onload = resolve; });
    frame.srcdoc = pageSanitize(html);
    document.body.append(frame);
    await done;
  }
  const root = inline ? frame : frame.contentDocument.body;
  const unseen = "script,style,noscript,title,datalist,noembed,noframes,iframe,rp,textarea,option,optgroup,select";
  const walker = root.ownerDocument.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const points = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest(unseen)) continue;
    let at = 0;
    for (const character of [...node.data, ""]) { points.push([node, at]); at += character.length; }
  }
  const dom = new PageDom(frame);
  const { fixRange, fixCodePointsInRange, rangeToGlobalOffset } = pageSelection;
  const values = places.map(([one, other]) => {
    if (!points.length) return null;
    const [first, last] = [one % points.length, other % points.length].sort((a, b) => a - b);
    const range = root.ownerDocument.createRange();
    range.setStart(...points[first]);
    range.setEnd(...points[last]);
    const isText = points.slice(first, last).some(([node, at]) => at < node.length);
    if (!isText && !range.cloneContents().querySelector("br")) return null;
    if (range.collapsed || !fixRange(range) || range.collapsed) return null;
    fixCodePointsInRange(range);
    const [start, end] = rangeToGlobalOffset(range, root);
    const value = dom.globalOffsetsToRelativeOffsets(start, end);
    if (start >= end || !value) return null;
    const back = dom.relativeOffsetsToGlobalOffsets(value.start, value.startOffset, value.end, value.endOffset);
    return [{ ...value, globalOffsets: { start, end } }, back];
  });
  frame.remove();
  return values;
}
"""
_VALUES = "wanted => wanted.map(([template, data]) => String(pageValue(template, JSON.parse(data, pageJson))))"
_ORDERS = """
wanted => wanted.map(dialogue => JSON.parse(dialogue, pageJson)
  .map((utterance, place) => ({ ...utterance, place })).sort(pageOrder).map(utterance => utterance.place))
"""

# For a text node: its XPath, text and first global offset. For a <br>: "", a line break and its global offset.
PageText = tuple[str, str, int]


def prepare(page: Page) -> None:
    """Load the sanitiser into an empty page."""
    page.set_content("<!DOCTYPE html><body></body>")
    sources = _sources()
    paths = {end: _path(sources, end) for end in ("/sanitize-html/index.js", "/compat/object/get.mjs")}
    editor, values, numbers, selection, manager, paragraphs = (sources[_path(sources, end)] for end in _OWN)
    own = {
        "EDITOR": _between(editor, "function sanitizeHtml", "\nexport"),
        "VALUES": _between(values, "const parseValue", "\nexport"),
        "NUMBERS": re.sub(r"\??: any", "", _between(numbers, "const jsonReviver", "\n/**")),
        "SELECTION": _plain(selection),
        "ORDER": _between(paragraphs, "(a, b) => {", "\n      : val").strip().removesuffix(")"),
        "MANAGER": _plain(_without_types(manager)),
    }
    modules = {
        path: {"code": code, "requires": {name: _resolve(path, name, sources) for name in _requires(code)}}
        for path, code in sources.items()
        if path.startswith("node_modules/")
    }
    script = _JS.replace("START", json.dumps(paths["/sanitize-html/index.js"]))
    script = script.replace("GET", json.dumps(paths["/compat/object/get.mjs"]))
    for name, code in own.items():
        script = script.replace(name, json.dumps(code))
    page.evaluate(script.replace("SOURCES", json.dumps(modules)))


def page_texts(page: Page, documents: list[tuple[str, str]]) -> list[list[PageText]]:
    """Return the text nodes that the page makes of documents.

    documents: the kind (frame, inline or text) and the value of each.
    """
    found: list[list[list[Any]]] = page.evaluate(_NODES, documents)
    return [[(xpath, text, count) for xpath, text, count in nodes] for nodes in found]


def page_values(page: Page, wanted: list[tuple[str, str]]) -> list[str]:
    """Return what the page shows for pairs of a ``value`` attribute and a task's data as JSON."""
    shown: list[str] = page.evaluate(_VALUES, wanted)
    return shown


def page_orders(page: Page, wanted: list[str]) -> list[list[int]]:
    """Return the places of the utterances of dialogues, written as JSON, in the order of contextScroll."""
    orders: list[list[int]] = page.evaluate(_ORDERS, wanted)
    return orders


def selected(
    page: Page, html: str, places: list[tuple[int, int]], *, inline: bool
) -> list[tuple[dict[str, Any], list[int]]]:
    """Return the values that the page saves for selections, and the global offsets that it reads from each value.

    places: pairs of points between the characters of all text nodes that can be selected, modulo their number.
    Selections of nothing are left out, and those of text that cannot be selected, such as that of an <option>.
    """
    values: list[Any] = page.evaluate(_SELECTED, [inline, html, places])
    return [(value, back) for value, back in filter(None, values)]


def _without_types(code: str) -> str:
    """Return TypeScript as JavaScript; Playwright comes with a Node.js that can convert it."""
    script = 'process.stdout.write(require("module").stripTypeScriptTypes(require("fs").readFileSync(0, "utf8")))'
    command = [str(compute_driver_executable()[0]), "--no-warnings", "-e", script]
    return subprocess.run(command, input=code, capture_output=True, text=True, check=True).stdout


def _plain(code: str) -> str:
    """Return a module without its imports and exports."""
    return re.sub(
        r"^export (default )?", "", re.sub(r"^import .*$", "", code, flags=re.MULTILINE), flags=re.MULTILINE
    )


def _path(sources: dict[str, str], end: str) -> str:
    return next(path for path in sources if path.endswith(end))


def _between(code: str, start: str, end: str) -> str:
    return start + code.partition(start)[2].partition(end)[0]


def _sources() -> dict[str, str]:
    """Return the source files that the sanitiser is made of, by their path in the source maps."""
    found: dict[str, str] = {}
    for path in sorted(
        (ROOT / ".venv-label-studio").glob("lib/*/site-packages/web/dist/apps/labelstudio/*.js.map")
    ):
        source_map = json.loads(path.read_text(encoding="utf-8"))
        for name, code in zip(source_map["sources"], source_map.get("sourcesContent") or [], strict=False):
            inside = name.split("?")[0].removeprefix("webpack://labelstudio/").lstrip("./")
            is_module = any(f"/node_modules/{module}/" in f"/{inside}" for module in _MODULES)
            if code and (is_module or inside.endswith(_OWN)):
                found[inside] = _commonjs(code) if inside.endswith(".mjs") else code
    return found


def _commonjs(code: str) -> str:
    """Return an ECMAScript module as a CommonJS module."""
    code = re.sub(r"""import (\{[^}]*\}) from ["']([^"']+)["'];""", r'const \1 = require("\2");', code)
    return re.sub(r"export (\{[^}]*\});", r"Object.assign(exports, \1);", code)


def _requires(code: str) -> list[str]:
    return re.findall(r"""require\(["']([^"']+)["']\)""", code)


def _resolve(path: str, name: str, sources: dict[str, str]) -> str:
    """Return the file that a module requires, as Node.js finds it; "" if it is not one of the sources."""
    folder = posixpath.dirname(path)
    folders = [folder]
    if not name.startswith("."):
        parts = folder.split("/")
        folders = ["/".join([*parts[:length], "node_modules"]) for length in range(len(parts), -1, -1)]
    for base in (posixpath.normpath(posixpath.join(folder, name)) for folder in folders):
        for candidate in (base, f"{base}.js", f"{base}/index.js", f"{base}/lib/index.js"):
            if candidate in sources:
                return candidate
    return ""
