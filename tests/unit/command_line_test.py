"""The manual page and the completions that the program prints, used by mandoc, bash and zsh."""

import os
import pathlib
import pty
import re
import select
import subprocess
import tempfile
import time
import unittest

POSTROOM = os.environ["POSTROOM_BIN"] + "/postroom"


def run(*argv, **options):
    done = subprocess.run(argv, text=True, capture_output=True, check=False, timeout=60, **options)
    if done.returncode != 0:
        raise AssertionError(f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def commands(path=()):
    """Each command that --help knows, as a tuple of words, with the text of its --help."""
    text = run(POSTROOM, *path, "--help")
    below = re.findall(r"^  ([a-z]\S*)  ", text.partition("Subcommands:")[2], re.MULTILINE)
    if path:
        yield path, text
    for name in below:
        yield from commands((*path, name))


class Manual(unittest.TestCase):
    def test_is_sound_roff(self):
        self.assertEqual(run("mandoc", "-T", "lint", input=run(POSTROOM, "manual")), "")

    def test_has_every_command_option_and_exit_code(self):
        roff = run(POSTROOM, "manual").replace("\\-", "-")
        known = list(commands())
        self.assertGreater(len(known), 15)
        for path, text in known:
            if "SUBCOMMAND" not in text:
                self.assertRegex(roff, rf"(?m)^\.SS {' '.join(path)}( |$)")
            for option in re.findall(r"^  (?:-\w,)?(--[a-z-]+)", text, re.MULTILINE):
                self.assertIn(f"\\fB{option}\\fR", roff)
        for code in (0, 1, 2):
            self.assertIn(f".B {code}\n", roff)

    def test_is_reproducible(self):
        then = {**os.environ, "SOURCE_DATE_EPOCH": "86400"}
        self.assertIn(".TH POSTROOM 1 1970-01-02 ", run(POSTROOM, "manual", env=then))


class Bash(unittest.TestCase):
    SCRIPT = """set -u; source /dev/stdin; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postroom
                printf '%s\\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"}"""

    def completions(self, *words, **options):
        return run("bash", "-c", self.SCRIPT, "bash", "postroom", *words,
                   input=run(POSTROOM, "completion", "bash"), **options).split()

    def test_knows_every_command(self):
        for path, _ in commands():
            self.assertEqual(self.completions(*path)[:1], [path[-1]])

    def test_completes_options_of_the_command_in_hand(self):
        self.assertEqual(self.completions("relay", "--relay-del"), ["--relay-delivery"])
        self.assertEqual(self.completions("config", "check", "--log"), ["--log-level"])
        self.assertEqual(self.completions("status", "--relay-del"), [])
        self.assertEqual(self.completions("dead", "edit", "--dsn", "x", "--pay"), ["--payload"])

    def test_completes_values(self):
        self.assertEqual(self.completions("status", "-o", ""), ["table", "json"])
        self.assertEqual(self.completions("completion", "z"), ["zsh"])
        self.assertEqual(self.completions("rebase", "--from", ""), [])
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "shop.toml").touch()
            pathlib.Path(folder, "schema").mkdir()
            self.assertEqual(self.completions("relay", "--config", "sh", cwd=folder),
                             ["shop.toml"])
            self.assertEqual(self.completions("migrate", "--dir", "s", cwd=folder), ["schema"])


class Zsh(unittest.TestCase):
    """An interactive zsh on a terminal of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        script = pathlib.Path(folder.name, "_postroom")
        script.write_text(run(POSTROOM, "completion", "zsh"), encoding="utf-8")
        run("zsh", "-n", script)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"],
                       {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": folder.name,
                        "LANG": "C.UTF-8"})
        self.addCleanup(self.end)
        self.type(f"bindkey -e; fpath=({folder.name} $fpath); autoload -Uz compinit; "
                  "compinit -u -D; print rea''dy\n")
        self.await_text("ready")

    def end(self):
        os.close(self.terminal)  # which hangs up on it
        os.waitpid(self.pid, 0)

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def await_text(self, pattern):
        text, limit = "", time.monotonic() + 20
        while not re.search(pattern, text):
            if not select.select([self.terminal], [], [], max(0, limit - time.monotonic()))[0]:
                self.fail(f"no {pattern} in {text!r}")
            text += os.read(self.terminal, 65536).decode(errors="replace")

    def test_completes_what_is_unique(self):
        for typed, completed in (("postroom reb", "postroom rebase"),
                                 ("postroom dead sk", "postroom dead skip"),
                                 ("postroom relay --relay-deli", "postroom relay --relay-delivery"),
                                 ("postroom status -o j", "postroom status -o json"),
                                 ("postroom completion ba", "postroom completion bash")):
            # After the Tab: to the line's start, and print what it has become.
            self.type(f"{typed}\t\x01print -r -- the li''ne: \n")
            self.await_text(rf"the line: {completed} *\r")

    def test_lists_commands_with_what_they_do(self):
        self.type("postroom dead \t")
        self.await_text(r"retry +-- Publish again")


if __name__ == "__main__":
    unittest.main()
