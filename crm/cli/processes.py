"""The long-running processes: `crm web`, `crm worker`, `crm clock`, `crm sandbox`."""

import gc
import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from crm.cli.servers import available
from crm.embedded.launch import follow_parent
from crm.jobs import QueueName
from crm.settings import Settings
from crm.web import logs

# Requests that run when the server is told to stop get this long.
WEB_GRACE_SECONDS = 20


@click.command()
@click.option("--host", help="Address to listen on [default: CRM_HOST or 127.0.0.1].")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [default: CRM_PORT or 8000].")
def web(host: str | None, port: int | None) -> None:
    """Run one web process."""
    given = {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
    for name, value in given.items():
        os.environ[f"CRM_{name.upper()}"] = str(value)
    with available(Settings.load(), command="crm web") as settings:
        require_free_port(settings.host, settings.port)
        serve(settings)


def serve(settings: Settings) -> None:
    """Serve the application with threads until SIGTERM or SIGINT; requests in progress are finished."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    processors = os.cpu_count() or 1
    Server(
        target="wsgi:application",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        # More threads than this only take the interpreter lock from each other; requests beyond wait their turn.
        blocking_threads=min(settings.worker_threads, 2 * processors + 1),
        websockets=False,
        log_level=LogLevels.error,
        workers_kill_timeout=WEB_GRACE_SECONDS,
    ).serve(target_loader=load_application, wrap_loader=False)


def load_application() -> Callable[..., Any]:
    """The WSGI application, made inside the server's own child, which must end when the server is killed."""
    follow_parent(signal.SIGTERM)
    with loading():
        from crm.app import create_app

        return create_app(Settings.load())


@contextmanager
def loading() -> Iterator[None]:
    """Tell the garbage collector that what is loaded inside stays for the life of this process.

    Modules, routes and mappings are some hundred thousand objects. Looking through them while they became more was a
    fifth of each start, and in every full collection later it took 0.2 s in the middle of a request; without them it
    takes 0.03 s. A fork shares them with its parent for as long as nobody looks.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        if collects:
            gc.enable()


def require_free_port(host: str, port: int) -> None:
    """Exit with a sentence when something listens there already.

    The web server shares its port with others of its kind (SO_REUSEPORT), so a second one would silently take half of
    the requests.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Without this, connections of an earlier run that are still closing would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"Can't listen on {host} port {port}: {error.strerror}. Choose another with --port or CRM_PORT."
            ) from error


@click.command()
@click.option(
    "--queue",
    type=click.Choice([queue.value for queue in QueueName]),
    default=QueueName.BACKGROUND.value,
    show_default=True,
    help="The one queue this process works on.",
)
def worker(queue: str) -> None:
    """Run one worker process; a job that runs when it is told to stop is finished first."""
    with available(Settings.load(), command="crm worker") as settings:
        logs.init(level=settings.log_level, as_json=settings.log_json)
        name = QueueName(queue)
        with loading():
            process = importlib.import_module("workers.process")
            process.prepare(name)
        process.work(settings, name)


@click.command()
def clock() -> None:
    """Run the clock: it finds in PostgreSQL what is due and wakes the workers. A second one stands by."""
    _run_until_stopped("workers.clock:run", command="crm clock")


@click.command()
def sandbox() -> None:
    """Run the sandbox mail server: it keeps every message instead of delivering it."""
    _run_until_stopped("crm.channels.sandbox:run", command="crm sandbox")


def _run_until_stopped(entry: str, *, command: str) -> None:
    """Call `run(settings, stop)`; SIGTERM and SIGINT set the event `stop`."""
    stop = threading.Event()

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    with available(Settings.load(), command=command) as settings:
        signal.signal(signal.SIGTERM, request_stop)
        signal.signal(signal.SIGINT, request_stop)
        logs.init(level=settings.log_level, as_json=settings.log_json)
        name, _, function = entry.partition(":")
        with loading():
            module = importlib.import_module(name)
        getattr(module, function)(settings, stop)


def command_line(*words: str) -> list[str]:
    """The arguments that start `crm` with `words` in the same Python."""
    return [sys.executable, "-m", "crm", *words]
