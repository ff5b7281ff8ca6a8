#!/bin/bash
# Builds a current Caddy and Traefik from Go modules into the cache of tests/live, for tests/guard/authorize.py.
#
#     tests/guard/proxies/build.sh [caddy] [traefik]
#
# Traefik has the DNS providers of its ACME client left out, whose modules the Go proxy does not all serve, and an older release of the fork
# that checks passwords, for the same reason; none of it takes part in forwardAuth. Its module of extension points is empty, as in its source.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${VIGIE_LIVE:-$HOME/.cache/vigie-live}/guard-proxies
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
export GOFLAGS=-mod=mod

caddy() {
    cp -r "$here/caddy" "$work/caddy"
    cd "$work/caddy"
    go mod tidy
    go build -o "$out/caddy" .
}

traefik() {
    local version=v3.7.13
    mkdir "$work/traefik"
    cd "$work/traefik"
    cp -r "$here/traefik/ext" .
    local source lego
    source=$(go mod download -json "github.com/traefik/traefik/v3@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    cp "$source/go.mod" "$source/go.sum" .
    chmod u+w go.mod go.sum
    lego=$(sed -n 's#.*github.com/go-acme/lego/v5 \(v[^ ]*\).*#\1#p' go.mod)
    cp -r "$(go mod download -json "github.com/go-acme/lego/v5@$lego" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')" lego
    chmod -R u+w lego
    cp "$here/traefik/no_dns_providers.go.txt" lego/providers/dns/zz_gen_dns_providers.go
    go mod edit -module vigie.test/traefik -require "github.com/traefik/traefik/v3@$version" \
        -replace github.com/traefik/traefik/dynamic/ext=./ext -replace github.com/go-acme/lego/v5=./lego \
        -replace github.com/abbot/go-http-auth=github.com/containous/go-http-auth@v0.4.1-0.20200324110947-a37a7636d23e
    go build -o "$out/traefik" github.com/traefik/traefik/v3/cmd/traefik
}

for name in "${@:-caddy}"; do
    [ "$name" = caddy ] || [ "$name" = traefik ] || { echo "no proxy of that name: $name" >&2; exit 2; }
    ("$name")
done
