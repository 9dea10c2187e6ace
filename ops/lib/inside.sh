#!/bin/bash
# inside.sh ROOT CHECKOUT COMMAND…: the first process of the namespaces that enter.sh makes. Mounts
# what the command needs, then stays to pass signals on and to reap what others leave.
set -euo pipefail
if [[ $1 == --init ]]; then
    shift
    "$@" <&0 &
    child=$!
    trap 'kill -TERM "$child" 2>/dev/null' INT TERM HUP
    while status=0; wait "$child" || status=$?; kill -0 "$child" 2>/dev/null; do :; done
    exit "$status"
fi
root=${1%/} checkout=$2
shift 2

# A short path that the user postgres can reach, wherever the checkout lies.
share() {
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
}
chmod 755 "$checkout/.run"
if [[ -n $root ]]; then
    # The host's are neither needed nor harmed: mounts of this namespace end with it.
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=1777 tmp "$root/tmp"
    mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
    touch "$root/etc/resolv.conf"
    mount --bind "$(realpath /etc/resolv.conf)" "$root/etc/resolv.conf"
    share "$checkout" "$checkout"
    share "$POSTROOM_CACHE" "$POSTROOM_CACHE"
    if [[ -f $checkout/.git ]]; then
        repository=$(sed -n 's|^gitdir: \(/.*\)/worktrees/.*|\1|p' "$checkout/.git")
        [[ -z $repository ]] || share "$repository" "$repository"
    fi
fi
share "$checkout/.run" /run/postroom
mount -t proc proc "$root/proc"

clean=(HOME=/root LANG=C.UTF-8
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    CCACHE_DIR="$POSTROOM_CACHE/ccache" CCACHE_BASEDIR="$checkout" CCACHE_NOHASHDIR=1
    PYTHONDONTWRITEBYTECODE=1
    # The checkout may belong to the user who called sudo.
    GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*')
while IFS= read -r name; do
    case $name in
        CI | POSTROOM_* | http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY)
            clean+=("$name=${!name}") ;;
    esac
done < <(compgen -e)
# shellcheck disable=SC2016  # expanded inside
exec chroot "${root:-/}" env -i "${clean[@]}" \
    bash -c 'cd "$1" && shift && exec ops/lib/inside.sh --init "$@"' enter "$checkout" "$@"
