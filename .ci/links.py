#!/usr/bin/env python3
"""Checks that what links point at is there: in the Markdown files as a forge shows them, and in the book as mdbook built it.

    .ci/links.py BOOK        the folder that `mdbook build` wrote

Links into the Internet are not followed. Exit code 1 with a line per broken link.
"""

import html.parser
import pathlib
import re
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Page(html.parser.HTMLParser):
    """The anchors of a page and what it links to, each with its line."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.anchors, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append((self.getpos()[0], value))


class Markdown:
    """The same of a Markdown file. Headings have the anchors that forges give them."""

    LINK = re.compile(r"!?\[(?:[^\[\]`]|`[^`]*`|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
    DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)")

    def __init__(self, text):
        self.anchors, self.links = set(), []
        fence = None
        for number, line in enumerate(text.splitlines(), 1):
            mark = re.match(r"\s*(`{3,}|~{3,})", line)
            if mark and fence is None:
                fence = mark[1]
            elif mark and mark[1].startswith(fence):
                fence = None
            elif fence is None:
                self.line(number, line)

    def line(self, number, line):
        heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if heading:
            self.anchor(heading[1])
        for found in re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", line):
            self.anchors.add(found)
        self.links += [(number, found) for found in self.LINK.findall(line)]
        self.links += [(number, found) for found in self.DEFINITION.findall(line)]

    def anchor(self, heading):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower().replace("`", "")).replace(" ", "-")
        name, count = slug, 0
        while name in self.anchors:
            count += 1
            name = f"{slug}-{count}"
        self.anchors.add(name)


def read(path, known={}):
    """A file's anchors and links, read once; None: it has none."""
    if path not in known:
        kind = {".html": Page, ".md": Markdown}.get(path.suffix)
        known[path] = kind(path.read_text(encoding="utf-8")) if kind else None
    return known[path]


def broken(files, root):
    """The links of some files that lead nowhere within `root`: lines that say where and why."""
    found = []
    for file in sorted(files):
        for line, link in read(file).links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path = urllib.parse.unquote(parts.path)
            target = file if not path else (root / path.lstrip("/") if path.startswith("/") else file.parent / path).resolve()
            where = f"{file.relative_to(root)}:{line}: {link}"
            if not target.is_relative_to(root):
                found.append(f"{where}: is outside {root.name}")
                continue
            if target.is_dir() and (target / "index.html").exists():
                target /= "index.html"
            if not target.exists():
                found.append(f"{where}: no such file")
                continue
            anchor = urllib.parse.unquote(parts.fragment)
            page = read(target) if anchor and target.is_file() else None
            if page is not None and anchor not in page.anchors:
                found.append(f"{where}: no such heading")
    return found


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    names = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "*.md"], check=True, capture_output=True, text=True).stdout
    markdown = [ROOT / name for name in names.split("\0") if name]
    book = pathlib.Path(sys.argv[1]).resolve()
    pages = list(book.rglob("*.html"))
    if not markdown or not pages:
        print(f"no files to check: {len(markdown)} of Markdown, {len(pages)} in {book}", file=sys.stderr)
        return 2
    # The page of all pages repeats the links of pages in folders as they are written there.
    pages = [page for page in pages if page.name not in ("print.html", "toc.html", "404.html")]
    found = broken(markdown, ROOT) + broken(pages, book)
    print("\n".join(found) or f"{len(markdown)} Markdown files and {len(pages)} pages: every link leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
