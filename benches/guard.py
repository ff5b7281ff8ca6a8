#!/usr/bin/env python3
"""What a request through the gateway costs, beside nginx with a key check in the same run. Linux; Debian's packages wrk and nginx-light.

    cargo build --release -p vigie --no-default-features --features guard
    benches/guard.py [--runs 5] [--seconds 4] [--connections 64] [--keys 1]

Both proxies have one worker and the same server behind them, an nginx that answers a chat of Ollama with a fixed reply; all on loopback. The gateway
does all of its work: authentication, strict parse and rewrite, policy, metering, chained log. nginx checks the key by `map`, passes on
over kept connections and writes a JSON access log. CPU is user plus system time of the proxy's processes over the requests that wrk
counted; the ratio is that of the medians of runs taken in turn.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
BODY = json.dumps({"model": "tiny:latest", "stream": False, "messages": [{"role": "user", "content": "x" * 700}], "options": {"temperature": 0.2}})
REPLY = json.dumps({"model": "tiny:latest", "created_at": "2026-11-30T12:00:00Z", "message": {"role": "assistant", "content": "y" * 200}, "done": True,
                    "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 16})


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


def cpu(pids):
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def children(pid):
    # nginx listens before its worker is there.
    for _ in range(100):
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if words:
            return [int(word) for word in words]
        time.sleep(0.05)
    sys.exit(f"process {pid} has no child")


def nginx(folder, name, server, more=""):
    config = folder / f"{name}.conf"
    config.write_text(f"""
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.err;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  {more}
  server {{ {server} }}
}}
""")
    process = subprocess.Popen(["nginx", "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    return process


def wrk(folder, port, key, connections, seconds):
    script = folder / "post.lua"
    script.write_text(f"""
wrk.method = "POST"; wrk.path = "/api/chat"; wrk.body = [[{BODY}]]
wrk.headers["Content-Type"] = "application/json"; wrk.headers["Authorization"] = "Bearer {key}"; wrk.headers["Host"] = "127.0.0.1"
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.errors.status + summary.errors.read + summary.errors.connect + summary.errors.timeout, latency:percentile(50), latency:percentile(99)))
end
""")
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}/api/chat"],
                         capture_output=True, text=True, check=True).stdout
    line = next(line for line in out.splitlines() if line.startswith("RESULT"))
    return [int(word) for word in line.split()[1:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--keys", type=int, default=1)
    parser.add_argument("--vigie", default=str(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/vigie"))
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    behind, proxy, guard = free_port(), free_port(), free_port()
    running = []
    try:
        reply = REPLY.replace('"', '\\"')
        running.append(nginx(folder, "behind", f'listen 127.0.0.1:{behind}; default_type application/json; location / {{ return 200 "{reply}"; }}'))
        wait_for(behind)
        gate = folder / "gate"
        vigie = lambda *words: subprocess.run([args.vigie, "guard", *words, "--dir", str(gate)], capture_output=True, text=True, check=True).stdout
        vigie("init", "--upstream", f"http://127.0.0.1:{behind}", "--listen", f"127.0.0.1:{guard}", "--plain-http", "--product", "ollama",
              "--product-version", "0.17.4", "--yes")
        config = gate / "guard.toml"
        config.write_text(config.read_text().replace("[listen]\n", "[listen]\nworkers = 1\n"))
        key = json.loads(vigie("key", "create", "bench", "--cap", "num_predict=512", "--json"))["key"]
        if args.keys > 1:
            store = json.loads((gate / "keys.json").read_text())
            one = store["keys"][-1]
            for number in range(args.keys - 1):
                other = json.loads(json.dumps(one))
                other["id"], other["name"] = f"key_{number:016x}", f"other{number}"
                other["secrets"][0]["hash"] = f"sha256:{number:064x}"
                store["keys"].append(other)
            (gate / "keys.json").write_text(json.dumps(store))
        running.append(subprocess.Popen([args.vigie, "guard", "run", "--dir", str(gate)], stderr=subprocess.DEVNULL))
        wait_for(guard)
        running.append(nginx(folder, "proxy", f"""
            listen 127.0.0.1:{proxy}; access_log {folder}/access.log j;
            location / {{ if ($known = 0) {{ return 401; }} proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Authorization "";
              proxy_pass http://behind; }}""", f"""
            map_hash_bucket_size 256; map $http_authorization $known {{ default 0; "Bearer {key}" 1; }}
            upstream behind {{ server 127.0.0.1:{behind}; keepalive 128; }}
            log_format j escape=json '{{"time":"$time_iso8601","ip":"$remote_addr","method":"$request_method","uri":"$uri","status":$status,"bytes":$body_bytes_sent,"duration":$request_time}}';"""))
        wait_for(proxy)
        pids = {"guard": [running[1].pid], "nginx": children(running[2].pid)}
        per_request = {name: [] for name in pids}
        for run in range(args.runs + 1):
            for name, port in (("nginx", proxy), ("guard", guard)):
                before = cpu(pids[name])
                requests, errors, p50, p99 = wrk(folder, port, key, args.connections, args.seconds)
                used = cpu(pids[name]) - before
                if errors:
                    sys.exit(f"{name}: {errors} errors of {requests}")
                # The first run warms up.
                if run:
                    per_request[name].append(used / requests * 1e6)
                    print(f"{name:6} {used / requests * 1e6:6.2f} µs CPU, {requests / args.seconds:8.0f} requests/s, p50 {p50} µs, p99 {p99} µs", flush=True)
        medians = {name: statistics.median(values) for name, values in per_request.items()}
        print(f"{len(BODY)} bytes, {args.connections} connections, {args.keys} keys: guard {medians['guard']:.2f} µs, nginx {medians['nginx']:.2f} µs, ratio {medians['guard'] / medians['nginx']:.2f}")
    finally:
        for process in reversed(running):
            process.terminate()


if __name__ == "__main__":
    main()
