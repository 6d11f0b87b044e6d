"""Runs a command with the system calls that a unit allows, as another user: confine.py UNIT COMMAND...

Reads the unit's SystemCallFilter= and asks systemd-analyze what is in each group.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pyseccomp as seccomp

# The calls that systemd's own filter always allows: without them no program starts.
ALWAYS = "@default"


def members(group: str) -> set[str]:
    """The calls of a group, with those of the groups in it; the call itself if it is no group."""
    if not group.startswith("@"):
        return {group}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", group], capture_output=True, text=True,
                            check=True).stdout.splitlines()
    names = [line.strip() for line in listed[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(members(name) for name in names))


def allowed(unit: Path) -> set[str]:
    """The calls that the unit allows: its lists in turn, of which those with a tilde take calls away."""
    calls = members(ALWAYS)
    values = [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith("SystemCallFilter=")]
    for value in values:
        of_line = set().union(*(members(name) for name in value.lstrip("~").split()))
        calls = calls - of_line if value.startswith("~") else calls | of_line
    return calls


if __name__ == "__main__":
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in allowed(Path(sys.argv[1])):
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except (ValueError, OSError):
            # Newer than this libseccomp, or of another architecture. It stays denied.
            continue
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65532)
        os.setuid(65532)
    rules.load()
    os.execvp(sys.argv[2], sys.argv[2:])
