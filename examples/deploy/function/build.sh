#!/bin/sh
# The function with what it needs, for Lambda's machines rather than this one: sh build.sh DIRECTORY
set -eu
from=$(dirname "$0")
python=3.13 architecture=x86_64 # for arm64: aarch64

uv pip install --quiet --target "$1" --python-version "$python" --python-platform "$architecture-manylinux2014" \
  --only-binary :all: --excludes "$from/runtime-has.txt" -r "$from/requirements.txt"
# Lambda can't keep byte code that it compiles; unchecked, because a zip archive rounds the times of files.
uv run --quiet --no-project --python "$python" -m compileall -q --invalidation-mode unchecked-hash "$1"
cp "$from/app.py" "$1"
