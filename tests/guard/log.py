#!/usr/bin/env python3
"""The audit log of `vigie guard` with other people's tools: OCSF's schema, the program `age`, gzip and zstd; erasure and retention while it runs.

    tests/guard/log.py [--vigie target/debug/vigie]

Needs nginx, age, gzip and zstd (Debian packages nginx-light, age, gzip, zstd; no service is started). The schema is that of ocsf.txt, in an
environment of its own. The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lab import Behind, Guard, Score

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

VALIDATE = """
import json, sys
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
ocsf = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.4.0"))
checks = {}
for line in sys.stdin:
    event = json.loads(line)
    uid = event["class_uid"]
    if uid not in checks:
        checks[uid] = Draft202012Validator(ocsf.get_class_schema(ocsf.lookup_class_name_from_uid(uid)))
    for error in checks[uid].iter_errors(event):
        print(json.dumps([event["unmapped"].get("event"), error.json_path, error.message[:300]]))
"""


def python():
    """The interpreter with the schema; made anew when ocsf.txt changes."""
    cache = Path(os.environ.get("VIGIE_LIVE") or Path.home() / ".cache" / "vigie-live")
    folder, lock = cache / "guard-ocsf", HERE / "ocsf.txt"
    mark = folder / "made-of"
    if not mark.exists() or mark.read_bytes() != lock.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", "--no-deps", "--requirement", str(lock)], check=True)
        mark.write_bytes(lock.read_bytes())
    return str(folder / "bin/python")


def faults(interpreter, events):
    done = subprocess.run([interpreter, "-c", VALIDATE], input="\n".join(map(json.dumps, events)), capture_output=True, text=True)
    return done.stdout.splitlines() + ([done.stderr[-2000:]] if done.returncode else [])


def kinds(events):
    return {event["unmapped"]["event"] for event in events}


def requests(guard):
    """One request of each fate."""
    big = json.dumps({"model": "tiny", "prompt": "tell me a secret", "options": {"num_predict": 99999, "temperature": 1}, "stream": False})
    done = [
        guard.ask("one" + "x" * 300),
        guard.ask("two", body=big),
        guard.ask("three", "/api/pull", '{"model":"x"}'),
        guard.ask("four", "/no/such/page"),
        guard.ask("five", body='{"model":"tiny","prompt":"x","prompt":"y"}'),
        guard.ask("six", key="no-key"),
        guard.ask("seven", "/api/tags", method="GET"),
        guard.ask("eight", "/api/tags", method="PATCH"),
    ]
    return [answer[0] for answer in done]


def lines(score, guard, interpreter):
    capped = guard.secret
    fates = requests(guard)
    score.check("one request of each fate", fates == [200, 200, 403, 403, 400, 401, 200, 403], fates)
    guard.run("key", "create", "bob")
    guard.run("key", "rotate", "bob")
    guard.run("key", "revoke", "bob")
    keys = Path(guard.dir, "keys.json")
    whole = keys.read_text()
    keys.write_text("{")
    time.sleep(0.05)
    guard.ask("nine")
    keys.write_text(whole)
    time.sleep(0.05)
    guard.ask("ten")
    # The configuration is read anew.
    os.kill(guard.process.pid, signal.SIGHUP)
    time.sleep(1.5)
    guard.stop()
    events = guard.events()
    wanted = {"started", "stopped", "keys", "not-reloaded", "reloaded", "request", "refused", "signed"}
    score.check("the log has entries of every kind", wanted <= kinds(events), wanted - kinds(events))
    wrong = faults(interpreter, events)
    score.check(f"{len(events)} lines are valid events of OCSF 1.4.0", not wrong, wrong[:5])
    broken = json.loads(json.dumps(events[0]))
    broken["no_such_attribute"] = 1
    score.check("the schema would refuse an unknown attribute", len(faults(interpreter, [broken])) == 1)
    by_agent = {event["http_request"].get("user_agent", ""): event for event in events if "http_request" in event}
    two = by_agent["two"]["unmapped"]
    score.check("options: what was set and what was put in", two.get("options") == {"set": {"max-tokens": 99999, "stream": False},
                                                                                   "put": {"max-tokens": 64}}, two.get("options"))
    score.check("the prompt's length and keyed hash", two["prompt"]["bytes"] == 16 and len(two["prompt"]["hmac"]) == 64, two["prompt"])
    text = "".join(map(json.dumps, events))
    score.check("and not the prompt, nor its plain hash",
                "secret" not in text and hashlib.sha256(b"tell me a secret").hexdigest() not in text)
    long = [agent for agent in by_agent if agent.startswith("one")]
    score.check("a user agent is shortened", long == ["one" + "x" * 117], long)
    eight = by_agent["eight"]
    score.check("a method that OCSF does not know stands elsewhere", eight["unmapped"].get("method") == "PATCH" and "http_method" not in eight["http_request"], eight)
    score.check("a refusal says its route", by_agent["three"]["unmapped"]["effect"] == "write", by_agent["three"])
    score.check("no key is in the log", capped not in text)


def texts(score, vigie, behind, interpreter):
    folder = Path(tempfile.mkdtemp())
    subprocess.run(["age-keygen", "-o", str(folder / "identity")], check=True, stderr=subprocess.DEVNULL)
    recipient = subprocess.run(["age-keygen", "-y", str(folder / "identity")], check=True, capture_output=True, text=True).stdout.strip()
    guard = Guard(vigie, behind.port, settings=f'full_text = "{recipient}"\n')
    guard.start()
    long = "a very long prompt " * 60_000
    guard.ask("one", body=json.dumps({"model": "tiny", "prompt": "my words"}))
    guard.ask("two", body=json.dumps({"model": "tiny", "prompt": long}))
    guard.stop()
    events = [event for event in guard.events() if "text" in event["unmapped"]]
    score.check("each request has its text", len(events) == 2, events)
    files = [guard.log / event["unmapped"]["text"]["file"] for event in events]
    sealed = b"".join(file.read_bytes() for file in guard.log.rglob("*") if file.is_file())
    score.check("nobody reads it in the folder", b"my words" not in sealed and b"hello" not in sealed)
    opened = [json.loads(subprocess.run(["age", "-d", "-i", str(folder / "identity"), str(file)], capture_output=True).stdout or "{}") for file in files]
    one = opened[0]
    score.check("age decrypts request and answer", "my words" in one.get("request", "") and '"response":"hello"' in one.get("answer", ""), one)
    score.check("the id is that of the line", one.get("id") == events[0]["api"]["request"]["uid"], one)
    score.check("what is longer than a mebibyte is cut, and that is said",
                opened[1].get("cut") is True and events[1]["unmapped"]["text"]["cut"] and opened[1]["request"].startswith('{"model"'))
    score.check("lines with texts are valid events", not faults(interpreter, events))
    score.check("the log is sound", guard.verify()["sound"], guard.verify())
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    report = guard.verify()
    score.check("a text that somebody changed is noticed", [fault["kind"] for fault in report["report"]["faults"]] == ["text"], report)
    files[1].write_bytes(whole)
    key = json.loads(guard.run("key", "show", "alice", "--json").stdout)["id"]
    done = json.loads(guard.run("log", "erase", "--key", key, "--json").stdout)["erased"]
    score.check("erasure removes the texts too", done["texts"] == 2 and not any(file.exists() for file in files), done)
    score.check("and the log is sound", guard.verify()["sound"], guard.verify())


def erasure(score, guard, interpreter):
    """While the gateway runs."""
    other = guard.key("carol")
    for _ in range(20):
        guard.ask("of-alice")
        guard.ask("of-carol", key=other)
    time.sleep(1.2)
    head = guard.run("log", "head").stdout.split()[0]
    carol = json.loads(guard.run("key", "show", "carol", "--json").stdout)["id"]
    done = json.loads(guard.run("log", "erase", "--key", carol, "--json").stdout)["erased"]
    score.check("a person's entries are erased while the gateway runs", done["lines"] == 21, done)
    guard.ask("afterwards")
    guard.stop()
    text = "".join(file.read_text() for file in guard.log.rglob("audit-*"))
    score.check("nothing of them is left", "of-carol" not in text and text.count(carol) == 1 and text.count("of-alice") == 20)
    report = guard.verify("--head", head)
    score.check("the log still holds the head from before", report["sound"] and report["report"]["erased"] == 21, report)
    events = guard.events()
    score.check("erased lines and the entry are valid events", "erased" in kinds(events) and not faults(interpreter, events),
                faults(interpreter, events)[:3])
    # gzip and zstd, as an operator would.
    plain = sorted(guard.log.glob("audit-*.jsonl"))[0]
    subprocess.run(["gzip", str(plain)], check=True)
    score.check("a file compressed with gzip is read", guard.verify("--head", head)["sound"])
    alice = json.loads(guard.run("key", "show", "alice", "--json").stdout)["id"]
    done = json.loads(guard.run("log", "erase", "--key", alice, "--json").stdout)["erased"]
    score.check("and erased in", done["lines"] >= 20 and guard.verify("--head", head)["sound"], (done, guard.verify("--head", head)))
    subprocess.run(["gzip", "-d", f"{plain}.gz"], check=True)
    subprocess.run(["zstd", "-q", "--rm", str(plain)], check=True)
    done = guard.run("log", "verify", check=False)
    score.check("one compressed with zstd is named", done.returncode == 2 and "zstd -d" in done.stderr, done)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    args = parser.parse_args()
    for program in ["age", "age-keygen", "gzip", "zstd"]:
        if not shutil.which(program):
            sys.exit(f"{program} is missing: apt-get install age gzip zstd")
    score, behind, interpreter = Score(), Behind(), python()
    try:
        guard = Guard(args.vigie, behind.port)
        guard.secret = guard.key("capped", "--cap", "num_predict=64")
        guard.start()
        lines(score, guard, interpreter)
        texts(score, args.vigie, behind, interpreter)
        guard = Guard(args.vigie, behind.port)
        guard.start()
        erasure(score, guard, interpreter)
    finally:
        behind.stop()
    score.end()


if __name__ == "__main__":
    main()
