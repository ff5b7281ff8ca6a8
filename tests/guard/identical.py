#!/usr/bin/env python3
"""Compares what reaches a client with what left the server, byte for byte, for a real Ollama and a real llama.cpp on loopback.

    tests/live/run.py prepare ollama-0.17.4-model llama-cpp-open     # builds them, once
    tests/guard/identical.py [--vigie target/debug/vigie]

A relay between the gateway and the server records the server's answers; the client is a plain socket, or one with TLS, and for HTTP/2 curl (Debian
package curl). So both sides of one and the same exchange are compared, not two runs. The headers that are the server's must be as it sent them. The
bodies must be equal, but for
- lists of models: what is left of them must be the server's own bytes, and be all that the key may see;
- streams for which the gateway asked for the counters and the client did not (/v1/chat/completions and /v1/completions of Ollama): what the client
  gets must be what the server sends to a client that talks to it directly and does not ask.
The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import base64
import json
import re
import socket
import ssl
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

from stage import ROOT, Guard, LlamaCpp, Ollama, Relay, Score, get, is_idle, until

HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"model": {"type": "string"}}}}}
SAME = {"seed": 7, "temperature": 0}


def png():
    """A picture of one point."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b"\0\1\2\3")) + chunk(b"IEND", b"")
    return base64.b64encode(whole).decode()


PICTURE = [{"role": "user", "content": [{"type": "text", "text": "what is it"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png()}"}}]}]
BOTH = (False, True)


def streamed(method, path, body, *more):
    return [(f"{path}{', streamed' if stream else ''}{' (' + why + ')' if why else ''}", method, path, {**body, **extra, "stream": stream})
            for stream in BOTH for why, extra in (("", {}), *more)]


OF_OPENAI = [
    *streamed("POST", "/v1/chat/completions", {"model": "tiny", "messages": HI, "max_tokens": 6, **SAME}, ("tools", {"tools": [TOOL]}),
              ("usage asked for", {"stream_options": {"include_usage": True}}), ("an image", {"messages": PICTURE})),
    *streamed("POST", "/v1/completions", {"model": "tiny", "prompt": "hi", "max_tokens": 6, **SAME}, ("usage asked for", {"stream_options": {"include_usage": True}})),
    *streamed("POST", "/v1/responses", {"model": "tiny", "input": "hi", "max_output_tokens": 6, "temperature": 0}),
    *streamed("POST", "/v1/messages", {"model": "tiny", "messages": HI, "max_tokens": 6, "temperature": 0}, ("a system prompt", {"system": "Be short."})),
    ("/v1/embeddings", "POST", "/v1/embeddings", {"model": "tiny", "input": ["a", "b"]}),
    ("/v1/models", "GET", "/v1/models", None),
]
OF_OLLAMA = [
    ("/", "GET", "/", None), ("/, HEAD", "HEAD", "/", None), ("/api/version", "GET", "/api/version", None), ("/api/tags", "GET", "/api/tags", None),
    ("/api/tags, HEAD", "HEAD", "/api/tags", None), ("/api/ps", "GET", "/api/ps", None), ("/api/show", "POST", "/api/show", {"model": "tiny"}),
    ("/v1/models/{model}", "GET", "/v1/models/tiny", None),
    *streamed("POST", "/api/generate", {"model": "tiny", "prompt": "hi", "options": {**SAME, "num_predict": 6}}, ("images", {"images": [png()]}),
              ("a format", {"format": "json"}), ("an unknown model", {"model": "nothing-here"}), ("a load", {"prompt": ""})),
    *streamed("POST", "/api/chat", {"model": "tiny", "messages": HI, "options": {**SAME, "num_predict": 6}}, ("tools", {"tools": [TOOL]}),
              ("images", {"messages": [{**HI[0], "images": [png()]}]}), ("what is no image", {"messages": [{**HI[0], "images": ["AAAA"]}]}),
              ("a role that is none", {"messages": [{"role": "x", "content": "hi"}]}), ("an unknown model", {"model": "nothing-here"})),
    ("/api/embed", "POST", "/api/embed", {"model": "tiny", "input": ["a", "b"]}),
    ("/api/embeddings", "POST", "/api/embeddings", {"model": "tiny", "prompt": "a"}),
    ("/v1/embeddings (base64)", "POST", "/v1/embeddings", {"model": "tiny", "input": "a", "encoding_format": "base64"}),
    *OF_OPENAI,
]
OF_LLAMA_CPP = [
    ("/health", "GET", "/health", None), ("/v1/health", "GET", "/v1/health", None), ("/models", "GET", "/models", None),
    *streamed("POST", "/completion", {"prompt": "hi", "n_predict": 6, **SAME}),
    *streamed("POST", "/chat/completions", {"messages": HI, "max_tokens": 6, **SAME}),
    ("/tokenize", "POST", "/tokenize", {"content": "hi"}), ("/detokenize", "POST", "/detokenize", {"tokens": [10, 11]}),
    ("/apply-template", "POST", "/apply-template", {"messages": HI}), ("/embedding", "POST", "/embedding", {"content": "a"}),
    *streamed("POST", "/infill", {"input_prefix": "a", "input_suffix": "b", "n_predict": 8, **SAME}),
    *OF_OPENAI,
]


class Reply:
    """An answer in HTTP/1.1, taken apart."""

    def __init__(self, raw, head=False):
        top, _, rest = raw.partition(b"\r\n\r\n")
        lines = top.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.ends = True
        if head or self.status in (204, 304):
            self.body, self.rest = b"", rest
        elif "chunked" in self.headers.get("transfer-encoding", ""):
            self.body, self.rest, self.ends = unchunked(rest)
        elif "content-length" in self.headers:
            length = int(self.headers["content-length"])
            self.body, self.rest, self.ends = rest[:length], rest[length:], len(rest) >= length
        else:
            self.body, self.rest = rest, b""


def unchunked(data):
    """-> the bytes of a chunked body, what follows it, and whether it ends"""
    body = b""
    while True:
        line, found, data = data.partition(b"\r\n")
        size = int(line.split(b";")[0] or b"0", 16)
        if not found or not size:
            return body, data.removeprefix(b"\r\n"), bool(found and line)
        body, data = body + data[:size], data[size + 2 :]


class Client:
    def __init__(self, guard, key):
        self.port, self.key, self.context = guard.port, key, None
        if guard.certificate:
            self.context = ssl.create_default_context(cafile=guard.certificate)

    def ask(self, method, path, body, version="1.1"):
        content = b"" if body is None else json.dumps(body).encode()
        kind = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        head = f"{method} {path} HTTP/{version}\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.key}\r\nConnection: close\r\n{kind}\r\n"
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        if self.context:
            stream = self.context.wrap_socket(stream, server_hostname="127.0.0.1")
        with stream:
            stream.sendall(head.encode() + content)
            raw = b""
            while data := stream.recv(65536):
                raw += data
        return Reply(raw, method == "HEAD")


class Curl:
    """The same over HTTP/2: with TLS the handshake chooses it, without it the client begins with it."""

    def __init__(self, guard, key):
        self.url, self.dir = guard.url, Path(tempfile.mkdtemp())
        self.words = ["curl", "--silent", "--show-error", "--no-buffer", "--max-time", "60", "-H", f"Authorization: Bearer {key}"]
        self.words += ["--http2", "--cacert", guard.certificate] if guard.certificate else ["--http2-prior-knowledge"]

    def ask(self, method, path, body, version=None):
        head, content = self.dir / "head", self.dir / "content"
        words = [*self.words, "-D", str(head), "-o", str(content)]
        words += ["--head"] if method == "HEAD" else ["--request", method]
        if body is not None:
            words += ["-H", "Content-Type: application/json", "--data-binary", json.dumps(body)]
        content.write_bytes(b"")
        done = subprocess.run([*words, self.url + path], capture_output=True, text=True)
        top = head.read_bytes()
        got = Reply(top)
        # Without a body in `top`, `ends` is curl's word: a stream that is reset is an error of it.
        got.body, got.ends = (b"" if method == "HEAD" else content.read_bytes()), done.returncode == 0
        got.version = top.split(b" ")[0].decode()
        return got

    def begin(self, path, body):
        """A request whose answer is not waited for."""
        words = [*self.words, "-H", "Content-Type: application/json", "--data-binary", json.dumps(body), self.url + path]
        return subprocess.Popen(words, stdout=subprocess.PIPE)


def direct(address, path, body):
    """What the server says to a client that talks to it directly."""
    return get(f"http://{address}{path}", {"Content-Type": "application/json"}, json.dumps(body).encode())[1]


def alike(body):
    """A stream of OpenAI's interface without what is different each time: ids and times."""
    body = re.sub(rb'"id":"[^"]*"', b'"id":""', body)
    return re.sub(rb'"created":\d+', b'"created":0', body)


# Headers that HTTP/2 forbids (RFC 9113, section 8.2.2).
FORBIDDEN = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}


def of_server(reply):
    """What a client needs of the server's headers."""
    return {name: value for name, value in reply.headers.items() if name in ("content-type", "content-disposition", "retry-after")}


class Exchanges:
    """What the gateway and the server said to each other, as requests and answers. Its looks at the version stand between those of clients."""

    def __init__(self, relay):
        self.relay, self.read = relay, {}

    def new(self):
        """-> the requests that were answered since the last look, each as its first line, its body, and the answer"""
        found = []
        for number, (asked, answered) in enumerate(self.relay.connections()):
            at, then = self.read.get(number, (0, 0))
            asked, answered = asked[at:], answered[then:]
            while b"\r\n\r\n" in asked and b"\r\n\r\n" in answered:
                top, _, rest = asked.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", top)
                size = int(length[1]) if length else 0
                reply = Reply(answered, top.startswith(b"HEAD "))
                if len(rest) < size or not reply.ends:
                    break
                found.append((top.split(b"\r\n")[0], rest[:size], reply))
                at, then = at + len(asked) - len(rest) + size, then + len(answered) - len(reply.rest)
                asked, answered = rest[size:], reply.rest
            self.read[number] = (at, then)
        return found

    def of(self, method, path):
        """-> the body that the gateway sent to a path, and what the server answered"""
        wanted = f"{method} {path} ".encode()
        return next(((content, reply) for line, content, reply in self.new() if line.startswith(wanted)), (b"", None))


def compare(score, name, client, exchanges, case, version, address):
    what, method, path, body = case
    what = f"{name}: {method} {what}"
    exchanges.new()
    got = client.ask(method, path, body, version)
    content, sent = exchanges.of(method, path)
    if not sent:
        return score.check(what, False, f"it was not passed on: {got.status} {got.body[:200]}")
    if b'"include_usage":true' in content and "stream_options" not in body and sent.status == 200:
        wanted = alike(direct(address, path, body))
        right = alike(got.body) == wanted and got.ends and len(sent.body) > len(got.body)
        return score.check(f"{what}: as the server says it to who does not ask for counters", right, (got.body[-600:], wanted[-600:]))
    right = got.status == sent.status and got.body == sent.body and got.ends and sent.ends
    right = right and of_server(got) == of_server(sent) and (method == "HEAD" or got.body)
    if version == "2":
        right = right and got.version == "HTTP/2" and not FORBIDDEN & set(got.headers)
    return score.check(f"{what} ({got.status}, {len(got.body)} bytes)", right, (got.status, got.headers, got.body[:300], sent.status, sent.headers, sent.body[:300]))


def filtered(score, server, guard, exchanges, restricted):
    """A key for one of two models gets the server's own bytes of that one."""
    if server.ollama("cp", "tiny", "other").returncode:
        return score.check("a second model", False)
    client = Client(guard, restricted)
    for path, field, name in (("/api/tags", "models", "name"), ("/api/ps", "models", "name"), ("/v1/models", "data", "id")):
        exchanges.new()
        got, sent = client.ask("GET", path, None), exchanges.of("GET", path)[1]
        mine, everything = json.loads(got.body)[field], json.loads(sent.body)[field]
        allowed = [one for one in everything if one[name] == "tiny:latest"]
        # Each element that is left is in the server's answer, with the same bytes.
        inner = got.body[got.body.index(b"[") + 1 : got.body.rindex(b"]")]
        score.check(f"ollama: {path} is cut to the key's models", mine == allowed and len(mine) == 1 and inner in sent.body, (got.body, sent.body))
    server.ollama("rm", "other")


def cancel(score, server, relay, client, tls):
    """A client of HTTP/2 that leaves in the middle of an answer ends the server's work."""
    body = {"model": "tiny", "messages": HI, "max_tokens": 50_000, "temperature": 0, "stream": True}
    asks = client.begin("/v1/chat/completions", body)
    begun = asks.stdout.readline().startswith(b"data: ")
    sent = relay.sent()
    works = until(lambda: relay.sent() > sent, 10)
    asks.kill()
    asks.wait()
    ended = until(lambda: is_idle(server.process.pid), 20)
    score.check(f"{server.product}, {'TLS' if tls else 'plain'}, HTTP/2: curl leaves in mid-stream, and the server's work ends",
                begun and works and ended, (begun, works, ended))


def serve(score, vigie, server, cases):
    relay = Relay(server.address)
    exchanges = Exchanges(relay)
    for tls in BOTH:
        with Guard(vigie, f"http://{relay.address}", tls=tls, server=server) as guard:
            key = guard.key("all", "--allow", "infer", "--allow", "enumerate", "--models", "*", "--can", "tools,images")
            # The frames of an answer to HTTP/1.0 are the same with TLS and without.
            for version in ("1.1", "2") if tls else ("1.1", "1.0", "2"):
                name = f"{server.product}, {'TLS' if tls else 'plain'}, HTTP/{version}"
                client = Curl(guard, key) if version == "2" else Client(guard, key)
                for case in cases:
                    compare(score, name, client, exchanges, case, version, server.address)
            cancel(score, server, relay, Curl(guard, key), tls)
            if server.product == "ollama":
                filtered(score, server, guard, exchanges, guard.key("one", "--models", "tiny"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    parser.add_argument("--only", choices=["ollama", "llama-cpp"])
    args = parser.parse_args()
    score = Score()
    for kind, cases in ((Ollama, OF_OLLAMA), (LlamaCpp, OF_LLAMA_CPP)):
        if args.only not in (None, kind.product):
            continue
        with kind() as server:
            serve(score, args.vigie, server, cases)
    score.end()


if __name__ == "__main__":
    main()
