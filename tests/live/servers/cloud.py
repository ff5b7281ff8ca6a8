"""A real Ollama whose cloud is a stand-in on loopback: cloud.py OLLAMA PORT

The stand-in keeps each request that Ollama passes on to it as a file below asked/, and answers with an empty object. Ollama takes the
stand-in's address from OLLAMA_CLOUD_BASE_URL.
"""
import itertools
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ollama, port = sys.argv[1:]
asked = Path.cwd() / "asked"
asked.mkdir(exist_ok=True)
numbers = itertools.count(1)


class Cloud(BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        head = f"{self.requestline}\n{self.headers}"
        (asked / str(next(numbers))).write_bytes(head.encode() + body)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_):
        pass


stand_in = ThreadingHTTPServer(("127.0.0.1", int(port)), Cloud)
threading.Thread(target=stand_in.serve_forever, daemon=True).start()
sys.exit(subprocess.run([ollama, "serve"]).returncode)
