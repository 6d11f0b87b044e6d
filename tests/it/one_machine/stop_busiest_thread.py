"""Stops only the busiest thread of a process until standard input ends, to simulate a codec that hangs.

    python3 stop_busiest_thread.py PID      prints `stopped`, or the reason for its failure
"""
import ctypes
import os
import sys
import time

PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207

process = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)


def processor_ticks():
    ticks = {}
    for thread in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{thread}/stat") as stat:
            ticks[thread] = int(stat.read().rsplit(")", 1)[1].split()[11])
    return ticks


before = processor_ticks()
time.sleep(0.3)
now = processor_ticks()
busiest = max(before.keys() & now.keys(), key=lambda thread: now[thread] - before[thread])
for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
    if libc.ptrace(request, int(busiest), None, None) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
print("stopped", flush=True)
sys.stdin.read()
