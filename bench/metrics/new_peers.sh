#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Newer Debian builds of the peers (sid), unpacked under the bench directory without touching the system:
# prometheus 3.x and victoria-metrics 1.1xx (+ the libzstd it needs). Used as peers
# prometheus-new and victoria-new when present.
set -e
R=${BENCH_DIR:-$(cd "$(dirname "$0")/../.." && pwd)/build/bench-metrics}/sid
mkdir -p "$R/lists/partial" "$R/cache/archives/partial" "$R/etc" "$R/x"
uri=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
    sed -n -e 's/^URIs: *\([^ ]*\/debian\)\/* *$/\1/p' -e 's/^deb \(\[[^]]*\] \)*\([^ ]*\/debian\)\/* .*/\2/p' | head -1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri sid main" > "$R/sources.list"
APT="-o Dir::Etc::SourceList=$R/sources.list -o Dir::Etc::SourceParts=$R/etc -o Dir::State::Lists=$R/lists
     -o Dir::Cache=$R/cache -o APT::Sandbox::User=root"
apt-get $APT update -qq
cd "$R"
apt-get $APT download prometheus victoria-metrics libzstd1
for d in *.deb; do dpkg-deb -x "$d" x; done
ls -l x/usr/bin
