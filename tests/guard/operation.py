#!/usr/bin/env python3
"""How a gateway lives: a new process in the place of the old one under load, a service manager's sockets and notifications, signals, a slow client.

    apt-get install systemd                 # systemd-socket-activate; without it that part is left out and said so
    tests/guard/operation.py [--vigie target/debug/vigie] [--times 10]

The server behind is a small one of this file: what is looked at is the gateway. The last line is `N passed, N failed`; the exit code is 1 if a
check failed.
"""
import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from stage import Score, free_port

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BODY = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "hi"}]})
# A stream has so many pieces, one in so many seconds.
PIECES, EVERY = 60, 0.1


class Behind(BaseHTTPRequestHandler):
    """Answers as Ollama would; a stream takes PIECES * EVERY seconds."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def whole(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.whole({"version": "0.17.4"} if self.path == "/api/version" else {"models": []})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked.get("stream") is False:
            return self.whole({"done": True, "prompt_eval_count": 1, "eval_count": 1})
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(PIECES + 1):
            line = json.dumps({"number": number} if number < PIECES else {"done": True, "prompt_eval_count": 1, "eval_count": PIECES}) + "\n"
            self.wfile.write(f"{len(line):x}\r\n{line}\r\n".encode())
            self.wfile.flush()
            time.sleep(EVERY)
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_):
        pass


def until(holds, seconds=20):
    end = time.monotonic() + seconds
    while True:
        got = holds()
        if got or time.monotonic() > end:
            return got
        time.sleep(0.02)


def connects(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Guard:
    def __init__(self, vigie, behind):
        self.vigie, self.dir, self.port, self.admin = vigie, tempfile.mkdtemp(), free_port(), free_port()
        self.run("init", "--upstream", f"http://127.0.0.1:{behind}", "--product", "ollama", "--product-version", "0.17.4", "--listen",
                 f"127.0.0.1:{self.port}", "--plain-http", "--yes")
        with open(f"{self.dir}/guard.toml", "a") as config:
            config.write(f'\n[admin]\naddress = "127.0.0.1:{self.admin}"\n')
        self.key = json.loads(self.run("key", "create", "load", "--json").stdout)["key"]
        self.errors = f"{self.dir}.log"

    def run(self, *words, check=True):
        done = subprocess.run([self.vigie, "guard", *words, "--dir", self.dir], capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"vigie guard {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return done

    def start(self, *words, before=(), env=None):
        return subprocess.Popen([*before, self.vigie, "guard", "run", "--dir", self.dir, *words], stderr=open(self.errors, "a"),
                                env={**os.environ, **(env or {})})


    def said(self):
        return Path(self.errors).read_text()

    def ask(self, timeout=30, stream=False):
        """One request on a connection of its own -> the status, or the word of what went wrong."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
            connection.request("POST", "/api/chat", json.dumps({**json.loads(BODY), "stream": stream}), self.headers())
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            return answer.status if not stream else [json.loads(line) for line in body.splitlines()]
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"

    def headers(self):
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", "Host": "localhost"}

    def lines(self):
        found = []
        for path in Path(self.dir, "log").rglob("audit-*.jsonl"):
            found += [json.loads(line) for line in path.read_text().splitlines()]
        return found

    def events(self, word):
        return [line for line in self.lines() if line.get("unmapped", {}).get("event") == word]


def take_overs(score, vigie, behind, times):
    guard = Guard(vigie, behind)
    process = guard.start()
    until(lambda: connects(guard.port))
    stop, answers, kept, streams = threading.Event(), [], [], []

    def new_connections():
        while not stop.is_set():
            answers.append(guard.ask())

    def one_connection():
        """A connection that is kept as long as the gateway says so."""
        while not stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", guard.port, timeout=30)
            while not stop.is_set():
                try:
                    connection.request("POST", "/api/chat", json.dumps({**json.loads(BODY), "stream": False}), guard.headers())
                    answer = connection.getresponse()
                    answer.read()
                    kept.append(answer.status)
                    if answer.getheader("connection") == "close":
                        break
                except (OSError, http.client.HTTPException) as error:
                    kept.append(f"{type(error).__name__}: {error}")
                    break
                time.sleep(0.01)
            connection.close()

    def one_stream():
        while not stop.is_set():
            got = guard.ask(stream=True)
            streams.append(got if isinstance(got, str) else [piece.get("number", "done") for piece in got] == [*range(PIECES), "done"])

    threads = [threading.Thread(target=work) for work in [new_connections] * 4 + [one_connection] * 4 + [one_stream] * 8]
    for thread in threads:
        thread.start()
    time.sleep(1)
    before, took = [process], []
    for _ in range(times):
        begun = time.monotonic()
        process = guard.start("--replace")
        handed = len(before)
        until(lambda: len(guard.events("handed-over")) >= handed, 60)
        took.append(time.monotonic() - begun)
        before.append(process)
        time.sleep(0.5)
    time.sleep(PIECES * EVERY / 4)
    stop.set()
    for thread in threads:
        thread.join()
    ended = [old.wait(timeout=60) for old in before[:-1]]
    score.check(f"{times} processes took over", len(guard.events("handed-over")) == times, guard.said()[-2000:])
    print(f"         {len(answers)} requests on connections of their own, {len(kept)} on kept ones, {len(streams)} streams; "
          f"a take-over took {sorted(took)[len(took) // 2]:.2f} s in the middle, {max(took):.2f} s at most")
    wrong = [answer for answer in answers if answer != 200]
    score.check("no request on a connection of its own was refused or reset", len(answers) > 20 * times and not wrong, wrong[:5])
    wrong = [answer for answer in kept if answer != 200]
    score.check("nor one on a connection that was kept", len(kept) > 20 * times and not wrong, wrong[:5])
    wrong = [stream for stream in streams if stream is not True]
    score.check("all streams are whole", len(streams) >= times and not wrong, wrong[:5])
    score.check("those before ended well, by themselves", set(ended) == {0}, ended)
    process.send_signal(signal.SIGTERM)
    score.check("the last one ends well", process.wait(timeout=60) == 0)
    verified = guard.run("log", "verify", check=False)
    score.check("the log is sound", verified.returncode == 0, verified.stdout[-2000:])
    asked = len(answers) + len(kept) + len(streams)
    logged = [line for line in guard.lines() if line["unmapped"].get("event") == "request" and line.get("status_code") == "answered"]
    score.check("each request is in the log, once", len({line["api"]["request"]["uid"] for line in logged}) == len(logged) == asked, (len(logged), asked))
    score.check("the socket in the folder is gone", not Path(guard.dir, "guard.sock").exists())
    # Nobody is there: it starts as any other.
    process = guard.start("--replace")
    score.check("with nobody to replace it just starts", until(lambda: connects(guard.port)) and guard.ask() == 200)
    # One that cannot start does not take the place.
    config = Path(guard.dir, "guard.toml")
    good = config.read_text()
    config.write_text(good.replace("plain_http", "plane_http"))
    failed = guard.start("--replace")
    score.check("one with a bad configuration does not start", failed.wait(timeout=30) == 2)
    score.check("and the one that runs goes on", guard.ask() == 200 and len(guard.events("handed-over")) == times)
    config.write_text(good)
    second = guard.start()
    score.check("without --replace the port is taken", second.wait(timeout=30) == 2 and "--replace takes its place" in guard.said(), guard.said()[-500:])
    process.terminate()
    process.wait(timeout=60)


def activation(score, vigie, behind):
    if not shutil.which("systemd-socket-activate"):
        return print("         systemd-socket-activate is not there: socket activation was not tried")
    guard = Guard(vigie, behind)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        path = f"{guard.dir}/notify"
        notified.bind(path)
        notified.settimeout(20)
        # The address is the manager's, not the one of the configuration.
        port, configured = free_port(), guard.port
        guard.port = port
        process = guard.start(before=["systemd-socket-activate", "--listen", f"127.0.0.1:{port}", "--setenv", f"NOTIFY_SOCKET={path}"])
        until(lambda: connects(port))
        score.check("a socket of the service manager is served", guard.ask() == 200, guard.said()[-1000:])
        score.check("and the configured address is not", not connects(configured))
        first = notified.recv(4096).decode()
        score.check("the manager is told that it is ready", first.startswith("READY=1") and f"MAINPID={process.pid}" in first, first)
        process.send_signal(signal.SIGHUP)
        again = [notified.recv(4096).decode() for _ in range(2)]
        score.check("and that it reads its configuration anew", again[0].startswith("RELOADING=1\nMONOTONIC_USEC=") and again[1].startswith("READY=1"), again)
        process.terminate()
        last = notified.recv(4096).decode()
        score.check("and that it stops", last == "STOPPING=1", last)
        score.check("it ends well", process.wait(timeout=60) == 0)


def signals(score, vigie, behind):
    for name in [signal.SIGTERM, signal.SIGINT]:
        guard = Guard(vigie, behind)
        process = guard.start()
        until(lambda: connects(guard.port))
        got = []
        thread = threading.Thread(target=lambda: got.append(guard.ask(stream=True)))
        thread.start()
        time.sleep(1)
        process.send_signal(name)
        until(lambda: not connects(guard.port), 5)
        score.check(f"{name.name}: nothing is accepted any more", not connects(guard.port))
        thread.join()
        score.check(f"{name.name}: the stream under way is finished", isinstance(got[0], list) and got[0][-1].get("done"), got)
        score.check(f"{name.name}: it ends well", process.wait(timeout=60) == 0)
    guard = Guard(vigie, behind)
    process = guard.start()
    until(lambda: connects(guard.port))
    thread = threading.Thread(target=lambda: guard.ask(stream=True))
    thread.start()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    score.check("a second Ctrl-C ends it at once", process.wait(timeout=60) == 130 and time.monotonic() - begun < 2, time.monotonic() - begun)
    thread.join()
    cut = [line for line in guard.events("request") if line["status_code"] == "aborted"]
    score.check("what was cut off is in the log", len(cut) == 1 and "cut off" in guard.said(), cut)
    score.check("which is sound", guard.run("log", "verify", check=False).returncode == 0)


def slow_clients(score, vigie, behind):
    guard = Guard(vigie, behind)
    config = Path(guard.dir, "guard.toml")
    config.write_text(config.read_text().replace("plain_http", "max_connections = 200\nplain_http", 1))
    process = guard.start()
    until(lambda: connects(guard.port))
    stop, slow = threading.Event(), []

    def hold():
        """Opens what it can from one address, and sends a byte from time to time."""
        while not stop.is_set():
            try:
                one = socket.create_connection(("127.0.0.1", guard.port), timeout=1, source_address=("127.0.0.5", 0))
                one.sendall(b"GET / HTTP/1.1\r\nhost: ")
                slow.append(one)
            except OSError:
                time.sleep(0.01)
            del slow[:-2000]

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    begun, answers = time.monotonic(), []
    while time.monotonic() - begun < 5:
        answers.append(guard.ask(timeout=5))
    stop.set()
    for thread in threads:
        thread.join()
    score.check("a client that opens all it can locks no other out", len(answers) > 10 and set(answers) == {200}, answers[:5])
    process.terminate()
    process.wait(timeout=60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    parser.add_argument("--times", type=int, default=10)
    args = parser.parse_args()
    score = Score()
    behind = Server(("127.0.0.1", 0), Behind)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    port = behind.server_address[1]
    signals(score, args.vigie, port)
    activation(score, args.vigie, port)
    slow_clients(score, args.vigie, port)
    take_overs(score, args.vigie, port, args.times)
    print(f"{score.passed} passed, {score.failed} failed")
    sys.exit(1 if score.failed else 0)


if __name__ == "__main__":
    main()
