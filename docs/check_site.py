"""Check the built site: `python docs/check_site.py docs/_build/html`.

- every link to a page, file or anchor of the site leads there;
- nothing is loaded from another host: pages read the same without a network;
- every public name has an entry of its own in the API reference;
- no reStructuredText or TeX is left over in the text of a page.

Links to other hosts are not followed; `sphinx-build -b linkcheck docs docs/_build/linkcheck` does
that where there is a network.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.util.inventory import InventoryFile

PUBLIC = (
    "stats_tl.archive",
    "stats_tl.calibration",
    "stats_tl.data",
    "stats_tl.errors",
    "stats_tl.reporting",
    "stats_tl.reporting.figures",
    "stats_tl.stats",
)
#: Attributes that make a browser fetch something at once.
LOADED = {("img", "src"), ("script", "src"), ("iframe", "src"), ("source", "src")}
LOADED |= {("video", "src"), ("audio", "src"), ("object", "data"), ("embed", "src")}
#: What a role or directive that was not rendered looks like.
LEFT_OVER = re.compile(r":(?:py:)?(?:func|class|mod|meth|data|attr|doi|ref|math|doc):`|\.\. \w+::")


class Page(HTMLParser):
    """Links, loaded files, anchors and text of one page."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.text: list[str] = []
        self._quiet = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attributes if value is not None}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and values.get("rel") not in ("canonical", "author"):
            self.loaded.append(values["href"])
        self.loaded += [value for name, value in values.items() if (tag, name) in LOADED]
        self.loaded += re.findall(r"url\(([^)]+)\)", values.get("style", ""))
        self._quiet += tag in ("script", "style", "pre", "code")

    def handle_endtag(self, tag: str) -> None:
        self._quiet -= tag in ("script", "style", "pre", "code")

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.text.append(data)


@cache
def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def problems_of_page(root: Path, path: Path) -> Iterator[str]:
    page = read(path)
    for link in (*page.links, *page.loaded):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            if link in page.loaded and parts.scheme != "data":
                yield f"loads {link}"
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
        if not target.is_relative_to(root.resolve()) or not target.exists():
            yield f"leads to {link}, which is not there"
        elif parts.fragment and unquote(parts.fragment) not in read(target).anchors:
            yield f"leads to {link}, where there is no such anchor"
    yield from (f"shows {found!r}" for found in set(LEFT_OVER.findall(" ".join(page.text))))


def problems_of_styles(root: Path) -> Iterator[str]:
    for path in root.rglob("*.css"):
        for url in re.findall(r"(?:url\(|@import\s+)[\"']?(https?:[^\"')]+)", path.read_text()):
            yield f"{path.relative_to(root)}: loads {url}"


def public_names() -> Iterator[str]:
    for module in PUBLIC:
        yield from (f"{module}.{name}" for name in import_module(module).__all__)


def names_without_page(root: Path) -> Iterator[str]:
    inventory = InventoryFile.loads((root / "objects.inv").read_bytes(), uri="")
    python = [names for kind, names in inventory.data.items() if kind.startswith("py:")]
    documented = set().union(*python)
    yield from (f"no page for {name}" for name in public_names() if name not in documented)


def main(root: Path) -> int:
    # `_static` holds a template of the theme, which is no page.
    pages = sorted(p for p in root.rglob("*.html") if "_static" not in p.parts)
    found = [f"{p.relative_to(root)}: {say}" for p in pages for say in problems_of_page(root, p)]
    found += [*problems_of_styles(root), *names_without_page(root)]
    print("\n".join(found))
    links = sum(len(read(path).links) for path in pages)
    print(f"{len(pages)} pages, {links} links, {len(list(public_names()))} public names: ", end="")
    print(f"{len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
