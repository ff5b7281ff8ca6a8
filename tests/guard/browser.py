#!/usr/bin/env python3
"""Pages in a real Chromium that use `vigie guard` in front of a real Ollama: from an origin that is allowed, and from one that is not.

    apt-get install chromium                          # what this test needs
    tests/live/run.py prepare ollama-0.17.4-model     # builds Ollama, once
    tests/guard/browser.py [--vigie target/debug/vigie]

The pages are served on other ports of loopback, under the name localhost, so that the browser takes the gateway at 127.0.0.1 for another site. The last
line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import http.server
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

from stage import ROOT, Guard, Ollama, Score

# What Chromium would otherwise ask of the network is switched off.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
PAGE = """<!doctype html><body><script>
const url = %(url)s, key = %(key)s
const headers = { 'content-type': 'application/json', authorization: 'Bearer ' + key, 'x-stainless-lang': 'js' }
const result = {}
async function tried(name, work) {
  try { result[name] = await work() } catch (error) { result[name] = { error: String(error) } }
}
async function run() {
  await tried('list', async () => {
    const answer = await fetch(url + '/api/tags', { headers })
    return { status: answer.status, models: (await answer.json()).models.map((model) => model.name),
             limit: answer.headers.get('x-ratelimit-limit-requests') }
  })
  await tried('stream', async () => {
    const body = JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'hi' }], options: { temperature: 0, num_predict: 8 } })
    const answer = await fetch(url + '/api/chat', { method: 'POST', headers, body })
    const reader = answer.body.getReader(), decoder = new TextDecoder()
    let pieces = 0, text = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      pieces += 1
      text += decoder.decode(value, { stream: true })
    }
    const lines = text.trim().split('\\n').map((line) => JSON.parse(line))
    return { status: answer.status, pieces, lines: lines.length, done: lines.at(-1).done }
  })
  await tried('wrong', async () => (await fetch(url + '/api/tags', { headers: { authorization: 'Bearer no' } })).status)
  await tried('simple', async () => (await fetch(url + '/api/tags', { mode: 'no-cors' })).type)
  await fetch('/result', { method: 'POST', body: JSON.stringify(result) })
}
run()
</script></body>"""


class Pages(http.server.BaseHTTPRequestHandler):
    """Serves a page, and takes what it says that it got."""

    def do_GET(self):
        body = self.server.page.encode()
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.server.results.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def served(page):
    """A server of a page, on a port of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.page, server.results, server.origin = page, queue.Queue(), f"http://localhost:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def shown(server):
    """What a page got in the browser."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = ["chromium", *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0", server.origin + "/"]
        browser = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return server.results.get(timeout=90)
        except queue.Empty:
            sys.exit(f"the page at {server.origin} said nothing within 90 s")
        finally:
            browser.terminate()
            browser.wait()


def preflight(url, origin):
    request = urllib.request.Request(url, method="OPTIONS", headers={
        "Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    args = parser.parse_args()
    if not shutil.which("chromium"):
        sys.exit("no chromium; install Debian's package chromium")
    score = Score()
    with Ollama() as ollama, Guard(args.vigie, f"http://{ollama.address}", server=ollama) as guard:
        guard.stop()
        key = guard.key("page", "--limit", "requests-per-minute=100")
        page = PAGE % {"url": json.dumps(guard.url), "key": json.dumps(key)}
        friend, stranger = served(page), served(page)
        config = Path(guard.dir, "guard.toml")
        text = config.read_text()
        assert "origins = []" in text, text
        config.write_text(text.replace("origins = []", f"origins = [{json.dumps(friend.origin)}]"))
        guard.start()

        got = shown(friend)
        score.check("an allowed page gets the list", got["list"].get("models") == ["tiny:latest"], got)
        score.check("and may read its limits", got["list"].get("limit") == "100", got)
        stream = got["stream"]
        score.check("it gets a stream", stream.get("status") == 200 and stream.get("done") and stream.get("lines", 0) > 1, got)
        score.check("it may read that its key is wrong", got["wrong"] == 401, got)
        got = shown(stranger)
        refused = all("error" in got[name] for name in ("list", "stream", "wrong"))
        score.check("a page of a stranger with the key gets nothing", refused, got)

        answers = [preflight(guard.url + path, friend.origin) for path in ("/api/tags", "/api/pull", "/no/such/page")]
        same = [(status, {name: value for name, value in headers.items() if name != "date"}, body) for status, headers, body in answers]
        score.check("the question of an allowed page has one answer for every path", same[0][0] == 204 and same.count(same[0]) == 3, answers)
        score.check("which names the page and no other", same[0][1].get("access-control-allow-origin") == friend.origin, answers)
        status, headers, _ = preflight(guard.url + "/api/tags", stranger.origin)
        score.check("that of a stranger is refused", status == 401 and "access-control-allow-origin" not in headers, (status, headers))
        guard.stop()
        arrived = [entry for entry in guard.entries() if entry.get("unmapped", {}).get("event") == "request" and entry["unmapped"].get("effect")]
        score.check("nothing of a stranger's page reached the server", len(arrived) == 2, [entry["http_request"] for entry in arrived])
    score.end()


if __name__ == "__main__":
    main()
