#!/usr/bin/env python3
"""What the server behind `vigie guard` can do wrong: it hangs, dies in the middle of an answer, answers garbage.

    tests/live/run.py prepare ollama-0.17.4-model llama-cpp-open     # builds them, once
    tests/guard/upstream.py [--vigie target/debug/vigie] [--only played|hangs]

Garbage is played over raw sockets, since no server sends it; curl (Debian package curl) is the client, over HTTP/1.1 and HTTP/2. A real Ollama and a real
llama.cpp hang because they are stopped (SIGSTOP), before a request and in the middle of an answer, and die because they are killed. Each request
has a name, which is its user agent. The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import collections
import gzip
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import lab
from stage import ROOT, Guard, LlamaCpp, Ollama, Score, descendants, until

WAIT = 2
OK = b'{"model":"tiny","response":"hello","done":true,"prompt_eval_count":3,"eval_count":2}\n'
SECRET = re.compile(rb"vigie_[A-Za-z0-9_-]{43,}")


def whole(body, kind="application/x-ndjson", more=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s" % (kind.encode(), len(body), more, body)


def chunked(rest, more=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n" + more + b"\r\n" + rest


def head(more, body=OK):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n" + more + b"\r\n" + body


class Played:
    """A server that says that it is an Ollama, and answers a request for a model as it is told."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.play, self.asked, self.gone, self.early = None, 0, 0, b""
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        data = b""
        try:
            with client:
                if self.early:
                    client.sendall(self.early)
                while True:
                    while b"\r\n\r\n" not in data:
                        more = client.recv(65536)
                        if not more:
                            return
                        data += more
                    top, _, rest = data.partition(b"\r\n\r\n")
                    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", top)
                    size = int(length[1]) if length else 0
                    while len(rest) < size:
                        rest += client.recv(65536)
                    data = rest[size:]
                    if top.startswith(b"GET /api/version "):
                        client.sendall(whole(b'{"version":"0.17.4"}', "application/json"))
                    elif top.startswith(b"GET /api/tags ") and self.play and not self.plays_tags:
                        client.sendall(whole(b'{"models":[]}', "application/json"))
                    else:
                        self.asked += 1
                        if self.play is None:
                            client.sendall(whole(OK))
                        elif callable(self.play):
                            self.play(client)
                            return
                        else:
                            client.sendall(self.play)
                            if not self.keeps:
                                return
        except OSError:
            self.gone += 1

    def will(self, play, keeps=False, tags=False):
        """How the next requests are answered: bytes, or what is done with the connection; None: as it should be."""
        self.play, self.keeps, self.plays_tags = play, keeps, tags


def hangs(first=b""):
    def play(client):
        client.sendall(first)
        # Until the gateway leaves.
        while client.recv(65536):
            pass
    return play


def resets(first):
    def play(client):
        client.sendall(first)
        time.sleep(0.1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return play


def floods(first, again, most=400 << 20):
    """Sends without an end, up to a bound that the gateway must not take."""
    def play(client):
        client.sendall(first)
        sent = 0
        while sent < most:
            client.sendall(again)
            sent += len(again)
    return play


# The client must get 502 for these: nothing of the answer can be trusted.
REFUSED = {
    "a status line that is none": b"garbage garbage\r\n\r\n" + OK,
    "HTTP/0.9": OK,
    "HTTP/9.9": b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2's preface": b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0d\0\4\0\0\xff\xff\0\5\0\0@\0",
    "TLS": b"\x15\x03\x01\0\x02\x02\x46",
    "random bytes": bytes(range(256)) * 8,
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "the status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "a NUL in the status line": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a header": head(b"X-A: a\0b\r\nContent-Length: %d\r\n" % len(OK)),
    "a header without a colon": head(b"garbage\r\nContent-Length: %d\r\n" % len(OK)),
    "a space before the colon": head(b"Content-Length : %d\r\n" % len(OK)),
    "two different lengths": head(b"Content-Length: 5\r\nContent-Length: %d\r\n" % len(OK)),
    "a list of lengths": head(b"Content-Length: 5, 6\r\n"),
    "a negative length": head(b"Content-Length: -1\r\n"),
    "a length with a sign": head(b"Content-Length: +%d\r\n" % len(OK)),
    "a length in hexadecimal": head(b"Content-Length: 0x10\r\n"),
    "a length of 40 digits": head(b"Content-Length: %s\r\n" % (b"9" * 40)),
    "an empty length": head(b"Content-Length:\r\n"),
    "a length and chunks": chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (len(OK), OK), b"Content-Length: 5\r\n"),
    "an unknown transfer encoding": head(b"Transfer-Encoding: xchunked\r\n"),
    "gzip and chunks": head(b"Transfer-Encoding: gzip, chunked\r\n"),
    "chunks twice": head(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "a folded header": head(b"Content-Length:\r\n 5\r\n"),
    "a head of 1 MiB": head(b"X-A: " + b"a" * (1 << 20) + b"\r\n"),
    "50,000 headers": head(b"X-A: a\r\n" * 50_000),
    "a head without an end": floods(b"HTTP/1.1 200 OK\r\n", b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 1_000),
    "a status line without an end": floods(b"HTTP/1.1 200 ", b"a" * 65_536),
    "100,000 interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
    "interim answers without an end": floods(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1_000),
    "101, another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello",
    "a body in gzip": whole(gzip.compress(OK), more=b"Content-Encoding: gzip\r\n"),
    "a body in gzip that is cut off": whole(gzip.compress(OK)[:-9], more=b"Content-Encoding: gzip\r\n"),
    "it closes without a byte": resets(b""),
    "it closes in the middle of the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "it resets in the middle of the head": resets(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "it never answers": hangs(),
    "it stops in the middle of the head": hangs(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "it stops after an interim answer": hangs(b"HTTP/1.1 100 Continue\r\n\r\n"),
}
SILENT = {"it never answers", "it stops in the middle of the head", "it stops after an interim answer"}
# The answer has begun when it goes wrong: the client must see that it has no end.
CUT = {
    "less than the length": head(b"Content-Length: 500\r\n"),
    "less than the length, and a reset": resets(head(b"Content-Length: 500\r\n")),
    "less than the length, and then nothing": hangs(head(b"Content-Length: 500\r\n")),
    "no last chunk": chunked(b"%x\r\n%s\r\n" % (len(OK), OK)),
    "a chunk that is cut off": chunked(b"fff\r\n" + OK),
    "no last chunk, and then nothing": hangs(chunked(b"%x\r\n%s\r\n" % (len(OK), OK))),
    "a chunk's size that is no number": chunked(b"%x\r\n%s\r\nxyz\r\n" % (len(OK), OK)),
    "a negative size": chunked(b"%x\r\n%s\r\n-1\r\n" % (len(OK), OK)),
    "a size of 40 digits": chunked(b"%x\r\n%s\r\n%s\r\n" % (len(OK), OK, b"f" * 40)),
    "a size with 0x": chunked(b"%x\r\n%s\r\n0x5\r\nhello\r\n" % (len(OK), OK)),
    "a chunk longer than its size": chunked(b"%x\r\n%sGARBAGE\r\n0\r\n\r\n" % (len(OK), OK)),
    "a chunk's extension without an end": floods(chunked(b"%x\r\n%s\r\n5;a=" % (len(OK), OK)), b"a" * 65_536),
    "zeros before a size, without an end": floods(chunked(b"%x\r\n%s\r\n" % (len(OK), OK)), b"0" * 65_536),
    "trailers without an end": floods(chunked(b"%x\r\n%s\r\n0\r\n" % (len(OK), OK)), b"X-A: a\r\n" * 8_000),
}
# What is odd and can be read in one way only passes, byte for byte.
PASSED = {
    "two equal bodies, one with a length": (head(b"Content-Length: %d\r\n" % len(OK), OK + OK), OK),
    "no length, until it closes": (head(b"Connection: close\r\n"), OK),
    "an interim answer before it": (b"HTTP/1.1 100 Continue\r\n\r\n" + whole(OK), OK),
    "a NUL in the body": (whole(b'{"response":"a\0b"}\n\0\0\0'), b'{"response":"a\0b"}\n\0\0\0'),
    "invalid JSON": (whole(b'{"response": garbage\n'), b'{"response": garbage\n'),
    "JSON without an end": (whole(b'{"response":"' + b"[" * 100_000), b'{"response":"' + b"[" * 100_000),
    "deep JSON": (whole(b"[" * 200_000 + b"\n"), b"[" * 200_000 + b"\n"),
    "invalid UTF-8": (whole(b'{"response":"\xff\xfe\xc3\x28"}\n'), b'{"response":"\xff\xfe\xc3\x28"}\n'),
    "counters that are no numbers": (whole(b'{"done":true,"prompt_eval_count":"x","eval_count":-5}\n'), b'{"done":true,"prompt_eval_count":"x","eval_count":-5}\n'),
    "counters of 40 digits": (whole(b'{"done":true,"prompt_eval_count":%s,"eval_count":1e300}\n' % (b"9" * 40)),
                              b'{"done":true,"prompt_eval_count":%s,"eval_count":1e300}\n' % (b"9" * 40)),
    "a line of 4 MiB": (whole(b'{"response":"' + b"a" * (4 << 20) + b'"}\n'), b'{"response":"' + b"a" * (4 << 20) + b'"}\n'),
    "a status that nobody has defined": (b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", b""),
}
# Lists must be read to be filtered: what does not read is not passed on.
LISTS = {
    "invalid JSON": b'{"models":[{"name":"secret"',
    "no list": b'{"models":7}',
    "an array": b'[{"name":"secret"}]',
    "two lists": b'{"models":[],"models":[{"name":"secret"}]}',
    "invalid UTF-8": b'{"models":[{"name":"secret\xff"}]}',
    "two values": b'{"models":[]}{"models":[{"name":"secret"}]}',
    "deep": b'{"models":' + b"[" * 200_000,
    "a NUL": b'{"models":[{"name":"secret"}]}\0',
    "gzip": gzip.compress(b'{"models":[{"name":"secret"}]}'),
    "truncated gzip": gzip.compress(b'{"models":[{"name":"secret"}]}')[:-12],
    "nothing": b"",
}


class Requests:
    """curl, with a name for each request."""

    def __init__(self, guard):
        self.guard, self.names, self.dir = guard, [], Path(tempfile.mkdtemp())

    def ask(self, what, http2=False, path="/api/generate", seconds=30, key=None):
        """-> the status, the body, whether curl says that it is whole, and the seconds"""
        name = f"request-{len(self.names)}"
        self.names.append((name, what))
        content = self.dir / "content"
        content.write_bytes(b"")
        words = ["curl", "--silent", "--max-time", str(seconds), "-A", name, "-H", f"Authorization: Bearer {key or self.guard.secret}", "-o", str(content),
                 "-w", "%{http_code}", "--http2-prior-knowledge" if http2 else "--http1.1"]
        if path == "/api/generate":
            words += ["--data-binary", '{"model":"tiny","prompt":"hi"}', "-H", "Content-Type: application/json"]
        begun = time.monotonic()
        done = subprocess.run([*words, f"http://127.0.0.1:{self.guard.port}{path}"], capture_output=True, text=True)
        return int(done.stdout or 0), content.read_bytes(), done.returncode == 0, time.monotonic() - begun


def memory(pid):
    """The most memory that a process has had, in MiB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) // 1024


def played(score, vigie):
    server = Played()
    server.will(None)
    guard = lab.Guard(vigie, server.port)
    guard.config.write_text(guard.config.read_text().replace("\nwait = 600\n", f"\nwait = {WAIT}\n"))
    restricted = guard.key("one", "--models", "tiny")
    guard.start()
    asks = Requests(guard)
    # What is passed on does not depend on what the version looks find: they are answered.
    sound = lambda: asks.ask("as it should be")[:3] == (200, OK, True)
    score.check("played: an answer as it should be", until(sound, 15))
    before = memory(guard.process.pid)
    for http2 in (False, True):
        protocol = "HTTP/2" if http2 else "HTTP/1.1"
        for what, play in REFUSED.items():
            server.will(play)
            got = asks.ask(what, http2)
            right = got[0] == (504 if what in SILENT else 502) and got[1] == b'{"error":"bad gateway"}' and got[2] and got[3] < WAIT + 3
            score.check(f"{protocol}: {what}: {504 if what in SILENT else 502}", right, (got[0], got[1][:100], *got[2:]))
        for what, play in CUT.items():
            server.will(play)
            got = asks.ask(what, http2)
            score.check(f"{protocol}: {what}: the answer has no end", not got[2] and got[0] in (0, 200) and got[3] < WAIT + 3,
                        (got[0], got[1][:100], *got[2:]))
        for what, (play, wanted) in PASSED.items():
            server.will(play, keeps=True) if b"close" not in play[:200] else server.will(play)
            got = asks.ask(what, http2)
            score.check(f"{protocol}: {what}: passes as it is", got[0] in (200, 299) and got[1] == wanted and got[2], (got[0], got[1][:100], *got[2:]))
            server.will(None)
            after = asks.ask("after it", http2)
            score.check(f"{protocol}: {what}: the next answer is its own", after[:3] == (200, OK, True), (after[0], after[1][:100], *after[2:]))
        for what, body in LISTS.items():
            server.will(whole(body, "application/json"), tags=True)
            got = asks.ask(what, http2, "/api/tags", key=restricted)
            # Two lists are read, both.
            right = (200, 502) if what == "two lists" else (502,)
            score.check(f"{protocol}: a list: {what}: nothing of it passes", got[0] in right and b"secret" not in got[1] and got[2], (got[0], got[1][:100], *got[2:]))
        server.will(floods(head(b"Connection: close\r\n", b'{"models":['), b'{"name":"a"},' * 5_000), tags=True)
        got = asks.ask("a list without an end", http2, "/api/tags")
        score.check(f"{protocol}: a list without an end: 502", got[0] == 502 and got[3] < 20, (got[0], got[1][:100], *got[2:]))
        # A body without an end passes as it comes, at the pace of the client, and ends when the client leaves.
        gone = server.gone
        server.will(floods(head(b"Connection: close\r\n"), b'{"response":"' + b"a" * 60_000 + b'"}\n', most=1 << 40))
        got = asks.ask("a body without an end", http2, seconds=1)
        score.check(f"{protocol}: a body without an end: it ends when the client leaves", len(got[1]) > 1 << 20 and until(lambda: server.gone > gone, 10), got[2:])
        (asks.dir / "content").unlink()
    # An answer that comes before the request: on a connection that was kept it is dropped with it.
    server.early = whole(b'{"response":"early"}\n')
    server.will(None)
    got = asks.ask("an answer before the request")
    server.early = b""
    score.check("an answer before the request: one whole answer, or none", got[2] and (got[0] == 502 or got[1] in (OK, b'{"response":"early"}\n')), got)
    score.check("and the ones after it are their own", until(lambda: all(sound() for _ in range(5)), 15))
    grown = memory(guard.process.pid) - before
    score.check("the memory stays bounded", grown < 128, f"{grown} MiB more than {before}")
    score.check("the same process serves", guard.process.poll() is None)
    of_log(score, "played", guard, asks.names)
    guard.stop()
    score.check("played: the log is sound", guard.verify()["sound"], guard.verify())
    score.check("played: no key is in what was written", not leaks([guard.dir, asks.dir], guard.secret, restricted), leaks([guard.dir, asks.dir], guard.secret, restricted))


def of_log(score, name, guard, names):
    """Each request has one line, and what went wrong is called so."""
    events = guard.events()
    times = collections.Counter(event.get("http_request", {}).get("user_agent") for event in events)
    wrong = [(one, what, times[one]) for one, what in names if times[one] != 1]
    score.check(f"{name}: each of {len(names)} requests is in the log once", names and not wrong, wrong[:5])
    said = {event["http_request"]["user_agent"]: event["status_code"] for event in events if "user_agent" in event.get("http_request", {})}
    bad = {*REFUSED, *CUT}
    other = [(what, said.get(one)) for one, what in names if what in bad and said.get(one) != "failed"]
    score.check(f"{name}: what went wrong is in the log as failed", not other, other[:5])


def leaks(folders, *secrets):
    """The files that hold one of the keys, or what looks like one."""
    found = []
    for folder in folders:
        for path in Path(folder).rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                if any(secret.encode() in data for secret in secrets) or SECRET.search(data):
                    found.append(str(path))
    return found


def kill(pids, what):
    for pid in pids:
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            pass


def stopped(score, vigie, kind):
    """A real server that hangs, and one that dies, before a request and in the middle of an answer."""
    with kind() as server:
        name = server.product
        guard = Guard(vigie, f"http://{server.address}", server=server)
        config = Path(guard.dir, "guard.toml")
        config.write_text(config.read_text().replace("\nwait = 600\n", f"\nwait = {WAIT}\n"))
        with guard:
            key = guard.key("all", "--models", "tiny")
            body = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "stream": False}

            def ask(**more):
                words = ["curl", "--silent", "--max-time", "30", "-H", f"Authorization: Bearer {key}", "-w", " %{http_code}", "--no-buffer",
                         "--data-binary", json.dumps({**body, **more}), f"{guard.url}/v1/chat/completions"]
                return subprocess.Popen(words, stdout=subprocess.PIPE)

            def answers():
                return ask().communicate()[0].endswith(b" 200")

            score.check(f"{name}: it answers", until(answers, 30))
            processes = descendants(server.process.pid) - {os.getpid()}
            for what, settings in (("a whole answer", {}), ("a stream", {"stream": True})):
                kill(processes, signal.SIGSTOP)
                begun = time.monotonic()
                got = ask(**settings).communicate()[0]
                took = time.monotonic() - begun
                kill(processes, signal.SIGCONT)
                score.check(f"{name} hangs before {what}: 504 in time", got.endswith(b" 504") and took < WAIT + 3, (got[-100:], took))
                score.check(f"{name}: and it answers again", until(answers, 30))
            for how, one in (("hangs", signal.SIGSTOP), ("dies", signal.SIGKILL)):
                long = ask(stream=True, max_tokens=20_000, temperature=0)
                first = long.stdout.readline()
                processes = descendants(server.process.pid)
                begun = time.monotonic()
                # All at once: an Ollama that lives on when its runner dies ends the answer itself.
                kill(processes, signal.SIGSTOP)
                kill(processes, one)
                rest, _ = long.communicate()
                took = time.monotonic() - begun
                right = first.startswith(b"data: ") and long.returncode != 0 and b"[DONE]" not in rest and took < WAIT + 3
                score.check(f"{name} {how} in the middle of an answer: the client sees that it has no end", right, (first, rest[-200:], long.returncode, took))
                if one == signal.SIGSTOP:
                    kill(processes, signal.SIGCONT)
                    score.check(f"{name}: and it answers again", until(answers, 30))
            got = ask().communicate()[0]
            score.check(f"{name} is dead: 502", got.endswith(b" 502"), got)
        entries = guard.entries()
        failed = [entry["status_code"] for entry in entries if entry.get("class_uid") == 6003].count("failed")
        score.check(f"{name}: five are in the log as failed, and others that found nobody", failed >= 5, failed)
        verified = guard.run("log", "verify", check=False)
        score.check(f"{name}: the log is sound", verified.returncode == 0, verified.stdout)
        score.check(f"{name}: no key is in what was written", not leaks([guard.dir], key), leaks([guard.dir], key))
        score.check(f"{name}: nor in what was said", key not in guard.printed(), guard.printed())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    parser.add_argument("--only", choices=["played", "hangs"])
    args = parser.parse_args()
    score = Score()
    if args.only in (None, "played"):
        played(score, args.vigie)
    if args.only in (None, "hangs"):
        for kind in (Ollama, LlamaCpp):
            stopped(score, args.vigie, kind)
    score.end()


if __name__ == "__main__":
    main()
