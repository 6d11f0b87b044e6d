"""Runs a command as a container with the seccomp profile RuntimeDefault and without privileges: confine.py COMMAND...

The profile is containerd's for a container without capabilities. As in the kernel of a node, the filter cannot be
removed, and no program gains privileges (allowPrivilegeEscalation: false).
"""

import errno
import os
import socket
import sys
from pathlib import Path

import pyseccomp as seccomp

# The flags of clone(2) that create namespaces.
NEW_NAMESPACES = 0x7E020000
# personality(2) of an ordinary process, and the question for the current one.
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)


def profile() -> seccomp.SyscallFilter:
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    lines = Path(__file__).with_name("runtime-default.txt").read_text().splitlines()
    names = [name for line in lines if not line.startswith("#") for name in line.split()]
    for name in [*names, "arch_prctl", "modify_ldt"]:
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except (ValueError, OSError):
            # Newer than this libseccomp, or of another architecture. It stays denied.
            continue
    rules.add_rule(seccomp.ALLOW, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, NEW_NAMESPACES, 0))
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    for value in PERSONALITIES:
        rules.add_rule(seccomp.ALLOW, "personality", seccomp.Arg(0, seccomp.EQ, value))
    # Every family but AF_ALG and AF_VSOCK.
    rules.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.LT, socket.AF_ALG))
    rules.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, socket.AF_ALG + 1))
    rules.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.GT, socket.AF_VSOCK))
    return rules


if __name__ == "__main__":
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65532)
        os.setuid(65532)
    # libseccomp sets no_new_privs when it loads a filter.
    profile().load()
    os.execvp(sys.argv[1], sys.argv[1:])
