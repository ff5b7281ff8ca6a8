#!/usr/bin/env python3
"""Reads the units, the compose files and the Kubernetes objects with the programs that read them, and checks what they promise.

    tests/guard/units.py

It needs Go (compose-go, which `docker compose config` is made of), systemd-analyze, and PyPI's kubernetes-validate, which carries the schemas; the
former and the last are installed into the cache. The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from stage import ROOT, Score, cache, python

COMPOSE_GO = "v2.9.0"
# Of 10; see docs/src/guard/containers.md.
EXPOSURE = 1.5


def compose(score):
    program = cache() / f"compose-go/{COMPOSE_GO}/cmd"
    if not program.exists():
        environ = {**os.environ, "GOBIN": str(program.parent), "GOFLAGS": "-buildvcs=false"}
        subprocess.run(["go", "install", f"github.com/compose-spec/compose-go/v2/cmd@{COMPOSE_GO}"], env=environ, check=True)
    folder = ROOT / "contrib/docker"
    done = subprocess.run([str(program), "-format", "json", str(folder / "compose.yaml")], capture_output=True, text=True)
    score.check("compose.yaml loads", done.returncode == 0, done.stderr)
    project = json.loads(done.stdout)
    server, guard = project["services"]["ollama"], project["services"]["guard"]
    networks = {name for name, network in project["networks"].items() if network.get("internal")}
    score.check("the server publishes no port", not server.get("ports"), server)
    score.check("it is on an internal network only", set(server["networks"]) <= networks and server["networks"], server)
    published = [name for name, service in project["services"].items() if service.get("ports")]
    score.check("only the gateway publishes a port", published == ["guard"], published)
    score.check("the gateway is confined", guard["read_only"] and guard["cap_drop"] == ["ALL"] and "no-new-privileges:true" in guard["security_opt"], guard)
    more = subprocess.run([str(program), str(folder / "compose.yaml"), str(folder / "compose.pull.yaml")], capture_output=True, text=True)
    score.check("compose.pull.yaml loads over it", more.returncode == 0, more.stderr)


def kubernetes(score):
    file = ROOT / "contrib/kubernetes/guard-sidecar.yaml"
    program = Path(python("units", "guard-units")).parent / "kubernetes-validate"
    done = subprocess.run([str(program), "--strict", str(file)], capture_output=True, text=True)
    score.check("the Kubernetes objects fit their schemas", done.returncode == 0 and (done.stdout + done.stderr).count("passed") == 3, done)
    wrong = Path(tempfile.mkdtemp()) / "wrong.yaml"
    wrong.write_text(file.read_text().replace("automountServiceAccountToken", "automountServiceToken"))
    refused = subprocess.run([str(program), "--strict", str(wrong)], capture_output=True, text=True)
    score.check("a field that does not exist is refused", refused.returncode != 0, refused)
    text = file.read_text()
    score.check("the server listens on the pod's loopback", '{name: OLLAMA_HOST, value: "127.0.0.1:11434"}' in text)
    score.check("the pod's only port is the gateway's", re.findall(r"containerPort: (\d+)", text) == ["11443"])


def systemd(score):
    folder = Path(tempfile.mkdtemp())
    for unit in (ROOT / "contrib/systemd").glob("vigie-guard.*"):
        # The program and its manual page are not installed here.
        lines = [line for line in unit.read_text().replace("/usr/bin/vigie", shutil.which("true")).splitlines() if not line.startswith("Documentation=")]
        (folder / unit.name).write_text("\n".join(lines) + "\n")
    units = sorted(map(str, folder.iterdir()))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    score.check("systemd reads the units without a word", done.returncode == 0 and not done.stderr and len(units) == 2, done)
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(folder / "vigie-guard.service")], capture_output=True, text=True)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    score.check(f"its exposure is at most {EXPOSURE} of 10", found and float(found[1]) <= EXPOSURE, found and found[0])


def main():
    score = Score()
    compose(score)
    kubernetes(score)
    systemd(score)
    score.end()


if __name__ == "__main__":
    main()
