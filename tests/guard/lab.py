"""A gateway in front of nginx, which answers as Ollama would: what it says is fixed, so that what the gateway logs is known.

Needs: nginx (Debian package nginx-light or nginx; no service is started).
"""
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stage import Score, free_port

PROMPT, OUTPUT = 3, 2

NGINX = """
daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi; keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port};
    location = /api/version {{ default_type application/json; return 200 '{{"version":"0.17.4"}}'; }}
    location = /api/tags {{ default_type application/json; return 200 '{{"models":[]}}'; }}
    location = /api/generate {{
      default_type application/x-ndjson;
      return 200 '{{"model":"tiny","response":"hello","done":true,"prompt_eval_count":{prompt},"eval_count":{output}}}\\n';
    }}
  }}
}}
"""


def wait_for(port, process=None):
    for _ in range(400):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process and process.poll() is not None:
            sys.exit(f"the process for port {port} ended with {process.returncode}")
        time.sleep(0.02)
    sys.exit(f"nothing listens on {port}")


class Behind:
    """nginx."""

    def __init__(self):
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if not program:
            sys.exit("nginx is missing: apt-get install nginx-light (with RUNLEVEL=1, so that no service starts)")
        self.dir, self.port = tempfile.mkdtemp(), free_port()
        os.chmod(self.dir, 0o755)
        conf = Path(self.dir, "nginx.conf")
        conf.write_text(NGINX.format(dir=self.dir, port=self.port, prompt=PROMPT, output=OUTPUT))
        self.process = subprocess.Popen([program, "-c", str(conf), "-e", f"{self.dir}/error.log"], stderr=subprocess.DEVNULL)
        wait_for(self.port, self.process)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir)


class Guard:
    """A gateway's folder, and the process while it runs."""

    def __init__(self, vigie, upstream, log=None, settings=""):
        self.vigie, self.dir, self.port = vigie, tempfile.mkdtemp(), free_port()
        self.run("init", "--upstream", f"http://127.0.0.1:{upstream}", "--listen", f"127.0.0.1:{self.port}", "--plain-http", "--yes",
                 "--product", "ollama", "--product-version", "0.17.4")
        self.log = Path(log or Path(self.dir, "log"))
        self.config = Path(self.dir, "guard.toml")
        table = f'[log]\ndir = "{self.log}"\n{settings}'
        text = self.config.read_text()
        before, _, after = text.partition("[log]")
        after = after.partition("\n[")[2]
        self.config.write_text(before + table + (f"\n[{after}" if after else ""))
        self.process = None
        self.secret = self.key("alice", "--limit", "tokens-per-day=1000000000")

    def run(self, *words, check=True):
        done = subprocess.run([self.vigie, "guard", *words, "--dir", self.dir], capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"vigie guard {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def key(self, name, *words):
        return json.loads(self.run("key", "create", name, *words, "--json").stdout)["key"]

    def start(self):
        self.process = subprocess.Popen([self.vigie, "guard", "run", "--dir", self.dir], stderr=subprocess.DEVNULL)
        wait_for(self.port, self.process)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def events(self):
        return [json.loads(line) for line in self.run("log", "export").stdout.splitlines()]

    def verify(self, *words):
        done = self.run("log", "verify", "--json", *words, check=False)
        return json.loads(done.stdout) if done.stdout else {"sound": False, "error": done.stderr}

    def ask(self, name="", path="/api/generate", body='{"model":"tiny","prompt":"hi"}', key=None, connection=None, method="POST"):
        """-> status, body, headers; None: no whole answer came."""
        own = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {key or self.secret}", "User-Agent": name}
            own.request(method, path, body=body if method == "POST" else None, headers=headers)
            answer = own.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        except (OSError, http.client.HTTPException):
            own.close()
            return None
        finally:
            if connection is None:
                own.close()
