"""`crm up`: servers, migrations and all processes of one machine, kept running until Ctrl-C."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click

from crm.cli import servers
from crm.cli.processes import command_line, require_free_port
from crm.embedded import EmbeddedError, HomeBusyError, HomeLock
from crm.embedded.home import make_home
from crm.embedded.supervisor import Child, Supervisor
from crm.jobs import QueueName
from crm.settings import Settings

ALREADY_RUNNING = 3
WORKER_GRACE_SECONDS = 30.0
WEB_GRACE_SECONDS = 25.0
HEALTH_PAUSE_SECONDS = 0.2
SLOW_START_SECONDS = 60.0
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound.


@click.command()
@click.option("--demo", is_flag=True, help="Build the demo workspace when it isn't there yet, and print its sign-in.")
@click.option("--host", help="Address to listen on [default: CRM_HOST or 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one [default: CRM_PORT or 8000].")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Home folder [default: CRM_HOME].")
@click.option("--workers", type=click.IntRange(1, 32), default=1, show_default=True, help="Processes per queue.")
def up(*, demo: bool, host: str | None, port: int | None, home: Path | None, workers: int) -> None:
    """Start everything on this machine and keep it running.

    PostgreSQL and Valkey are started from their packages unless DATABASE_URL and REDIS_URL name servers of yours.
    Ends with 3 when this home is running already.
    """
    if host is not None:
        os.environ["CRM_HOST"] = host
    if home is not None:
        os.environ["CRM_HOME"] = str(home.absolute())
    if port is not None:
        os.environ["CRM_PORT"] = str(port or _free_port(host or os.environ.get("CRM_HOST", "127.0.0.1")))
    signal.signal(signal.SIGTERM, _leave)
    try:
        _run(Settings.load(), demo=demo, workers=workers)
    except HomeBusyError as error:
        click.echo(str(error), err=True)
        sys.exit(ALREADY_RUNNING)
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(130)


def _run(settings: Settings, *, demo: bool, workers: int) -> None:
    with ExitStack() as stack:
        home = make_home(settings.home)
        stack.enter_context(HomeLock(home, command="crm up", address=settings.public_url))
        require_free_port(settings.host, settings.port)
        _choose_sandbox_port(settings)
        postgres, valkey = servers.embedded(settings)
        servers.start(stack, postgres, valkey)
        settings = servers.with_addresses(Settings.load(), postgres, valkey)
        servers.publish(settings)
        _upgrade(settings)
        sign_in = _output_of("demo") if demo else ""
        # The owner's address stays with the supervisor: no running process may change tables.
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_OWNER_URL"}
        supervisor = Supervisor(
            servers={
                name: server for name, server in (("PostgreSQL", postgres), ("Valkey", valkey)) if server is not None
            },
            children=_children(workers),
            environment=environment | {"PYTHONUNBUFFERED": "1"},
            tell=_tell,
        )
        stopped = threading.Event()
        threading.Thread(target=_announce, args=(settings, sign_in, stopped), daemon=True).start()
        try:
            supervisor.run()
        finally:
            stopped.set()
            _tell("Stopped." if postgres is None and valkey is None else "Stopping the servers.")


def _children(workers: int) -> list[Child]:
    """What runs beside the servers. Stages start in order and stop in reverse: no request meets a stopped worker."""
    return [
        Child("sandbox", command_line("sandbox"), stage=1),
        *(
            Child(f"worker {queue} {number}", command_line("worker", "--queue", queue), 2, WORKER_GRACE_SECONDS)
            for queue in QueueName
            for number in range(1, workers + 1)
        ),
        Child("clock", command_line("clock"), stage=3),
        Child("web", command_line("web"), stage=4, grace=WEB_GRACE_SECONDS),
    ]


def _upgrade(settings: Settings) -> None:
    """Bring the tables up to date, in a process of its own that takes its libraries with it."""
    if not settings.database_owner_url:
        _tell("DATABASE_OWNER_URL is not set: run `crm db upgrade` yourself after each update.")
        return
    _output_of("db", "upgrade")


def _output_of(*words: str) -> str:
    """Run one `crm` command to its end and return what it printed; its failure ends `crm up`."""
    done = subprocess.run(command_line(*words), stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own.
    if done.returncode != 0:
        raise EmbeddedError(f"`crm {' '.join(words)}` ended with {done.returncode}; see above.")
    return done.stdout.strip()


def _announce(settings: Settings, sign_in: str, stopped: threading.Event) -> None:
    """Print the address, and the demo's sign-in, as soon as the application answers."""
    host = WILDCARDS.get(settings.host, settings.host)
    waited = 0.0
    while not _is_healthy(host, settings.port):
        if stopped.wait(HEALTH_PAUSE_SECONDS):
            return
        waited += HEALTH_PAUSE_SECONDS
        if SLOW_START_SECONDS <= waited < SLOW_START_SECONDS + HEALTH_PAUSE_SECONDS:
            _tell("The application doesn't answer yet; its messages above say why.")
    shown = settings.base_url or f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    lines = ["", f"Filodiretto is running at {shown}", *sign_in.splitlines(), "Stop it with Ctrl-C.", ""]
    _tell("\n".join(lines))


def _is_healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _choose_sandbox_port(settings: Settings) -> None:
    """Let the sandbox take any free port when the usual one is in use, so that two homes can run side by side."""
    if settings.sandbox_smtp_port and not _is_free("127.0.0.1", settings.sandbox_smtp_port):
        os.environ["CRM_SANDBOX_SMTP_PORT"] = "0"


def _is_free(host: str, port: int) -> bool:
    try:
        require_free_port(host, port)
    except click.ClickException:
        return False
    return True


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def _leave(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM before the supervisor has taken over: unwind, so that what was started is stopped."""
    sys.exit(0)


def _tell(sentence: str) -> None:
    click.echo(sentence)
    sys.stdout.flush()
