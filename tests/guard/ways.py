#!/usr/bin/env python3
"""The gateway looks whether it is the only way in: a real Ollama on one address and on all, in a network of its own.

    tests/live/run.py prepare ollama-0.17.4-model     # builds Ollama, once
    tests/guard/ways.py [--vigie target/debug/vigie] [--docker-proxy PATH]

It starts itself again in a network namespace that has a few addresses and no way out (unshare, as root or with user namespaces). A published port is
tried with a real docker-proxy where there is one; without it that check is skipped, and said so. The last line is `N passed, N failed`.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from stage import OLLAMA_VERSION, ROOT, Guard, Score, cache, get, until, wait_for

PORT = 11434
PRIVATE, PUBLIC, V6 = "192.168.77.5", "8.8.4.4", "fd00::5"


class Served:
    """`ollama serve` on an address."""

    product, version = "ollama", OLLAMA_VERSION

    def __init__(self, host, version=OLLAMA_VERSION):
        environ = {"PATH": os.environ["PATH"], "HOME": tempfile.mkdtemp(), "OLLAMA_HOST": host}
        program = str(cache() / f"ollama/v{version}/ollama")
        self.process = subprocess.Popen([program, "serve"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(PORT)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def forward(host, port):
    """Another program that leads to the server: a process that passes on what comes."""
    code = f"""
import socket, threading
family = socket.AF_INET6 if ":" in {host!r} else socket.AF_INET
listener = socket.create_server(({host!r}, {port}), family=family)
def pump(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    b.close()
while True:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", {PORT}))
    for pair in ((client, server), (server, client)): threading.Thread(target=pump, args=pair, daemon=True).start()
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    if not until(lambda: listens(host, port)):
        sys.exit(f"nothing listens on {host}:{port}")
    return process


def listens(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        return one.connect_ex((host, port)) == 0


def standings(guard):
    return [entry["unmapped"] for entry in guard.entries() if entry.get("unmapped", {}).get("event") == "ways"]


def metrics(guard):
    return get(f"http://127.0.0.1:{guard.admin}/metrics")[1].decode()


def watched(score, vigie):
    """A running gateway sees that its server is opened, and closed again."""
    ollama = Served(f"127.0.0.1:{PORT}")
    with Guard(vigie, f"http://127.0.0.1:{PORT}", server=Served, admin=True) as guard:
        score.check("at the start: it is the only way in", until(lambda: [one["standing"] for one in standings(guard)] == ["only"]), standings(guard))
        score.check("a start that finds nothing says nothing on the terminal", "only" not in guard.printed() and "warning" not in guard.printed(), guard.printed())
        score.check("the metrics say so", "vigie_guard_only_way_in 1\n" in metrics(guard), metrics(guard))
        ollama.stop()
        ollama = Served(f"0.0.0.0:{PORT}")
        seen = until(lambda: standings(guard)[-1]["standing"] == "open", 90)
        last = standings(guard)[-1]
        addresses = [way["address"] for way in last["ways"]]
        score.check("within a minute the log says that it is open", seen and f"{PRIVATE}:{PORT}" in addresses and f"{PUBLIC}:{PORT}" in addresses, last)
        score.check("by the server's own socket", all(way["proof"] == "same-socket" and way["program"] == "ollama" for way in last["ways"]), last)
        printed = guard.printed()
        score.check("and the terminal", "warning: the gateway is not the only way in" in printed and f"{PUBLIC}:{PORT}" in printed, printed)
        text = metrics(guard)
        right = "vigie_guard_only_way_in 0\n" in text and 'vigie_guard_other_ways{reach="public"} 1\n' in text and 'vigie_guard_other_ways{reach="private"} 2\n' in text
        score.check("and the metrics", right, [line for line in text.splitlines() if "way" in line])
        checked = guard.run("check")
        score.check("check prints the change that closes it, and changes nothing", f'Environment="OLLAMA_HOST=127.0.0.1:{PORT}"' in checked.stderr and "systemctl edit ollama" in checked.stderr, checked.stderr)
        ollama.stop()
        # The change that was printed.
        ollama = Served(f"127.0.0.1:{PORT}")
        seen = until(lambda: standings(guard)[-1]["standing"] == "only", 90)
        score.check("the change closes it, and that is seen too", seen and "no address of this machine leads to ollama" in guard.printed(), guard.printed())
    return ollama


def looked(score, vigie, guard):
    """Other programs that lead to the server."""
    check = lambda: guard.run("check").stderr
    process = forward(PRIVATE, 9_999)
    said = check()
    score.check("a program that passes on from a network address is found", "not the only way in" in said and f"{PRIVATE}:9999" in said and "likely" in said, said)
    process.kill()
    process.wait()
    others = [forward("127.0.0.2", PORT), forward("::1", PORT)]
    said = check()
    right = "no other machine does" in said and f"127.0.0.2:{PORT}" in said and f"[::1]:{PORT}" in said and "not the only way" not in said
    score.check("other loopback addresses are told apart: no other machine reaches them", right, said)
    for one in others:
        one.kill()
        one.wait()
    silent = socket.create_server((PRIVATE, 9_998))
    threading.Thread(target=lambda: [silent.accept() for _ in range(1)], daemon=True).start()
    began = time.monotonic()
    said = check()
    score.check("a program that says nothing is no way, and costs two seconds at most", "no address of this machine" in said and time.monotonic() - began < 8, said)
    silent.close()
    if (cache() / "ollama/v0.12.6/ollama").exists():
        other = Served(f"{PRIVATE}:{PORT}", "0.12.6")
        until(lambda: listens(PRIVATE, PORT))
        said = check()
        score.check("a server of another version on the same port is not this one", "no address of this machine" in said, said)
        other.stop()


def elsewhere(score, vigie):
    guard = Guard(vigie, "http://10.99.0.1:11434", server=Served, explicit=True)
    said = guard.run("check").stderr
    score.check("of a server on another machine it is unknown, not closed", "not known" in said and "no address of this machine leads" not in said, said)
    with guard:
        until(lambda: standings(guard))
        score.check("the log says so", [one["standing"] for one in standings(guard)] == ["unknown"], standings(guard))


def published(score, vigie, docker_proxy):
    """A container's port: the proxy that Docker starts for a published port, whose command line names the container. None runs there."""
    words = [docker_proxy, "-proto", "tcp", "-host-ip", "0.0.0.0", "-host-port", "8888", "-container-ip", "172.29.0.2", "-container-port", str(PORT)]
    # It reports on its fourth descriptor that it is ready.
    proxy = subprocess.Popen(["bash", "-c", 'exec "$@" 3>/dev/null', "-", *words], stderr=subprocess.DEVNULL)
    score.check("docker-proxy listens", until(lambda: listens("127.0.0.1", 8888)))
    guard = Guard(vigie, f"http://172.29.0.2:{PORT}", server=Served, explicit=True)
    said = guard.run("check").stderr
    right = "published port" in said and f"{PRIVATE}:8888" in said and "-p 127.0.0.1:" in said
    score.check("a port that docker-proxy publishes is found, by its command line", right, said)
    proxy.kill()
    proxy.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    parser.add_argument("--docker-proxy", default=shutil.which("docker-proxy"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.inside:
        own = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
        os.execvp(own[0], [*own, sys.executable, *sys.argv, "--inside"])
    for words in ("link set lo up", f"addr add {PRIVATE}/32 dev lo", f"addr add {PUBLIC}/32 dev lo", f"addr add {V6}/128 dev lo"):
        subprocess.run(["ip", *words.split()], check=True)
    score = Score()
    ollama = watched(score, args.vigie)
    looked(score, args.vigie, Guard(args.vigie, f"http://127.0.0.1:{PORT}", server=Served))
    ollama.stop()
    elsewhere(score, args.vigie)
    if args.docker_proxy:
        published(score, args.vigie, args.docker_proxy)
    else:
        print("skipped  a published port: no docker-proxy here", flush=True)
    score.end()


if __name__ == "__main__":
    main()
