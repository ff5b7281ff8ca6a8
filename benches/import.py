#!/usr/bin/env python3
"""How fast other tools' records and vigie's own JSON lines come into a lake, and how much memory that takes.

  benches/import.py --vigie target/release/vigie [--scale 0.14] [--file LINES] [--distinct] [--runs 3]
  benches/import.py --vigie target/release/vigie --dimensions [--size 1] [--only shuffled] [--bound 500]

The first writes a simulated population as lines (0.14 of the published study is a million), imports them into an empty lake, as often
as `--runs` says, and beside it in the same run reads the file and counts its lines, as a bare loop would.
With `--distinct` no two lines say the same of a server, so that nothing is known from a line before: the worst case.

The second imports one constructed file per dimension in which an import can be large (lines, days, their order, hosts, distinct
contents, models of a host, ports of a host, long lines, bad lines), each into an empty lake, and writes a table with the peak memory
of each. It fails if one takes more than `--bound` MiB. `--size 0.1` makes each file a tenth as long.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DAY = 86_400
#: 2024-01-01T00:00:00Z, so that years of days lie in the past.
FIRST = 1_704_067_200


def run(words, allowed=(0,), **more):
    begun = time.monotonic()
    child = subprocess.Popen(words, **more)
    _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status) not in allowed:
        sys.exit(f"{words[0]} {words[1]} failed: {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def bare(path):
    """Seconds to read the file and count its lines."""
    begun, lines = time.monotonic(), 0
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            lines += block.count(b"\n")
    return time.monotonic() - begun, lines


def made_distinct(path):
    """Gives each line's evidence a text of its own."""
    other = path.with_suffix(".distinct")
    with open(path, "rb") as lines, open(other, "wb") as out:
        for number, line in enumerate(lines):
            mark = f'"seen":"look {number}"'.encode()
            out.write(line.replace(b'"seen":"a simulated population"', mark, 1))
    return other


# The dimensions. Each gives the lines of a file, which is constructed: a record of each tool's form with made-up addresses.


def instant(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def address(number):
    """One of the addresses that are kept for measurements between networks, 198.18.0.0/15, and on from there."""
    number += (198 << 24) + (18 << 16)
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def naabu(host, seconds, port=11434):
    return json.dumps({"ip": address(host), "timestamp": instant(seconds), "port": port, "protocol": "tcp", "tls": False})


def of_days(lines, days, order):
    """So many lines of a port scanner over so many days: in order of time, last day first, host by host, or shuffled."""
    seconds = [FIRST + number % days * DAY + number // days for number in range(lines)]
    if order == "sorted":
        seconds.sort()
    elif order == "backwards":
        seconds.sort(reverse=True)
    elif order == "shuffled":
        random.Random(1).shuffle(seconds)
    # Left as it is, each host has one line on each day.
    return (naabu(number // days, second) for number, second in enumerate(seconds))


class Lines:
    """vigie's own lines, made from one that this vigie wrote."""

    def __init__(self, vigie):
        said = subprocess.run([vigie, "population", "--jsonl", "--scale", "0.0005"], capture_output=True, check=True).stdout.splitlines()
        self.line = next(line for line in map(json.loads, said) if line["exposure"]["models"].get("known"))
        self.model = self.line["exposure"]["models"]["known"][0]

    def one(self, number, models, day=0, mark=None):
        line = self.line
        line["seen"] = line["recorded"] = instant(FIRST + day * DAY + number % DAY)
        line["endpoint"]["address"] = address(number)
        line["identity"]["evidence"][0]["seen"] = mark or "a constructed line"
        line["exposure"]["models"]["known"] = models
        return json.dumps(line, separators=(",", ":"))

    def models(self, count, mark=""):
        return [self.model | {"name": f"model-{mark}-{number}:latest"} for number in range(count)]


def nmap(hosts, ports):
    yield '<?xml version="1.0"?><nmaprun scanner="nmap" args="nmap -p- -oX" start="1700000000" version="7.94">'
    for host in range(hosts):
        yield f'<host starttime="1700000000" endtime="1700000100"><status state="up"/><address addr="{address(host)}" addrtype="ipv4"/><ports>'
        for port in range(1, ports + 1):
            yield f'<port protocol="tcp" portid="{port}"><state state="open" reason="syn-ack"/><service name="http" product="nginx"/></port>'
        yield "</ports></host>"
    yield '<runstats><finished time="1700000200" exit="success"/></runstats></nmaprun>'


def shodan(lines, models):
    """Banners with a long list of models in their body."""
    listed = [{"name": f"model-{number}:latest", "digest": f"{number:064x}", "size": number} for number in range(models)]
    html = json.dumps({"models": listed})
    for number in range(lines):
        yield json.dumps({
            "ip_str": address(number), "port": 11434, "transport": "tcp", "timestamp": "2024-01-01T07:21:33.444507", "product": "Ollama",
            "http": {"status": 200, "host": address(number), "location": "/api/tags", "html": html},
            "data": "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\r\n", "_shodan": {"module": "http"},
        })


def dimensions(vigie):
    """Name: the format, and what makes the lines for a size."""
    own = Lines(vigie)
    some = own.models(3)
    padding = "x" * (15 << 20)
    return {
        "450 lines on 450 days": ("naabu", lambda size: of_days(450, 450, "sorted")),
        "20,000 lines on 1,000 days, shuffled": ("naabu", lambda size: of_days(20_000, 1_000, "shuffled")),
        "lines: many on one day": ("naabu", lambda size: of_days(int(500_000 * size), 1, "sorted")),
        "days: 1,000, sorted": ("naabu", lambda size: of_days(int(200_000 * size), 1_000, "sorted")),
        "days: 1,000, last day first": ("naabu", lambda size: of_days(int(200_000 * size), 1_000, "backwards")),
        "days: 1,000, host by host": ("naabu", lambda size: of_days(int(200_000 * size), 1_000, "as it is")),
        "days: 1,000, shuffled": ("naabu", lambda size: of_days(int(200_000 * size), 1_000, "shuffled")),
        "hosts: own lines that say the same": ("vigie", lambda size: (own.one(number, some) for number in range(int(500_000 * size)))),
        "hosts: the same over 1,000 days, shuffled": ("vigie", lambda size: (
            own.one(number, some, day) for number, day in enumerate(random.Random(1).choices(range(1_000), k=int(500_000 * size)))
        )),
        "distinct contents": ("vigie", lambda size: (own.one(number, some, mark=f"look {number}") for number in range(int(100_000 * size)))),
        "distinct contents over 1,000 days, shuffled": ("vigie", lambda size: (
            own.one(number, some, day, f"look {number}")
            for number, day in enumerate(random.Random(1).choices(range(1_000), k=int(100_000 * size)))
        )),
        "models: 200 on each host": ("vigie", lambda size: (own.one(number, own.models(200, str(number))) for number in range(int(5_000 * size)))),
        "models: 15,000 on each of a few hosts": ("vigie", lambda size: (own.one(number, own.models(15_000, str(number))) for number in range(int(40 * size)))),
        "models: a body of 40,000 in each banner": ("shodan", lambda size: shodan(int(40 * size), 40_000)),
        "long lines: a text of 15 MiB in each": ("vigie", lambda size: (
            own.one(number, some, mark=f"{number} {padding}") for number in range(int(40 * size))
        )),
        "bad lines of 15 MiB": ("vigie", lambda size: ('{"schema":' + padding for _ in range(int(40 * size)))),
        "bad lines, short": ("vigie", lambda size: ("no record" for _ in range(int(500_000 * size)))),
        "one address with 65,535 open ports": ("nmap", lambda size: nmap(1, 65_535)),
        "addresses with 65,535 open ports each": ("nmap", lambda size: nmap(max(1, int(10 * size)), 65_535)),
    }


def in_each_dimension(told):
    print("| dimension | lines | MB | lines a second | CPU, s | files | peak, MiB |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    worst = 0
    for name, (form, made) in dimensions(told.vigie).items():
        if told.only and told.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path, lines = Path(folder) / "lines", 0
            with open(path, "w") as out:
                for line in made(told.size):
                    out.write(line + "\n")
                    lines += 1
            size = path.stat().st_size / 1e6
            words = [told.vigie, "import", str(path), "--from", form, "--lake", f"{folder}/lake", "--errors", f"{folder}/errors", "--quiet"]
            # 2: nothing but bad records.
            wall, cpu, peak = run(words, (0, 2), stdout=subprocess.DEVNULL)
            files = sum(1 for _ in Path(folder).glob("lake/**/*.parquet"))
            worst = max(worst, peak)
            print(f"| {name} | {lines:,} | {size:,.1f} | {lines / wall:,.0f} | {cpu:.1f} | {files:,} | {peak:.0f} |", flush=True)
    print(f"\nthe worst: {worst:.0f} MiB (bound {told.bound})")
    return int(worst > told.bound)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default="target/release/vigie")
    parser.add_argument("--scale", default="0.14")
    parser.add_argument("--file", type=Path, help="lines that were written already")
    parser.add_argument("--distinct", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dimensions", action="store_true", help="the memory in each dimension instead")
    parser.add_argument("--size", type=float, default=1.0, help="of the dimensions' files")
    parser.add_argument("--only", help="the dimensions with this in their name")
    parser.add_argument("--bound", type=int, default=500, help="MiB that no dimension may take more than")
    told = parser.parse_args()
    if told.dimensions:
        return in_each_dimension(told)
    with tempfile.TemporaryDirectory() as folder:
        path = told.file or Path(folder) / "lines.jsonl"
        if not told.file:
            with open(path, "wb") as out:
                run([told.vigie, "population", "--jsonl", "--scale", told.scale], stdout=out)
        if told.distinct:
            path = made_distinct(path)
        seconds, lines = bare(path)
        size = path.stat().st_size
        print(f"{lines} lines, {size / lines:.0f} bytes each in the mean; read and counted in {seconds:.1f} s")
        for number in range(told.runs):
            lake = f"{folder}/lake-{number}"
            wall, cpu, peak = run([told.vigie, "import", str(path), "--lake", lake, "--quiet"], stdout=subprocess.DEVNULL)
            print(f"imported: {lines / wall:,.0f} observations per second (bound 100,000), {wall:.1f} s, {1e6 * cpu / lines:.1f} µs of CPU each, "
                  f"peak {peak:.0f} MiB, {wall / seconds:.1f} times the bare reading")


if __name__ == "__main__":
    sys.exit(main())
