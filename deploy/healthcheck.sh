#!/bin/bash
# Checks the server or the worker in this container; exits with 0 if it is up. Starting Python for this would take fifty
# times as long.
# usage: healthcheck.sh server [/health | /ready]    does the server answer this route with 200?
#        healthcheck.sh worker                       has the worker's loop run within the last 90 seconds?
set -euo pipefail

server() {
    local host=${HOST:-127.0.0.1} head password status
    case $host in
    0.0.0.0) host=127.0.0.1 ;;
    ::) host=::1 ;;
    esac
    head="GET $1 HTTP/1.0"$'\r\n'"Host: localhost"$'\r\n'
    if [ -n "${BASIC_AUTH_USER:-}" ]; then
        password=${BASIC_AUTH_PASS:-}
        if [ -n "${BASIC_AUTH_PASS_FILE:-}" ]; then
            # bash's own message would show the value, which may be the password itself
            if [ ! -r "$BASIC_AUTH_PASS_FILE" ] || [ -d "$BASIC_AUTH_PASS_FILE" ]; then
                echo "BASIC_AUTH_PASS_FILE: cannot be read" >&2
                return 1
            fi
            password=$(<"$BASIC_AUTH_PASS_FILE")
            # as the server reads the file: without a byte order mark and without line ends at its end
            password=${password#$'\xef\xbb\xbf'}
            while [[ $password == *[$'\r\n'] ]]; do password=${password%?}; done
        fi
        # on standard input, because arguments are visible to every user
        head+="Authorization: Basic $(printf '%s' "$BASIC_AUTH_USER:$password" | base64 --wrap=0)"$'\r\n'
    fi
    exec 3<>"/dev/tcp/$host/${PORT:-9090}"
    printf '%s\r\n' "$head" >&3
    read -r -t 5 _ status _ <&3
    # read the answer to its end, because the server would take a connection that is closed early for an error
    while read -r -t 5 -u 3 _; do :; done
    [ "$status" = 200 ]
}

worker() {
    local file files
    # several containers may share the folder, so the file names contain the container's host name
    files=$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name "huggingface-ner-worker-$HOSTNAME-*" -newermt '90 seconds ago')
    while read -r file; do
        if kill -0 "${file##*-}" 2>/dev/null; then return 0; fi
    done <<<"$files"
    return 1
}

case "${1:-}" in
server) server "${2:-/health}" ;;
worker) worker ;;
*)
    sed -n '4,5s/^# //p' "$0" >&2
    exit 2
    ;;
esac
