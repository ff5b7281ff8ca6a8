#!/usr/bin/env python3
"""Keeps a lake in an object store that others wrote and compares it with one in a folder.

The store runs on loopback: moto's server from the Python registry, and s3s-fs from the Rust one where `--s3s` names it.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from botocore.config import Config

QUESTIONS = [
    "SELECT count(*) AS n, count(DISTINCT address) AS hosts, count(DISTINCT date) AS days FROM observations",
    "SELECT product, count(DISTINCT address) AS n FROM observations GROUP BY product ORDER BY product",
    """SELECT gateway, key_name, outcome, count(*) AS n, sum(prompt_tokens) AS tokens FROM requests
       GROUP BY gateway, key_name, outcome ORDER BY gateway, key_name, outcome""",
    """SELECT m.family, count(DISTINCT o.address) AS n FROM observations o JOIN models m ON m.state = o.state
       GROUP BY m.family ORDER BY m.family""",
]
BUCKET = "lakes"
ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "crates/import/tests/data/vigie-guard/v2.jsonl"


def vigie(binary, *words, check=True):
    done = subprocess.run([binary, *map(str, words)], capture_output=True, text=True, timeout=300)
    if check and done.returncode != 0:
        raise SystemExit(f"vigie {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
    return done


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


@contextlib.contextmanager
def server(command):
    """A server until it is not needed any more."""
    port = free_port()
    running = subprocess.Popen([word.replace("PORT", str(port)) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        else:
            raise SystemExit(f"{command[0]} does not listen")
        os.environ.update(
            AWS_ACCESS_KEY_ID="vigie-test",
            AWS_SECRET_ACCESS_KEY="vigie-test",
            AWS_REGION="us-east-1",
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
            AWS_ALLOW_HTTP="true",
        )
        client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}), region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client
    finally:
        running.terminate()
        running.wait(10)


def sql(binary, lake, question):
    return vigie(binary, "sql", question, "--lake", lake, "--format", "json").stdout


def observations(binary, lake):
    return json.loads(sql(binary, lake, "SELECT count(*) AS n FROM observations"))["n"]


def objects(client, prefix):
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [one["Key"] for page in pages for one in page.get("Contents", [])]


def same(what, expected, found):
    if expected != found:
        raise SystemExit(f"{what}:\n  expected {str(expected)[:500]}\n  found    {str(found)[:500]}")
    print(f"ok  {what}")


@contextlib.contextmanager
def cluster(node):
    """A Ballista scheduler and an executor with keys to the store; gives the scheduler's address."""
    ports = [free_port() for _ in range(3)]
    here = ["--bind-host", "127.0.0.1", "--external-host", "127.0.0.1"]
    words = [
        [node, "scheduler", *here, "--bind-port", ports[0]],
        [node, "executor", *here, "--scheduler-host", "127.0.0.1", "--scheduler-port", ports[0], "--bind-port", ports[1],
         "--bind-grpc-port", ports[2], "--scheduler-connect-timeout-seconds", 30],
    ]
    running = [subprocess.Popen([str(word) for word in one], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for one in words]
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports[1]), 1):
                break
            time.sleep(0.1)
        else:
            raise SystemExit("the cluster does not listen")
        yield f"127.0.0.1:{ports[0]}"
    finally:
        for one in running:
            one.terminate()
        for one in running:
            one.wait(30)


def scratch(client, name):
    return [key for key in objects(client, f"{name}/") if "_scratch" in key]


def ended_by(sent, binary, client, name, words):
    """Begins a study on a cluster and sends it a signal as soon as it keeps something beside the lake; gives its exit code."""
    running = subprocess.Popen([binary, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if scratch(client, name):
            break
        if running.poll() is not None:
            raise SystemExit(f"{name}: the study ended before it was stopped")
        time.sleep(0.02)
    else:
        running.kill()
        raise SystemExit(f"{name}: the study keeps nothing beside the lake")
    running.send_signal(sent)
    return running.wait(120)


def check(binary, node, client, work, name):
    folder, store = work / f"{name}-folder", f"s3://{BUCKET}/{name}"
    for lake in (folder, store):
        vigie(binary, "population", "--scale", "0.001", "--lake", lake, "--quiet")
        log = ["import", LOG, "--lake", lake, "--quiet", "--format", "json", "--errors", work / f"{name}.errors"]
        counts = [json.loads(vigie(binary, *log).stdout)["files"][0]["added"] for _ in range(2)]
        same(f"{name}: the log of a gateway, and the same again", [True, 0], [counts[0] > 0, counts[1]])
    for question in QUESTIONS:
        same(f"{name}: {' '.join(question.split())[:60]}", sql(binary, folder, question), sql(binary, store, question))
    studies = [json.loads(vigie(binary, "study", "totals", "families", "--lake", lake, "--format", "json").stdout) for lake in (folder, store)]
    for question in [question for study in studies for question in study["questions"].values()]:
        del question["seconds"], question["sql_seconds"]
    same(f"{name}: the study", studies[0]["questions"], studies[1]["questions"])

    if node:
        with cluster(node) as engine:
            words = ["study", "totals", "families", "--lake", store, "--engine", engine, "--format", "json"]
            there = json.loads(vigie(binary, *words).stdout)["questions"]
            same(f"{name}: it leaves nothing", [], scratch(client, name))
            same(f"{name}: Ctrl-C ends a study on a cluster", 130, ended_by(signal.SIGINT, binary, client, name, words))
            # A cluster that went on would write its file when the study has tidied up: after two to three seconds, as seen.
            time.sleep(5)
            same(f"{name}: which leaves nothing either", [], scratch(client, name))
            same(f"{name}: one that is killed", -signal.SIGKILL, ended_by(signal.SIGKILL, binary, client, name, words))
        for question in there.values():
            del question["seconds"], question["sql_seconds"]
        same(f"{name}: a cluster reads the store itself", studies[0]["questions"], there)
        same(f"{name}: leaves what it kept", True, bool(scratch(client, name)))
        vigie(binary, "lake", "forget", "192.0.2.1", "--now", "--lake", store)
        same(f"{name}: until the lake is tidied", [], scratch(client, name))

    # Two writers at once, and a third that is killed half-way and begun again.
    lines = vigie(binary, "population", "--scale", "0.001", "--seed", "2", "--jsonl").stdout.splitlines(keepends=True)
    parts = []
    for part in range(3):
        parts.append(work / f"{name}-{part}.jsonl")
        parts[-1].write_text("".join(lines[part::3]))
    several = f"s3://{BUCKET}/{name}-several"
    words = lambda part: [binary, "import", str(part), "--lake", several, "--quiet", "--errors", f"{part}.errors"]
    writers = [subprocess.Popen(words(part), stdout=subprocess.DEVNULL) for part in parts]
    time.sleep(0.5)
    writers[2].send_signal(signal.SIGKILL)
    writers[2].wait(60)
    same(f"{name}: two writers at once end well", [0, 0], [writer.wait(300) for writer in writers[:2]])
    vigie(binary, "import", parts[2], "--lake", several, "--quiet", "--errors", f"{parts[2]}.errors")
    same(f"{name}: they lost nothing", len(lines), observations(binary, several))
    for part in parts:
        again = json.loads(
            vigie(binary, "import", part, "--lake", several, "--quiet", "--format", "json", "--errors", f"{part}.errors").stdout
        )
        same(f"{name}: the same again adds nothing", 0, again["files"][0]["added"])

    # What is put together is read as before, and what is forgotten is in no object.
    vigie(binary, "lake", "compact", "--lake", several)
    same(f"{name}: compacted", len(lines), observations(binary, several))
    record = json.loads(lines[0])
    address = record["endpoint"]["address"]
    shown = vigie(binary, "show", address, "--lake", several).stdout
    assert address in shown, shown
    vigie(binary, "lake", "forget", address, "--now", "--lake", several)
    of_it = sum(json.loads(line)["endpoint"]["address"] == address for line in lines)
    same(f"{name}: forgotten", len(lines) - of_it, observations(binary, several))
    keys = objects(client, f"{name}-several/")
    holding = [key for key in keys if address.encode() in client.get_object(Bucket=BUCKET, Key=key)["Body"].read()]
    same(f"{name}: it stands in none of {len(keys)} objects", [], holding)

    nothing = vigie(binary, "hosts", "--lake", f"s3://{BUCKET}/{name}-none", check=False)
    same(f"{name}: where there is no lake it is said", True, nothing.returncode >= 2 and "no lake" in nothing.stderr)
    missing = vigie(binary, "hosts", "--lake", "s3://no-such-bucket/lake", check=False)
    same(f"{name}: a bucket that is not there is an error", True, missing.returncode >= 2)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--vigie", required=True)
    words.add_argument("--node", help="ballista-node, for a build with clusters")
    words.add_argument("--moto", help="moto_server")
    words.add_argument("--s3s", help="s3s-fs")
    told = words.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        if told.moto:
            with server([told.moto, "-H", "127.0.0.1", "-p", "PORT"]) as client:
                check(told.vigie, told.node, client, work, "moto")
        if told.s3s:
            (work / "root").mkdir()
            keys = ["--access-key", "vigie-test", "--secret-key", "vigie-test"]
            with server([told.s3s, "--host", "127.0.0.1", "--port", "PORT", *keys, str(work / "root")]) as client:
                check(told.vigie, told.node, client, work, "s3s")


if __name__ == "__main__":
    sys.exit(main())
