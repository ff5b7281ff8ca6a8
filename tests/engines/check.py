#!/usr/bin/env python3
"""Opens a lake with other engines and compares what they count with what vigie says.

Polars and Spark open the tables as they are, with their own Delta readers; DuckDB and ClickHouse (chdb) read the files that
`vigie lake files` lists. Every engine answers the same questions in the same SQL.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

# Plain SQL, without a function that is named differently anywhere.
QUESTIONS = {
    "rows": "SELECT count(*) AS n FROM observations",
    "hosts by product": "SELECT product, count(DISTINCT address) AS n FROM observations GROUP BY product ORDER BY product",
    "known and unknown": "SELECT count(models) AS known, count(*) - count(models) AS unknown FROM observations",
    "why": "SELECT models_why, count(*) AS n FROM observations GROUP BY models_why ORDER BY models_why",
    "by day": "SELECT count(DISTINCT date) AS n FROM observations",
    "families": """SELECT m.family, count(DISTINCT o.address) AS n FROM observations o JOIN models m ON m.state = o.state
                   GROUP BY m.family ORDER BY m.family""",
    "requests": """SELECT gateway, key_name, outcome, count(*) AS n, sum(prompt_tokens) AS tokens FROM requests
                   GROUP BY gateway, key_name, outcome ORDER BY gateway, key_name, outcome""",
    "unknown tokens": """SELECT output_tokens_why, count(*) AS n FROM requests WHERE output_tokens IS NULL
                         GROUP BY output_tokens_why ORDER BY output_tokens_why""",
    "days of requests": "SELECT count(DISTINCT date) AS n, min(seq) AS first, max(status) AS status FROM requests",
    "latest": "SELECT max(port) AS port, min(confidence) AS confidence FROM observations WHERE posture = 'open'",
}
TABLES = ["observations", "states", "models", "requests"]
ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "crates/import/tests/data/vigie-guard/v2.jsonl"


def vigie(binary, *words):
    done = subprocess.run([binary, *words], check=True, capture_output=True, text=True)
    return done.stdout


def canonical(rows):
    """Rows as sorted lists of plain values: engines differ in where NULL sorts and in the width of numbers."""
    plain = [[int(v) if isinstance(v, float) and v.is_integer() else v for v in row] for row in rows]
    return sorted(plain, key=lambda row: [(value is not None, str(value)) for value in row])


def own(binary, lake):
    answers = {}
    for name, sql in QUESTIONS.items():
        lines = vigie(binary, "sql", sql, "--lake", lake, "--format", "json").splitlines()
        answers[name] = [list(json.loads(line).values()) for line in lines]
    return answers


def files(binary, lake):
    listed = json.loads(vigie(binary, "lake", "files", "--lake", lake, "--format", "json"))["files"]
    return {table: [str(Path(one["path"])) for one in listed if one["table"] == table] for table in TABLES}


def with_polars(lake, _files):
    import polars

    context = polars.SQLContext({table: polars.scan_delta(f"{lake}/{table}") for table in TABLES})
    return {name: [list(row) for row in context.execute(sql).collect().rows()] for name, sql in QUESTIONS.items()}


def with_duckdb(_lake, listed):
    import duckdb

    connection = duckdb.connect()
    for table in TABLES:
        connection.execute(
            f"CREATE VIEW {table} AS SELECT * FROM read_parquet({listed[table]!r}, hive_partitioning = true, union_by_name = true)"
        )
    return {name: [list(row) for row in connection.execute(sql).fetchall()] for name, sql in QUESTIONS.items()}


def with_chdb(lake, listed):
    from chdb import session

    with tempfile.TemporaryDirectory() as folder:
        clickhouse = session.Session(folder)
        for table in TABLES:
            # The day stands in the folder's name; as a NULL is asked for by name, joins must give NULL and not a default.
            # A pattern that began with its braces would not be an absolute path.
            inside = [path.removeprefix(f"{lake}/{table}/") for path in listed[table]]
            pattern = f"{lake}/{table}/" + (inside[0] if len(inside) == 1 else "{" + ",".join(inside) + "}")
            clickhouse.query(
                f"CREATE VIEW {table} AS SELECT * FROM file('{pattern}', Parquet)"
                " SETTINGS use_hive_partitioning = 1, schema_inference_mode = 'union'"
            )
        answers = {}
        for name, sql in QUESTIONS.items():
            text = str(clickhouse.query(sql + " SETTINGS join_use_nulls = 1, use_hive_partitioning = 1", "JSONCompact"))
            rows = json.loads(text)["data"]
            # 64-bit numbers are written as text.
            answers[name] = [[int(v) if isinstance(v, str) and v.isdigit() else v for v in row] for row in rows]
        return answers


def with_spark(lake, _files):
    from delta import configure_spark_with_delta_pip
    from pyspark.sql import SparkSession

    builder = (
        SparkSession.builder.master("local[2]")
        .appName("vigie")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    )
    spark = configure_spark_with_delta_pip(builder).getOrCreate()
    try:
        for table in TABLES:
            spark.read.format("delta").load(f"{lake}/{table}").createOrReplaceTempView(table)
        return {name: [list(row) for row in spark.sql(sql).collect()] for name, sql in QUESTIONS.items()}
    finally:
        spark.stop()


ENGINES = {"polars": with_polars, "duckdb": with_duckdb, "chdb": with_chdb, "spark": with_spark}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vigie", default="target/debug/vigie", help="the binary, built with --features study")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        lake = f"{folder}/lake"
        subprocess.run([arguments.vigie, "population", "--quiet", "--scale", "0.002", "--lake", lake], check=True)
        vigie(arguments.vigie, "import", str(LOG), "--lake", lake, "--quiet", "--errors", f"{folder}/errors.jsonl")
        # Before and after its files are put together: both are lakes.
        for state in ["as written", "compacted"]:
            expected = own(arguments.vigie, lake)
            for engine in arguments.engines:
                answers = ENGINES[engine](lake, files(arguments.vigie, lake))
                wrong = [name for name in QUESTIONS if canonical(answers[name]) != canonical(expected[name])]
                print(f"{state}, {engine}: {len(QUESTIONS) - len(wrong)} of {len(QUESTIONS)} answers are vigie's")
                for name in wrong:
                    print(f"  {name}: {canonical(answers[name])[:6]} against {canonical(expected[name])[:6]}")
                failed += len(wrong)
            vigie(arguments.vigie, "lake", "compact", "--lake", lake)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
