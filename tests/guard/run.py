#!/usr/bin/env python3
"""Official clients through `vigie guard` to a real Ollama and a real llama.cpp on loopback.

    tests/live/run.py prepare ollama-0.17.4-model llama-cpp-open     # builds them, once
    tests/guard/run.py [--vigie target/debug/vigie]

The clients are those of clients.txt and of node/, in environments of their own. The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import stage
from stage import HERE, ROOT, Guard, LlamaCpp, Ollama, Relay, Score, cache, free_port, get, is_idle, until, wait_for


# No client may report its use.
QUIET = {**os.environ, "LANGSMITH_TRACING": "false", "NO_PROXY": "*"}


def clients(score, words, why, environ=None):
    """Runs a program that prints a line of JSON per check."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env={**QUIET, **(environ or {})})
    if done.returncode or not done.stdout:
        score.check(f"{why}: the clients ran", False, done.stderr[-2000:])
    for line in done.stdout.splitlines():
        result = json.loads(line)
        score.check(f"{why}: {result['check']}", result["right"], result["got"])


def javascript():
    """The script beside the packages that it needs."""
    folder = stage.node()
    shutil.copy(HERE / "clients.mjs", folder)
    return ["node", str(folder / "clients.mjs")]


def cancels(score, interpreter, server, relay, guard, key, kinds):
    """A client that leaves in the middle of an answer ends the server's work."""
    for kind in kinds:
        words = [interpreter, str(HERE / "cancel.py"), kind, guard.url, key]
        client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=QUIET)
        begun = client.stdout.readline()
        # It goes on sending.
        sent = relay.sent()
        works = until(lambda: relay.sent() > sent, 10)
        client.stdin.write("\n")
        client.stdin.flush()
        left = client.stdout.readline()
        ended = until(lambda: is_idle(server.process.pid), 20)
        score.check(f"{server.product}: {kind} leaves in mid-stream, and the server's work ends", begun and left and works and ended, (begun, left, works, ended))
        client.communicate("\n", timeout=30)
    mine = [entry for entry in guard.entries() if entry.get("actor", {}).get("user", {}).get("name") == "long"]
    aborted = [entry for entry in mine if entry["status_code"] == "aborted"]
    score.check(f"{server.product}: the log has them as aborted", len(aborted) == len(kinds), len(aborted))


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
    # Embeddings have no output.
    inferred = [entry for entry in entries if entry.get("unmapped", {}).get("effect") == "infer" and entry["unmapped"]["event"] == "request"]
    tokens = [entry["unmapped"]["prompt_tokens" if "embed" in entry["api"]["operation"] else "output_tokens"] for entry in inferred]
    # What the server refused has none.
    missing = [entry for entry, count in zip(inferred, tokens) if not isinstance(count, int) and entry.get("http_response", {}).get("code") == 200]
    score.check("every inference was metered", any(isinstance(count, int) for count in tokens) and not missing, missing or tokens)
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


def of_ollama(score, vigie, interpreter):
    with Ollama() as server:
        relay = Relay(server.address)
        with Guard(vigie, f"http://{relay.address}", server=server) as guard:
            key = guard.key("alice", "--models", "tiny", "--can", "tools", "--cap", "num_predict=16")
            clients(score, [interpreter, str(HERE / "clients.py"), guard.url, key, "ollama"], "ollama")
            clients(score, [interpreter, str(HERE / "clients_langchain.py"), guard.url, key, "ollama"], "ollama")
            clients(score, [*javascript(), guard.url, key], "ollama")
            cancels(score, interpreter, server, relay, guard, guard.key("long", "--models", "tiny"), ["ollama", "openai", "anthropic", "langchain"])
            refusals(score, guard, key)
            life_of_a_key(score, guard)
            log(score, guard, [key])
        with Guard(vigie, f"http://{server.address}", tls=True, server=server) as secure:
            key = secure.key("alice", "--can", "tools", "--cap", "num_predict=16", "--models", "tiny")
            done = subprocess.run(["curl", "--silent", "--cacert", secure.certificate, "-H", f"Authorization: Bearer {key}", secure.url + "/api/version"],
                                  capture_output=True, text=True)
            score.check("TLS with the certificate that init made", json.loads(done.stdout or "null") == {"version": "0.17.4"}, done)
            trusts = {"SSL_CERT_FILE": secure.certificate, "NODE_EXTRA_CA_CERTS": secure.certificate}
            clients(score, [interpreter, str(HERE / "clients.py"), secure.url, key, "ollama"], "ollama, TLS", trusts)
            clients(score, [*javascript(), secure.url, key], "ollama, TLS", trusts)
            connect(score, vigie, secure, key)


def of_llama_cpp(score, vigie, interpreter):
    with LlamaCpp() as server:
        relay = Relay(server.address)
        with Guard(vigie, f"http://{relay.address}", server=server) as guard:
            key = guard.key("alice", "--models", "tiny", "--can", "tools", "--cap", "max-tokens=16")
            clients(score, [interpreter, str(HERE / "clients.py"), guard.url, key, "llama-cpp"], "llama.cpp")
            clients(score, [interpreter, str(HERE / "clients_langchain.py"), guard.url, key, "llama-cpp"], "llama.cpp")
            cancels(score, interpreter, server, relay, guard, guard.key("long", "--models", "tiny"), ["openai", "anthropic", "langchain"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    args = parser.parse_args()
    interpreter, score = stage.python(), Score()
    of_ollama(score, args.vigie, interpreter)
    of_llama_cpp(score, args.vigie, interpreter)
    score.end()


if __name__ == "__main__":
    main()
