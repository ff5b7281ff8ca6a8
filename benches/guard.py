#!/usr/bin/env python3
"""What a request through the gateway costs, beside nginx with a key check in the same run. Linux; Debian's packages wrk and nginx-light.

    cargo build --release -p vigie --no-default-features --features guard
    benches/guard.py [--runs 5] [--seconds 4] [--connections 64] [--keys 1] [--prompt 700] [--peers DIR]

Both proxies have one worker and the same server behind them, an nginx that answers a chat of Ollama with a fixed reply; all on loopback. The gateway
does all of its work: authentication, strict parse and rewrite, policy, metering, chained log. nginx checks the key by `map`, passes on
over kept connections and writes a JSON access log. CPU is the time that the threads of the proxy ran over the requests that wrk
counted; the ratio is that of the medians of runs taken in turn. --prompt makes the prompt so many bytes long; nginx holds a body in memory, as the
gateway does.

--peers adds LiteLLM's proxy and Olla, each with one worker, to the same runs. DIR holds what was installed before:

    python3 -m venv DIR/litellm && DIR/litellm/bin/pip install 'litellm[proxy]==VERSION'
    GOBIN=DIR go install github.com/thushan/olla@VERSION

What is not there is named in the output and left out. LiteLLM checks a master key and speaks OpenAI's API; Olla checks no key.
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
PROMPT = "the quick brown fox jumps over the lazy dog, "
REPLY = json.dumps({"model": "tiny:latest", "created_at": "2026-11-30T12:00:00Z", "message": {"role": "assistant", "content": "y" * 200}, "done": True,
                    "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 16})


def chat(length):
    """A chat of Ollama whose prompt has so many bytes."""
    text = (PROMPT * (length // len(PROMPT) + 1))[:length]
    return json.dumps({"model": "tiny:latest", "stream": False, "messages": [{"role": "user", "content": text}], "options": {"temperature": 0.2}})


def completion(length):
    """The same as a chat of OpenAI."""
    return json.dumps({"model": "tiny:latest", "stream": False, "messages": [{"role": "user", "content": json.loads(chat(length))["messages"][0]["content"]}]})


COMPLETION = json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "created": 1764504000, "model": "tiny:latest",
                         "choices": [{"index": 0, "message": {"role": "assistant", "content": "y" * 200}, "finish_reason": "stop"}],
                         "usage": {"prompt_tokens": 26, "completion_tokens": 16, "total_tokens": 42}})


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
    """Seconds that the threads of these processes ran. What /proc/PID/stat has is in hundredths, too coarse for a short run."""
    threads = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


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


def family(pid):
    """A process and all processes below it."""
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [other for word in below for other in family(int(word))]


class Target:
    """One of what is measured: where it listens, the path and the body that it is sent, and its processes."""

    def __init__(self, name, port, pids, path, body):
        self.name, self.port, self.pids, self.path, self.body = name, port, pids, path, body


def litellm(folder, peers, behind, key, running):
    """LiteLLM's proxy, or why it is not there."""
    program = peers / "litellm/bin/litellm"
    if not program.exists():
        return None, f"{program} is not there"
    config, port = folder / "litellm.yaml", free_port()
    config.write_text(f"""
model_list:
  - model_name: tiny:latest
    litellm_params: {{model: openai/tiny, api_base: "http://127.0.0.1:{behind}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false, num_retries: 0}}
""")
    quiet = dict(os.environ, LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_LOG="ERROR", LITELLM_TELEMETRY="False")
    words = [program, "--config", config, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    process = subprocess.Popen(words, env=quiet, stdout=open(folder / "litellm.out", "w"), stderr=subprocess.STDOUT)
    running.append(process)
    if not listens(port, process, 120):
        return None, f"it did not start; {folder}/litellm.out"
    return (port, family(process.pid)), None


def olla(folder, peers, behind, running):
    """Olla, or why it is not there."""
    program = peers / "olla"
    if not program.exists():
        return None, f"{program} is not there"
    config, port = folder / "olla.yaml", free_port()
    config.write_text(f"""
server: {{host: "127.0.0.1", port: {port}, request_logging: false, rate_limits: {{global_requests_per_minute: 100000000, per_ip_requests_per_minute: 100000000, burst_size: 10000000}}}}
proxy: {{engine: "olla", load_balancer: "priority"}}
discovery:
  type: "static"
  static:
    endpoints:
      - {{url: "http://127.0.0.1:{behind}", name: "behind", type: "ollama", priority: 100, model_url: "/api/tags", health_check_url: "/", check_interval: 5s, check_timeout: 2s}}
logging: {{level: "error"}}
""")
    # One worker, as the others have.
    process = subprocess.Popen([program, "--config", config], env=dict(os.environ, GOMAXPROCS="1"), cwd=folder,
                               stdout=open(folder / "olla.out", "w"), stderr=subprocess.STDOUT)
    running.append(process)
    if not listens(port, process, 30):
        return None, f"it did not start; {folder}/olla.out"
    # It looks for the models behind first.
    time.sleep(8)
    return (port, family(process.pid)), None


def listens(port, process, seconds):
    for _ in range(seconds * 10):
        if process.poll() is not None:
            return False
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    return False


def wrk(folder, target, key, connections, seconds):
    script = folder / "post.lua"
    script.write_text(f"""
wrk.method = "POST"; wrk.path = "{target.path}"; wrk.body = [[{target.body}]]
wrk.headers["Content-Type"] = "application/json"; wrk.headers["Authorization"] = "Bearer {key}"; wrk.headers["Host"] = "127.0.0.1"
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.errors.status + summary.errors.read + summary.errors.connect + summary.errors.timeout, latency:percentile(50), latency:percentile(99)))
end
""")
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{target.port}{target.path}"],
                         capture_output=True, text=True, check=True).stdout
    line = next(line for line in out.splitlines() if line.startswith("RESULT"))
    return [int(word) for word in line.split()[1:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--keys", type=int, default=1)
    parser.add_argument("--prompt", type=int, default=700, help="bytes of the prompt")
    parser.add_argument("--peers", type=Path, help="the folder with LiteLLM's proxy and Olla")
    parser.add_argument("--vigie", default=str(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/vigie"))
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    behind, proxy, guard = free_port(), free_port(), free_port()
    running = []
    try:
        reply, completed = (text.replace('"', '\\"') for text in (REPLY, COMPLETION))
        tags = json.dumps({"models": [{"name": "tiny:latest", "model": "tiny:latest", "size": 1, "details": {}}]}).replace('"', '\\"')
        holds = f"client_max_body_size 64m; client_body_buffer_size {max(16, args.prompt // 1024 + 16)}k"
        running.append(nginx(folder, "behind", f"""
            listen 127.0.0.1:{behind}; default_type application/json; {holds}; location / {{ return 200 "{reply}"; }}
            location = /api/tags {{ return 200 "{tags}"; }} location /v1/ {{ return 200 "{completed}"; }}"""))
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
            listen 127.0.0.1:{proxy}; access_log {folder}/access.log j; {holds};
            location / {{ if ($known = 0) {{ return 401; }} proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Authorization "";
              proxy_pass http://behind; }}""", f"""
            map_hash_bucket_size 256; map $http_authorization $known {{ default 0; "Bearer {key}" 1; }}
            upstream behind {{ server 127.0.0.1:{behind}; keepalive 128; }}
            log_format j escape=json '{{"time":"$time_iso8601","ip":"$remote_addr","method":"$request_method","uri":"$uri","status":$status,"bytes":$body_bytes_sent,"duration":$request_time}}';"""))
        wait_for(proxy)
        ollama, openai = ("/api/chat", chat(args.prompt)), ("/v1/chat/completions", completion(args.prompt))
        targets = [Target("nginx", proxy, children(running[2].pid), *ollama), Target("guard", guard, [running[1].pid], *ollama)]
        if args.peers:
            for name, start, asked in (("litellm", lambda: litellm(folder, args.peers, behind, key, running), openai),
                                       ("olla", lambda: olla(folder, args.peers, behind, running), ("/olla/ollama/api/chat", ollama[1]))):
                started, why = start()
                if started:
                    targets.append(Target(name, *started, *asked))
                else:
                    print(f"{name} is left out: {why}")
        per_request = {target.name: [] for target in targets}
        for run in range(args.runs + 1):
            for target in targets:
                name, before = target.name, cpu(target.pids)
                requests, errors, p50, p99 = wrk(folder, target, key, args.connections, args.seconds)
                used = cpu(target.pids) - before
                if errors or not requests:
                    sys.exit(f"{name}: {errors} errors of {requests}")
                # The first run warms up.
                if run:
                    per_request[name].append(used / requests * 1e6)
                    rate = requests / args.seconds
                    print(f"{name:7} {used / requests * 1e6:7.2f} µs CPU, {rate:8.0f} requests/s, {rate * len(target.body) / 1e6:7.1f} MB/s of bodies, p50 {p50} µs, p99 {p99} µs", flush=True)
        medians = {name: statistics.median(values) for name, values in per_request.items()}
        print(f"{len(ollama[1])} bytes, {args.connections} connections, {args.keys} keys: " + ", ".join(
            f"{name} {median:.2f} µs (least {min(per_request[name]):.2f}, {median / medians['nginx']:.2f} times nginx)" for name, median in medians.items()))
    finally:
        for process in reversed(running):
            process.terminate()


if __name__ == "__main__":
    main()
