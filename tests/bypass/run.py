#!/usr/bin/env python3
"""The bypass cases through `vigie guard` to a real Ollama and a real llama.cpp on loopback.

    cargo build
    tests/live/run.py prepare ollama-0.17.4-model llama-cpp-open    # builds them, once
    tests/bypass/run.py [--vigie target/debug/vigie] [CLASS[/CASE] …]

Of a case that is refused the server's own request log must not hold a line, and its models, the loaded ones and its slots must be as they were. Of a
case that passes it holds one line, no model but `tiny` is loaded, no longer than the key may keep it, and the answer has no more tokens than the key
may have. Cases for another version than the one that runs are skipped, and so
are those that need a version, of a server that names none. As root on Linux all of it runs in a network of its own, without a way out.
The last line is `N passed, N failed, N skipped`; the exit code is 1 if a case failed.
"""
import argparse
import base64
import datetime
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OLLAMA = "0.17.4"
EVERYTHING = ["tools", "images", "audio", "template", "settings", "logprobs", "state", "adapter", "fetch", "search"]
CAPS = {"max-tokens": 16, "context": 2048}
# The grants of README.md: effects, models, can, caps.
GRANTS = {
    "tiny": (["infer"], ["tiny"], [], CAPS),
    "plain": (["infer"], ["tiny"], [], {}),
    "tools": (["infer"], ["tiny"], ["tools", "images", "audio"], CAPS),
    "pattern": (["infer"], ["tiny*", "me/*"], [], CAPS),
    "short": (["infer"], ["tiny"], [], {"max-tokens": 16, "keep-alive": 60}),
    "every": (["infer"], ["*"], [], CAPS),
    "nothing": (["infer"], [], [], {}),
    "reader": ([], ["tiny"], [], {}),
    "admin": (["identify", "enumerate", "infer", "load", "write", "account"], ["*"], EVERYTHING, {}),
    "revoked": (["infer"], ["*"], [], {}),
    "expired": (["infer"], ["*"], [], {}),
    "none": (["infer"], ["*"], [], {}),
}


def cache():
    return Path(os.environ.get("VIGIE_LIVE") or Path.home() / ".cache" / "vigie-live")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return json.loads(reply.read())


def until(what, ready, seconds=60):
    for _ in range(seconds * 10):
        try:
            if ready():
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"{what} did not start")


class Case:
    def __init__(self, path):
        about, self.request = path.read_text(encoding="utf-8").split("\n---\n", 1)
        self.name = f"{path.parent.name}/{path.stem}"
        words = [line.split(": ", 1) for line in about.split("\n")]
        one = dict(words)
        self.server, self.key, self.expect = one.get("server", f"ollama {OLLAMA}"), one["key"], one["expect"]
        self.behind, self.needs_version = one.get("behind", ""), one.get("needs") == "version"
        self.lacks = [value for word, value in words if word == "lacks"]
        self.answers = int(one.get("answers", 1))
        self.request = self.request.removesuffix("\n")

    def bytes(self, host, secrets):
        head, _, body = self.request.partition("\n\n")
        body = self.fill(body, b"\n", 0, host, secrets)
        return self.fill(head, b"\r\n", len(body), host, secrets) + b"\r\n\r\n" + body

    def fill(self, text, end, length, host, secrets):
        out, ended = b"", True
        for line in text.split("\n"):
            if not ended:
                out += end
            ended = False
            for number, part in enumerate(re.split(r"<<(.*?)>>", line)):
                if number % 2 == 0:
                    out += part.encode()
                    continue
                word, _, value = part.partition(" ")
                if word in ("crlf", "lf", "cr", "nothing"):
                    out += {"crlf": b"\r\n", "lf": b"\n", "cr": b"\r", "nothing": b""}[word]
                    ended = True
                elif word == "repeat":
                    count, text = value.split(" ", 1)
                    out += text.encode() * int(count)
                else:
                    out += {
                        "key": lambda: secrets[value or self.key].encode(),
                        "basic": lambda: base64.b64encode(b"anyone:" + secrets[self.key].encode()),
                        "host": lambda: host.encode(),
                        "port": lambda: host.rsplit(":", 1)[1].encode(),
                        "length": lambda: str(length).encode(),
                        "bytes": lambda: bytes.fromhex(value),
                    }[word]()
        return out


def exchange(address, sent, answers):
    """All that comes back. An answer that is whole is followed by nothing."""
    with socket.create_connection(address, timeout=60) as one:
        try:
            one.sendall(sent)
        except OSError:
            pass  # refused before it was sent whole
        got = b""
        while True:
            try:
                piece = one.recv(65536)
            except OSError:
                return got
            got += piece
            if not piece or whole(got) >= answers:
                return got


def whole(got):
    count = 0
    while b"\r\n\r\n" in got:
        head, rest = got.split(b"\r\n\r\n", 1)
        length = re.search(rb"content-length: (\d+)", head)
        if head.startswith(b"HTTP/1.1 100"):
            got = rest
            continue
        if b"transfer-encoding: chunked" in head:
            if b"0\r\n\r\n" not in rest:
                return count
            rest = rest.split(b"0\r\n\r\n", 1)[1]
        elif length and not head.split(b" ", 2)[1] == b"204":
            if len(rest) < int(length[1]):
                # The answer to HEAD has a length and no body.
                return count + (not rest and b"application/json" not in head)
            rest = rest[int(length[1]) :]
        got, count = rest, count + 1
    return count


class Ollama:
    product = f"ollama {OLLAMA}"

    def __init__(self, folder):
        self.port = free_port()
        self.url, self.log = f"http://127.0.0.1:{self.port}", folder / "ollama.log"
        program = str(cache() / f"ollama/v{OLLAMA}/ollama")
        model = max(cache().glob("tiny-*.gguf"))
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "OLLAMA_HOST": f"127.0.0.1:{self.port}", "OLLAMA_MODELS": str(folder / "models"),
                   "OLLAMA_CLOUD_BASE_URL": "http://127.0.0.1:9", "OLLAMA_NO_CLOUD": "1"}
        self.process = subprocess.Popen([program, "serve"], env=environ, stdout=self.log.open("wb"), stderr=subprocess.STDOUT)
        until("Ollama", lambda: get(self.url + "/api/version"))
        for name in ["tiny", "secret"]:
            file = folder / f"Modelfile.{name}"
            file.write_text(f'FROM {model}\nTEMPLATE """{{{{ .System }}}} {{{{ .Tools }}}} {{{{ .Prompt }}}}"""\nSYSTEM You are {name}.\n')
            subprocess.run([program, "create", name, "-f", str(file)], env=environ, check=True, capture_output=True)

    def names_version(self):
        return True

    def requests(self, since, asks_version):
        """Lines of its log: method and path, without the gateway's own question for the version."""
        with self.log.open("rb") as log:
            log.seek(since)
            text = log.read().decode(errors="replace")
        lines = re.findall(r'^\[GIN\].*\| +(\w+) +"([^"]*)"', text, re.M)
        return [f"{method} {path}" for method, path in lines if asks_version or path != "/api/version"]

    def mark(self):
        return self.log.stat().st_size

    def state(self):
        models = sorted((one["name"], one["digest"]) for one in get(self.url + "/api/tags")["models"])
        return models, sorted(one["name"] for one in get(self.url + "/api/ps")["models"])

    def loaded_for(self):
        """Seconds for which models stay loaded, by name."""
        now = datetime.datetime.now(datetime.timezone.utc)
        return {one["name"]: (datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", one["expires_at"])) - now).total_seconds()
                for one in get(self.url + "/api/ps")["models"]}


class LlamaCpp:
    product = "llama-cpp b11549"

    def __init__(self, folder):
        self.port = free_port()
        self.url, log = f"http://127.0.0.1:{self.port}", (folder / "llama-cpp.log").open("wb")
        model = max(cache().glob("tiny-*.gguf"))
        words = [str(cache() / "python/llama-cpp/bin/python"), str(ROOT / "tests/live/servers/llama_cpp.py"), str(model), str(self.port), "tiny"]
        self.process = subprocess.Popen(words, stdout=log, stderr=log)
        until("llama.cpp", lambda: get(self.url + "/health"))

    def names_version(self):
        """Builds of others do not tell their number, and the gateway gives them the strictest table: at once, if none is configured, or when it has
        looked."""
        return bool(re.match(r"b[1-9][0-9]{2,}", get(self.url + "/props").get("build_info", "")))

    def state(self):
        """Every inference gets a task of a slot."""
        return [(slot["id"], slot.get("id_task"), slot["is_processing"]) for slot in get(self.url + "/slots")], get(self.url + "/lora-adapters")


class Guard:
    def __init__(self, vigie, server, folder):
        self.dir, self.port = folder / f"guard-{server.product.split()[0]}", free_port()
        self.host = f"127.0.0.1:{self.port}"
        product, version = server.product.split()
        self.knows_version = server.names_version()
        told = ["--product-version", version] if self.knows_version else []
        self.call = lambda *words: subprocess.run([vigie, "guard", *words, "--dir", str(self.dir)], check=True, capture_output=True, text=True)
        self.call("init", "--upstream", server.url, "--product", product, *told, "--listen", self.host, "--plain-http", "--yes")
        self.secrets = {name: json.loads(self.call("key", "create", name, "--json").stdout)["key"] for name in GRANTS}
        file = self.dir / "keys.json"
        store = json.loads(file.read_text())
        store["keys"] = [key for key in store["keys"] if key["name"] in GRANTS and key["name"] != "none"]
        for key in store["keys"]:
            effects, models, can, caps = GRANTS[key["name"]]
            key["grant"] = {"effects": effects, "models": models, "can": can, "caps": caps}
            if key["name"] in ("revoked", "expired"):
                key["revoked" if key["name"] == "revoked" else "expires"] = key["created"]
        file.write_text(json.dumps(store))
        self.process = subprocess.Popen([vigie, "guard", "run", "--dir", str(self.dir)], stderr=subprocess.DEVNULL)
        until("the gateway", lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None)


def tokens(got):
    counts = re.findall(rb'"(?:eval_count|completion_tokens|output_tokens|tokens_predicted)": ?(\d+)', got)
    return max(map(int, counts), default=0)


def play(case, server, guard):
    """-> what is wrong, or None"""
    before, mark = server.state(), server.mark() if isinstance(server, Ollama) else 0
    got = exchange(("127.0.0.1", guard.port), case.bytes(guard.host, guard.secrets), case.answers)
    status = re.match(rb"(?:HTTP/1.1 100 Continue\r\n\r\n)?HTTP/1.1 (\d+)", got)
    status = int(status[1]) if status else 0
    if any(lacks.encode() in got for lacks in case.lacks):
        return f"the answer holds one of {case.lacks}"
    is_refused = case.expect.startswith("refused")
    if isinstance(server, Ollama):
        asks_version = "/api/version" in case.behind
        arrived = server.requests(mark, asks_version)
        # The log has a line once the answer is written.
        for _ in range(50):
            if is_refused or arrived:
                break
            time.sleep(0.02)
            arrived = server.requests(mark, asks_version)
        wanted = [] if is_refused else [case.behind]
        if arrived != wanted:
            return f"its log has {arrived}"
        if case.key != "admin":
            most = {"short": 60}.get(case.key, 300)
            for name, seconds in server.loaded_for().items():
                if name != "tiny:latest" or seconds > most + 2:
                    return f"{name} is loaded for {seconds} s"
    if is_refused:
        if status != int(case.expect.split()[1]):
            return f"status {status}"
        after = server.state()
        if after != before:
            return f"{before} became {after}"
        return None
    if status in (0, 401, 403, 408, 413, 502, 504) or b'{"error":"bad request"}' in got:
        return f"status {status}: {got[-200:]!r}"
    most = GRANTS[case.key][3].get("max-tokens")
    if most and tokens(got) > most:
        return f"{tokens(got)} tokens"
    if isinstance(server, Ollama) and case.key != "admin" and server.state()[0] != before[0]:
        return "its models changed"
    return None


def alone():
    """Runs the program again in a network namespace with nothing but loopback."""
    if os.environ.get("VIGIE_BYPASS_ALONE") or os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("ip")):
        return
    os.environ["VIGIE_BYPASS_ALONE"] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    parser.add_argument("cases", nargs="*", metavar="CLASS[/CASE]")
    args = parser.parse_args()
    alone()
    cases = [Case(path) for path in sorted(HERE.glob("*/*.http"))]
    if args.cases:
        cases = [case for case in cases if case.name in args.cases or case.name.split("/")[0] in args.cases]
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in (Ollama, LlamaCpp):
            own = [case for case in cases if case.server == kind.product]
            if not own:
                continue
            server = guard = None
            try:
                server = kind(Path(folder))
                guard = Guard(args.vigie, server, Path(folder))
                for case in own:
                    if case.needs_version and not guard.knows_version:
                        continue
                    why = play(case, server, guard)
                    passed, failed = passed + (not why), failed + bool(why)
                    if why:
                        print(f"FAILED   {case.name}: {why}", flush=True)
            finally:
                for one in (guard, server):
                    if one:
                        one.process.terminate()
                        one.process.wait()
        skipped = len(cases) - passed - failed
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
