#!/usr/bin/env python3
"""Certificates from a real ACME server, Pebble, on loopback: the first one, a restart, a renewal, an authority that fails.

    apt-get install pebble openssl          # what this test needs
    tests/guard/acme.py [--vigie target/debug/vigie]

Pebble looks whether the names lead to the gateway (PEBBLE_VA_ALWAYS_VALID is not set); its name server is that of the package. The last line is
`N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import json
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from stage import Score, free_port

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Seconds for which the authority's certificates hold.
LIFETIME = 24


def until(holds, seconds=40):
    """Waits until something holds, and returns it."""
    end = time.monotonic() + seconds
    while True:
        got = holds()
        if got or time.monotonic() > end:
            return got
        time.sleep(0.1)


class Authority:
    """Pebble and its name server, which says that every name is 127.0.0.1."""

    def __init__(self, folder, tls_port, http_port):
        self.folder, self.port, self.management, self.names = folder, free_port(), free_port(), free_port()
        self.certificate, key = folder / "authority.pem", folder / "authority-key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=authority", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(key), "-out", str(self.certificate)],
                       check=True, capture_output=True)
        self.config = folder / "pebble.json"
        self.config.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(self.certificate), "privateKey": str(key), "httpPort": http_port, "tlsPort": tls_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": False, "certificateValidityPeriod": LIFETIME}}))
        self.url = f"https://127.0.0.1:{self.port}/dir"
        self.log = folder / "pebble.log"
        self.resolver = subprocess.Popen(
            ["pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", f"127.0.0.1:{self.names}", "-http01", "",
             "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{free_port()}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = None

    def start(self):
        # Authorizations are not reused, so that each certificate is proved anew; the sleeps before a look are left out.
        env = {"PATH": os.environ["PATH"], "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
        self.process = subprocess.Popen(["pebble", "-config", str(self.config), "-dnsserver", f"127.0.0.1:{self.names}"], env=env,
                                        stdout=open(self.log, "a"), stderr=subprocess.STDOUT)
        if not until(lambda: connects(self.port), 20):
            sys.exit(f"pebble did not start: {self.log.read_text()[-2000:]}")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self):
        self.stop()
        self.resolver.kill()
        self.resolver.wait()


def connects(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Gateway:
    def __init__(self, vigie, folder, authority, port, http):
        self.vigie, self.dir, self.port, self.admin = vigie, folder, port, free_port()
        self.run("init", "--upstream", "http://127.0.0.1:9", "--product", "ollama", "--listen", f"127.0.0.1:{port}", "--host", "gateway.example.test",
                 "--plain-http", "--yes")
        config = (self.dir / "guard.toml").read_text().replace("plain_http = true\n", "")
        second = f'http = "127.0.0.1:{http}"\n' if http else ""
        config += (f'\n[admin]\naddress = "127.0.0.1:{self.admin}"\n\n[listen.acme]\ndirectory = "{authority.url}"\nca = "{authority.certificate}"\n'
                   f'domains = ["gateway.example.test", "second.example.test"]\ncontact = ["mailto:owner@example.test"]\naccept_terms = true\n{second}')
        (self.dir / "guard.toml").write_text(config)
        self.process = None
        self.errors = self.dir.parent / f"{folder.name}.log"

    def run(self, *words, check=True):
        done = subprocess.run([self.vigie, "guard", *words, "--dir", str(self.dir)], capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"vigie guard {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return done

    def start(self):
        self.process = subprocess.Popen([self.vigie, "guard", "run", "--dir", str(self.dir)], stderr=open(self.errors, "a"))
        if not until(lambda: connects(self.port), 20):
            sys.exit(f"the gateway did not start: {self.errors.read_text()[-2000:]}")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=40)
            self.process = None

    def certificate(self):
        """The certificate that is served, in DER; None: none is."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain:
                with context.wrap_socket(plain, server_hostname="gateway.example.test") as secure:
                    return secure.getpeercert(binary_form=True)
        except OSError:
            return None

    def look(self, path):
        with socket.create_connection(("127.0.0.1", self.admin), timeout=5) as stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            return b"".join(iter(lambda: stream.recv(65536), b"")).decode()

    def events(self):
        lines = [json.loads(line) for path in sorted((self.dir / "log").glob("audit-*.jsonl")) for line in path.read_text().splitlines()]
        return [line["unmapped"] for line in lines if line.get("unmapped", {}).get("event") == "acme"]


def text_of(der):
    return subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-text"], input=der, capture_output=True).stdout.decode()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def life(score, vigie, folder, kind):
    port, http = free_port(), free_port()
    authority = Authority(folder, port, http)
    gateway = Gateway(vigie, folder / "guard", authority, port, http if kind == "HTTP-01" else None)
    say = lambda name, right, got="": score.check(f"{kind}: {name}", right, got)
    try:
        # The authority is not there yet: the gateway starts, serves nobody, and says so.
        gateway.start()
        say("without a certificate no handshake ends well", gateway.certificate() is None)
        say("and it is not ready", "there is no certificate yet" in gateway.look("/readyz"))
        say("what failed is in the log", until(lambda: any(event["why"] for event in gateway.events())), gateway.events())
        gateway.stop()
        authority.start()
        gateway.start()
        first = until(gateway.certificate)
        say("the first certificate is served", first, gateway.errors.read_text()[-2000:] + authority.log.read_text()[-2000:])
        names = text_of(first) if first else ""
        say("it is for all names, from the authority", all(name in names for name in ["DNS:gateway.example.test", "DNS:second.example.test", "Pebble Intermediate"]), names)
        seen = authority.log.read_text()
        looked = "set VALID by completed challenge" in seen and ("validate w/ HTTP" in seen) == (kind == "HTTP-01")
        say("the authority looked, and in this way", looked, seen[-3000:])
        files = {name: mode(gateway.dir / name) for name in ["acme-account.json", "acme-certificate.pem"]}
        say("account and certificate are their owner's only", set(files.values()) == {0o600}, files)
        metrics = gateway.look("/metrics")
        ends = re.search(r"^vigie_guard_certificate_expiry_timestamp_seconds (\d+)$", metrics, re.M)
        say("the metrics say when it ends", ends and 0 < int(ends[1]) - time.time() <= LIFETIME + 1, metrics[-800:])
        account = (gateway.dir / "acme-account.json").read_bytes()
        gateway.stop()
        gateway.start()
        say("a restart keeps it", gateway.certificate() == first)
        renewed = until(lambda: (now := gateway.certificate()) not in (None, first) and now)
        say("it is renewed", renewed, gateway.errors.read_text()[-2000:])
        left = LIFETIME - (time.time() - int(ends[1]) + LIFETIME)
        say("before it ends", left > 0, left)
        say("with the same account", (gateway.dir / "acme-account.json").read_bytes() == account)
        # A client that is connected does not notice; here, that the authority fails keeps the one there is.
        authority.stop()
        failures = len([event for event in gateway.events() if event["why"]])
        say("an authority that fails is in the log", until(lambda: len([event for event in gateway.events() if event["why"]]) > failures), gateway.events())
        say("and keeps the certificate", gateway.certificate() == renewed)
        authority.start()
        # Pebble forgets everything when it ends, accounts too: the next try says so until the account is made anew.
        (gateway.dir / "acme-account.json").unlink(missing_ok=True)
        again = until(lambda: (now := gateway.certificate()) not in (None, renewed) and now)
        say("when it is back the certificate is renewed", again, gateway.errors.read_text()[-2000:])
        gateway.stop()
        everything = "".join(path.read_text(errors="replace") for path in gateway.dir.rglob("audit-*.jsonl")) + gateway.errors.read_text()
        say("no private key is in a log", "PRIVATE KEY" not in everything and "key_pkcs8" not in everything)
        say("the log is sound", gateway.run("log", "verify", check=False).returncode == 0)
    finally:
        gateway.stop()
        authority.end()


def refusals(score, vigie, folder):
    """What guard check says of a wrong table."""
    authority = type("", (), {"url": "https://127.0.0.1:1/dir", "certificate": folder / "none.pem"})
    gateway = Gateway(vigie, folder / "wrong", authority, free_port(), None)
    config = (gateway.dir / "guard.toml").read_text()
    for name, was, becomes, says in [
        ("terms that are not accepted", "accept_terms = true\n", "", "accept_terms = true"),
        ("a directory in the clear", "https://127.0.0.1:1/dir", "http://127.0.0.1:1/dir", "no https:// URL"),
        ("a wildcard", "second.example.test", "*.example.test", "wildcards"),
        ("a file that is not there", "\n", "\n", "none.pem"),
    ]:
        (gateway.dir / "guard.toml").write_text(config.replace(was, becomes, 1) if was in config else config)
        done = gateway.run("check", check=False)
        score.check(f"check: {name}", done.returncode == 2 and says in done.stderr, done)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    args = parser.parse_args()
    for program in ["pebble", "pebble-challtestsrv", "openssl"]:
        if not shutil.which(program):
            sys.exit(f"{program} is missing: apt-get install pebble openssl")
    score = Score()
    folder = Path(tempfile.mkdtemp())
    threads = []
    for kind in ["TLS-ALPN-01", "HTTP-01"]:
        (folder / kind).mkdir()
        threads.append(threading.Thread(target=life, args=(score, args.vigie, folder / kind, kind)))
    for thread in threads:
        thread.start()
    refusals(score, args.vigie, folder)
    for thread in threads:
        thread.join()
    print(f"{score.passed} passed, {score.failed} failed")
    sys.exit(1 if score.failed or score.passed < 30 else 0)


if __name__ == "__main__":
    main()
