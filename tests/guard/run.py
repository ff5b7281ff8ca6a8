#!/usr/bin/env python3
"""Official clients through `vigie guard` to a real Ollama on loopback.

    tests/live/run.py prepare ollama-0.17.4-model     # builds Ollama, once
    tests/guard/run.py [--vigie target/debug/vigie]

The clients are those of clients.txt, in an environment of their own. The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVER = "ollama-0.17.4-model"


class Score:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, right, got=""):
        self.passed += bool(right)
        self.failed += not right
        print(f"{'ok' if right else 'FAILED':8} {name}{'' if right else f': {got}'}", flush=True)


def cache():
    return Path(os.environ.get("VIGIE_LIVE") or Path.home() / ".cache" / "vigie-live")


def python():
    """The interpreter with the clients; made anew when clients.txt changes."""
    folder, lock = cache() / "guard-clients", HERE / "clients.txt"
    mark = folder / "made-of"
    if not mark.exists() or mark.read_bytes() != lock.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", "--no-deps", "--requirement", str(lock)], check=True)
        mark.write_bytes(lock.read_bytes())
    return str(folder / "bin/python")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on {port}")


def get(url, headers=None):
    """-> status, body, headers in lower case"""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=30) as reply:
            return reply.status, reply.read(), {name.lower(): value for name, value in reply.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, error.read(), {name.lower(): value for name, value in error.headers.items()}


class Guard:
    """A gateway in a folder of its own in front of a server."""

    def __init__(self, vigie, upstream, tls=False):
        self.vigie, self.dir, self.port = vigie, tempfile.mkdtemp(), free_port()
        more = [] if tls else ["--plain-http"]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.run("init", "--upstream", upstream, "--listen", f"127.0.0.1:{self.port}", *more, "--yes")
        self.process = None

    def run(self, *words, check=True):
        done = subprocess.run([self.vigie, "guard", *words, "--dir", self.dir], capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"vigie guard {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return done

    def key(self, name, *words):
        return json.loads(self.run("key", "create", name, *words, "--json").stdout)["key"]

    def start(self):
        self.process = subprocess.Popen([self.vigie, "guard", "run", "--dir", self.dir], stderr=subprocess.DEVNULL)
        wait_for(self.port)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=60)

    def entries(self):
        return [json.loads(line) for line in self.run("log", "export").stdout.splitlines()]


def clients(score, interpreter, guard, key):
    done = subprocess.run([interpreter, str(HERE / "clients.py"), guard.url, key], capture_output=True, text=True, timeout=300)
    if done.returncode:
        score.check("the clients ran", False, done.stderr[-2000:])
    for line in done.stdout.splitlines():
        result = json.loads(line)
        score.check(result["check"], result["right"], result["got"])


def refusals(score, guard, key):
    forged = key[:-1] + ("0" if key[-1] != "0" else "1")
    for name, headers in [("no key", {}), ("an unknown key", {"Authorization": f"Bearer {forged}"}), ("nonsense", {"Authorization": "x"})]:
        answers = [get(guard.url + path, headers) for path in ["/api/tags", "/", "/no/such/page", "/api/pull"]]
        same = all((status, body) == (401, b'{"error":"unauthorized"}') for status, body, _ in answers)
        score.check(f"{name}: every path is refused alike", same, answers)
        score.check(f"{name}: no product is named", not any("ollama" in str(answer).lower() or "server" in answer[2] for answer in answers), answers)


def life_of_a_key(score, guard):
    key = guard.key("short", "--models", "tiny")
    headers = {"Authorization": f"Bearer {key}"}
    score.check("a new key works at once", get(guard.url + "/api/tags", headers)[0] == 200)
    new = json.loads(guard.run("key", "rotate", "short", "--json").stdout)["key"]
    both = [get(guard.url + "/api/tags", {"Authorization": f"Bearer {one}"})[0] for one in (key, new)]
    score.check("both secrets work while a rotation overlaps", both == [200, 200], both)
    guard.run("key", "revoke", "short")
    both = [get(guard.url + "/api/tags", {"Authorization": f"Bearer {one}"})[0] for one in (key, new)]
    score.check("a revoked key stops working at once", both == [401, 401], both)


def connect(score, vigie, guard, key):
    """The command line of Ollama, which can be given no key, through `vigie connect`."""
    port = free_port()
    words = [vigie, "connect", guard.url, "--listen", f"127.0.0.1:{port}", "--ca", f"{guard.dir}/certificate.pem"]
    process = subprocess.Popen(words, env={**os.environ, "VIGIE_KEY": key}, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        ollama = str(cache() / "ollama/v0.17.4/ollama")
        home = tempfile.mkdtemp()

        def run(*words):
            return subprocess.run([ollama, *words], env={"PATH": os.environ["PATH"], "HOME": home, "OLLAMA_HOST": f"127.0.0.1:{port}"},
                                  capture_output=True, text=True, timeout=120)

        listed = run("list")
        score.check("ollama list", "tiny:latest" in listed.stdout, listed)
        ran = run("run", "tiny", "hi")
        score.check("ollama run", ran.returncode == 0, ran)
        shown = run("show", "tiny")
        score.check("ollama show", shown.returncode == 0, shown)
        removed = run("rm", "tiny")
        score.check("ollama rm is refused", removed.returncode != 0 and "tiny:latest" in run("list").stdout, removed)
        status, _, _ = get(f"http://127.0.0.1:{port}/api/tags", {"Origin": "https://evil.example"})
        score.check("a page of a stranger cannot use the port", status == 403, status)
        status, _, _ = get(f"http://127.0.0.1:{port}/api/tags", {"Host": "evil.example"})
        score.check("nor can a name that leads to loopback", status == 403, status)
    finally:
        process.terminate()
        process.wait()


def log(score, guard, secrets):
    guard.stop()
    verified = guard.run("log", "verify", check=False)
    score.check("the log is sound", verified.returncode == 0, verified.stdout)
    head = guard.run("log", "head").stdout.strip()
    entries = guard.entries()
    events = [entry.get("unmapped", {}).get("event") for entry in entries]
    for event in ["started", "keys", "request", "refused", "stopped"]:
        score.check(f"the log has an entry of the kind {event}", event in events, events)
    tokens = [entry["unmapped"]["output_tokens"] for entry in entries if entry.get("unmapped", {}).get("effect") == "infer"]
    score.check("every inference was metered", tokens and all(isinstance(count, int) for count in tokens), tokens)
    everything = "".join(path.read_text(errors="replace") for path in Path(guard.dir).rglob("*") if path.is_file())
    score.check("no secret is in any file", not any(secret in everything for secret in secrets))
    # An entry that somebody changes, and an end that somebody cuts off.
    file = max(Path(guard.dir, "log").glob("audit-*.jsonl"))
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"chunks":', b'"chunkz":', 1))
    score.check("a changed entry is noticed", guard.run("log", "verify", check=False).returncode == 1)
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:-2]))
    score.check("a cut end is noticed with a head kept elsewhere", guard.run("log", "verify", "--head", head, check=False).returncode == 1)
    file.write_bytes(whole)
    score.check("and the log as it was is sound", guard.run("log", "verify", "--head", head, check=False).returncode == 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    args = parser.parse_args()
    interpreter, score = python(), Score()
    server = subprocess.Popen([str(ROOT / "tests/live/run.py"), "up", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        name, address = server.stdout.readline().split(maxsplit=1)
        address = address.strip()
        if name != SERVER or not address.startswith("127."):
            sys.exit(f"the server did not start: {address}")
        guard = Guard(args.vigie, f"http://{address}")
        guard.start()
        try:
            key = guard.key("alice", "--models", "tiny", "--can", "tools", "--cap", "num_predict=16")
            clients(score, interpreter, guard, key)
            refusals(score, guard, key)
            life_of_a_key(score, guard)
            log(score, guard, [key])
        finally:
            guard.stop()
        secure = Guard(args.vigie, f"http://{address}", tls=True)
        secure.start()
        try:
            key = secure.key("alice")
            done = subprocess.run(["curl", "--silent", "--cacert", f"{secure.dir}/certificate.pem", "-H", f"Authorization: Bearer {key}", secure.url + "/api/version"],
                                  capture_output=True, text=True)
            connect(score, args.vigie, secure, key)
            score.check("TLS with the certificate that init made", json.loads(done.stdout or "null") == {"version": "0.17.4"}, done)
        finally:
            secure.stop()
    finally:
        server.terminate()
        server.wait()
    print(f"{score.passed} passed, {score.failed} failed")
    sys.exit(1 if score.failed else 0)


if __name__ == "__main__":
    main()
