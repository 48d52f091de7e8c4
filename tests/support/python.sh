#!/usr/bin/env bash
# Puts another Python beside this machine's own: python.sh VERSION FOLDER, for example python.sh 3.14 .pythons/3.14.
# Debian's packages of a newer release (RELEASE, default forky) are unpacked into FOLDER and linked to the C library,
# OpenSSL and SQLite of that release, which lie beside them. The mirror is the one that this machine uses.
# Of the system nothing changes but that patchelf is installed.
set -euo pipefail
version="$1"
mkdir -p "$2"
folder="$(cd "$2" && pwd)"
program="$folder/usr/bin/python$version"
if ! command -v apt-get >/dev/null || [[ "$(id -u)" != 0 ]]; then
  echo "Python $version comes from Debian's packages: run this as root on Debian, or install it and name it: make test PYTHON=python$version VENV=.venv-$version" >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends patchelf >/dev/null

apt="$folder/apt"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/packages"
mirror="$(apt-get indextargets --format "\$(REPO_URI)" | grep -v security | head -n 1)"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror ${RELEASE:-forky} main" >"$apt/sources.list"
newer=(apt-get -qq -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
  -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
packages=("python$version" "python$version-minimal" "python$version-venv" "libpython$version-stdlib"
  "libpython$version-minimal" python3-pip-whl libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libssl3t64 libbz2-1.0
  libffi8 liblzma5 libncursesw6 libtinfo6 libreadline8t64 libsqlite3-0 libuuid1 libzstd1)
"${newer[@]}" update
(cd "$apt/packages" && "${newer[@]}" download "${packages[@]}")
for package in "$apt"/packages/*.deb; do
  dpkg -x "$package" "$folder"
done
rm -r "$apt"

libraries="$folder/usr/lib/$(uname -m)-linux-gnu"
loader="$(find "$libraries" -maxdepth 1 -name 'ld-linux-*.so.*')"
patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$program"
sed -i "s#'WHEEL_PKG_DIR': '/usr#'WHEEL_PKG_DIR': '$folder/usr#" "$folder/usr/lib/python$version"/_sysconfigdata_*.py
"$program" -c "import sqlite3, ssl, sys; print('Python', sys.version.split()[0], ssl.OPENSSL_VERSION, 'SQLite', sqlite3.sqlite_version)"
