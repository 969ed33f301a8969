#!/usr/bin/env bash
# Builds programs the way they are installed and measured: target/dist/commonwheel when none is named,
# else those, such as "commonwheel quote". Optimised for the ways the program was seen to go most under
# load (`make profile`), where that was seen with this compiler on this kind of machine.
set -euo pipefail
cd "$(dirname "$0")/.."

. deploy/compiler.sh
built=${CARGO_TARGET_DIR:-target}/$host/dist
flags=${RUSTFLAGS:-}
profile=$PWD/target/profile/commonwheel.profdata
if [ -f "$kept" ]; then
    mkdir -p "$(dirname "$profile")"
    # Written only when it changes, so that nothing is built anew for it.
    gzip --decompress --stdout "$kept" | cmp --silent - "$profile" ||
        gzip --decompress --stdout "$kept" > "$profile"
    # What has changed since is built as if it had not been watched.
    flags="$flags -Cprofile-use=$profile -Cllvm-args=-no-pgo-warn-mismatch"
else
    printf 'no profile of Rust %s on %s; see make profile\n' "$release" "$host" >&2
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
