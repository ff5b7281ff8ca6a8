"""What the tests of the gateway share: real servers, gateways, a relay that records, and the score."""
import hashlib
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
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIVE = ROOT / "tests/live"
OLLAMA = "ollama-0.17.4-model"
OLLAMA_VERSION = "0.17.4"


class Score:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, right, got=""):
        self.passed += bool(right)
        self.failed += not right
        print(f"{'ok' if right else 'FAILED':8} {name}{'' if right else f': {got}'}", flush=True)

    def end(self):
        """Prints the sum and ends the program."""
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed else 0)


def cache():
    return Path(os.environ.get("VIGIE_LIVE") or Path.home() / ".cache" / "vigie-live")


def python(lock="clients", folder="guard-clients"):
    """The interpreter with the packages of a lock beside this file; made anew when the lock changes."""
    folder, lock = cache() / folder, HERE / f"{lock}.txt"
    mark = folder / "made-of"
    if not mark.exists() or mark.read_bytes() != lock.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--requirement", str(lock)], check=True)
        mark.write_bytes(lock.read_bytes())
    return str(folder / "bin/python")


def node():
    """The folder with the JavaScript clients; made anew when their lock changes."""
    source, folder = HERE / "node", cache() / "guard-node"
    made_of = b"".join((source / name).read_bytes() for name in ("package.json", "package-lock.json"))
    mark = folder / "made-of"
    if not mark.exists() or mark.read_text() != hashlib.sha256(made_of).hexdigest():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)
        mark.write_text(hashlib.sha256(made_of).hexdigest())
    return folder


def free_port(host="127.0.0.1"):
    with socket.socket() as one:
        one.bind((host, 0))
        return one.getsockname()[1]


def wait_for(port, seconds=60, host="127.0.0.1"):
    for _ in range(seconds * 20):
        with socket.socket() as one:
            if one.connect_ex((host, port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on {host}:{port}")


def get(url, headers=None, data=None):
    """-> status, body, headers in lower case"""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}, data=data), timeout=30) as reply:
            return reply.status, reply.read(), {name.lower(): value for name, value in reply.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, error.read(), {name.lower(): value for name, value in error.headers.items()}


def until(right, seconds=20):
    """Whether something becomes right in time."""
    end = time.monotonic() + seconds
    while not right():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


class Ollama:
    """A real Ollama with the model `tiny`."""

    product, version = "ollama", OLLAMA_VERSION

    def __enter__(self):
        self.process = subprocess.Popen([str(LIVE / "run.py"), "up", OLLAMA], stdout=subprocess.PIPE, text=True)
        name, address = self.process.stdout.readline().split(maxsplit=1)
        if name != OLLAMA or not address.startswith("127."):
            sys.exit(f"the server did not start: {address}")
        self.address = address.strip()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def ollama(self, *words, address=None):
        """Runs its command line."""
        program = str(cache() / f"ollama/v{OLLAMA_VERSION}/ollama")
        environ = {"PATH": os.environ["PATH"], "HOME": tempfile.mkdtemp(), "OLLAMA_HOST": address or self.address}
        return subprocess.run([program, *words], env=environ, capture_output=True, text=True, timeout=120)


class LlamaCpp:
    """A real llama.cpp with the model `tiny`, and room for a long answer."""

    product, version = "llama-cpp", None

    def __enter__(self):
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        model = max(cache().glob("tiny-*.gguf"), key=lambda file: file.stat().st_mtime)
        interpreter = cache() / "python/llama-cpp/bin/python"
        environ = {"PATH": os.environ["PATH"], "HOME": tempfile.mkdtemp(), "VIGIE_CONTEXT": "65536"}
        words = [str(interpreter), str(LIVE / "servers/llama_cpp.py"), str(model), str(port), "tiny"]
        self.process = subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(port)
        if not until(lambda: get(f"http://{self.address}/health")[0] == 200, 90):
            sys.exit("llama.cpp is not ready")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def has_scanner(vigie):
    return subprocess.run([vigie, "scan", "--help"], capture_output=True).returncode == 0


class Guard:
    """A gateway in a folder of its own in front of a server. `server`: told to a program that has no scanner to look, or if `explicit`."""

    def __init__(self, vigie, upstream, tls=False, server=None, admin=False, listen="127.0.0.1", explicit=False):
        self.vigie, self.dir, self.port = vigie, tempfile.mkdtemp(), free_port(listen)
        more = [] if tls else ["--plain-http"]
        if server and (explicit or not has_scanner(vigie)):
            more += ["--product", server.product, *(["--product-version", server.version] if server.version else [])]
        self.url = f"{'https' if tls else 'http'}://{listen}:{self.port}"
        self.certificate = f"{self.dir}/certificate.pem" if tls else None
        self.run("init", "--upstream", upstream, "--listen", f"{listen}:{self.port}", *more, "--yes")
        if admin:
            self.admin = free_port()
            with open(f"{self.dir}/guard.toml", "a") as file:
                file.write(f'\n[admin]\naddress = "127.0.0.1:{self.admin}"\n')
        self.process = None

    def run(self, *words, check=True):
        done = subprocess.run([self.vigie, "guard", *words, "--dir", self.dir], capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"vigie guard {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return done

    def key(self, name, *words):
        return json.loads(self.run("key", "create", name, *words, "--json").stdout)["key"]

    def start(self):
        self.said = open(f"{self.dir}.said", "w+")
        self.process = subprocess.Popen([self.vigie, "guard", "run", "--dir", self.dir], stderr=self.said)
        wait_for(self.port, host=self.url.split("//")[1].split(":")[0])
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=60)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def printed(self):
        """What it has said on standard error."""
        return Path(f"{self.dir}.said").read_text()

    def entries(self):
        return [json.loads(line) for line in self.run("log", "export").stdout.splitlines()]


class Relay:
    """Passes bytes on between the gateway and a server, and records what the server sends."""

    def __init__(self, address):
        host, port = address.split(":")
        self.server = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.lock = threading.Lock()
        self.records, self.open = [], 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.server)
            record = (bytearray(), bytearray())
            with self.lock:
                self.open += 1
                self.records.append(record)
            for one, other, part in ((client, server, record[0]), (server, client, record[1])):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(one, other, part, one is client), daemon=True).start()

    def pump(self, one, other, part, is_client):
        try:
            while data := one.recv(65536):
                with self.lock:
                    part += data
                other.sendall(data)
        except OSError:
            pass
        if is_client:
            with self.lock:
                self.open -= 1
        # The other half may still be sending: a server is not cut off in the middle of its answer.
        try:
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def sent(self):
        """How many bytes the server has sent."""
        with self.lock:
            return sum(len(answered) for _, answered in self.records)

    def connections(self):
        """-> for each connection: what the gateway has sent, and the server"""
        with self.lock:
            return [(bytes(asked), bytes(answered)) for asked, answered in self.records]


def descendants(pid):
    """The processes below one, itself included."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    found, more = {pid}, True
    while more:
        more = {child for child, parent in parents.items() if parent in found} - found
        found |= more
    return found


def processor_seconds(pid):
    """The time that a process and those below it have computed."""
    ticks = 0
    for one in descendants(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


def is_idle(pid, seconds=0.4):
    """Whether a server has hardly computed for a while."""
    before = processor_seconds(pid)
    time.sleep(seconds)
    return processor_seconds(pid) - before < seconds * 0.2
