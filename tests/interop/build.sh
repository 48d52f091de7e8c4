#!/usr/bin/env bash
# Builds the real systems that the tests in this folder start, at the versions that go.mod pins, into .interop.
# What is newer than its module is not built again. Grafana's types come by npm. With ALL=1 also those that take longest.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
built="$here/../../.interop"

mkdir -p "$built"
built="$(cd "$built" && pwd)"

types() { # Grafana's own types, and the compiler that reads them
  local folder="$built/grafana"
  if [[ -d "$folder/node_modules" && ! "$here/grafana/package-lock.json" -nt "$folder/node_modules" ]]; then
    return
  fi
  if ! command -v npm >/dev/null; then
    echo "npm is not installed: the dashboards are not held against Grafana's types. Install Node.js 20 or newer for it."
    return
  fi
  mkdir -p "$folder"
  cp "$here/grafana/package.json" "$here/grafana/package-lock.json" "$folder"
  npm ci --prefix "$folder" --no-audit --no-fund --ignore-scripts --silent
}
types

panels() { # the page in which Grafana's own components draw the dashboards
  if command -v npm >/dev/null; then
    "$here/../../grafana/preview/page/build.sh"
  else
    echo "npm is not installed: no dashboard is drawn. Install Node.js 20 or newer for it."
  fi
}
panels

if ! command -v go >/dev/null; then
  echo "Go is not installed: tests that need a program built with it are skipped. Install Go 1.26 or newer for them."
  exit 0
fi
build() { # PROGRAM FOLDER PACKAGE [FLAG...]
  local program="$1" folder="$here/$2" package="$3"
  shift 3
  if [[ -x "$built/$program" && -z "$(find "$folder" -maxdepth 2 -newer "$built/$program" \( -name 'go.*' -o -name '*.go' \))" ]]; then
    return
  fi
  echo "building $program"
  (cd "$folder" && go build -trimpath -ldflags "-s -w" "$@" -o "$built/$program" "$package")
}

build collector . ./collector
build prometheus . github.com/prometheus/prometheus/cmd/prometheus -tags remove_all_sd
build victoria-metrics victoriametrics github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics
build helm helm helm.sh/helm/v4/cmd/helm
if [[ -n "${ALL:-}" ]]; then
  build jaeger jaeger github.com/jaegertracing/jaeger/cmd/jaeger
fi
