#!/bin/sh
# version.sh TAG: the version of a tag, if the package, the chart and the CHANGELOG have the same; else what differs.
set -eu
version=${1#v}
fail() { echo "$1" >&2; exit 1; }
package=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
[ "$package" = "$version" ] || fail "pyproject.toml: version is $package, the tag is $1; make them equal"
for key in version appVersion; do
  chart=$(sed -n "s/^$key: \"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" helm/platform-events-exporter/Chart.yaml)
  [ "$chart" = "$version" ] || fail "Chart.yaml: $key is $chart, the tag is $1; make them equal"
done
grep -Eq "^## $version( |\$)" CHANGELOG.md || fail "CHANGELOG.md: there is no part $version; rename Unreleased"
echo "version=$version"
