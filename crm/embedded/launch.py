"""Starts one child so that it ends with its parent: run by path with `python -I -S`, then replaced by the program.

Arguments: the parent's process id, the signal to receive when the parent dies, the user id and group id to become
(-1 keeps them), 1 when the new user may pass through closed folders, then the program and its arguments. A program of
its own, because code between fork and exec inside a process with threads can deadlock.
"""

import ctypes
import os
import sys

# linux/prctl.h, linux/securebits.h and linux/capability.h.
PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


def follow_parent(signal_number: int) -> None:
    """Ask the kernel to send this process the signal when the thread that started it ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def passing_capability() -> int | None:
    """The least capability we have that lets a process enter folders which are closed to its user; None without one."""
    try:
        with open("/proc/self/status") as status:  # noqa: PTH123 - a program that starts without site packages, quickly.
            permitted = next(int(line.split()[1], 16) for line in status if line.startswith("CapPrm:"))
    except (OSError, StopIteration, ValueError):
        return None
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        if permitted & (1 << capability):
            return capability
    return None


def become(uid: int, gid: int, *, may_pass: bool) -> None:
    """Change to the user, keeping nothing of root's rights, but for passing through closed folders when asked."""
    capability = passing_capability() if may_pass else None
    libc = ctypes.CDLL(None, use_errno=True)
    if capability is not None and libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) != 0:
        # Without this bit access(2), by which initdb looks at its own folder, ignores the capability.
        capability = None
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability is not None:
        _keep_only(libc, capability)


def _keep_only(libc: ctypes.CDLL, capability: int) -> None:
    """Give up every capability but one, which also the programs that are started from here get."""
    bit = 1 << capability
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Effective, permitted and inheritable, each as a low and a high word.
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if libc.capset(header, sets) != 0:
        sys.exit("The rights of root can't be given up here.")
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def main(argv: list[str]) -> None:
    """Drop the rights, tie the life of this process to its parent's and become the program in `argv[5:]`."""
    parent, signal_number, uid, gid, may_pass = (int(value) for value in argv[:5])
    if uid >= 0:
        become(uid, gid, may_pass=bool(may_pass))
    # After the change of user, which would clear it; it survives the exec below.
    follow_parent(signal_number)
    # A parent that died before the line above can't be noticed by the kernel any more.
    if os.getppid() != parent:
        os._exit(1)
    os.execv(argv[5], argv[5:])  # noqa: S606 - becoming the given program, without a shell, is the purpose.


if __name__ == "__main__":
    main(sys.argv[1:])
