#!/usr/bin/env python3
"""Metrics and traces with a real OpenTelemetry collector and a real Prometheus, in front of a real Ollama; the dashboard and the alert rules.

    tests/live/run.py prepare ollama-0.17.4-model     # builds Ollama, once
    tests/guard/telemetry.py [--vigie target/debug/vigie]

Needs go, prometheus and redis-server (Debian: prometheus, redis-server; with RUNLEVEL=1, so that no service starts). The collector and the
program that reads the dashboard are built from Go modules of pinned versions. There is no real Grafana here: its types read the dashboard, and
the real Prometheus answers each of its queries. The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import atexit
import collections
import hashlib
import http.client
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

from stage import HERE, ROOT, Guard, Ollama, Score, cache, free_port, get, until, wait_for

DASHBOARD = ROOT / "contrib/grafana/vigie-guard.json"
RULES = ROOT / "contrib/prometheus/vigie-guard.rules.yml"
PROMPT = "a prompt that nobody may see"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": PROMPT}]}
SPAN_WAIT, BATCH, QUEUE = 5, 512, 4096


# What was started; what is left at the end, because a check failed badly, is ended then.
STARTED = []


def start(words, **how):
    STARTED.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **how}))
    return STARTED[-1]


@atexit.register
def end_all():
    for process in STARTED:
        if process.poll() is None:
            process.kill()


def built(name):
    """A program of Go modules, built anew when its sources change."""
    source, folder = HERE / name, cache() / f"guard-{name}"
    made_of = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(source.iterdir()))).hexdigest()
    mark, program = folder / "made-of", folder / name
    if not mark.exists() or mark.read_text() != made_of:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["go", "build", "-o", str(program), "."], cwd=source, check=True)
        mark.write_text(made_of)
    return str(program)


class Collector:
    """A real collector that writes what it gets into files."""

    def __init__(self, program, port=None, certificate=None):
        self.program, self.dir, self.port = program, tempfile.mkdtemp(), port or free_port()
        tls = ""
        if certificate:
            tls = f"\n        tls: {{cert_file: {certificate}, key_file: {certificate.replace('.pem', '-key.pem')}}}"
        Path(self.dir, "config.yaml").write_text(f"""
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{self.port}{tls}
exporters:
  file/traces: {{path: {self.dir}/traces, flush_interval: 200ms}}
  file/metrics: {{path: {self.dir}/metrics, flush_interval: 200ms}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/traces]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
""")
        self.process = start([program, f"--config=file:{self.dir}/config.yaml"], stderr=open(f"{self.dir}/said", "w"))
        wait_for(self.port)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)

    def messages(self, signal):
        file = Path(self.dir, signal)
        return [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")] if file.exists() else []

    def spans(self):
        return [span for message in self.messages("traces") for resource in message["resourceSpans"]
                for scope in resource["scopeSpans"] for span in scope["spans"]]

    def points(self):
        """The newest points: name -> {labels: point}"""
        newest = collections.defaultdict(dict)
        for message in self.messages("metrics"):
            for resource in message["resourceMetrics"]:
                for scope in resource["scopeMetrics"]:
                    for metric in scope["metrics"]:
                        kind = next(kind for kind in ("gauge", "sum", "histogram", "summary") if kind in metric)
                        for point in metric[kind]["dataPoints"]:
                            newest[metric["name"]][tuple(sorted(attributes(point).items()))] = point
        return newest


def attributes(thing):
    return {one["key"]: next(iter(one["value"].values())) for one in thing.get("attributes", [])}


class Redis:
    def __init__(self):
        self.port, self.dir = free_port(), tempfile.mkdtemp()
        self.process = start(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.dir])
        wait_for(self.port)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Prometheus:
    """A real Prometheus that asks a gateway every second."""

    def __init__(self, admin):
        self.port, self.dir = free_port(), tempfile.mkdtemp()
        shutil.copy(RULES, self.dir)
        Path(self.dir, "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, evaluation_interval: 2s}}
rule_files: [{RULES.name}]
scrape_configs: [{{job_name: vigie-guard, static_configs: [{{targets: ["127.0.0.1:{admin}"]}}]}}]
""")
        self.process = start(["prometheus", f"--config.file={self.dir}/prometheus.yml", f"--storage.tsdb.path={self.dir}/data",
                                         f"--web.listen-address=127.0.0.1:{self.port}"], stderr=open(f"{self.dir}/said", "w"))
        wait_for(self.port)
        # It listens before it answers.
        if not until(lambda: get(f"http://127.0.0.1:{self.port}/-/ready")[0] == 200):
            sys.exit("Prometheus is not ready")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)

    def api(self, path, **query):
        status, body, _ = get(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query, doseq=True)}")
        answer = json.loads(body)
        return answer["data"] if answer["status"] == "success" else []

    def has_data(self, expression):
        found = self.api("query", query=expression)
        return bool(found) and any(sample["value"][1] != "NaN" for sample in found["result"])


def add(guard, text):
    with open(f"{guard.dir}/guard.toml", "a") as file:
        file.write(text)


def ask(guard, path, body=None, key=None, headers=None, leave_after=None):
    """-> status and body. `leave_after`: the client leaves after so many bytes."""
    context = ssl.create_default_context(cafile=guard.certificate) if guard.certificate else None
    connection = (http.client.HTTPSConnection("127.0.0.1", guard.port, timeout=60, context=context) if context
                  else http.client.HTTPConnection("127.0.0.1", guard.port, timeout=60))
    lines = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
    connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, lines)
    answer = connection.getresponse()
    read = answer.read(leave_after) if leave_after else answer.read()
    if leave_after:
        (connection.sock or answer.fp.raw._sock).shutdown(socket.SHUT_RDWR)
    connection.close()
    return answer.status, read


def page(guard):
    return get(f"http://127.0.0.1:{guard.admin}/metrics")[1].decode()


def value(text, start):
    """The sum of the lines of a page that start so."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(start))


def ask_everything(guard, alice, bob):
    """Requests of every kind: streamed, not, cancelled, refused; two at the same time, so that one waits."""
    traceparent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "x=y"}
    generate = {"model": "tiny", "prompt": PROMPT, "options": {"temperature": 0}}
    assert ask(guard, "/api/chat", {**CHAT, "stream": False, "options": {"num_predict": 8}}, alice, traceparent)[0] == 200
    assert ask(guard, "/v1/chat/completions", {**CHAT, "stream": True, "max_tokens": 24}, bob)[0] == 200
    assert ask(guard, "/v1/messages", {**CHAT, "stream": True, "max_tokens": 24}, bob)[0] == 200
    together = [threading.Thread(target=ask, args=(guard, "/api/generate", {**generate, "options": {"num_predict": 32}}, alice)) for _ in range(3)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    ask(guard, "/api/generate", {**generate, "options": {"num_predict": 100_000}}, alice, leave_after=200)
    assert ask(guard, "/api/tags", key=alice)[0] == 200
    assert ask(guard, "/api/generate", generate, headers=traceparent)[0] == 401
    assert ask(guard, "/api/pull", {"model": "tiny"}, alice)[0] == 403
    assert ask(guard, "/api/generate", {**generate, "model": "secret-model"}, alice)[0] in (403, 404)
    # No method of HTTP, and no path that it would have.
    assert ask(guard, "/api/../x?token=abc", key=alice)[0] >= 400


def whole(score, args, server, collector_program, dashboard_program):
    """What is known to have been asked is what the collector got and Prometheus read."""
    redis = Redis()
    guard = Guard(args.vigie, f"http://{server.address}", tls=True, server=server, admin=True)
    text = Path(guard.dir, "guard.toml").read_text().replace("[upstream]\n", "[upstream]\nparallel = 1\n")
    Path(guard.dir, "guard.toml").write_text(text)
    collector = Collector(collector_program, certificate=guard.certificate)
    Path(guard.dir, "collector-headers").write_text("# a token\nauthorization: Bearer s3cret-of-the-collector\n")
    add(guard, f"""
[detect]
[limits]
redis = "redis://127.0.0.1:{redis.port}"
[telemetry]
endpoint = "https://127.0.0.1:{collector.port}"
ca = "certificate.pem"
headers = "collector-headers"
interval = 2
traces = true
service_name = "gpu-1"
resource = {{ "deployment.environment.name" = "test" }}
""")
    alice, bob = guard.key("alice", "--models", "tiny"), guard.key("bob", "--models", "tiny")
    guard.start()
    prometheus = Prometheus(guard.admin)
    # A rate needs two numbers: what was asked first is read before more is asked.
    until(lambda: prometheus.has_data("vigie_guard_build_info"))
    for asked in (12, 24):
        ask_everything(guard, alice, bob)
        score.check(f"Prometheus has read {asked} requests", until(lambda: prometheus.has_data(f"sum(vigie_guard_requests_total) == {asked}")))
    check_prometheus(score, guard, prometheus, dashboard_program)
    text = page(guard)
    prometheus.stop()
    guard.stop()
    redis.stop()
    collector.stop()
    check_traces(score, guard, collector)
    check_metrics(score, collector, text)
    said = guard.printed() + text + Path(collector.dir, "traces").read_text() + Path(collector.dir, "metrics").read_text()
    hidden = [alice, bob, PROMPT, "s3cret-of-the-collector", "secret-model", "token=abc", '"alice"']
    score.check("no secret, no prompt and no name that a client invented is in what is sent, the page or the terminal",
                not any(word in said for word in hidden), [word for word in hidden if word in said])
    logged = "\n".join(json.dumps(entry) for entry in guard.entries())
    score.check("nor is the collector's secret in the log", "s3cret" not in logged)


def check_traces(score, guard, collector):
    requests = {entry["api"]["request"]["uid"]: entry for entry in guard.entries() if entry["class_uid"] == 6003}
    spans = {span["spanId"]: span for span in collector.spans()}
    score.check("the collector has a span for each line of the log, and no other", spans.keys() == requests.keys() and len(collector.spans()) == len(spans) == 24,
                (len(collector.spans()), len(spans), len(requests)))
    wrong = []
    for uid, entry in requests.items():
        span, own = spans[uid], attributes(spans[uid])
        unmapped = entry["unmapped"]
        wanted = {
            "vigie.key": entry.get("actor", {}).get("user", {}).get("uid"),
            "vigie.outcome": entry["status_code"],
            "http.response.status_code": str(entry["http_response"]["code"]) if "http_response" in entry else None,
        }
        if unmapped.get("effect") == "infer" and unmapped.get("models"):
            wanted |= {"gen_ai.request.model": unmapped["models"][0], "gen_ai.provider.name": "ollama"}
        for name, field in (("gen_ai.usage.input_tokens", "prompt_tokens"), ("gen_ai.usage.output_tokens", "output_tokens")):
            if "gen_ai.operation.name" in own:
                wanted[name] = None if unmapped.get(field) is None else str(unmapped[field])
        took = (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e6
        differs = {name: (own.get(name), value) for name, value in wanted.items() if own.get(name) != value}
        # The line is written before the client has the last bytes; the span ends behind them.
        if differs or not -0.01 < took - unmapped["duration_ms"] < 100 or span["kind"] != 2 or own.get("server.port") != str(guard.port):
            wrong.append((span["name"], differs, took, unmapped["duration_ms"]))
    score.check("with the log's key, outcome, status, model, tokens and duration", not wrong, wrong)
    names = collections.Counter(span["name"] for span in spans.values())
    score.check("named by operation and model, or by method and route",
                names["chat tiny:latest"] == 6 and names["text_completion tiny:latest"] == 8 and names["GET /api/tags"] == 2 and names["POST /api/pull"] == 2, names)
    continued = [span for span in spans.values() if span["traceId"] == TRACE]
    score.check("the client's trace is continued where it has a key, and not without",
                len(continued) == 2 and all(span["parentSpanId"] == PARENT for span in continued), continued)
    resource = attributes(collector.messages("traces")[0]["resourceSpans"][0]["resource"])
    score.check("the resource is what the configuration says", resource.get("service.name") == "gpu-1" and resource.get("deployment.environment.name") == "test", resource)
    score.check("the version of the conventions is named", collector.messages("traces")[0]["resourceSpans"][0]["schemaUrl"].endswith("/schemas/1.41.0"))


def check_metrics(score, collector, text):
    points = collector.points()
    counted = {(own["outcome"], own["status"], own.get("vigie.key", "")): int(point["asInt"])
               for own, point in ((dict(labels), point) for labels, point in points["vigie.guard.requests"].items())}
    page_counts = {}
    for line in re.findall(r"^vigie_guard_requests_total(\{.*\}) (\d+)$", text, re.M):
        own = dict(re.findall(r'(\w+)="([^"]*)"', line[0]))
        page_counts[own["outcome"], own["status"], own.get("vigie_key", "")] = int(line[1])
    score.check("requests: the collector has what the page of Prometheus has", counted == page_counts and sum(counted.values()) == 24, (counted, page_counts))
    for name, prometheus in (("gen_ai.client.token.usage", "gen_ai_client_token_usage"), ("gen_ai.server.request.duration", "gen_ai_server_request_duration_seconds"),
                             ("gen_ai.server.time_to_first_token", "gen_ai_server_time_to_first_token_seconds"),
                             ("gen_ai.server.time_per_output_token", "gen_ai_server_time_per_output_token_seconds")):
        of = points[name].values()
        count, total = sum(int(point["count"]) for point in of), sum(point["sum"] for point in of)
        score.check(f"{name}: the same count and sum", count == value(text, prometheus + "_count") > 0 and abs(total - value(text, prometheus + "_sum")) < 1e-4,
                    (count, total, value(text, prometheus + "_count"), value(text, prometheus + "_sum")))
        score.check(f"{name}: buckets add up", all(sum(map(int, point["bucketCounts"])) == int(point["count"]) and
                                                   len(point["bucketCounts"]) == len(point["explicitBounds"]) + 1 for point in of))
        has = {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port"}
        score.check(f"{name}: with the attributes of the conventions", all(has <= dict(labels).keys() for labels in points[name]), list(points[name])[:1])
    errors = {dict(labels).get("error.type") for labels in points["gen_ai.server.request.duration"]}
    score.check("error.type tells a cancelled request", errors == {None, "aborted"}, errors)
    translated = set()
    for message in collector.messages("metrics"):
        for metric in message["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]:
            name = metric["name"].replace(".", "_") + ("_seconds" if metric.get("unit") == "s" else "") + ("_total" if "sum" in metric else "")
            translated.add(name)
    on_page = {line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE")}
    with_points = {name for name in on_page if re.search(rf"^{name}(_count|\{{| )", text, re.M)}
    described = (ROOT / "docs/src/guard/telemetry.md").read_text()
    score.check("all metrics of the page are in the documentation", all(f"`{name}`" in described for name in on_page),
                [name for name in on_page if f"`{name}`" not in described])
    score.check("all metrics of the page are sent, under OpenTelemetry's names", with_points == translated, with_points ^ translated)


def check_prometheus(score, guard, prometheus, dashboard_program):
    linted = subprocess.run(["promtool", "check", "metrics"], input=page(guard), capture_output=True, text=True)
    score.check("promtool finds nothing wrong with the page", linted.returncode == 0 and not linted.stderr, linted.stderr)
    rules = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True)
    score.check("promtool reads the rules", rules.returncode == 0, rules.stdout + rules.stderr)
    tests = subprocess.run(["promtool", "test", "rules", str(HERE / "monitoring/rules_test.yml")], capture_output=True, text=True)
    score.check("each alert fires when it should, and not before", tests.returncode == 0, tests.stdout + tests.stderr)
    groups = prometheus.api("rules")["groups"]
    unhealthy = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] != "ok"]
    score.check("Prometheus evaluates the rules", groups and not unhealthy, unhealthy)
    known = set(prometheus.api("label/__name__/values"))
    used = set(re.findall(r"\b(?:vigie_guard|gen_ai)_\w+", re.sub(r"^\s*- record:.*$", "", RULES.read_text(), flags=re.M)))
    labels = {"gen_ai_request_model", "gen_ai_token_type"}
    score.check("the rules use metrics that the gateway has", used - labels <= known, used - labels - known)
    read = subprocess.run([dashboard_program, str(DASHBOARD)], capture_output=True, text=True)
    score.check("Grafana's types read the dashboard", read.returncode == 0, read.stdout)
    dashboard = json.loads(DASHBOARD.read_text())
    with tempfile.NamedTemporaryFile("w", suffix=".json") as other:
        json.dump({**dashboard, "panelz": []}, other)
        other.flush()
        score.check("and reject what Grafana has not", subprocess.run([dashboard_program, other.name], capture_output=True).returncode == 1)
    queries = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]

    def runs(expression):
        expression = expression.replace("$__rate_interval", "30s")
        return prometheus.has_data(re.sub(r"\$\w+", ".*", expression))

    empty = [(title, expression) for title, expression in queries if not runs(expression)]
    score.check(f"each of the {len(queries)} queries of the dashboard has data", len(queries) > 40 and not empty, empty)
    score.check("and a query for a metric that is not there has none", not runs(queries[0][1].replace("requests_total", "request_total")))
    for variable in dashboard["templating"]["list"][1:]:
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
        values = prometheus.api(f"label/{label}/values", **{"match[]": re.sub(r"\$\w+", ".*", selector)})
        score.check(f"the variable {variable['name']} has values", values, selector)


class Scripted(http.server.BaseHTTPRequestHandler):
    """A collector that behaves as the test says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, body))
        status, headers, text, wait = self.server.answer(len(self.server.got))
        self.server.let_go.wait(wait)
        try:
            if status is None:
                self.wfile.write(text)
                self.close_connection = True
                return
            self.send_response(status)
            for name, one in headers.items():
                self.send_header(name, one)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except OSError:
            pass

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """The gateway closes a connection whose answer it does not read to the end."""


def scripted(answer):
    server = Quiet(("127.0.0.1", 0), Scripted)
    server.answer, server.got, server.let_go, server.daemon_threads = answer, [], threading.Event(), True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def guarded(args, server, port, more="metrics = false\n"):
    guard = Guard(args.vigie, f"http://{server.address}", server=server, admin=True)
    add(guard, f'\n[telemetry]\nendpoint = "http://127.0.0.1:{port}"\ninterval = 1\ntraces = true\n{more}')
    return guard


def ask_many(guard, key, count):
    """Asks for the version on one connection -> the time of each, sorted, in milliseconds"""
    connection, times = http.client.HTTPConnection("127.0.0.1", guard.port, timeout=60), []
    for _ in range(count):
        begun = time.perf_counter()
        connection.request("GET", "/api/version", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - begun) * 1000)
        assert answer.status == 200
    connection.close()
    return sorted(times)


def spans_of(guard, outcome):
    return value(page(guard), f'vigie_guard_telemetry_spans_total{{outcome="{outcome}"}}')


def down(score, args, server, program):
    """The collector is not there at first."""
    port = free_port()
    guard = guarded(args, server, port)
    key = guard.key("alice", "--models", "tiny")
    with guard:
        ask_many(guard, key, 20)
        score.check("a collector that is down: it is said once, and counted", until(lambda: value(page(guard), 'vigie_guard_telemetry_exports_total{signal="traces",outcome="failed"}') >= 2)
                    and guard.printed().count("takes no telemetry") == 1, guard.printed())
        collector = Collector(program, port)
        score.check("when it comes, it gets what waited", until(lambda: len(collector.spans()) == 20, 30), len(collector.spans()))
        score.check("and that is said", until(lambda: "takes telemetry again" in guard.printed()), guard.printed())
        ask_many(guard, key, 5)
        collector.stop()
        time.sleep(2)
        ask_many(guard, key, 5)
        again = Collector(program, port)
        score.check("it is restarted: spans go on", until(lambda: len(again.spans()) >= 5, 30), len(again.spans()))
        again.stop()


def slow(score, args, server):
    """A collector that takes far too long: no request waits, and what is too much is dropped and counted."""
    plain = Guard(args.vigie, f"http://{server.address}", server=server)
    key = plain.key("alice", "--models", "tiny")
    with plain:
        ask_many(plain, key, 200)
        without = ask_many(plain, key, 1500)
    collector = scripted(lambda _: (200, {}, b"{}", 60))
    guard = guarded(args, server, collector.server_port)
    key = guard.key("alice", "--models", "tiny")
    guard.start()
    ask_many(guard, key, 200)
    times = ask_many(guard, key, QUEUE + 2000 - 200)
    score.check("a slow collector: requests take what they take without it",
                times[len(times) // 2] < without[len(without) // 2] * 1.5 + 0.2 and times[-len(times) // 100] < without[-len(without) // 100] * 3 + 5,
                (without[len(without) // 2], times[len(times) // 2], without[-15], times[-len(times) // 100]))
    print(f"         half of them took less than {without[len(without) // 2]:.3f} ms without telemetry, {times[len(times) // 2]:.3f} ms with it")
    waiting = value(page(guard), "vigie_guard_telemetry_queue")
    score.check("spans beyond the queue are dropped and counted", spans_of(guard, "full") > 0 and waiting <= QUEUE
                and spans_of(guard, "full") + waiting + BATCH >= QUEUE + 2000, (spans_of(guard, "full"), waiting))
    begun = time.monotonic()
    guard.stop()
    score.check("and the gateway ends all the same", time.monotonic() - begun < 12, time.monotonic() - begun)
    collector.let_go.set()
    collector.shutdown()
    requests = sum(entry["class_uid"] == 6003 for entry in guard.entries())
    score.check("no line of the log is missing", requests == QUEUE + 2000, requests)


def odd(score, args, server):
    """A collector that is busy, and programs that are none."""
    times = []

    def busy(number):
        times.append(time.monotonic())
        return (429, {"Retry-After": "4"}, b"", 0) if number == 1 else (200, {}, b'{"partialSuccess":{}}', 0)

    collector = scripted(busy)
    guard = guarded(args, server, collector.server_port)
    key = guard.key("alice", "--models", "tiny")
    with guard:
        ask_many(guard, key, 3)
        score.check("429: the spans are sent again", until(lambda: spans_of(guard, "sent") == 3), page(guard))
        score.check("not before Retry-After says", len(times) == 2 and 3.9 < times[1] - times[0] < 6, times)
        score.check("and they are the same", collector.got[0] == collector.got[1])
    for what, answer, outcome in (
        ("bytes that are no HTTP", (None, {}, b"\x00\xff nonsense\r\n\r\n", 0), None),
        ("a page", (200, {"Content-Type": "text/html"}, b"<h1>It works!</h1>", 0), "rejected"),
        ("an answer that is too long", (200, {}, b"x" * 200_000, 0), "rejected"),
        ("401", (401, {}, b"who are you", 0), "rejected"),
        ("a redirect", (307, {"Location": "http://192.0.2.1/"}, b"", 0), "rejected"),
    ):
        collector = scripted(lambda _, answer=answer: answer)
        guard = guarded(args, server, collector.server_port)
        key = guard.key("alice", "--models", "tiny")
        with guard:
            ask_many(guard, key, 2)
            done = (lambda: spans_of(guard, outcome) == 2) if outcome else (lambda: len(collector.got) >= 2)
            score.check(f"{what}: " + ("the spans are given up" if outcome else "they are tried again"), until(done), page(guard))
            score.check(f"{what}: requests go on", len(ask_many(guard, key, 2)) == 2)
        collector.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    args = parser.parse_args()
    for program in ("go", "prometheus", "promtool", "redis-server"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
            sys.exit(f"{program} is missing; see the top of this file")
    score = Score()
    collector, dashboard = built("collector"), built("dashboard")
    with Ollama() as server:
        whole(score, args, server, collector, dashboard)
        down(score, args, server, collector)
        slow(score, args, server)
        odd(score, args, server)
    score.end()


if __name__ == "__main__":
    main()
