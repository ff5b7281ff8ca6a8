#!/usr/bin/env python3
"""Three gateways that share the counts of a thousand keys in a real Redis, which is killed and loses its data under load.

    tests/guard/redis.py [--vigie target/debug/vigie]        # needs redis-server (Debian: redis-server)

Behind the gateways is a server that answers at once; what is tried is the counting. The last line is `N passed, N failed`; the exit code is
1 if a check failed.
"""
import argparse
import asyncio
import collections
import copy
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from run import ROOT, Score, free_port, get, wait_for  # noqa: E402

GATEWAYS, KEYS, PER_MINUTE, PER_DAY = 3, 1000, 5, 100
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PASSWORD = "a-password-of-the-test"


def new_secret():
    def base62(number, digits):
        return "".join(DIGITS[number // 62**place % 62] for place in reversed(range(digits)))

    text = "vigie_" + base62(secrets.randbits(256), 43)
    return text + base62(zlib.crc32(text.encode()), 6)


class Behind:
    """Answers every request at once with ten tokens, or, if the prompt says so, when it is let go."""

    def __init__(self):
        self.under_way = self.most = 0
        self.go = asyncio.Event()

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = [line.split(":")[1] for line in head.split("\r\n") if line.startswith("content-length:")]
                body = await reader.readexactly(int(length[0]) if length else 0)
                reply = {"model": "tiny", "response": "a", "done": True, "prompt_eval_count": 4, "eval_count": 6}
                if "/api/version" in head:
                    reply = {"version": "0.17.4"}
                if b'"slow"' in body:
                    self.under_way += 1
                    self.most = max(self.most, self.under_way)
                    await self.go.wait()
                    self.under_way -= 1
                text = json.dumps(reply).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text) + text)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class Client:
    """Connections to the gateways, each kept."""

    def __init__(self, ports):
        self.ports, self.idle = ports, collections.defaultdict(list)

    def forget(self):
        """Before the gateways close what is idle."""
        for kept in self.idle.values():
            for _, writer in kept:
                writer.close()
        self.idle.clear()

    async def ask(self, gateway, secret, prompt="a"):
        """-> status, headers"""
        body = json.dumps({"model": "tiny", "prompt": prompt, "stream": False}).encode()
        request = (f"POST /api/generate HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {secret}\r\n"
                   f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n").encode() + body
        port = self.ports[gateway]
        reader, writer = self.idle[port].pop() if self.idle[port] else await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        await reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            writer.close()
        else:
            self.idle[port].append((reader, writer))
        return int(head.split(" ")[1]), fields


async def together(calls, most=200):
    """All results, so many calls at a time."""
    room = asyncio.Semaphore(most)

    async def one(call):
        async with room:
            return await call

    return await asyncio.gather(*(one(call) for call in calls))


class Redis:
    def __init__(self):
        self.port, self.process = free_port(), None

    def start(self):
        words = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--requirepass", PASSWORD]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        wait_for(self.port)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Gateways:
    def __init__(self, vigie, upstream, redis, keys, clock):
        self.folders, self.ports, self.admins, self.processes = [], [], [], []
        for number in range(GATEWAYS):
            folder, port, admin = tempfile.mkdtemp(), free_port(), free_port()
            words = [vigie, "guard", "init", "--dir", folder, "--upstream", upstream, "--listen", f"127.0.0.1:{port}", "--plain-http", "--yes",
                     "--product", "ollama", "--product-version", "0.17.4"]
            subprocess.run(words, check=True, capture_output=True)
            Path(folder, "redis-password").write_text(PASSWORD + "\n")
            with open(Path(folder, "guard.toml"), "a", encoding="utf-8") as config:
                config.write(f'\n[admin]\naddress = "127.0.0.1:{admin}"\n\n[limits]\nredis = "redis://127.0.0.1:{redis}/2"\npassword = "redis-password"\n')
            store = json.loads(Path(folder, "keys.json").read_text())
            one = store["keys"][0]
            store["keys"] = []
            for key, (secret, limits) in keys.items():
                entry = copy.deepcopy(one)
                entry["id"] = entry["name"] = key
                entry["secrets"] = [{"hash": "sha256:" + hashlib.sha256(secret.encode()).hexdigest()}]
                entry["grant"]["limits"] = limits
                store["keys"].append(entry)
            Path(folder, "keys.json").write_text(json.dumps(store))
            self.folders.append(folder)
            self.ports.append(port)
            self.admins.append(admin)
            # The last one lives in another day.
            env = {**os.environ, **(clock if number + 1 == GATEWAYS else {})}
            self.processes.append(subprocess.Popen([vigie, "guard", "run", "--dir", folder], env=env, stderr=open(Path(folder, "stderr"), "w")))
        for port in self.ports:
            wait_for(port)

    def ready(self):
        return [get(f"http://127.0.0.1:{port}/readyz")[0] for port in self.admins]

    async def until_ready(self, wanted, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if (await asyncio.to_thread(self.ready)) == [wanted] * GATEWAYS:
                return True
            await asyncio.sleep(0.05)
        return False

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=60)


def counts(results):
    """Requests that passed, by key."""
    return collections.Counter(key for key, status in results if status == 200)


async def burst(client, keys, each):
    """Each key sends so many requests, spread over the gateways. -> [(key, status)]"""

    async def one(key, gateway):
        status, _ = await client.ask(gateway, keys[key][0])
        return key, status

    calls = [one(key, (number + index) % GATEWAYS) for number in range(each) for index, key in enumerate(keys)]
    return await together(calls)


async def main(vigie):
    score = Score()
    behind = Behind()
    server = await asyncio.start_server(behind.serve, "127.0.0.1", 0)
    upstream = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
    minute = {f"minute-{number}": (new_secret(), {"requests-per-minute": PER_MINUTE}) for number in range(KEYS)}
    day = {f"day-{number}": (new_secret(), {"tokens-per-day": PER_DAY}) for number in range(20)}
    other = {"concurrent": (new_secret(), {"concurrent": 2}), "free": (new_secret(), {})}
    redis = Redis()
    redis.start()
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    clock = {"LD_PRELOAD": str(library), "FAKETIME": "+25h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"} if library else {}
    gateways = Gateways(vigie, upstream, redis.port, {**minute, **day, **other}, clock)
    client = Client(gateways.ports)
    try:
        score.check("the gateways are ready", await gateways.until_ready(200), gateways.ready())

        # A thousand keys, nine requests each where five are allowed, on three gateways at once.
        since = time.monotonic()
        results = await burst(client, minute, 9)
        took = time.monotonic() - since
        passed = counts(results)
        print(f"{len(results)} requests in {took:.1f} s; {len(passed)} keys", flush=True)
        score.check("requests per minute: every key has its quota", all(passed[key] >= PER_MINUTE for key in minute) if took < 60 else True, passed.most_common()[-3:])
        score.check("requests per minute: no key is over it", max(passed.values()) == PER_MINUTE, passed.most_common(3))
        score.check("what is over it gets 429", {status for _, status in results} == {200, 429}, collections.Counter(status for _, status in results))
        _, fields = await client.ask(0, minute["minute-0"][0])
        score.check("and is told when to come again", 1 <= int(fields["retry-after"]) <= 61 and fields["x-ratelimit-limit-requests"] == str(PER_MINUTE), fields)

        # Tokens: ten each, a hundred a day, one after the other on changing gateways, one of which lives in another day.
        async def spend(key):
            return key, [(await client.ask(number % GATEWAYS, day[key][0]))[0] for number in range(15)]

        spent = dict(await together([spend(key) for key in day]))
        most = {key: statuses.count(200) for key, statuses in spent.items()}
        allowed = PER_DAY // 10
        score.check(f"tokens per day{', whatever the clock of a gateway' if clock else ''}", all(allowed <= count <= allowed + GATEWAYS for count in most.values()), most)

        # Places.
        calls = [asyncio.create_task(client.ask(number % GATEWAYS, other["concurrent"][0], "slow")) for number in range(9)]
        await asyncio.wait(calls, timeout=10, return_when=asyncio.ALL_COMPLETED)
        refused = [call.result()[0] for call in calls if call.done()]
        score.check("no more at once than allowed, over all gateways", refused == [429] * 7 and behind.most == 2, (refused, behind.most))
        behind.go.set()
        await asyncio.gather(*calls)
        score.check("and places come back", (await client.ask(0, other["concurrent"][0]))[0] == 200)

        # Redis dies under load.
        async def load(stop, seen):
            number = 0
            while not stop.is_set():
                number += 1
                status, _ = await client.ask(number % GATEWAYS, other["free"][0])
                seen.append((time.monotonic(), status))

        stop, seen = asyncio.Event(), []
        loads = [asyncio.create_task(load(stop, seen)) for _ in range(8)]
        await asyncio.sleep(1)
        redis.kill()
        killed = time.monotonic()
        score.check("without Redis no gateway is ready", await gateways.until_ready(503, 10), gateways.ready())
        await asyncio.sleep(1)
        late = collections.Counter(status for at, status in seen if at > killed + 0.5)
        score.check("without Redis nothing is passed on", set(late) == {503}, late)
        before = counts([(key, (await client.ask(0, minute[key][0]))[0]) for key in list(minute)[:5]])
        score.check("for no key", not before, before)

        # It comes back, empty.
        redis.start()
        score.check("the gateways connect again", await gateways.until_ready(200), gateways.ready())
        back = time.monotonic()
        await asyncio.sleep(1)
        stop.set()
        await asyncio.gather(*loads)
        score.check("and pass requests on", {status for at, status in seen if at > back + 0.2} == {200}, seen[-5:])
        spent_again = dict(await together([spend(key) for key in day]))
        most = {key: statuses.count(200) for key, statuses in spent_again.items()}
        score.check("what the gateways had counted of the day holds", not any(most.values()), most)

        # A key within its minute: used up, Redis dies, and comes back empty.
        fresh = {key: minute[key] for key in list(minute)[:200]}
        client.forget()
        # What was added when Redis came back counts from then on.
        await asyncio.sleep(max(0, 62 - (time.monotonic() - back)))
        first = counts(await burst(client, fresh, 4))
        redis.kill()
        await gateways.until_ready(503, 10)
        redis.start()
        await gateways.until_ready(200)
        total = first + counts(await burst(client, fresh, 4))
        score.check("nor does a new minute begin for anybody", max(total.values()) <= PER_MINUTE + GATEWAYS, total.most_common(3))
        score.check("and what was left is left", min(total[key] for key in fresh) >= PER_MINUTE, total.most_common()[-3:])

        # Killed in the middle of requests, again and again: connections break, counts do not.
        client.forget()
        await asyncio.sleep(62)
        stop = asyncio.Event()

        async def trouble():
            while not stop.is_set():
                await asyncio.sleep(0.3)
                text = await asyncio.to_thread(subprocess.run, ["redis-cli", "-p", str(redis.port), "-a", PASSWORD, "--no-auth-warning", "CLIENT", "KILL", "TYPE", "normal"],
                                               capture_output=True, text=True)
                assert text.returncode == 0, text

        breaks = asyncio.create_task(trouble())
        since = time.monotonic()
        results = []
        while time.monotonic() - since < 6:
            results += await burst(client, fresh, 1)
        stop.set()
        await breaks
        passed = counts(results)
        score.check("connections that break let nobody over", max(passed.values()) <= PER_MINUTE, passed.most_common(3))
        await asyncio.sleep(1)
        rest = counts(await burst(client, fresh, 6))
        total = passed + rest
        score.check("nor take anything away", min(total[key] for key in fresh) == PER_MINUTE == max(total.values()), (total.most_common(2), total.most_common()[-2:]))
        score.check("connections did break", any(status == 503 for _, status in results), collections.Counter(status for _, status in results))
    finally:
        gateways.stop()
        redis.kill()
        server.close()
    written = "".join(path.read_text(errors="replace") for folder in gateways.folders for path in Path(folder).rglob("*") if path.is_file() and path.name != "redis-password")
    score.check("the password is in no other file", PASSWORD not in written)
    for folder in gateways.folders:
        verified = subprocess.run([vigie, "guard", "log", "verify", "--dir", folder], capture_output=True, text=True)
        score.check("the log is sound", verified.returncode == 0, verified.stdout)
    print(f"{score.passed} passed, {score.failed} failed")
    return 1 if score.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    if not shutil.which("redis-server"):
        sys.exit("redis-server is not installed (Debian: apt-get install redis-server)")
    sys.exit(asyncio.run(main(parser.parse_args().vigie)))
