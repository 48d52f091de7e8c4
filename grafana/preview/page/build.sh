#!/usr/bin/env bash
# Builds the page that draws a dashboard into .previews/site. npm installs what package-lock.json names, by its hashes.
# What is newer than its sources is not built again.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
built="$here/../../../.previews"

mkdir -p "$built"
built="$(cd "$built" && pwd)"
cd "$built"

installed() { # the packages, as the lock names them
  if cmp -s "$here/package-lock.json" installed.json; then
    return
  fi
  cp "$here/package.json" "$here/package-lock.json" .
  npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
  cp package-lock.json installed.json
}

page() { # one script, one style sheet, and the icons and fonts where Grafana's own code looks for them
  rm -rf src site
  mkdir -p src site/public/build site/public/fonts/inter
  cp "$here"/*.ts "$here"/*.tsx "$here/tsconfig.json" src
  node_modules/.bin/tsc --project src
  node_modules/.bin/esbuild src/main.tsx --bundle --minify --outdir=site --jsx=automatic --target=chrome120 \
    --define:process.env.NODE_ENV='"production"' --loader:.ttf=empty --log-level=warning
  cp -r node_modules/@grafana/ui/dist/public/img site/public/build
  for weight in Regular:400 Medium:500; do
    cp "node_modules/@fontsource/inter/files/inter-latin-${weight#*:}-normal.woff2" "site/public/fonts/inter/Inter-${weight%:*}.woff2"
  done
  cp "$here/index.html" site
}

installed
if [[ ! -f site/index.html || installed.json -nt site/index.html || -n "$(find "$here" -newer site/index.html -type f)" ]]; then
  page
fi
