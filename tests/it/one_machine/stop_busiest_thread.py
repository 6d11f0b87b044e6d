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


# A tenth of a second of work within 0.3 s: other threads of an idle service use less.
LEAST_TICKS = os.sysconf("SC_CLK_TCK") // 10
WINDOW_SECONDS = 0.3


def busiest_thread():
    before = processor_ticks()
    for _ in range(400):
        time.sleep(WINDOW_SECONDS)
        now = processor_ticks()
        used = {thread: ticks - before.get(thread, 0) for thread, ticks in now.items()}
        thread = max(used, key=used.get)
        if used[thread] >= LEAST_TICKS:
            return int(thread)
        before = now
    sys.exit("no thread is busy")


busiest = busiest_thread()
for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
    if libc.ptrace(request, busiest, None, None) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
print("stopped", flush=True)
sys.stdin.read()
