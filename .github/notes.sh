#!/bin/sh
# notes.sh VERSION: the part of the CHANGELOG about a version, without its heading.
set -eu
awk -v version="$1" '/^## / { inside = ($2 == version); next } inside' CHANGELOG.md
