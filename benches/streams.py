#!/usr/bin/env python3
"""What a stream through the gateway costs, beside nginx with buffering off in the same run. Linux; Go, and Debian's package nginx-light.

    cargo build --release -p vigie --no-default-features --features guard
    benches/streams.py [--runs 3] [--streams 64] [--chunks 200] [--interval 5000]
    benches/streams.py --open 10000

Both proxies have one worker and the same server behind them, which streams lines of JSON as Ollama does, each in a chunk of its own, with the time at
which it was written; the clients read the same clock. CPU is the time that the threads of the proxy ran over the chunks that arrived. Lateness
is from the writing of a line to its reading; beside it is that of the same clients without a proxy. --open opens so many streams at a time and
prints the gateway's resident memory while they are open.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from guard import ROOT, children, cpu, free_port, nginx, wait_for

STREAMS = Path(__file__).resolve().parent / "streams"


def memory(pid):
    """Resident memory in MB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def load(tool, port, key, streams, chunks, interval):
    words = [tool, "load", f"http://127.0.0.1:{port}/api/chat", key, str(streams), str(chunks), str(interval)]
    done = json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)
    if done["failed"]:
        sys.exit(f"{done['failed']} of {streams} streams failed")
    return done


def show(name, done, used=None):
    cost = f"{used / done['chunks'] * 1e6:6.2f} µs CPU a chunk" if used is not None else " " * 22
    parts = [f"{what} p50 {done[key]['p50']:.0f}, p99 {done[key]['p99']:.0f}, p99.9 {done[key]['p999']:.0f} µs" for key, what in (("line", "line"), ("first", "first line"))]
    print(f"{name:6} {cost}; {'; '.join(parts)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--chunks", type=int, default=200)
    parser.add_argument("--interval", type=int, default=5000, help="microseconds between two chunks of a stream")
    parser.add_argument("--open", type=int, default=0, help="open so many streams at a time, and print the memory")
    parser.add_argument("--vigie", default=str(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/vigie"))
    args = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    folder = Path(tempfile.mkdtemp())
    tool = str(folder / "tool")
    subprocess.run(["go", "build", "-o", tool, "."], cwd=STREAMS, check=True)
    behind, proxy, guard = free_port(), free_port(), free_port()
    running = []
    try:
        running.append(subprocess.Popen([tool, "serve", f"127.0.0.1:{behind}"]))
        wait_for(behind)
        gate = folder / "gate"
        vigie = lambda *words: subprocess.run([args.vigie, "guard", *words, "--dir", str(gate)], capture_output=True, text=True, check=True).stdout
        vigie("init", "--upstream", f"http://127.0.0.1:{behind}", "--listen", f"127.0.0.1:{guard}", "--plain-http", "--product", "ollama",
              "--product-version", "0.17.4", "--yes")
        config = gate / "guard.toml"
        config.write_text(config.read_text().replace("[listen]\n", "[listen]\nworkers = 1\n"))
        key = json.loads(vigie("key", "create", "bench", "--json"))["key"]
        running.append(subprocess.Popen([args.vigie, "guard", "run", "--dir", str(gate)], stderr=open(folder / "guard.err", "w")))
        wait_for(guard)
        if args.open:
            pid = running[1].pid
            empty, most = memory(pid), []
            stop = threading.Event()

            def watch():
                while not stop.wait(0.2):
                    most.append(memory(pid))

            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                done = load(tool, guard, key, args.open, 10, 1_000_000)
            finally:
                stop.set()
                watcher.join()
            show("guard", done)
            print(f"{args.open} streams open: {max(most):.0f} MB resident, {empty:.0f} MB before")
            return
        running.append(nginx(folder, "proxy", f"""
            listen 127.0.0.1:{proxy}; access_log {folder}/access.log;
            location / {{ if ($known = 0) {{ return 401; }} proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Authorization "";
              proxy_buffering off; proxy_pass http://behind; }}""", f"""
            map_hash_bucket_size 256; map $http_authorization $known {{ default 0; "Bearer {key}" 1; }}
            upstream behind {{ server 127.0.0.1:{behind}; keepalive 128; }}"""))
        wait_for(proxy)
        pids = {"guard": [running[1].pid], "nginx": children(running[2].pid)}
        per_chunk = {name: [] for name in pids}
        for run in range(args.runs + 1):
            show("direct", load(tool, behind, key, args.streams, args.chunks, args.interval))
            for name, port in (("nginx", proxy), ("guard", guard)):
                before = cpu(pids[name])
                done = load(tool, port, key, args.streams, args.chunks, args.interval)
                used = cpu(pids[name]) - before
                show(name, done, used)
                # The first run warms up.
                if run:
                    per_chunk[name].append(used / done["chunks"] * 1e6)
        medians = {name: statistics.median(values) for name, values in per_chunk.items()}
        print(f"{args.streams} streams of {args.chunks} chunks, {args.interval} µs apart: guard {medians['guard']:.2f} µs, nginx {medians['nginx']:.2f} µs, "
              f"ratio {medians['guard'] / medians['nginx']:.2f}")
    finally:
        for process in reversed(running):
            process.terminate()
        time.sleep(0.1)


if __name__ == "__main__":
    main()
