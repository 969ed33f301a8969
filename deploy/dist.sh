#!/usr/bin/env bash
# Builds programs the way they are installed and measured: target/dist/commonwheel when none is named,
# else those, such as "commonwheel quote". Optimised as a whole, and, where `make profile` has
# watched the program at work, for the ways it went most.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
built=${CARGO_TARGET_DIR:-target}/$host/dist
profile=$PWD/target/profile/commonwheel.profdata
flags=${RUSTFLAGS:-}
if [ -f "$profile" ]; then
    printf 'optimised for what was seen on %s\n' "$(date -r "$profile" +%F)" >&2
    # What has changed since is built as if it had not been watched.
    flags="$flags -Cprofile-use=$profile -Cllvm-args=-no-pgo-warn-mismatch"
fi

[ $# -gt 0 ] || set -- commonwheel
# The same packages whatever is built, so that features, and with them the names the profile goes
# by, are the same. A named target keeps the flags from build scripts and macros.
RUSTFLAGS=$flags ${CARGO:-cargo} build --profile dist --target "$host" \
    --package app --package benches "${@/#/--bin=}"
mkdir -p target/dist
for program in "$@"; do
    # A program with its line tables is a gigabyte: a second name where that goes, else a copy.
    ln -f "$built/$program" "target/dist/$program" 2>/dev/null || cp -f "$built/$program" "target/dist/$program"
done
