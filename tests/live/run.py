#!/usr/bin/env python3
"""Real servers, started here on loopback and scanned by the built binary.

    run.py list
    run.py prepare [--heavy] [ID...]                  make the environments in the cache
    run.py up [ID...]                                 start, print id and port, stop on Ctrl-C
    run.py judge --vigie PATH [--heavy] [ID...]       start, scan, compare with servers.toml, stop
    run.py record --vigie PATH [--heavy] [ID...]      start, record a fixture of each, stop

Without ids: all but the heavy ones; with --heavy: those alone. The cache is $VIGIE_LIVE, or .cache/vigie-live at home.
What this machine lacks is said and skipped; with CI=true nothing is skipped, it fails.
Python's standard library only. servers.toml says what is started and what a scan must say of it.
"""
import argparse
import concurrent.futures
import hashlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("VIGIE_LIVE") or Path.home() / ".cache" / "vigie-live")
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
# Every process of a server carries this in its environment, so that all of them are found again when it is stopped.
MARK = "VIGIE_LIVE_MARK"
UNKNOWN = "?"
# A busy machine must not decide what a server says, so a reply may take longer than in a scan by default.
REPLY = 12
FIELDS = ("product", "version", "instance", "posture", "activity", "models", "running", "capabilities", "tools", "tls", "certificate")

# No server may report its use, look for updates or fetch anything. loopback.c enforces it; these spare the waiting.
QUIET = {
    "ANONYMIZED_TELEMETRY": "False", "BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1", "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "MLFLOW_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true",
    "RAY_USAGE_STATS_ENABLED": "0", "SCARF_NO_ANALYTICS": "true", "NO_PROXY": "*", "no_proxy": "*",
    "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
}
# What of the caller's environment a server gets. Keys, proxies and settings of the caller's are none of its business.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TERM", "USER")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("verb", choices=["list", "prepare", "up", "judge", "record"])
    arguments.add_argument("ids", nargs="*", metavar="ID")
    arguments.add_argument("--vigie", metavar="PATH", default=str(ROOT / "target" / "debug" / "vigie"), help="the binary [default: target/debug/vigie]")
    arguments.add_argument("--heavy", action="store_true", help="the heavy servers, and only those")
    arguments.add_argument("--at-once", type=int, default=4, metavar="N", help="servers that run together [default: 4]")
    arguments.add_argument("--fixtures", metavar="DIR", default=str(ROOT / "catalog" / "fixtures"), help="record: the folder of fixtures [default: catalog/fixtures]")
    arguments.add_argument("--keep", metavar="DIR", help="judge: keep the scans' output, transcripts and the servers' logs here")
    asked = arguments.parse_intermixed_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    servers = choose(asked.ids, asked.heavy)
    if asked.verb == "list":
        for server in servers:
            expect = server["expect"]
            print(f"{server['id']:24} {show(expect.get('product')):20} {show(expect.get('version')):24} {show(expect.get('posture'))}")
        return 0
    if asked.verb == "prepare":
        return prepare(servers)
    if asked.verb in ("judge", "record") and not os.access(asked.vigie, os.X_OK):
        arguments.error(f"{asked.vigie} is no program; build it (cargo build) or name one with --vigie PATH")
    servers, skipped = startable(servers)
    if asked.verb == "up":
        return up(servers)
    if asked.verb == "record":
        return record(servers, asked.vigie, asked.at_once, asked.fixtures)
    return judge(servers, skipped, asked.vigie, asked.at_once, asked.keep and Path(asked.keep))


def choose(ids, heavy):
    servers = tomllib.loads((HERE / "servers.toml").read_text())["server"]
    by_id = {server["id"]: server for server in servers}
    strangers = [one for one in ids if one not in by_id]
    if strangers:
        sys.exit(f"no such id: {', '.join(strangers)}; run.py list prints them")
    if ids:
        return [by_id[one] for one in ids]
    return [server for server in servers if server.get("heavy", False) == heavy]


# ---- Environments -----------------------------------------------------------------------------------------------------


class Environment:
    """Something that servers are started from, made once and kept in the cache."""

    def __init__(self, kind, name):
        self.kind, self.name = kind, name
        self.folder = CACHE / kind / name

    def __eq__(self, other):
        return (self.kind, self.name) == (other.kind, other.name)

    def __hash__(self):
        return hash((self.kind, self.name))

    def ready(self):
        """A file that says what it was made of: another lock makes it anew."""
        if self.kind == "python":
            made_of = (HERE / "locks" / f"{self.name}.txt").read_bytes()
        elif self.kind == "node":
            made_of = b"".join(file.read_bytes() for file in sorted((HERE / "node" / self.name).iterdir()))
        else:
            made_of = self.name.encode()
        return CACHE / "ready" / f"{self.kind}-{self.name}-{hashlib.sha256(made_of).hexdigest()[:12]}"

    def is_made(self):
        return self.ready().exists() and self.folder.exists()

    def lacks(self):
        """The programs that making it needs and this machine has not."""
        wanted = {"python": [], "node": ["node", "npm"], "ollama": ["go", "cc", "c++"]}[self.kind]
        return [program for program in wanted if not shutil.which(program)]

    def make(self, log):
        # What an earlier try left is worth nothing, and a link may lead nowhere.
        if self.folder.is_symlink():
            self.folder.unlink()
        elif self.folder.exists():
            shutil.rmtree(self.folder)
        if self.kind == "python":
            log.run([python(), "-m", "venv", str(self.folder)])
            pip = [str(self.folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
            # The lock names every package, so nothing is resolved.
            log.run([*pip, "--no-deps", "--requirement", str(HERE / "locks" / f"{self.name}.txt")])
        elif self.kind == "node":
            self.folder.mkdir(parents=True, exist_ok=True)
            for file in (HERE / "node" / self.name).iterdir():
                shutil.copy(file, self.folder)
            verb = "ci" if (self.folder / "package-lock.json").exists() else "install"
            log.run(["npm", verb, "--ignore-scripts", "--no-audit", "--no-fund"], cwd=self.folder)
            if (self.folder / "node_modules" / "sqlite3").exists():
                log.run(["npm", "rebuild", "sqlite3"], cwd=self.folder)
        else:
            make_ollama(self.name, self.folder, log)


def environments(servers):
    found = []
    for server in servers:
        for kind in ("ollama", "python", "node"):
            if kind in server and Environment(kind, server[kind]) not in found:
                found.append(Environment(kind, server[kind]))
    return found


def python():
    """The locks were made with Python 3.11; a later one serves where it is not there."""
    return shutil.which("python3.11") or sys.executable


# The Go module's archive leaves out two libraries of headers that its C++ part includes.
HEADERS = {"stb/stb_image.h": "libstb-dev", "nlohmann/json.hpp": "nlohmann-json3-dev"}
MINIAUDIO = "1.61"


def make_ollama(version, folder, log):
    missing = [package for header, package in HEADERS.items() if not any((Path(base) / header).exists() for base in ("/usr/include", "/usr/local/include"))]
    if missing:
        log.say(f"Ollama's C++ part needs the packages {' '.join(missing)}: apt-get install them")
        raise subprocess.CalledProcessError(1, "headers")
    include = CACHE / "ollama" / "include"
    header = include / "miniaudio" / "miniaudio.h"
    if not header.exists():
        # The Python package of the same name carries the header in its source archive.
        with tempfile.TemporaryDirectory() as temporary:
            log.run([python(), "-m", "venv", f"{temporary}/venv"])
            pip = [f"{temporary}/venv/bin/python", "-m", "pip", "--disable-pip-version-check"]
            log.run([*pip, "install", "setuptools<81", "wheel", "cffi"])
            log.run([*pip, "download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--dest", temporary, f"miniaudio=={MINIAUDIO}"])
            log.run(["tar", "-xzf", f"{temporary}/miniaudio-{MINIAUDIO}.tar.gz", "-C", temporary])
            header.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(f"{temporary}/miniaudio-{MINIAUDIO}/miniaudio/miniaudio.h", header)
    folder.mkdir(parents=True, exist_ok=True)
    module = "github.com/ollama/ollama"
    environ = {**os.environ, "CGO_ENABLED": "1", "CGO_CFLAGS": "-O2", "CGO_CXXFLAGS": f"-O2 -I{include}", "GOBIN": str(folder), "GOFLAGS": "-buildvcs=false"}
    # Without the version it would say 0.0.0.
    log.run(["go", "install", "-ldflags", f"-s -w -X={module}/version.Version={version.removeprefix('v')}", f"{module}@{version}"], env=environ)


class Log:
    """What making an environment printed."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.out = path.open("w")

    def say(self, line):
        print(line, file=self.out, flush=True)

    def run(self, command, **more):
        self.say("+ " + " ".join(command))
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT, check=True, **more)


def prepare(servers):
    wanted = environments(servers)
    lacking = {environment: environment.lacks() for environment in wanted}
    failed = 0
    for environment, programs in lacking.items():
        if programs:
            print(f"{environment.kind} {environment.name}: not made, {', '.join(programs)} not found", flush=True)
            failed += IN_CI
    # Two at a time: one downloads while the other unpacks. Go uses every core alone.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(prepare_one, [environment for environment in wanted if not lacking[environment]]))
    failed += results.count(False)
    tools()
    return 1 if failed else 0


def prepare_one(environment):
    # Lines end in the text, because two threads print.
    name = f"{environment.kind} {environment.name}"
    if environment.is_made():
        print(f"{name}: ready\n", end="", flush=True)
        return True
    begun = time.monotonic()
    log = Log(CACHE / "logs" / f"{environment.kind}-{environment.name}.log")
    try:
        environment.make(log)
    except (OSError, subprocess.CalledProcessError) as error:
        tail = "\n    ".join(log.path.read_text(errors="replace").splitlines()[-8:])
        print(f"{name}: FAILED ({error}), see {log.path}\n    {tail}\n", end="", flush=True)
        return False
    environment.ready().parent.mkdir(parents=True, exist_ok=True)
    environment.ready().touch()
    print(f"{name}: made in {time.monotonic() - begun:.0f} s\n", end="", flush=True)
    return True


def tools():
    """The tiny model and the library that keeps servers on loopback -> their paths; the library is None without a compiler."""
    CACHE.mkdir(parents=True, exist_ok=True)
    source, model_source = HERE / "loopback.c", HERE / "servers" / "tiny_model.py"
    library, model = CACHE / f"loopback-{digest(source)}.so", CACHE / f"tiny-{digest(model_source)}.gguf"
    if not model.exists():
        partial = model.with_suffix(f".{os.getpid()}")
        subprocess.run([sys.executable, str(model_source), str(partial)], check=True)
        partial.rename(model)
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not library.exists() and compiler:
        partial = library.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(partial), str(source), "-ldl"], check=True)
        partial.rename(library)
    return model, library if library.exists() else None


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def startable(servers):
    """-> those that can be started, and [(server, why not)]."""
    _, library = tools()
    able, skipped = [], []
    for server in servers:
        why = [f"{program} not found" for program in server.get("needs", []) if not shutil.which(program)]
        for environment in environments([server]):
            if not environment.is_made():
                lacks = environment.lacks()
                why.append(f"{', '.join(lacks)} not found" if lacks else f"{environment.kind} {environment.name} is not made: run.py prepare {server['id']}")
        if library is None and "ollama" not in server:
            why.append("no C compiler: it could not be kept on loopback")
        if why:
            skipped.append((server, "; ".join(why)))
        else:
            able.append(server)
    for server, why in skipped:
        print(f"{server['id']:24} {'FAILED' if IN_CI else 'skipped'}: {why}", flush=True)
    return able, skipped


# ---- Servers ----------------------------------------------------------------------------------------------------------


class Server:
    """A server from its start to its end."""

    def __init__(self, entry):
        self.entry = entry
        self.mark = secrets.token_hex(12)
        self.port, *more = ports(3)
        # Short, because some servers make Unix sockets below it and their paths have a limit.
        self.outer = Path(tempfile.mkdtemp(prefix="vl-"))
        self.folder = self.outer / "d"
        self.folder.mkdir()
        model, library = tools()
        interpreter = CACHE / "python" / entry["python"] / "bin" / "python" if "python" in entry else Path(sys.executable)
        site = next(iter(sorted((CACHE / "python" / entry.get("python", "-") / "lib").glob("python*/site-packages"))), "")
        self.words = {
            "{port}": self.port, "{port2}": more[0], "{port3}": more[1], "{dir}": self.folder, "{here}": HERE, "{model}": model,
            "{python}": interpreter, "{bin}": interpreter.parent, "{site}": site,
            "{modules}": CACHE / "node" / entry.get("node", "-") / "node_modules",
            "{ollama}": CACHE / "ollama" / entry.get("ollama", "-") / "ollama",
        }
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.environ = {**kept, **QUIET, "HOME": str(self.folder), "TMPDIR": str(self.outer), MARK: self.mark}
        if library and "ollama" not in entry:
            self.environ["LD_PRELOAD"] = str(library)
        self.environ |= {name: self.fill(value) for name, value in entry.get("environ", {}).items()}
        self.log = (self.outer / "log").open("wb")
        self.process = None

    def fill(self, text):
        for word, value in self.words.items():
            text = text.replace(word, str(value))
        return text

    def start(self):
        for name, text in self.entry.get("files", {}).items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.fill(text))
        if "before" in self.entry:
            self.command(self.entry["before"])
        self.process = subprocess.Popen(
            [self.fill(word) for word in self.entry["start"]],
            cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True,
        )

    def command(self, command):
        words = [self.fill(word) for word in command]
        subprocess.run(words, cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, timeout=180, check=True)

    def wait(self):
        """Waits until it is ready and set up -> None, or why it is not."""
        ready = self.entry["ready"]
        end = time.monotonic() + ready["seconds"]
        while not self.is_ready(ready):
            if self.process.poll() is not None:
                return f"ended with {self.process.returncode}: {self.last_words()}"
            if time.monotonic() > end:
                return f"not ready after {ready['seconds']} s: {self.last_words()}"
            time.sleep(0.3)
        for step in self.entry.get("setup", []):
            try:
                if "command" in step:
                    self.command(step["command"])
                else:
                    method = "POST" if "post" in step else "GET"
                    path = step[method.lower()]
                    status, body = self.ask(method, path, step.get("body"), timeout=180)
                    if status >= 400:
                        return f"set-up: {method} {path} says {status} {body[:200]!r}"
            except (OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
                return f"set-up failed: {error}: {self.last_words()}"
        return None

    def is_ready(self, ready):
        try:
            if ready.get("tcp"):
                socket.create_connection(("127.0.0.1", self.port), 2).close()
                return True
            status, body = self.ask("GET", ready["path"], timeout=5)
            return status == ready.get("status", 200) and ready.get("holds", "").encode() in body
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, method, path, body=None, headers=(), timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {"content-type": "application/json", **dict(headers)})
            reply = connection.getresponse()
            return reply.status, reply.read(1 << 22)
        finally:
            connection.close()

    def last_words(self):
        self.log.flush()
        text = (self.outer / "log").read_text(errors="replace").strip()
        return " | ".join(text.splitlines()[-3:])[-400:] or "it printed nothing"

    def state(self):
        """What a scan must not change, as {what: value}; {} where nothing is watched."""
        watch = self.entry.get("watch")
        if watch == "ollama":
            return {
                "models (/api/tags)": self.told("/api/tags"),
                "loaded models (/api/ps)": self.told("/api/ps"),
                "files on disk": files(self.folder / "models"),
            }
        if watch == "llama.cpp":
            return {"slots (/slots)": self.told("/slots"), "properties (/props)": self.told("/props")}
        return {f"files of {name}": files(self.folder / name) for name in watch or []}

    def told(self, path):
        key = self.entry.get("key")
        status, body = self.ask("GET", path, headers={"authorization": f"Bearer {key}"} if key else {})
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body.decode(errors="replace")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def family(self):
        """The process ids that carry this server's mark."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                pass
        return found

    def stop(self, keep=None):
        for sign, patience in ((signal.SIGTERM, 8), (signal.SIGKILL, 5)):
            end = time.monotonic() + patience
            for pid in self.family():
                try:
                    os.kill(pid, sign)
                except OSError:
                    pass
            while time.monotonic() < end:
                if self.process:
                    self.process.poll()
                if not self.family():
                    break
                time.sleep(0.2)
        self.log.close()
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.outer / "log", keep / f"{self.entry['id']}.log")
        shutil.rmtree(self.outer, ignore_errors=True)


# Ports below those that the system hands out: a server that starts meanwhile, or a child of one, cannot be given them.
PORTS = iter(range(20_000 + os.getpid() % 40 * 200, 32_700))
ONE_AT_A_TIME = threading.Lock()


def ports(count):
    """Free ports, given to nobody before."""
    numbers = []
    with ONE_AT_A_TIME:
        for number in PORTS:
            try:
                socket.create_server(("127.0.0.1", number)).close()
            except OSError:
                continue
            numbers.append(number)
            if len(numbers) == count:
                return numbers
    sys.exit("no free port is left between 20000 and 32700")


def files(root):
    """Each file below, with its size and what it holds."""
    everything = [root] if root.is_file() else sorted(root.rglob("*"))
    return {str(file.relative_to(root)): (file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()) for file in everything if file.is_file()}


def in_batches(servers, at_once, keep=None):
    """Starts a few at a time -> ([started], [(server entry, why not)]) per batch, and stops them afterwards."""
    for first in range(0, len(servers), at_once):
        running, failed = [], []
        try:
            for entry in servers[first : first + at_once]:
                server = Server(entry)
                running.append(server)
                try:
                    server.start()
                except (OSError, subprocess.SubprocessError) as error:
                    failed.append((server, f"did not start: {error}"))
            for server in running:
                if server not in [one for one, _ in failed]:
                    why = server.wait()
                    if why:
                        failed.append((server, why))
            bad = [server for server, _ in failed]
            yield [server for server in running if server not in bad], [(server.entry, why) for server, why in failed]
        finally:
            for server in running:
                server.stop(keep)


def up(servers):
    for running, failed in in_batches(servers, len(servers) or 1):
        for server in running:
            print(f"{server.entry['id']:24} 127.0.0.1:{server.port}", flush=True)
        for entry, why in failed:
            print(f"{entry['id']:24} {why}", flush=True)
        print("Ctrl-C stops them.", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
    return 0


# ---- Scan and compare -------------------------------------------------------------------------------------------------


class Score:
    def __init__(self):
        self.passed = self.failed = 0

    def take(self, name, field, expected, got, right):
        self.passed += right
        self.failed += not right
        print(f"{name:24} {field:26} {show(expected):34} {show(got):34} {'ok' if right else 'FAILED'}", flush=True)


def show(value):
    """A value for the table, cut so that a line stays a line."""
    if isinstance(value, dict) and "or" in value:
        value = f"{show(value['a'])} or {show(value['or'])}"
    text = value if isinstance(value, str) else "-" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def judge(servers, skipped, vigie, at_once, keep):
    score = Score()
    if IN_CI:
        for server, why in skipped:
            score.take(server["id"], "start", "started", why, False)
    print(f"{'SERVER':24} {'FIELD':26} {'EXPECTED':34} {'SAID':34}")
    for running, failed in in_batches(servers, at_once, keep):
        for entry, why in failed:
            score.take(entry["id"], "start", "started", why, False)
        if running:
            judge_batch(running, vigie, score, keep)
    if skipped and not IN_CI:
        print(f"skipped: {', '.join(server['id'] for server, _ in skipped)}")
    print(f"{score.passed} passed, {score.failed} failed", flush=True)
    return 1 if score.failed or not score.passed else 0


def judge_batch(running, vigie, score, keep):
    before = {server: server.state() for server in running}
    with tempfile.TemporaryDirectory(prefix="vl-lake-") as lake:
        command = [vigie, "scan", "127.0.0.1", "--ports", ",".join(str(server.port) for server in running), "--format", "jsonl", "--lake", lake, "--timeout", str(REPLY)]
        if keep:
            command += ["--transcripts", str(keep / "transcripts")]
        begun = time.monotonic()
        scan = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
        took = time.monotonic() - begun
        output = scan.stdout.decode()
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{running[0].entry['id']}-and-more.jsonl").write_text(output)
        name = f"({len(running)} servers)"
        score.take(name, f"scan, {took:.1f} s", "exit 0", f"exit {scan.returncode} {scan.stderr.decode(errors='replace')[-300:].strip() if scan.returncode else ''}".strip(), scan.returncode == 0)
        seen = {}
        for line in output.splitlines():
            one = json.loads(line)
            seen[one["endpoint"]["port"]] = one
        listed = subprocess.run([vigie, "hosts", "--lake", lake, "--format", "json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        missing = [port for port in seen if not re.search(rf'"port": *{port}\b', listed.stdout.decode())]
        score.take(name, "lake", "has every endpoint", "has every endpoint" if not missing and listed.returncode == 0 else f"exit {listed.returncode}, lacks {missing}", not missing and listed.returncode == 0)
    for server in running:
        compare(server, seen.get(server.port), score)
        if not server.alive():
            score.take(server.entry["id"], "server", "alive", f"ended: {server.last_words()}", False)
            continue
        after = server.state()
        for what, value in before[server].items():
            same = value == after[what]
            score.take(server.entry["id"], what, "unchanged", "unchanged" if same else f"{value} became {after[what]}", same)


def compare(server, record, score):
    for field in FIELDS:
        if field in server.entry["expect"]:
            expected = server.entry["expect"][field]
            if isinstance(expected, dict) and "get" in expected:
                expected = asked(server, **expected)
            got = said(record, field)
            either = [expected["a"], expected["or"]] if isinstance(expected, dict) else [expected]
            score.take(server.entry["id"], field, expected, got, got in [sorted(one) if isinstance(one, list) else one for one in either])


def asked(server, get, key):
    """What the server says itself when it is asked for a value."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", get)
    value = json.load(connection.getresponse())[key]
    connection.close()
    return str(value)


def said(record, field):
    """What the record says of a field: a value, a sorted list of names, or UNKNOWN. An endpoint without a record is all unknown."""
    if record is None:
        return UNKNOWN
    if field == "certificate":
        return (record["endpoint"].get("certificate") or {"subject": UNKNOWN})["subject"]
    part = {"product": "identity", "version": "identity", "instance": "identity", "tls": "endpoint"}.get(field, "exposure")
    # Left out where the product tells none.
    known = record[part].get(field, {}) if field == "instance" else record[part][field]
    if "known" not in known:
        return UNKNOWN
    value = known["known"]
    return sorted(one["name"] if isinstance(one, dict) else one for one in value) if isinstance(value, list) else value


def record(servers, vigie, at_once, fixtures):
    """A fixture of each, with the requests of a scan and no other."""
    failures = 0
    for running, failed in in_batches(servers, at_once):
        for entry, why in failed:
            print(f"{entry['id']:24} {why}", flush=True)
        failures += len(failed)
        for server in running:
            expect = server.entry["expect"]
            product, version = (one["a"] if isinstance(one, dict) else one for one in (expect["product"], expect["version"]))
            if version == UNKNOWN:
                version = server.entry.get("installed", "")
            # The port changes from run to run; the fixture has the product's own.
            port = usual_port(product) or 8000
            state = server.entry["id"].removeprefix("none-").removeprefix(f"{product}-").removeprefix(f"{version}-")
            command = [
                vigie, "catalog", "record", f"127.0.0.1:{server.port}", "--catalog", str(ROOT / "catalog"), "--out", fixtures, "--again",
                "--state", state, "--started", " ".join(server.entry["start"]), "--note", f"tests/live/run.py record {server.entry['id']}",
                "--port-label", str(port), "--replace", f"127.0.0.1:{server.port}=127.0.0.1:{port}",
                "--replace", f"{server.folder}=/data", "--replace", f"{CACHE}=/cache", "--replace", f"{HERE}=/live",
            ]
            if product != UNKNOWN:
                command += ["--product", product]
            if version:
                command += ["--version", version]
            failures += subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0
    return 1 if failures else 0


def usual_port(product):
    """The first port of the product's file, or None."""
    file = ROOT / "catalog" / "products" / f"{product}.yaml"
    found = re.search(r"^ports: *\[(\d+)", file.read_text(), re.MULTILINE) if file.exists() else None
    return int(found[1]) if found else None


if __name__ == "__main__":
    sys.exit(main())
