"""Starts one child so that it ends with its parent: run by path with `python -I -S`, then replaced by the program.

Arguments: the parent's process id, the signal to receive when the parent dies, the user id and group id to become
(-1 keeps them), then the program and its arguments. A program of its own, because code between fork and exec inside a
process with threads can deadlock.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def follow_parent(signal_number: int) -> None:
    """Ask the kernel to send this process the signal when the thread that started it ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def main(argv: list[str]) -> None:
    """Drop the rights, tie the life of this process to its parent's and become the program in `argv[4:]`."""
    parent, signal_number, uid, gid = (int(value) for value in argv[:4])
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After the change of user, which would clear it; it survives the exec below.
    follow_parent(signal_number)
    # A parent that died before the line above can't be noticed by the kernel any more.
    if os.getppid() != parent:
        os._exit(1)
    os.execv(argv[4], argv[4:])  # noqa: S606 - becoming the given program, without a shell, is the purpose.


if __name__ == "__main__":
    main(sys.argv[1:])
