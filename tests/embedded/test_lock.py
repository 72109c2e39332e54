"""One home, one runner."""

from pathlib import Path

import pytest

from crm.embedded import HomeBusyError, HomeLock

HOLDER = """
import sys, signal
from pathlib import Path
from crm.embedded import HomeLock
with HomeLock(Path(sys.argv[1]), command="crm up", address="http://127.0.0.1:8123"):
    print("held", flush=True)
    signal.pause()
"""


def test_a_second_runner_learns_who_runs_the_home_and_where(home: Path, start_program):
    program = start_program(HOLDER, home)
    assert program.stdout.readline() == "held\n"
    with pytest.raises(HomeBusyError, match=rf"`crm up` by .*process {program.pid}.*http://127\.0\.0\.1:8123"):
        HomeLock(home, command="crm up").acquire()


def test_a_killed_runner_leaves_the_home_free(home: Path, start_program):
    program = start_program(HOLDER, home)
    program.stdout.readline()
    program.kill()
    program.wait()
    with HomeLock(home, command="crm up") as lock:
        assert lock.home == home


def test_the_lock_can_be_taken_again_after_its_release(home: Path):
    with HomeLock(home, command="crm up"), pytest.raises(HomeBusyError):
        HomeLock(home, command="crm web").acquire()
    with HomeLock(home, command="crm web"):
        assert (home / "lock").read_text()
    assert not (home / "lock").read_text()


def test_a_lock_file_of_another_version_still_says_that_it_runs(home: Path, start_program):
    program = start_program(HOLDER, home)
    program.stdout.readline()
    (home / "lock").write_text('{"unknown": 1}')
    with pytest.raises(HomeBusyError, match="Already running on"):
        HomeLock(home, command="crm up").acquire()
