"""The keeper of children: restart, order of stopping, grace, and no orphans."""

import os
import signal
from pathlib import Path

from crm.embedded import ValkeyServer

SUPERVISOR = r"""
import os, sys
from crm.embedded.supervisor import Child, Supervisor

CHILD = '''
import os, signal, sys, threading
name, folder, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
def stop(*_):
    threading.Event().wait(seconds)
    os.write(1, f"end {name}\\n".encode())
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
# One write, because two children share the pipe.
os.write(1, f"start {name} {os.getpid()}\\n".encode())
while True:
    # In slices, because a signal just before an endless wait would stay unnoticed.
    threading.Event().wait(0.1)
'''
grace = float(sys.argv[1])
Supervisor(
    servers={},
    children=[
        Child("last", [sys.executable, "-c", CHILD, "last", ".", "0"], stage=2),
        Child("first", [sys.executable, "-c", CHILD, "first", ".", sys.argv[2]], stage=1, grace=grace),
    ],
    environment=os.environ,
    tell=lambda sentence: print(sentence, flush=True),
).run()
print("over", flush=True)
"""


def lines_until(program, wanted: int, word: str = "start") -> list[list[str]]:
    """Read lines until `wanted` of them begin with `word`; returns those."""
    found: list[list[str]] = []
    while len(found) < wanted:
        line = program.stdout.readline()
        assert line, "the program ended early"
        if line.startswith(word):
            found.append(line.split())
    return found


def test_children_stop_in_reverse_order_of_their_stages(start_program):
    program = start_program(SUPERVISOR, 10, 0.1)
    lines_until(program, 2)
    program.send_signal(signal.SIGINT)
    rest = program.stdout.read().split("\n")
    assert [line for line in rest if line] == ["end last", "end first", "over"]
    assert program.wait() == 0


def test_a_killed_child_is_started_again(start_program, is_running):
    program = start_program(SUPERVISOR, 10, 0)
    children = {name: int(pid) for _, name, pid in lines_until(program, 2)}
    os.kill(children["first"], signal.SIGKILL)
    [[_, name, pid]] = lines_until(program, 1)
    assert name == "first"
    assert int(pid) != children["first"]
    assert is_running(children["last"])


def test_a_child_that_does_not_finish_in_time_is_killed(start_program, is_running):
    program = start_program(SUPERVISOR, 0.2, 3600)
    children = {name: int(pid) for _, name, pid in lines_until(program, 2)}
    program.send_signal(signal.SIGTERM)
    assert "first doesn't finish; ending it." in program.stdout.read()
    assert program.wait() == 0
    assert not is_running(children["first"])


def test_children_get_a_signal_when_the_supervisor_is_killed(start_program, eventually, is_running):
    program = start_program(SUPERVISOR, 10, 0)
    pids = [int(pid) for _, _, pid in lines_until(program, 2)]
    program.kill()
    assert eventually(lambda: not any(is_running(pid) for pid in pids))


SERVER = """
import os, sys
from pathlib import Path
from crm.embedded import ValkeyServer
from crm.embedded.supervisor import Supervisor
with ValkeyServer(Path(sys.argv[1])) as valkey:
    print("start valkey", valkey.process.pid, flush=True)
    Supervisor(
        servers={"Valkey": valkey}, children=[], environment=os.environ, tell=lambda line: print(line, flush=True)
    ).run()
"""


def test_a_killed_server_is_started_again(home: Path, start_program, eventually):
    program = start_program(SERVER, home)
    [[_, _, pid]] = lines_until(program, 1)
    os.kill(int(pid), signal.SIGKILL)
    assert program.stdout.readline() == "Valkey ended (signal SIGKILL); starting it again.\n"
    assert eventually(lambda: ValkeyServer(home)._ask(b"PING\r\n"))
    program.send_signal(signal.SIGTERM)
    assert program.wait() == 0
