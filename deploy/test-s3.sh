#!/usr/bin/env bash
# Runs the lake's tests against an S3 server of its own: test-s3.sh PYTHON-WITH-MOTO
set -euo pipefail
cd "$(dirname "$0")/.."

python=${1:?name a Python that has moto}
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
# One call after the other: moto looks whether an object is there and writes it in two steps, and a lake
# rests on a server that does both as one.
"$python" -c "
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple('127.0.0.1', $port, DomainDispatcherApplication(create_backend_app), threaded=False)
" >/dev/null 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null || true' EXIT
for _ in $(seq 60); do
    curl -sf -o /dev/null -X PUT "$url/lake" && break
    sleep 0.5
done
COMMONWHEEL_TEST_S3=$url ${CARGO:-cargo} test --package analytics --features s3 --test it s3::
