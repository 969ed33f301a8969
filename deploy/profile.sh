#!/usr/bin/env bash
# Watches the program at work, for `make dist`: builds it with counters, puts it under the loads of
# the benchmarks and keeps what was counted in deploy/profile, under the compiler and machine it is for.
set -euo pipefail
cd "$(dirname "$0")/.."

. deploy/compiler.sh
merge=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
if [ ! -x "$merge" ] && ! rustup component add llvm-tools; then
    printf 'llvm-profdata of the compiler is missing: install the component llvm-tools\n' >&2
    exit 1
fi

dir=$PWD/target/profile
rm -rf "$dir/counts"
mkdir -p "$dir/counts" deploy/profile
# Counted in what is ours, which what it uses of libraries is mostly built into.
export COUNTED=$PWD COUNTS="-Cprofile-generate=$dir/counts"
RUSTC_WRAPPER=$PWD/deploy/counting-rustc ${CARGO:-cargo} build --profile dist --target "$host" \
    --target-dir "$dir" \
    --package app --package benches --bin commonwheel --bin quote --bin confirm --bin claims

export COMMONWHEEL_BIN=$dir/$host/dist/commonwheel BENCH_ROUNDS=1 BENCH_WARM=5 BENCH_SECONDS=5 BENCH_CONFIRMS=5000
for load in quote confirm claims; do
    printf 'watching the program under the load of bench-%s\n' "$load" >&2
    "$dir/$host/dist/$load" > /dev/null
done
"$merge" merge --sparse -o "$dir/merged.profdata" "$dir"/counts/*.profraw
gzip --best --no-name --stdout "$dir/merged.profdata" > "$kept"
# Gigabytes that only the next profile could use.
rm -rf "$dir/counts" "$dir/merged.profdata" "${dir:?}/$host" "$dir/dist"
printf 'kept in %s; make dist uses it from now on\n' "$kept" >&2
