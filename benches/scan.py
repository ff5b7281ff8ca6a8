#!/usr/bin/env python3
"""What a scan costs, beside a bare loop in the same run. Linux; root for a network namespace. Standard library only.

    cargo build --release -p vigie && cargo build --release -p vigie-scan --examples
    benches/scan.py sweep   [--addresses 65536] [--live 2000] [--runs 3]
    benches/scan.py silent  [--addresses 65535] [--runs 3]
    benches/scan.py ollama  --ollama PATH --model FILE.gguf [--addresses 1000] [--runs 3]

Everything runs in a network namespace of its own: nothing is bound or sent outside it. CPU is user plus system time of the
whole process as the system counts it; ratios are of the medians of the same run.
"""
import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST = "127.77.0.1"


def target():
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def in_namespace():
    """Starts itself again in a namespace whose loopback is up."""
    if os.environ.get("VIGIE_BENCH_NS"):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    unshare, ip = shutil.which("unshare"), shutil.which("ip")
    if not unshare or not ip:
        sys.exit("needs unshare and ip (packages util-linux and iproute2)")
    os.execvpe(unshare, [unshare, "--net", sys.executable, *sys.argv], {**os.environ, "VIGIE_BENCH_NS": "1"})


def run(command, quiet=True):
    """-> (cpu seconds, wall seconds, peak resident MiB, output, of the cpu seconds those in the kernel)"""
    begun = time.time()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode(errors="replace")
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}:\n{text[-2000:]}")
    return usage.ru_utime + usage.ru_stime, time.time() - begun, usage.ru_maxrss / 1024, text, usage.ru_stime


def raise_descriptors():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def median(rows, column):
    return statistics.median(row[column] for row in rows)


def span(count):
    """`count` addresses from FIRST on, as a range."""
    import ipaddress
    first = ipaddress.ip_address(FIRST)
    return f"{first}-{first + count - 1}"


def scan(addresses, folder, *more):
    return [str(target() / "vigie"), "scan", span(addresses), "--ports", "11434", "--seed", "1", "--quiet", "--format", "jsonl",
            "--output", str(folder / "out.jsonl"), "--lake", str(folder / f"lake-{time.time_ns()}"), *more]


def without_lake(command):
    at = command.index("--lake")
    return [*command[:at], "--no-lake", *command[at + 2:]]


def sweep(a, folder):
    raise_descriptors()
    population = folder / "population.toml"
    population.write_text('schema = "vigie.population/1"\n[[entries]]\nproduct = "ollama"\nport = 11434\n')
    fleet = subprocess.Popen([str(target() / "vigie"), "fleet", "--population", str(population), "--count", str(a.live)],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for _ in range(a.live):
        if not fleet.stdout.readline():
            sys.exit("the fleet did not start")
    bare, ours, sizes = [], [], []
    try:
        for _ in range(a.runs):
            bare.append(run([str(target() / "examples/bare_connect"), FIRST, str(a.addresses), "11435"]))
            # A port on which nobody listens: closed addresses and nothing else.
            command = scan(a.addresses, folder)
            command[command.index("11434")] = "11435"
            ours.append(run(command))
        found = None
        for count in (a.addresses // 16, a.addresses):
            _, _, peak, *_ = run(scan(max(count, a.live), folder))
            found = sum(1 for _ in (folder / "out.jsonl").open())
            sizes.append((max(count, a.live), peak, found))
    finally:
        fleet.terminate()
        fleet.wait()
    per = 1e6 / a.addresses
    print(f"closed: vigie {median(ours, 0) * per:.2f} µs of CPU per address, bare loop {median(bare, 0) * per:.2f}, ratio {median(ours, 0) / median(bare, 0):.2f} (bound 1.5)")
    print(f"        {a.addresses} addresses, {a.runs} runs, wall {median(ours, 1):.2f} s and {median(bare, 1):.2f} s")
    for count, peak, found in sizes:
        print(f"live:   {found} of {a.live} found among {count} addresses, peak {peak:.0f} MiB (bound 150)")


def silent(a, folder):
    # Packets to the port are dropped, as a firewall does: the addresses stay silent.
    if shutil.which("iptables") is None:
        sys.exit("needs iptables to drop packets on loopback")
    subprocess.run(["iptables", "-A", "INPUT", "-p", "tcp", "--dport", "11434", "-j", "DROP"], check=True)
    raise_descriptors()
    ours, bare, sizes = [], [], []
    for _ in range(a.runs):
        # As long as vigie waits at most, and as often as it tries.
        bare.append(run([str(target() / "examples/bare_connect"), FIRST, str(a.addresses), "11434", "1500", "2"]))
        ours.append(run(scan(a.addresses, folder)))
    for count in (a.addresses // 16, a.addresses):
        _, _, peak, *_ = run(scan(count, folder))
        sizes.append((count, peak))
    per = 1e6 / a.addresses
    print(f"silent: vigie {median(ours, 0) * per:.2f} µs of CPU per address, bare loop {median(bare, 0) * per:.2f}, ratio {median(ours, 0) / median(bare, 0):.2f} (bound 1.5)")
    print(f"        {a.addresses} addresses, {a.runs} runs, wall {median(ours, 1):.1f} s and {median(bare, 1):.1f} s")
    for count, peak in sizes:
        print(f"        {count} addresses, peak {peak:.0f} MiB (bound 150)")


def ollama(a, folder):
    raise_descriptors()
    env = {**os.environ, "HOME": str(folder), "OLLAMA_HOST": "0.0.0.0:11434", "OLLAMA_MODELS": str(folder / "models")}
    log = (folder / "ollama.log").open("wb")
    server = subprocess.Popen([a.ollama, "serve"], env=env, stdout=log, stderr=log)
    client = {**env, "OLLAMA_HOST": "127.0.0.1:11434"}
    try:
        for _ in range(100):
            if subprocess.run([a.ollama, "list"], env=client, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.2)
        (folder / "Modelfile").write_text(f"FROM {Path(a.model).resolve()}\n")
        subprocess.run([a.ollama, "create", "tiny", "-f", str(folder / "Modelfile")], env=client, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        # The same requests: those that a scan of one address sends, read from its transcript.
        run([str(target() / "vigie"), "scan", FIRST, "--ports", "11434", "--quiet", "--no-lake", "--transcripts", str(folder / "t")])
        import json
        transcript = json.loads(next((folder / "t").glob("*.json")).read_text())
        requests = folder / "requests.txt"
        lines = [f"{e['request']['method']} {e['request']['path']} {e['request'].get('body', '')}".strip() for e in transcript["exchanges"]]
        requests.write_text("\n".join(lines) + "\n")
        threads = str(os.cpu_count() or 2)
        bare, ours, start, unkept = [], [], [], []
        for _ in range(a.runs):
            # A port on which nobody listens: what vigie costs before its first server.
            command = scan(1, folder)
            command[command.index("11434")] = "11435"
            start.append(run(command))
            bare.append(run([str(target() / "examples/bare_probe"), FIRST, str(a.addresses), "11434", str(requests), threads]))
            # The loop keeps nothing: a scan that keeps nothing either, beside the whole one.
            unkept.append(run(without_lake(scan(a.addresses, folder))))
            ours.append(run(scan(a.addresses, folder)))
        found = sum('"product":{"known":"ollama"}' in line for line in (folder / "out.jsonl").open())
    finally:
        server.terminate()
        server.wait()
    n = a.addresses
    print(f"ollama: {found} of {n} recognised, {len(lines)} requests each")
    print(f"        vigie {median(ours, 0) * 1e3 / n:.3f} ms of CPU per server, bare loop {median(bare, 0) * 1e3 / n:.3f}, ratio {median(ours, 0) / median(bare, 0):.2f} (bound 1.5)")
    print(f"        without a lake: {median(unkept, 0) * 1e3 / n:.3f} ms, ratio {median(unkept, 0) / median(bare, 0):.2f}")
    print(f"        of these in the kernel: {median(ours, 4) * 1e3 / n:.3f} and {median(bare, 4) * 1e3 / n:.3f} ms; vigie's start alone: {median(start, 0) * 1e3:.0f} ms")
    print(f"        vigie {n / median(ours, 1):.0f} servers/s, bare loop {n / median(bare, 1):.0f}, ratio {median(bare, 1) / median(ours, 1):.2f} (bound 0.8)")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["sweep", "silent", "ollama"])
    p.add_argument("--addresses", type=int)
    p.add_argument("--live", type=int, default=2000)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--ollama")
    p.add_argument("--model")
    a = p.parse_args()
    in_namespace()
    a.addresses = a.addresses or {"sweep": 65535, "silent": 65535, "ollama": 1000}[a.what]
    with tempfile.TemporaryDirectory() as folder:
        {"sweep": sweep, "silent": silent, "ollama": ollama}[a.what](a, Path(folder))


if __name__ == "__main__":
    main()
