#!/usr/bin/env python3
"""The audit log of `vigie guard` under faults: kills under load, several processes at once, a disk that is full.

    tests/guard/faults.py [--vigie target/debug/vigie] [--kills 100] [--rounds 10] [--seed N]

Needs nginx (Debian package nginx-light; no service is started). The disk that is full is a tmpfs: that part needs root, and is skipped without.
Every request has a name, which is its user agent. The last line is `N passed, N failed`; the exit code is 1 if a check failed.
"""
import argparse
import collections
import itertools
import os
import random
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import http.client

from lab import OUTPUT, PROMPT, Behind, Guard, Score

ROOT = Path(__file__).resolve().parent.parent.parent
numbers = itertools.count(1)


class Load:
    """Clients that send requests without a pause, and know which were answered."""

    def __init__(self, guards, clients=8):
        self.stopping = False
        self.answers = collections.defaultdict(list)
        self.threads = [threading.Thread(target=self.client, args=(guards[at % len(guards)],)) for at in range(clients)]
        for thread in self.threads:
            thread.start()

    def client(self, guard):
        connection = http.client.HTTPConnection("127.0.0.1", guard.port, timeout=30)
        while not self.stopping:
            name = f"request-{next(numbers)}"
            answer = guard.ask(name, connection=connection)
            self.answers[answer and answer[0]].append(name)
            if answer is None:
                time.sleep(0.01)
        connection.close()

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        return self.answers


def named(events):
    """How often each request is in the log."""
    names = [event.get("http_request", {}).get("user_agent") for event in events]
    return collections.Counter(name for name in names if name and name.startswith("request-"))


def tokens(events):
    return sum(event["unmapped"].get("counted", {}).get("tokens", 0) for event in events if event.get("class_uid") == 6003)


def left(guard):
    return int(guard.ask("the-last")[2]["x-ratelimit-remaining-tokens"])


def kills(score, vigie, behind, count, chance):
    guard = Guard(vigie, behind.port)
    acknowledged, unsound = [], []
    for number in range(count):
        guard.start()
        load = Load([guard])
        time.sleep(chance.uniform(0.05, 0.4))
        guard.kill()
        acknowledged += load.stop()[200]
        report = guard.verify()
        # What was not written whole when the kill came is no line, and is no fault of the chain.
        torn = [fault for fault in report["report"]["faults"] if fault["detail"] != "the last line has no end"]
        if torn:
            unsound.append((number, torn))
    score.check(f"{count} kills under load: the log is sound after each", not unsound, unsound[:3])
    events = guard.events() if not torn else []
    names = named(events)
    missing = [name for name in acknowledged if name not in names]
    score.check(f"every one of {len(acknowledged)} acknowledged requests is in the log", acknowledged and not missing, missing[:5])
    twice = [name for name, times in names.items() if times > 1]
    score.check("no request is in the log twice", not twice, twice[:5])
    guard.start()
    used = tokens(events)
    remaining = left(guard)
    score.check("what the key has used is what the log says", 1_000_000_000 - remaining == used and used >= len(acknowledged) * (PROMPT + OUTPUT),
                (1_000_000_000 - remaining, used, len(acknowledged)))
    guard.stop()
    score.check("and the log is sound after a stop", guard.verify()["sound"], guard.verify())


def processes(score, vigie, behind, rounds, chance):
    """Three gateways that write one log, killed at random."""
    shared = Path(tempfile.mkdtemp(), "log")
    guards = [Guard(vigie, behind.port, log=shared) for _ in range(1)]
    for _ in range(2):
        other = Guard(vigie, behind.port, log=shared.with_name("unused"))
        for name in ["keys.json", "log-signing.pk8", "log-signing.pub"]:
            Path(other.dir, name).write_bytes(Path(guards[0].dir, name).read_bytes())
        other.config.write_text(other.config.read_text().replace(str(other.log), str(shared)))
        other.log, other.secret = shared, guards[0].secret
        guards.append(other)
    acknowledged, unsound = [], []
    for number in range(rounds):
        for guard in guards:
            if guard.process is None or guard.process.poll() is not None:
                guard.start()
        load = Load(guards, clients=9)
        for guard in chance.sample(guards, chance.randint(1, 3)):
            time.sleep(chance.uniform(0.05, 0.6))
            guard.kill()
        acknowledged += load.stop()[200]
        report = guards[0].verify()
        faults = [fault for fault in report["report"]["faults"] if fault["detail"] != "the last line has no end"]
        if faults:
            unsound.append((number, faults[:3]))
    for guard in guards:
        if guard.process.poll() is None:
            guard.stop()
    for guard in guards:
        guard.start()
    for guard in guards:
        guard.stop()
    score.check(f"three processes, killed in {rounds} rounds: the log is sound after each", not unsound, unsound[:3])
    report = guards[0].verify()
    score.check("and at the end", report["sound"] and len(report["report"]["streams"]) == 3, report)
    names = named(guards[0].events())
    missing = [name for name in acknowledged if name not in names]
    score.check(f"every one of {len(acknowledged)} acknowledged requests is in the log of one of them", acknowledged and not missing, missing[:5])
    score.check("and once", not [name for name, times in names.items() if times > 1])
    heads = guards[0].run("log", "head").stdout.split()
    words = [word for head in heads for word in ("--head", head)]
    score.check("it holds the heads that it printed", len(heads) == 3 and guards[0].verify(*words)["sound"], heads)
    second = sorted(Path(shared, "2").glob("audit-*"))[-1]
    text = second.read_bytes()
    second.write_bytes(b"".join(text.splitlines(keepends=True)[:-3]))
    score.check("the end of one stream that is cut off is missed by the others or the heads", not guards[0].verify(*words)["sound"])
    second.write_bytes(text)
    score.check("as it was it is sound", guards[0].verify(*words)["sound"])


def full_disk(score, vigie, behind, when_full):
    folder = Path(tempfile.mkdtemp())
    # Room for what a fast machine logs in a few seconds: a disk that is full again at once says nothing.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "vigie-test", str(folder)], check=True)
    try:
        guard = Guard(vigie, behind.port, log=folder / "log", settings=f'when_full = "{when_full}"\n')
        guard.start()
        load = Load([guard], clients=4)
        filler = folder / "filler"
        time.sleep(0.5)
        with open(filler, "wb", buffering=0) as out:
            try:
                while True:
                    out.write(b"x" * 4096)
            except OSError:
                pass
        time.sleep(2.5)
        others = ["while-full"]
        status = guard.ask("while-full")[0]
        verified = guard.verify()
        faults = [fault for fault in verified["report"]["faults"] if fault["detail"] != "the last line has no end"]
        score.check(f"{when_full}: a request while the disk is full", status == (503 if when_full == "refuse" else 200), status)
        score.check(f"{when_full}: the log is sound while the disk is full", not faults, faults[:3])
        filler.unlink()
        for _ in range(100):
            time.sleep(0.05)
            others.append(f"again-{len(others)}")
            if guard.ask(others[-1])[0] == 200 and any(event["unmapped"]["event"] == "gap" for event in guard.events()):
                break
        answers = load.stop()
        guard.stop()
        events = guard.events()
        gaps = [event["unmapped"] for event in events if event["unmapped"]["event"] == "gap"]
        score.check(f"{when_full}: it writes again without a restart, and says what is missing", len(gaps) >= 1, gaps)
        score.check(f"{when_full}: the log is sound afterwards", guard.verify()["sound"], guard.verify())
        names = named(events)
        missing = [name for name in answers[200] if name not in names]
        lost, refused, late = (sum(gap[word] for gap in gaps) for word in ("lost", "refused", "late"))
        if when_full == "refuse":
            score.check("refuse: every acknowledged request is in the log", not missing and lost == 0, (missing[:5], gaps))
            score.check("refuse: what was refused is counted", refused >= len(answers[503]) > 0, (gaps, len(answers[503])))
        else:
            score.check("pass: nobody was refused", not answers[503])
            logged = {event.get("http_request", {}).get("user_agent") for event in events}
            missing += [name for name in others if name not in logged]
            score.check("pass: what is not in the log is counted, no more and no less", len(missing) == lost > 0 and late > 0,
                        (len(missing), gaps))
        score.check(f"{when_full}: no request is in the log twice", not [name for name, times in names.items() if times > 1])
    finally:
        if guard.process and guard.process.poll() is None:
            guard.kill()
        subprocess.run(["umount", str(folder)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default=str(ROOT / "target/debug/vigie"))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    args = parser.parse_args()
    print(f"seed {args.seed}")
    score, behind, chance = Score(), Behind(), random.Random(args.seed)
    try:
        if args.kills:
            kills(score, args.vigie, behind, args.kills, chance)
        if args.rounds:
            processes(score, args.vigie, behind, args.rounds, chance)
        if os.geteuid() == 0:
            for when_full in ["refuse", "pass"]:
                full_disk(score, args.vigie, behind, when_full)
        else:
            print("skipped: a full disk, which needs root to mount a tmpfs")
    finally:
        behind.stop()
    score.end()


if __name__ == "__main__":
    main()
