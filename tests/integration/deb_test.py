"""The Debian packages: made of this build, installed, used and purged in a copy of the root.

The copy is an overlay in a mount namespace: whatever dpkg does ends with it. The checkout is not
mounted there, so what works there works by what the packages brought.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["POSTROOM_BUILD_DIR"])
IN_A_COPY = """
set -e
mount -t tmpfs layers "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay root -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root"
for shared in /proc /dev; do mount --rbind "$shared" "$1/root$shared"; done
cp "$2"/*.deb "$1/root/"
exec chroot "$1/root" sh -exc "$3"
"""
# Every path but those of logs, caches, dpkg's own notes and what runs (systemd-analyze notes in /run).
PATHS = ("find / -xdev \\( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /tmp"
         " -o -path /run -o -path /root/.cache \\) -prune -o -print | sort")


def run(*argv, **options):
    done = subprocess.run(argv, text=True, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=240, **options)
    if done.returncode != 0:
        raise AssertionError(f"{argv[:2]} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder / "debs")
        cls.packages = sorted((cls.folder / "debs").glob("*.deb"))

    def in_a_copy(self, script):
        layers = self.folder / "layers"
        layers.mkdir(exist_ok=True)
        return run("unshare", "--mount", "--propagation", "unchanged", "sh", "-c", IN_A_COPY, "sh", layers,
                   self.folder / "debs", script)

    def test_have_no_errors_for_lintian(self):
        self.assertEqual([p.name.split("_")[0] for p in self.packages],
                         ["libpostroom-dev", "postroom"])
        for package in self.packages:
            said = run("lintian", "--allow-root", "--fail-on", "error", "--no-tag-display-limit",
                       package)
            self.assertNotIn("\nE: ", "\n" + said)

    def test_depend_on_the_libraries_that_they_use(self):
        depends = run("dpkg-deb", "--field", self.packages[1], "Depends")
        for library in ("libpq5", "librdkafka1", "libsystemd0", "libmimalloc3"):
            self.assertRegex(depends, rf"\b{library}\b")
        self.assertNotIn("-dev", depends)

    def test_serve_an_operator_and_leave_nothing(self):
        server = os.environ["POSTROOM_TEST_PG"]
        database = f"deb_{os.getpid()}"
        self.in_a_copy(f"""
            {PATHS} >/tmp/before
            dpkg --install /postroom_*.deb
            postroom --version
            postroom config check --config /etc/postroom/example.toml --database-dsn dbname=shop
            psql --quiet "{server} dbname=postgres" --command "create database {database}"
            postroom migrate --dsn "{server} dbname={database}" | grep -q '0007_explain.sql'
            postroom migrate --dsn "{server} dbname={database}" | grep -q '^0 applied'
            postroom top --once --every 0.1 --dsn "{server} dbname={database}"
            psql --quiet "{server} dbname=postgres" --command "drop database {database}"
            cp /etc/postroom/example.toml /etc/postroom/shop.toml
            touch /etc/postroom/shop.dsn
            systemd-analyze verify --man=no postroom-relay@shop.service
            zcat /usr/share/man/man1/postroom.1.gz | mandoc -T lint
            bash -c '. /usr/share/bash-completion/completions/postroom && complete -p postroom'
            zsh -n /usr/share/zsh/vendor-completions/_postroom

            # Removed, it leaves its configuration; purged, what is not the operator's own as well.
            dpkg --remove postroom
            test -e /etc/postroom/example.toml
            dpkg --purge postroom
            test ! -e /etc/postroom/example.toml
            rm -r /etc/postroom
            {PATHS} | diff /tmp/before -""")

    def test_keep_what_an_operator_has_changed(self):
        self.in_a_copy("""
            dpkg --install /postroom_*.deb
            echo '# mine' >>/etc/postroom/example.toml
            dpkg --install --force-confold /postroom_*.deb
            grep -qx '# mine' /etc/postroom/example.toml""")

    def test_serve_a_developer(self):
        said = self.in_a_copy("""
            dpkg --install /libpostroom-dev_*.deb
            echo '#include <outbox/append.hpp>' >/a.cpp
            echo 'int main() { return static_cast<int>(outbox::Event{}.type.size()); }' >>/a.cpp
            c++ -std=c++20 /a.cpp -o /a $(pkg-config --cflags --libs postroom)
            /a
            test -e "$(dirname "$(find /usr/lib -name postroomConfig.cmake)")/postroom.cmake"
            dpkg --purge libpostroom-dev
            echo left: $(find /usr -xdev -name '*postroom*')""")
        self.assertRegex(said, re.compile(r"^left: *$", re.MULTILINE))


if __name__ == "__main__":
    unittest.main()
