#!/usr/bin/env bash
# Watches the program at work, for `make dist`: builds it with counters, puts it under the loads of
# the benchmarks and keeps what was counted in target/profile/commonwheel.profdata.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
merge=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
if [ ! -x "$merge" ] && ! rustup component add llvm-tools; then
    printf 'llvm-profdata of the compiler is missing: install the component llvm-tools\n' >&2
    exit 1
fi

dir=$PWD/target/profile
rm -rf "$dir/counts"
mkdir -p "$dir/counts"
# Not optimised as a whole: what is counted is decided before that, and it takes half of the time.
RUSTFLAGS="${RUSTFLAGS:-} -Cprofile-generate=$dir/counts -Clto=off -Clinker-plugin-lto=no -Cembed-bitcode=no" \
    ${CARGO:-cargo} build --profile dist --target "$host" --target-dir "$dir" \
    --package app --package benches --bin commonwheel --bin quote --bin confirm --bin claims

export COMMONWHEEL_BIN=$dir/$host/dist/commonwheel BENCH_ROUNDS=1 BENCH_WARM=5 BENCH_SECONDS=5 BENCH_CONFIRMS=5000
for load in quote confirm claims; do
    printf 'watching the program under the load of bench-%s\n' "$load" >&2
    "$dir/$host/dist/$load" > /dev/null
done
"$merge" merge --sparse -o "$dir/commonwheel.profdata" "$dir"/counts/*.profraw
# Five gigabytes that only the next profile could use.
rm -rf "$dir/counts" "${dir:?}/$host" "$dir/dist"
printf 'kept in %s; make dist uses it from now on\n' "target/profile/commonwheel.profdata" >&2
