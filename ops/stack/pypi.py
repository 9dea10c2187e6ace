"""Python packages by a pinned requirements file, fetched once for every checkout."""

import fcntl
import hashlib
import pathlib
import shutil
import sys

import stages


def fetch(requirements):
    """The directory with them, for PYTHONPATH; safe when two runs start at once."""
    requirements = pathlib.Path(requirements)
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    target = stages.CACHE_DIR / f"{requirements.stem}-{digest}"
    if target.is_dir():
        return target
    stages.CACHE_DIR.mkdir(parents=True, exist_ok=True)
    with open(f"{target}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            part = pathlib.Path(f"{target}.part")
            shutil.rmtree(part, ignore_errors=True)
            # --no-deps: the file names all that is needed, each with its hash.
            stages.run(f"fetch {target.name}", [
                sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                "--require-hashes", "--only-binary", ":all:", "--root-user-action", "ignore",
                "--target", part, "--requirement", requirements])
            part.rename(target)
    return target
