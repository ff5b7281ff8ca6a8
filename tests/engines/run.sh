#!/bin/sh
# Opens a lake with engines that others wrote. See README.md.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/engines
work=${VIGIE_ENGINES_DIR:-$root/target/engines}
vigie=${VIGIE:-$root/target/debug/vigie}
# Spark's reader of Delta tables comes in two parts that belong together, from two registries.
delta=4.0.1

mkdir -p "$work"
if [ ! -e "$work/ready" ]; then
    rm -rf "$work/venv"
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check polars deltalake duckdb chdb
    touch "$work/ready"
fi
engines="polars duckdb chdb"
# Spark is 400 MB and a minute of Java: where it is asked for.
if [ -n "${VIGIE_SPARK:-}" ]; then
    if [ ! -e "$work/spark-ready" ]; then
        "$work/venv/bin/pip" install --quiet --disable-pip-version-check "delta-spark==$delta" "pyspark==4.0.*"
        mvn -q -B dependency:get "-Dartifact=io.delta:delta-spark_2.13:$delta"
        touch "$work/spark-ready"
    fi
    engines="$engines spark"
fi
# Nothing of Spark may listen, or be looked for, beyond this machine.
# shellcheck disable=SC2086
SPARK_LOCAL_IP=127.0.0.1 "$work/venv/bin/python" "$here/check.py" --vigie "$vigie" --engines $engines
