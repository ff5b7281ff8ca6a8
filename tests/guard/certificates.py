#!/usr/bin/env python3
"""Client certificates made by openssl, and keys in the path and the query, through `vigie guard` to a real Ollama on loopback.

    tests/live/run.py prepare ollama-0.17.4-model     # builds Ollama, once
    tests/guard/certificates.py [--vigie target/debug/vigie]

Needs openssl and curl. The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from stage import ROOT, Guard, Ollama, Score, free_port, get, until, wait_for

CHAT = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": False, "options": {"num_predict": 2}})


class Authority:
    """An authority that openssl keeps: certificates, and a list of those that were revoked."""

    def __init__(self, name="ca"):
        self.dir = Path(tempfile.mkdtemp())
        (self.dir / "index.txt").touch()
        (self.dir / "crlnumber").write_text("01\n")
        (self.dir / "ca.cnf").write_text(
            f"[ca]\ndefault_ca = own\n[own]\ndatabase = {self.dir}/index.txt\ncrlnumber = {self.dir}/crlnumber\n"
            f"default_md = sha256\ndefault_crl_days = 30\n")
        self.file = self.dir / "ca.pem"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
                     "-subj", f"/CN={name}", "-days", "30", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def openssl(self, *words):
        return subprocess.run(["openssl", *words], cwd=self.dir, check=True, capture_output=True, text=True).stdout

    def client(self, name, san=None, days="30"):
        """-> the files of the certificate and the key"""
        (self.dir / "client.ext").write_text("extendedKeyUsage=clientAuth\n" + (f"subjectAltName={san}\n" if san else ""))
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", "client.csr",
                     "-subj", f"/O=Example/CN={name}")
        self.openssl("x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", days, "-out",
                     f"{name}.pem", "-extfile", "client.ext")
        return str(self.dir / f"{name}.pem"), str(self.dir / f"{name}.key")

    def fingerprint(self, certificate):
        return "sha256:" + self.openssl("x509", "-in", certificate, "-noout", "-fingerprint", "-sha256").split("=")[1].strip()

    def revoke(self, certificate=None):
        if certificate:
            self.openssl("ca", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-revoke", certificate)
        self.openssl("ca", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-gencrl", "-out", "crl.pem")
        return self.dir / "crl.pem"


def curl(guard, path, client=None, key=None, more=()):
    """-> the status, 0 if there was no answer"""
    words = ["curl", "--silent", "--max-time", "60", "--cacert", guard.certificate, "--output", "/dev/null", "--write-out", "%{http_code}", *more]
    words += ["--cert", client[0], "--key", client[1]] if client else []
    words += ["-H", f"Authorization: Bearer {key}"] if key else []
    return int(subprocess.run([*words, guard.url + path], capture_output=True, text=True).stdout or 0)


def configure(guard, **keys):
    """Adds keys under [listen]."""
    file = Path(guard.dir, "guard.toml")
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items())
    file.write_text(file.read_text().replace("[listen]\n", f"[listen]\n{lines}", 1))


def certificates(score, vigie, server):
    ours, others = Authority(), Authority("others")
    alice, bob, carol = ours.client("alice", "email:alice@example.org,DNS:laptop.example.org"), ours.client("bob"), ours.client("carol")
    stranger = others.client("alice")
    crl = ours.revoke()
    guard = Guard(vigie, f"http://{server.address}", tls=True, server=server)
    configure(guard, client_ca=str(ours.file), client_crl=str(crl))
    plain = guard.key("plain")
    bound = guard.key("bound", "--certificate", "san=alice@example.org", "--models", "tiny")
    guard.key("bob", "--certificate", ours.fingerprint(bob[0]), "--models", "none")
    with guard:
        score.check("a certificate alone opens its key", curl(guard, "/api/tags", alice) == 200)
        score.check("a model answers", curl(guard, "/api/chat", alice, more=["--data", CHAT]) == 200)
        score.check("over HTTP/2 as well", curl(guard, "/api/tags", alice, more=["--http2"]) == 200)
        score.check("the grant is that of the key", curl(guard, "/api/chat", bob, more=["--data", CHAT]) == 403)
        score.check("a key with its certificate", curl(guard, "/api/tags", alice, bound) == 200)
        score.check("a key without its certificate", curl(guard, "/api/tags", None, bound) == 401)
        score.check("a key with the certificate of another", curl(guard, "/api/tags", bob, bound) == 401)
        score.check("a key that has no certificate, with that of another key", curl(guard, "/api/tags", alice, plain) == 401)
        score.check("a key that has no certificate, with one of no key", curl(guard, "/api/tags", carol, plain) == 200)
        score.check("a key that has no certificate, without one", curl(guard, "/api/tags", None, plain) == 200)
        score.check("a certificate of no key opens nothing", curl(guard, "/api/tags", carol) == 401)
        score.check("the same name by another authority is no certificate", curl(guard, "/api/tags", stranger) == 0)
        guard.run("key", "change", "bob", "--certificate", "cn=carol", "--models", "*")
        score.check("another certificate for a key holds at once", (curl(guard, "/api/tags", carol), curl(guard, "/api/tags", bob)) == (200, 401))
        ours.revoke(carol[0])
        score.check("a revoked certificate is refused without a restart", until(lambda: curl(guard, "/api/tags", carol) == 0))
        guard.run("key", "revoke", "bound")
        score.check("the certificate of a revoked key opens nothing", curl(guard, "/api/tags", alice) == 401)
        guard.key("again", "--certificate", "cn=alice")
        connect(score, vigie, guard, alice)
        configure(guard, client_required=True)
        score.check("where they are required, a client without one is turned away", until(lambda: curl(guard, "/api/tags", None, plain) == 0))
        score.check("and one with one is served", curl(guard, "/api/tags", alice) == 200)
    twice = guard.run("key", "create", "twice", "--certificate", "cn=alice", check=False)
    score.check("one certificate for two keys is refused", twice.returncode == 2, twice)
    score.check("the log names the key", any("again" in json.dumps(entry) for entry in guard.entries()))


def connect(score, vigie, guard, client):
    port = free_port()
    words = [vigie, "connect", guard.url, "--listen", f"127.0.0.1:{port}", "--ca", guard.certificate, "--certificate", client[0], "--certificate-key", client[1]]
    environ = {name: value for name, value in os.environ.items() if name != "VIGIE_KEY"}
    process = subprocess.Popen(words, env=environ, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        status, body, _ = get(f"http://127.0.0.1:{port}/api/tags")
        score.check("vigie connect presents a certificate", status == 200 and b"tiny" in body, (status, body))
    finally:
        process.terminate()
        process.wait()


def places(score, vigie, server):
    guard = Guard(vigie, f"http://{server.address}", server=server, admin=True)
    key, other = guard.key("path"), guard.key("other")
    with guard:
        status, _, _ = get(f"{guard.url}/k/{key}/api/tags")
        score.check("a key in the path is none unless it is configured", status == 401, status)
        configure(guard, path_keys=True, query_key="key")
        path = f"{guard.url}/k/{key}"
        score.check("a key in the path", until(lambda: get(f"{path}/api/tags")[0] == 200))
        status, body, _ = get(f"{path}/api/chat", {"Content-Type": "application/json"}, CHAT.encode())
        score.check("a model answers", status == 200, (status, body))
        # A client that can be told a URL and nothing else: the command line of Ollama.
        listed = server.ollama("list", address=path)
        score.check("ollama list with the key in OLLAMA_HOST", "tiny:latest" in listed.stdout, listed)
        score.check("a key in the query", get(f"{guard.url}/v1/models?key={key}")[0] == 200)
        for name, url, headers in [
            ("another key in a header", f"{path}/api/tags", {"x-api-key": other}),
            ("another key in the query", f"{path}/api/tags?key={other}", {}),
            ("the same key twice in the query", f"{guard.url}/v1/models?key={key}&key={key}", {}),
            ("a cookie", f"{guard.url}/v1/models", {"Cookie": f"key={key}"}),
            ("half a key", f"{guard.url}/k/{key[:30]}/api/tags", {}),
            ("a key behind another path", f"{guard.url}/x/k/{key}/api/tags", {}),
        ]:
            status, body, _ = get(url, headers)
            score.check(f"{name} is refused", (status, body) == (401, b'{"error":"unauthorized"}'), (status, body))
        _, metrics, _ = get(f"http://127.0.0.1:{guard.admin}/metrics")
        time.sleep(0.2)
        guard.stop()
        written = [file.read_text(errors="replace") for file in Path(guard.dir).rglob("*") if file.is_file()]
        everything = "".join(written) + metrics.decode() + guard.printed()
        score.check("no key is in the log, the metrics or the output", not any(one[6:26] in everything for one in (key, other)))
        score.check("the log has the path without it", '"/k/***/api/tags"' in everything or "/k/***/api/tags" in everything)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    args = parser.parse_args()
    score = Score()
    with Ollama() as server:
        certificates(score, args.vigie, server)
        places(score, args.vigie, server)
    score.end()


if __name__ == "__main__":
    main()
