#!/usr/bin/env bash
# Runs the whole test suite and prints one closing line with the totals. Documentation examples are
# tests too, which nextest leaves to cargo.
set -euo pipefail
cd "$(dirname "$0")/.."

export SQLX_OFFLINE=true
cargo=${CARGO:-cargo}
# Cargo builds the binary for app's own tests; the stories in tests/ run that one.
target=${CARGO_TARGET_DIR:-target}
export COMMONWHEEL_BIN=${COMMONWHEEL_BIN:-$(mkdir -p "$target" && cd "$target" && pwd)/debug/commonwheel}
output=$(mktemp)
trap 'rm -f "$output"' EXIT

failed=0
if "$cargo" nextest --version >/dev/null 2>&1; then
    "$cargo" nextest run --workspace --no-fail-fast --color never 2>&1 | tee "$output" || failed=1
    "$cargo" test --workspace --doc --quiet || failed=1
    summary=$(sed -n 's/^ *Summary //p' "$output" | tail -n 1)
else
    echo "cargo-nextest is not installed: running the tests with cargo test, which is slower"
    "$cargo" test --workspace --no-fail-fast 2>&1 | tee "$output" || failed=1
    summary=$(awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 }
        END { printf "%d passed, %d failed, %d skipped", passed, failed, skipped }' "$output")
fi
echo "tests: ${summary:-did not run}"
exit "$failed"
