#!/usr/bin/env python3
"""The study at the size of the published one, compared with DuckDB on the same files in the same run.

  benches/study.py --vigie target/release/vigie [--scale 1] [--lake DIR]
  benches/study.py --vigie target/release/vigie --plot FILE.svg [--lake DIR]

Writes the population (unless the lake exists), compacts it, makes the document, and then runs the same SQL in DuckDB: the base tables,
then each question. Needs the Python package duckdb.

With `--plot` it makes the document over 1, 10 and 100 per cent of the population and plots time and memory. Needs matplotlib.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(words):
    """Runs a command; returns seconds, CPU seconds and peak memory in MiB."""
    begun = time.monotonic()
    child = subprocess.Popen(words)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{words[0]} {words[1]} failed")
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def size(lake):
    return sum(path.stat().st_size for path in Path(lake).rglob("*") if path.is_file())


def compare_with_duckdb(vigie, lake, report, runs):
    import duckdb

    listed = json.loads(
        subprocess.run([vigie, "lake", "files", "--lake", lake, "--format", "json"], check=True, capture_output=True, text=True).stdout
    )["files"]
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "1536MB"})
    for table in {one["table"] for one in listed}:
        files = [one["path"] for one in listed if one["table"] == table]
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({files!r}, hive_partitioning = true, union_by_name = true)")
    begun = time.monotonic()
    for table in report["prelude"]:
        kind = "VIEW" if table["table"] == "selected_observations" else "TABLE"
        connection.execute(f"CREATE {kind} {table['table']} AS {table['sql']}")
    base_tables = time.monotonic() - begun
    # The only base table without SQL.
    connection.execute(
        """CREATE TABLE months AS
        SELECT strftime(TIMESTAMP '1970-01-01' + to_days(CAST(day AS INTEGER)), '%Y-%m') AS month, day // 62 AS block,
          bit_or(CAST(1 AS BIGINT) << (day % 62)) AS mask
        FROM (SELECT unnest(generate_series(first_day, last_day)) AS day FROM study_window) GROUP BY ALL"""
    )
    # Like the study: every question once and in order, so that each finds the caches filled by the one before it.
    best = {}
    for _ in range(runs):
        for name, question in report["questions"].items():
            begun = time.monotonic()
            # Kept as a table: neither side turns its rows into another language's here.
            for sql in question["sql"].values():
                connection.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {sql}")
            best[name] = min(time.monotonic() - begun, best.get(name, float("inf")))
    rows = [(name, question["seconds"], question["sql_seconds"], best[name]) for name, question in report["questions"].items()]
    return base_tables, rows


def plotted(vigie, whole, runs, folder, file):
    """Seconds and memory of the document as the lake grows, on scales of powers of ten."""
    import matplotlib

    matplotlib.use("svg")
    # The same figures give the same file.
    matplotlib.rcParams["svg.hashsalt"] = "vigie"
    from matplotlib import pyplot

    points = []
    for scale in ["0.01", "0.1", "1"]:
        lake = whole if whole and scale == "1" else f"{folder}/lake-{scale}"
        if not Path(lake).exists():
            run([vigie, "population", "--quiet", "--scale", scale, "--lake", lake])
            run([vigie, "lake", "compact", "--lake", lake])
        best = min(run([vigie, "study", "--quiet", "--lake", lake, "--out", f"{folder}/out-{scale}"]) for _ in range(runs))
        report = json.loads(Path(f"{folder}/out-{scale}/study.json").read_text())
        points.append((report["questions"]["totals"]["rows"][0]["observations"], *best))
        print("{} observations: {:.2f} s, {:.2f} s of CPU, peak {:.0f} MiB".format(*points[-1]))
    figure, (time_axis, memory_axis) = pyplot.subplots(1, 2, figsize=(8, 3), layout="constrained")
    seen = [point[0] for point in points]
    time_axis.loglog(seen, [point[1] for point in points], "o-", label="elapsed")
    time_axis.loglog(seen, [point[2] for point in points], "s--", label="of CPU")
    time_axis.set(xlabel="observations", ylabel="seconds", title="All questions and the document")
    time_axis.legend()
    memory_axis.loglog(seen, [point[3] for point in points], "o-", base=10)
    memory_axis.set(xlabel="observations", ylabel="MiB", title="Peak memory")
    figure.savefig(file, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default="target/release/vigie")
    parser.add_argument("--scale", default="1")
    parser.add_argument("--lake", help="a lake that was written already")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--duckdb", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--plot", metavar="FILE.svg")
    arguments = parser.parse_args()
    if arguments.plot:
        with tempfile.TemporaryDirectory() as folder:
            plotted(arguments.vigie, arguments.lake, arguments.runs, folder, arguments.plot)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        lake, truth = arguments.lake or f"{folder}/lake", f"{folder}/truth.json"
        if not Path(lake).exists():
            wall, cpu, peak = run([arguments.vigie, "population", "--scale", arguments.scale, "--lake", lake, "--truth", truth])
            print(f"written: {wall:.1f} s, {cpu:.1f} s of CPU, peak {peak:.0f} MiB")
            for verb in [["compact"], ["vacuum", "--older", "0d"]]:
                wall, _, peak = run([arguments.vigie, "lake", *verb, "--lake", lake])
                print(f"{verb[0]}: {wall:.1f} s, peak {peak:.0f} MiB")
        wall, cpu, peak = run([arguments.vigie, "study", "--quiet", "--lake", lake, "--out", f"{folder}/out"])
        report = json.loads(Path(f"{folder}/out/study.json").read_text())
        total = report["questions"]["totals"]["rows"][0]["observations"]
        # The best of as many runs as DuckDB has.
        for _ in range(arguments.runs - 1):
            again = subprocess.run([arguments.vigie, "study", "--quiet", "--format", "json", "--lake", lake], check=True, capture_output=True)
            for name, question in json.loads(again.stdout)["questions"].items():
                for what in ("seconds", "sql_seconds"):
                    report["questions"][name][what] = min(question[what], report["questions"][name][what])
        asked = sum(question["seconds"] for question in report["questions"].values())
        print(f"study: {total} observations, all questions and the document in {wall:.1f} s (bound 30), {cpu:.1f} s of CPU, "
              f"peak {peak:.0f} MiB (bound 2,048); {asked:.1f} s of it in questions")
        print(f"lake: {size(lake)} bytes, {size(lake) / total:.1f} per observation (bound 40)")
        if arguments.duckdb:
            base_tables, rows = compare_with_duckdb(arguments.vigie, lake, report, arguments.runs)
            print(f"DuckDB: the tables in {base_tables:.1f} s")
            print("| question | whole s | its SQL s | DuckDB s | ratio for the SQL |\n| --- | ---: | ---: | ---: | ---: |")
            for name, whole, own, other in rows:
                print(f"| {name} | {whole:.3f} | {own:.3f} | {other:.3f} | {own / other:.2f}{' *' if own > 2 * other else ''} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
