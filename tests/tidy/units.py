#!/usr/bin/env python3
"""The systemd units are sound and confined: python3 units.py CHECKOUT

`systemd-analyze verify` must have nothing to say about them, and `systemd-analyze security` no more
exposure to report than LIMIT (0 is a service that can do nothing, 10 one that can do everything).
Neither needs a running systemd.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

LIMIT = 1.5


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", "--no-pager", *arguments], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.strip()


def complaints(unit, root):
    """root: a directory with the unit, and with a program where the unit expects one."""
    name = unit.name.replace("@.", "@shop.")
    code, said = analyze("verify", "--man=no", "--recursive-errors=no", f"--root={root}", name)
    if code != 0 or said:
        yield f"systemd-analyze verify {name} ended with {code}:\n{said}"
    code, said = analyze("security", "--offline=true", f"--root={root}",
                         f"--threshold={int(LIMIT * 10)}", name)
    print(said.splitlines()[-1] if said else "systemd-analyze security said nothing")
    if code != 0 or "Overall exposure level" not in said:
        yield f"{name} may do more than a level of {LIMIT} allows:\n{said}"


def main():
    checkout = pathlib.Path(sys.argv[1])
    units = sorted((checkout / "ops/deploy/systemd").glob("*.service"))
    found = [] if units else ["there are no units"]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for place in ("usr/lib/systemd/system", "usr/bin"):
            (root / place).mkdir(parents=True)
        program = root / "usr/bin/postroom"
        program.write_text("")
        program.chmod(0o755)
        for target in pathlib.Path("/usr/lib/systemd/system").glob("*.target"):
            shutil.copy(target, root / "usr/lib/systemd/system")
        for unit in units:
            shutil.copy(unit, root / "usr/lib/systemd/system")
        for unit in units:
            found += complaints(unit, root)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
