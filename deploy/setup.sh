#!/usr/bin/env bash
# Installs what the platform needs and the machine lacks: PostgreSQL 15 or newer (server binaries
# and contrib) and a C compiler. Says nothing when there is nothing to do. Starts no service.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The places the platform looks in, too (base/pg/src/embedded/binaries.rs).
postgres_dirs() {
    if [ -n "${COMMONWHEEL_PG_BIN:-}" ]; then
        printf '%s\n' "$COMMONWHEEL_PG_BIN"
        return
    fi
    pg_config --bindir 2>/dev/null || true
    for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
        /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
        [ -d "$dir" ] && printf '%s\n' "$dir"
    done
    dirname "$(command -v postgres 2>/dev/null || printf /nowhere/postgres)"
}

has_postgres() {
    local dir version share
    while read -r dir; do
        [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ] || continue
        version=$("$dir/postgres" --version | sed -n 's/.*(PostgreSQL) \([0-9]*\).*/\1/p')
        [ "${version:-0}" -ge 15 ] || continue
        share=$("$dir/pg_config" --sharedir 2>/dev/null || pg_config --sharedir 2>/dev/null || true)
        # Exclusion constraints stand on this extension of the contrib package. Where the place
        # cannot be told, the platform's first migration says what is missing.
        [ -z "$share" ] || [ -f "$share/extension/btree_gist.control" ] || continue
        return 0
    done < <(postgres_dirs)
    return 1
}

install_postgres() {
    if ! command -v apt-get >/dev/null; then
        say "PostgreSQL 15 or newer is missing. Install its server and contrib packages, or set"
        say "COMMONWHEEL_PG_BIN to the directory of postgres and initdb."
        exit 1
    fi
    say "installing PostgreSQL server binaries"
    export DEBIAN_FRONTEND=noninteractive
    # The platform runs a cluster of its own: Debian's must neither be made nor started.
    as_root mkdir -p /etc/postgresql-common
    if ! grep -qs '^create_main_cluster *= *false' /etc/postgresql-common/createcluster.conf; then
        printf 'create_main_cluster = false\n' |
            as_root tee -a /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    as_root apt-get update -qq
    local package=postgresql-15
    # A distribution has one version; any from 15 on will do.
    if [ -z "$(apt-cache search --names-only "^$package\$")" ]; then
        package=$(apt-cache search --names-only '^postgresql-[0-9]+$' |
            sed -n 's/^\(postgresql-\(1[5-9]\|[2-9][0-9]\)\) .*/\1/p' | sort -V | tail -n 1)
    fi
    if [ -z "$package" ]; then
        say "this distribution has no PostgreSQL 15 or newer; see https://www.postgresql.org/download/"
        exit 1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Options::=--force-confold "$package" >/dev/null
    has_postgres || { say "$package is installed, but its binaries were not found"; exit 1; }
}

has_postgres || install_postgres

if ! command -v cargo >/dev/null; then
    say "cargo is missing: install Rust from https://rustup.rs, then run this again"
    exit 1
fi
# aws-lc and mimalloc are C.
if ! command -v cc >/dev/null; then
    if ! command -v apt-get >/dev/null; then
        say "a C compiler is missing"
        exit 1
    fi
    say "installing a C compiler"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq build-essential >/dev/null
fi
