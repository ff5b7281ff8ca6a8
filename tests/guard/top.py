#!/usr/bin/env python3
"""`vigie guard top` on a real terminal (a pty), in front of a real Ollama.

    tests/live/run.py prepare ollama-0.17.4-model     # builds Ollama, once
    tests/guard/top.py [--vigie target/debug/vigie]

The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import fcntl
import json
import os
import pty
import re
import select
import signal
import stat
import struct
import subprocess
import termios
import threading
import time
import urllib.request

from stage import ROOT, Guard, Ollama, Score, get, until


class Terminal:
    """A program on a terminal of a size."""

    def __init__(self, words, columns=90, rows=30, **environ):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
            os.execve(words[0], words, {**kept, "TERM": "xterm-256color", **environ})
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self.master)
        self.text = b""

    def read(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.text += os.read(self.master, 65536)
                except OSError:
                    return
        return

    def until(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text, re.S) and time.monotonic() < end:
            self.read(0.2)
        return bool(re.search(pattern, self.text, re.S))

    def interrupt(self):
        """Types Ctrl-C -> the exit status."""
        os.write(self.master, b"\x03")
        end = time.monotonic() + 20
        while time.monotonic() < end:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        return None


def ask(guard, key, path, body):
    return get(guard.url + path, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}, json.dumps(body).encode())[0]


def top(guard, *words):
    return subprocess.run([guard.vigie, "guard", "top", "--dir", guard.dir, *words], capture_output=True, text=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    args = parser.parse_args()
    score = Score()
    with Ollama() as server, Guard(args.vigie, f"http://{server.address}", server=server) as guard:
        key, other = guard.key("alice", "--models", "tiny", "--cap", "num_predict=8"), guard.key("long", "--models", "tiny")
        socket = f"{guard.dir}/top.sock"
        until(lambda: os.path.exists(socket))
        mode = os.stat(socket)
        score.check("the socket is its owner's only", stat.S_ISSOCK(mode.st_mode) and mode.st_mode & 0o077 == 0, oct(mode.st_mode))
        for _ in range(3):
            ask(guard, key, "/api/generate", {"model": "tiny", "prompt": "a", "stream": False})
        # The name of a model that is refused, and of one that the server does not have, is what a client sends.
        ask(guard, key, "/api/generate", {"model": "other", "prompt": "a"})
        ask(guard, "vigie_nonsense", "/api/generate", {"model": "tiny", "prompt": "a"})

        def stream():
            data = json.dumps({"model": "tiny", "prompt": "a", "options": {"temperature": 0, "num_predict": 100_000}}).encode()
            request = urllib.request.Request(guard.url + "/api/generate", data, {"Authorization": f"Bearer {other}", "Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as reply:
                begun.set()
                ended.wait(60)
                reply.close()

        begun, ended = threading.Event(), threading.Event()
        threading.Thread(target=stream, daemon=True).start()
        begun.wait(30)

        def as_json():
            return json.loads(top(guard, "--json").stdout)

        until(lambda: sum(used["requests"] for used in as_json()["minute"]["keys"].values()) >= 3)
        view = as_json()
        by_name = {used["name"]: used for used in view["minute"]["keys"].values()}
        score.check("--json: the last minute by key", by_name["alice"]["requests"] == 3 and by_name["alice"]["refused"] == 1 and by_name["alice"]["output"] > 0, view)
        score.check("--json: what is under way", list(view["now"]["keys"].values()) == [1] and view["now"]["servers"][0]["in_flight"] == 1 and view["now"]["streams"] == 1, view["now"])
        score.check("--json: refusals by reason", sum(view["minute"]["refusals"].values()) == 2, view["minute"]["refusals"])
        once = top(guard, "--once")
        score.check("--once: a table without colours, since it is no terminal", once.returncode == 0 and "alice (" in once.stdout and "\x1b" not in once.stdout, once)
        terminal = Terminal([args.vigie, "guard", "top", "--dir", guard.dir, "--every", "1"])
        score.check("on a terminal it takes the other screen", terminal.until(rb"\x1b\[\?1049h.*alice \(.*long \("), terminal.text[-500:])
        score.check("with colours", b"\x1b[32m" in terminal.text, terminal.text[:300])
        score.check("it says that a request is under way", b"1 requests under way" in terminal.text, terminal.text[-500:])
        ended.set()
        score.check("and is drawn anew", terminal.until(rb"0 requests under way"), terminal.text[-500:])
        status = terminal.interrupt()
        score.check("Ctrl-C ends it and gives the screen and the cursor back", status == 0 and terminal.text.rstrip().endswith(b"\x1b[?25h\x1b[?1049l"), (status, terminal.text[-60:]))
        score.check("the terminal's settings are as they were", termios.tcgetattr(terminal.master) == terminal.before)
        narrow = Terminal([args.vigie, "guard", "top", "--dir", guard.dir, "--every", "1"], columns=72, rows=12, NO_COLOR="1")
        narrow.until(rb"Ctrl-C ends it")
        plain = re.sub(rb"\x1b\[[?0-9;]*[A-Za-ln-z]", b"", narrow.text)
        score.check("NO_COLOR: no colours", b"\x1b[" not in plain, plain[:200])
        frame = plain.split(b"Ctrl-C ends it")[0].decode().splitlines()
        score.check("a small terminal gets a small table", max(map(len, frame)) <= 72 and len(frame) <= 12, frame)
        narrow.interrupt()
    gone = top(guard, "--once")
    score.check("without a gateway the last minute is shown, and the rest is not known", gone.returncode == 0 and "not known" in gone.stdout and "alice (" in gone.stdout, gone)
    score.end()


if __name__ == "__main__":
    main()
