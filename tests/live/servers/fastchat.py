"""FastChat's controller and its OpenAI API, with a worker that has a model's name and no model.

    fastchat.py API_PORT CONTROLLER_PORT WORKER_PORT
"""
import http.server
import json
import subprocess
import sys
import threading
import time
import urllib.request

api, controller, worker = sys.argv[1:]
MODELS = {"model_names": ["made-up-7b"], "speed": 1, "queue_length": 0}


class Worker(http.server.BaseHTTPRequestHandler):
    """What the controller asks a worker: how it is."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = json.dumps(MODELS).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def register():
    """The controller takes a worker at its word; it may need a moment to be there."""
    word = {"worker_name": f"http://127.0.0.1:{worker}", "check_heart_beat": False, "multimodal": False, "worker_status": MODELS}
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(
        f"http://127.0.0.1:{controller}/register_worker", json.dumps(word).encode(), {"content-type": "application/json"}
    )
    while True:
        try:
            direct.open(request, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)


def module(name, *options):
    return subprocess.Popen([sys.executable, "-m", f"fastchat.serve.{name}", "--host", "127.0.0.1", *options])


threading.Thread(target=http.server.ThreadingHTTPServer(("127.0.0.1", int(worker)), Worker).serve_forever, daemon=True).start()
module("controller", "--port", controller)
register()
sys.exit(module("openai_api_server", "--port", api, "--controller-address", f"http://127.0.0.1:{controller}").wait())
