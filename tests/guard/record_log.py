#!/usr/bin/env python3
"""Records the log of a real gateway in front of a real Ollama, as a fixture for `vigie import`.

    tests/live/run.py prepare ollama-0.17.4-model     # builds Ollama, once
    tests/guard/record_log.py --vigie target/debug/vigie crates/import/tests/data/vigie-guard/v2

Writes NAME.jsonl, its public key NAME.pub, and NAME-erased.jsonl, the log after the entries of the first key were erased. Two keys use a
model, one tries what it may not, and somebody has no key.
"""
import argparse
import json
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path

from stage import ROOT, Guard, Ollama


def post(guard, path, body, key=None):
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(guard.url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            reply.read()
            return reply.status
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def log(guard):
    files = sorted(Path(guard.dir, "log").glob("audit-*.jsonl"))
    return b"".join(file.read_bytes() for file in files)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    parser.add_argument("name", type=Path)
    args = parser.parse_args()
    with Ollama() as server:
        guard = Guard(args.vigie, f"http://{server.address}", server=server)
        alice = guard.key("alice", "--models", "tiny", "--cap", "num_predict=8")
        bob = guard.key("bob", "--models", "tiny")
        chat = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "options": {"temperature": 0, "num_predict": 4}}
        guard.start()
        try:
            statuses = [
                post(guard, "/api/chat", chat, alice),
                post(guard, "/v1/chat/completions", {**chat, "max_tokens": 4, "stream": True, "options": None}, alice),
                post(guard, "/api/embed", {"model": "tiny", "input": "hi"}, bob),
                post(guard, "/api/generate", {"model": "tiny", "prompt": "hi", "stream": False, "options": {"num_predict": 4}}, bob),
                post(guard, "/api/chat", {**chat, "model": "secret"}, bob),
                post(guard, "/api/pull", {"model": "registry.example/leak:latest"}, bob),
                post(guard, "/api/chat", chat),
            ]
        finally:
            guard.stop()
        print(statuses, file=sys.stderr)
        args.name.parent.mkdir(parents=True, exist_ok=True)
        args.name.with_suffix(".jsonl").write_bytes(log(guard))
        users = [json.loads(line).get("actor", {}).get("user") for line in log(guard).splitlines()]
        first = next(user["uid"] for user in users if user and user["name"] == "alice")
        guard.run("log", "erase", "--key", first)
        args.name.with_name(args.name.name + "-erased.jsonl").write_bytes(log(guard))
        shutil.copy(Path(guard.dir, "log-signing.pub"), args.name.with_suffix(".pub"))
        shutil.rmtree(guard.dir)


if __name__ == "__main__":
    main()
