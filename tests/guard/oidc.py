#!/usr/bin/env python3
"""Tokens of a real issuer of OpenID Connect (oidc-provider, from npm) through `vigie guard` to a real Ollama on loopback.

    tests/live/run.py prepare ollama-0.17.4-model     # builds Ollama, once
    tests/guard/oidc.py [--vigie target/debug/vigie]

Needs Node.js and npm. The issuer is installed into a folder of the cache, as oidc/package.json names it. The last line is
`N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import base64
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from stage import ROOT, Guard, Ollama, Score, cache, free_port, get

HERE = Path(__file__).resolve().parent
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": False, "options": {"num_predict": 2}}
RULES = """
[[auth.issuer]]
name = "corp"
url = "{url}"
audience = ["vigie"]
algorithms = ["RS256", "ES256", "EdDSA"]
keep = 3600

[[auth.issuer.rule]]
claim = "groups"
has = "ml"
grant = {{ effects = ["infer"], models = ["tiny"], limits = {{ requests-per-minute = 20 }} }}
"""


def installed():
    """The folder with the issuer; made anew when its lock changes."""
    source, folder = HERE / "oidc", cache() / "guard-oidc"
    mark, made_of = folder / "made-of", (source / "package-lock.json").read_text()
    if not mark.exists() or mark.read_text() != made_of:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)
        mark.write_text(made_of)
    shutil.copy(source / "issuer.mjs", folder)
    return folder


class Issuer:
    def __init__(self, folder, port):
        self.folder, self.port, self.url, self.process = folder, port, f"http://127.0.0.1:{port}", None

    def start(self, *keys):
        words = ["node", "issuer.mjs", str(self.port), *keys]
        self.process = subprocess.Popen(words, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if self.process.stdout.readline().strip() != "ready":
            sys.exit("the issuer did not start")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=30)
            self.process = None

    def token(self, algorithm="RS256", audience="vigie", client="ml"):
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "resource": f"urn:{algorithm}:{audience}", "scope": "models"})
        secret = base64.b64encode(f"{client}:secret".encode()).decode()
        request = urllib.request.Request(f"{self.url}/token", form.encode(), {"Authorization": f"Basic {secret}"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)["access_token"]


def ask(guard, token, more=None, path="/api/tags"):
    return get(guard.url + path, {"Authorization": f"Bearer {token}", **(more or {})})


def chat(guard, token):
    body = json.dumps(CHAT).encode()
    request = urllib.request.Request(guard.url + "/api/chat", body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def parts(token):
    decode = lambda part: json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return [decode(part) for part in token.split(".")[:2]]


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def tokens(score, guard, issuer):
    for algorithm in ["RS256", "ES256", "EdDSA"]:
        status, body, _ = ask(guard, issuer.token(algorithm))
        score.check(f"a token signed with {algorithm} is taken", status == 200 and b"tiny" in body, (status, body))
    good = issuer.token()
    score.check("a model answers", chat(guard, good) == 200)
    score.check("what the rule does not grant is refused", ask(guard, good, path="/api/ps")[0] in (200, 403) and get(guard.url + "/api/me", {"Authorization": f"Bearer {good}"})[0] == 403)
    for what, token in [
        ("an algorithm that is not pinned", issuer.token("PS256")),
        ("another audience", issuer.token(audience="others")),
        ("no rule", issuer.token(client="staff")),
        ("a changed signature", good[:-6] + ("AAAAAA" if good[-6:] != "AAAAAA" else "BBBBBB")),
        ("no signature", ".".join([part({"alg": "none"}), good.split(".")[1], ""])),
        ("another subject", ".".join([good.split(".")[0], part({**parts(good)[1], "sub": "root"}), good.split(".")[2]])),
    ]:
        status, body, _ = ask(guard, token)
        score.check(f"{what}: refused as any other", (status, body) == (401, b'{"error":"unauthorized"}'), (status, body))
    key = guard.key("both")
    score.check("a token beside a key is refused", ask(guard, good, {"x-api-key": key})[0] == 401)
    score.check("two tokens are refused", ask(guard, good, {"x-api-key": issuer.token()})[0] == 401)
    score.check("a token as an API key", get(guard.url + "/api/tags", {"x-api-key": good})[0] == 200)
    score.check("a key still works", ask(guard, key)[0] == 200)
    statuses = [ask(guard, good)[0] for _ in range(24)]
    score.check("the limits of the rule hold for a subject", 200 in statuses and statuses[-1] == 429, statuses)


def rotation(score, guard, issuer):
    old = issuer.token("ES256")
    issuer.stop()
    score.check("keys that were read are taken while the issuer is down", ask(guard, old)[0] in (200, 429))
    # Two keys: for a time the old one is published with the new one; here the old one is gone at once.
    time.sleep(10.5)
    issuer.start("RS256:four", "ES256:five", "EdDSA:six")
    new = issuer.token("EdDSA")
    begun = time.monotonic()
    status = ask(guard, new)[0]
    took = time.monotonic() - begun
    score.check("a token with a new key waits for the keys, and is taken", status in (200, 429) and took < 2.5, (status, took))
    score.check("a token of a key that is gone is refused", ask(guard, old)[0] == 401)
    begun = time.monotonic()
    header = {"alg": "EdDSA", "kid": "seven"}
    statuses = {ask(guard, ".".join([part({**header, "kid": f"k{number}"}), new.split(".")[1], new.split(".")[2]]))[0] for number in range(50)}
    took = time.monotonic() - begun
    score.check("keys that nobody has make nobody wait", statuses == {401} and took < 5, (statuses, took))


def log(score, guard, secrets):
    entries = guard.entries()
    text = json.dumps(entries)
    score.check("the log names the subject with its issuer", "corp:ml" in text)
    score.check("the log has no token", not any(secret.split(".")[2] in text for secret in secrets))
    score.check("the log says why", "its issuer has no such key" in text and "it is made out to others" in text and "no rule fits it" in text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    args = parser.parse_args()
    score, issuer = Score(), Issuer(installed(), free_port())
    with Ollama() as server:
        guard = Guard(args.vigie, f"http://{server.address}", server=server)
        config = Path(guard.dir, "guard.toml")
        config.write_text(config.read_text() + RULES.format(url=issuer.url))
        checked = guard.run("check", check=False)
        score.check("the configuration is sound", checked.returncode == 0, checked.stderr)
        issuer.start("RS256:one", "ES256:two", "EdDSA:three", "PS256:ps")
        try:
            with guard:
                secret = issuer.token()
                tokens(score, guard, issuer)
                rotation(score, guard, issuer)
            log(score, guard, [secret])
        finally:
            issuer.stop()
    score.end()


if __name__ == "__main__":
    main()
