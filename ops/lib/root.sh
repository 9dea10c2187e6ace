#!/bin/bash
# Sees to it that everything of ops/lib/packages is there, and prints where: "/" on Debian 13, which
# gets what it lacks by apt-get; elsewhere a Debian 13 root, made once for all checkouts in
# $POSTROOM_CACHE. Safe to run twice at once.
set -euo pipefail
umask 022
lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=${POSTROOM_CACHE:-/var/cache/postroom}
mapfile -t packages <"$lib/packages"
mkdir -p "$cache"
log=$(mktemp "$cache/root-XXXXXX.log")

fail() {
    printf '✗ %s; the end of %s:\n' "$1" "$log" >&2
    tail -n 20 "$log" >&2
    exit 1
}

apt_install() {
    local apt=(apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
    export DEBIAN_FRONTEND=noninteractive
    { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@"; } \
        >>"$log" 2>&1 </dev/null || fail "cannot install $*"
}

install_natively() {
    local missing
    missing=$(comm -23 <(sort "$lib/packages") \
        <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort))
    [[ -n $missing ]] || return 0
    # Debian would create and start a cluster of its own on port 5432.
    if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    # shellcheck disable=SC2086  # one word a package
    apt_install $missing
}

# What this machine trusts beyond Debian's own must be trusted inside, or Maven cannot download.
host_certificates() {
    find /usr/local/share/ca-certificates -name '*.crt' 2>/dev/null | sort
}

make_root() {
    local target=$1 certificate hooks=()
    command -v mmdebstrap >/dev/null || apt_install mmdebstrap debian-archive-keyring
    while IFS= read -r certificate; do
        hooks+=("--customize-hook=copy-in '$certificate' /usr/local/share/ca-certificates")
    done < <(host_certificates)
    rm -rf "$target.part"
    mmdebstrap --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" \
        --aptopt='Acquire::Retries "3"' \
        "${hooks[@]}" --customize-hook='chroot "$1" update-ca-certificates' \
        trixie "$target.part" >>"$log" 2>&1 </dev/null || fail 'cannot make the Debian 13 root'
    mv -T "$target.part" "$target"
}

# shellcheck source=/dev/null
if [[ $(. /etc/os-release && echo "${VERSION_CODENAME:-}") == trixie ]]; then
    install_natively
    target=/
else
    mapfile -t certificates < <(host_certificates)
    hash=$(cat "$lib/packages" "$lib/root.sh" "${certificates[@]}" | sha256sum)
    target=$cache/trixie-${hash:0:12}
    if [[ ! -d $target ]]; then
        exec 8>"$target.lock"
        flock 8
        [[ -d $target ]] || make_root "$target"
    fi
fi
rm -f "$log"
echo "$target"
