#!/usr/bin/env python3
"""Grants that depend on what a real Ollama has at the moment, and on where and when a client asks.

    tests/live/run.py prepare ollama-0.17.4-model     # builds Ollama, once
    tests/guard/grants.py [--vigie target/debug/vigie]

The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import datetime
import json
import time
from pathlib import Path

from stage import ROOT, Guard, Ollama, Score, get


def post(url, path, body, key=None):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    return get(url + path, headers, json.dumps(body).encode())


def chat(guard, key, model, **more):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": False, "options": {"num_predict": 2}, **more}
    return post(guard.url, "/api/chat", body, key)[0]


def listed(url, key=None):
    _, body, _ = get(url + "/api/tags", {"Authorization": f"Bearer {key}"} if key else {})
    return {model["name"]: model["digest"] for model in json.loads(body)["models"]}


def pins(score, guard, server):
    behind = f"http://{server.address}"
    post(behind, "/api/copy", {"source": "tiny", "destination": "pinned"})
    digest = listed(behind)["pinned:latest"]
    key = guard.key("pin", "--models", f"pinned@sha256:{digest}")
    admin = guard.key("admin", "--allow", "infer", "--allow", "write")
    score.check("a pinned model answers", chat(guard, key, "pinned") == 200)
    score.check("the list has it alone", list(listed(guard.url, key)) == ["pinned:latest"])
    made = {"model": "pinned", "from": "tiny", "system": "Say nothing.", "stream": False}
    status, body, _ = post(guard.url, "/api/create", made, admin)
    score.check("another model is made under the name", status == 200 and listed(behind)["pinned:latest"] != digest, (status, body))
    score.check("it is refused at once", chat(guard, key, "pinned") == 403)
    score.check("and not listed", listed(guard.url, key) == {})
    post(behind, "/api/copy", {"source": "tiny", "destination": "pinned"})
    time.sleep(1.1)
    score.check("what changes behind the gateway's back is known within a second", chat(guard, key, "pinned") == 200)
    guard.run("key", "change", "pin", "--models", f"*@sha256:{digest}")
    score.check("a digest under any name", chat(guard, key, "tiny") == 200 and set(listed(guard.url, key)) == {"tiny:latest", "pinned:latest"})
    for wrong in ["tiny@sha256:12", "tiny@", f"tiny@{digest}"]:
        done = guard.run("key", "create", "wrong", "--models", wrong, check=False)
        score.check(f"{wrong[:16]} is no pin", done.returncode == 2 and "64 hexadecimal digits" in done.stderr, done)
    config = Path(guard.dir, "guard.toml")
    was = config.read_text()
    config.write_text(was.replace('product = "ollama"', 'product = "vllm"'))
    done = guard.run("check", check=False)
    score.check("a server that tells no digest is refused by check", done.returncode == 2 and "does not tell the digests" in done.stderr, done)
    config.write_text(was)


def cloud(score, guard):
    key = guard.key("local")
    score.check("a cloud model needs its permission", chat(guard, key, "gpt-oss:120b-cloud") == 403)
    guard.run("key", "change", "local", "--can", "cloud,tools")
    # This Ollama has no account: whatever it answers, it was asked.
    score.check("with it the request arrives", chat(guard, key, "gpt-oss:120b-cloud") not in (401, 403))
    score.check("and nothing else of the account", post(guard.url, "/api/me", {}, key)[0] == 403)
    score.check("a key says so", '"cloud": true' in guard.run("key", "show", "local", "--json").stdout)


def place(score, guard):
    today = datetime.datetime.now(datetime.timezone.utc)
    far = (today + datetime.timedelta(days=3)).strftime("%a")
    key = guard.key("place", "--from", "192.0.2.0/24,127.0.0.0/8", "--hours", "Mon-Sun 00:00-24:00 Europe/Berlin", "--cap", "prompt_bytes=400", "--cap", "images=1")
    score.check("from a network and at an hour of the grant", chat(guard, key, "tiny") == 200)
    score.check("a longer request", chat(guard, key, "tiny", format="x" * 400) == 413)
    for words in [["--from", "192.0.2.0/24"], ["--hours", f"{far} 00:00-24:00 UTC"]]:
        guard.run("key", "change", "place", *words)
        score.check(f"{words[0]} {words[1]}: refused", chat(guard, key, "tiny") == 403)
        guard.run("key", "change", "place", words[0], "any")
        score.check(f"{words[0]} any: answered again, with the same secret", chat(guard, key, "tiny") == 200)
    for words in [["--from", "192.0.2.1/24"], ["--hours", "Mon 8-18"], ["--cap", "images=0"]]:
        score.check(f"{' '.join(words)} is refused", guard.run("key", "create", "wrong", *words, check=False).returncode == 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    args = parser.parse_args()
    score = Score()
    with Ollama() as server, Guard(args.vigie, f"http://{server.address}", server=server) as guard:
        pins(score, guard, server)
        cloud(score, guard)
        place(score, guard)
    score.end()


if __name__ == "__main__":
    main()
