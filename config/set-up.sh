#!/bin/sh
# Make .venv from requirements.lock. Needs Python 3.11 or newer; `make` runs it when something changed.
set -eu

oldest=3.11
download_mb=200 # measured on Linux x86-64 with Python 3.11, as is the next line
disk_mb=600

venv=.venv
stamp=$venv/.ready           # holds the lock's checksum: the set-up came to its end
unfinished=$venv/.setting-up # a set-up was begun here and perhaps interrupted

fail() {
    echo "$1" >&2
    exit 1
}

is_new_enough() {
    "$1" -c "import sys; sys.exit(sys.version_info[:2] < tuple(map(int, '$oldest'.split('.'))))" \
        >/dev/null 2>&1
}

find_python() {
    for python in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$python" >/dev/null && is_new_enough "$python"; then
            return
        fi
    done
    fail "Python $oldest or newer is needed; found: $(python3 --version 2>&1 || true).
Install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3"
}

make_venv() {
    find_python
    if ! "$python" -c "import venv, ensurepip" 2>/dev/null; then
        fail "$python cannot make a virtual environment here.
Install the package for it (Debian, Ubuntu: apt install python3-venv) and run make again."
    fi
    rm -rf "$venv"
    mkdir "$venv"
    touch "$unfinished"
    "$python" -m venv "$venv"
}

install_lock() {
    echo "Setting up: downloading about $download_mb MB of Python packages, the versions and checksums"
    echo "of requirements.lock, into $PWD/$venv (about $disk_mb MB). Nothing else is changed."
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --require-hashes -r requirements.lock
}

checksum=$(cksum <requirements.lock)

if [ -d "$venv" ] && [ ! -e "$stamp" ] && [ ! -e "$unfinished" ]; then
    [ -x "$venv/bin/parkgraph-edge" ] || fail \
        "$PWD/$venv was not made by make and does not hold this project; move it away and try again."
    exit 0 # somebody's own environment, installed from this checkout: theirs to keep
fi

if [ -e "$unfinished" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$checksum" ]; then
    make_venv
    install_lock
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-deps --no-build-isolation -e .
rm -f "$unfinished"
echo "$checksum" >"$stamp"
