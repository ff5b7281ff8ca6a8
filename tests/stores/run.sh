#!/bin/sh
# Keeps a lake in object stores that others wrote. See README.md.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/stores
work=${VIGIE_STORES_DIR:-$root/target/stores}
vigie=${VIGIE:-$root/target/debug/vigie}

mkdir -p "$work"
if [ ! -e "$work/ready" ]; then
    rm -rf "$work/venv"
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check "moto[server]==5.*" boto3
    touch "$work/ready"
fi
set -- --moto "$work/venv/bin/moto_server"
# Two minutes of building: where it is asked for.
if [ -n "${VIGIE_S3S:-}" ]; then
    [ -x "$work/bin/s3s-fs" ] || cargo install --quiet --locked --root "$work" --features binary s3s-fs@0.14.1
    set -- "$@" --s3s "$work/bin/s3s-fs"
fi
# Beside a vigie that knows clusters.
node=${VIGIE_NODE:-$(dirname "$vigie")/ballista-node}
[ ! -x "$node" ] || set -- "$@" --node "$node"
"$work/venv/bin/python" "$here/check.py" --vigie "$vigie" "$@"
