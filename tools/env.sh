# Sourced by the scripts of tools/: the project's root, messages, and the Node tools/setup installed.
# shellcheck shell=bash
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
if [ -x build/node/bin/node ]; then
    export PATH="$ROOT/build/node/bin:$PATH"
fi

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() {
    printf '\033[1;31merror:\033[0m %s\n' "$*" >&2
    exit 1
}
