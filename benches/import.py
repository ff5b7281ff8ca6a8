#!/usr/bin/env python3
"""How fast vigie's own JSON lines come into a lake.

  benches/import.py --vigie target/release/vigie [--scale 0.14] [--file LINES] [--distinct]

Writes a simulated population as lines (0.14 of the published study is a million), imports them into an empty lake, as often as
`--runs` says, and beside it in the same run reads the file and counts its lines, as a bare loop would.
With `--distinct` no two lines say the same of a server, so that nothing is known from a line before: the worst case.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(words, **more):
    begun = time.monotonic()
    child = subprocess.Popen(words, **more)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{words[0]} {words[1]} failed")
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default="target/release/vigie")
    parser.add_argument("--scale", default="0.14")
    parser.add_argument("--file", type=Path, help="lines that were written already")
    parser.add_argument("--distinct", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    told = parser.parse_args()
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
