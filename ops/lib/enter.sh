#!/bin/bash
# enter.sh COMMAND…: runs it at the top of the checkout, with every package of ops/lib/packages at hand, in a process
# and mount namespace of its own: whatever ends this script, nothing that it started is left.
# Needs root; reads no input.
set -euo pipefail
umask 022
lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
checkout=$(cd "$lib/../.." && pwd -P)
export POSTROOM_CACHE=${POSTROOM_CACHE:-/var/cache/postroom}
exec </dev/null
if ((EUID != 0)); then
    echo "needs root, to install packages and to run in a root of its own: try sudo -E $0" >&2
    exit 1
fi
if [[ $POSTROOM_CACHE != /* ]]; then
    echo "POSTROOM_CACHE must be an absolute path, not \"$POSTROOM_CACHE\"" >&2
    exit 1
fi

if ! unshare --mount --pid --fork true 2>/dev/null; then
    echo "may not make namespaces here: in a container, start that with --privileged" >&2
    exit 1
fi

inside=
stop() {
    trap '' INT TERM HUP
    # The first process of the namespace passes the signal on, and everything ends with it.
    local first limit=$((SECONDS + 45))
    first=$(cat "/proc/$inside/task/$inside/children" 2>/dev/null) || true
    # shellcheck disable=SC2086  # none or one
    kill -TERM $first 2>/dev/null || kill -KILL "$inside" 2>/dev/null || true
    while kill -0 "$inside" 2>/dev/null && ((SECONDS < limit)); do sleep 0.1; done
    kill -KILL "$inside" 2>/dev/null || true
    wait "$inside" 2>/dev/null || true
    exit 130
}

started=$SECONDS
trap 'kill -KILL "$inside" 2>/dev/null; exit 130' INT TERM HUP
# In namespaces as well: an interrupted installation leaves neither processes nor mounts.
coproc ROOT {
    exec setpriv --pdeathsig KILL \
        unshare --mount --pid --fork --kill-child --mount-proc "$lib/root.sh"
}
inside=$ROOT_PID
read -r root <&"${ROOT[0]}" || { wait "$inside"; exit 1; }
((SECONDS - started < 3)) || echo "✓ Debian 13 $((SECONDS - started)) s"

mkdir -p "$checkout/.run"
trap stop INT TERM HUP
setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child \
    "$lib/inside.sh" "$root" "$checkout" "$@" &
inside=$!
wait "$inside"
