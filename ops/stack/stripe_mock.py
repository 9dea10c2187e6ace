"""Stripe's own stand-in, stripe-mock, built once for every checkout from Go's module registry."""

import fcntl
import os
import shutil

import stages

# go install checks its sources against Go's checksum database.
MODULE, VERSION = "github.com/stripe/stripe-mock", "v0.203.0"


def fetch():
    """The program; safe when two runs start at once."""
    name = f"stripe-mock-{VERSION}"
    target = stages.CACHE_DIR / name
    if target.is_dir():
        return target / "stripe-mock"
    stages.CACHE_DIR.mkdir(parents=True, exist_ok=True)
    with open(stages.CACHE_DIR / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            part = stages.CACHE_DIR / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            stages.run(f"build {name}", ["go", "install", f"{MODULE}@{VERSION}"],
                       log_name=name,
                       env={**os.environ, "GOBIN": str(part),
                            "GOPATH": str(stages.CACHE_DIR / "go"),
                            "GOCACHE": str(stages.CACHE_DIR / "go-build"),
                            "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"})
            part.rename(target)
    return target / "stripe-mock"
