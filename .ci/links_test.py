#!/usr/bin/env python3
"""Tests of links.py: each kind of broken link is found, and nothing else is."""

import pathlib
import tempfile
import unittest

import links


class Broken(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name).resolve()

    def broken(self, **files):
        paths = []
        for name, text in files.items():
            path = self.root / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            paths.append(path)
        return links.broken(paths, self.root)

    def test_markdown(self):
        found = self.broken(
            a_md="# A `b` & c\n[ok](sub/b.md#two-words)\n[ok](#a-b--c)\n[gone](no.md)\n[none](sub/b.md#three)\n[here](#nowhere)\n"
            "```\n[code](no.md)\n```\n[net](https://example.com/no.md)\n[ref]: no.svg\n[up](../x)\n![image](no.png)\n",
            sub__b_md="## Two words\n## Two words\n[ok](../a.md)\n[ok](#two-words-1)\n[ok](#two-words)\n",
        )
        self.assertEqual(
            found,
            [
                "a.md:4: no.md: no such file",
                "a.md:5: sub/b.md#three: no such heading",
                "a.md:6: #nowhere: no such heading",
                "a.md:11: no.svg: no such file",
                f"a.md:12: ../x: is outside {self.root.name}",
                "a.md:13: no.png: no such file",
            ],
        )

    def test_pages(self):
        found = self.broken(
            a_html='<h1 id="x">x</h1><a href="#x">ok</a><a href="b/">ok</a>\n<a href="#y">y</a><img src="no.svg">',
            b__index_html='<a href="../a.html#x">ok</a>\n<a href="../a.html#z">z</a>',
        )
        self.assertEqual(
            found,
            ["a.html:2: #y: no such heading", "a.html:2: no.svg: no such file", "b/index.html:2: ../a.html#z: no such heading"],
        )


if __name__ == "__main__":
    unittest.main()
