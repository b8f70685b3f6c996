"""`querencia up`: the pages and the background work, started together and stopped together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer

from querencia.cli import house
from querencia.cli.faults import Failed, Refused

STOP_SECONDS = 9.0
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  (compared with, not bound to)
SETTINGS = "querencia.config.settings"


def command(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to serve on.")] = 8000,
    host: Annotated[str, typer.Option(help="The address to serve on; 0.0.0.0 is reached from other machines.")] = (
        "127.0.0.1"
    ),
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve pages.")] = 2,
) -> None:
    """Serve the pages and do the background work, in one command. Ctrl+C stops both."""
    held = take(host, port, command="up")
    os.environ.setdefault("QUERENCIA_URL", f"http://{'127.0.0.1' if host in EVERYWHERE else host}:{port}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    house.enter()
    house.migrate()
    _say_where()
    with held:
        serve(host=host, port=port, workers=workers)


def serve(*, host: str, port: int, workers: int) -> None:
    """Run web server and worker until one of them ends or this process is told to stop. Django must be set up."""
    children = {"the web server": _start(_web(host, port, workers)), "the worker": _start(_worker())}
    told = _listen()
    ended = None
    while ended is None and not told():
        time.sleep(0.2)
        ended = next((name for name, child in children.items() if child.poll() is not None), None)
    code = children[ended].returncode if ended else 0
    _stop(list(children.values()))
    if ended and not told():
        raise Failed(f"Stopped, because {ended} ended by itself (exit code {code}). What it said stands above.")
    typer.echo("Stopped.")


def take(host: str, port: int, *, command: str) -> socket.socket:
    """The port, held for the web server that will share it: nobody else can take it while that one starts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family)
    try:
        with socket.socket(family) as probe:
            # Forgets connections that are over, but not whoever holds the port now.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as fault:
        held.close()
        reason = fault.strerror or str(fault)
        raise Refused(
            f"Port {port} of {host} cannot be used ({reason}). "
            f"Choose another: querencia {command} --port {port + 1 if port < 65535 else port - 1}"
        ) from None
    return held


def _web(host: str, port: int, workers: int) -> list[str]:
    from django.conf import settings

    return [
        *[
            sys.executable,
            "-W",
            "ignore:No directory at",
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--host",
            host,
            "--port",
            str(port),
        ],
        *["--workers", str(workers), "--blocking-threads", str(settings.THREADS), "--workers-kill-timeout", "5"],
        *["--respawn-failed-workers", "--log-level", "warning", "querencia.config.wsgi:application"],
    ]


def _worker() -> list[str]:
    return [sys.executable, "-m", "django", "run_huey", "--settings", SETTINGS, "--quiet"]


def _start(arguments: list[str]) -> subprocess.Popen[bytes]:
    # In a group of its own: Ctrl+C reaches this process alone, which stops its children in order.
    return subprocess.Popen(arguments, process_group=0, preexec_fn=end_with_parent if sys.platform == "linux" else None)


def end_with_parent() -> None:
    """In a child, before it begins: should its parent be killed outright, the system tells it to stop."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _listen() -> Callable[[], bool]:
    heard: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: heard.append(number))
    return lambda: bool(heard)


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    """Ask, wait, and insist: what is cut off goes on when it is next started."""
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _say_where() -> None:
    from django.conf import settings

    from querencia.business import queries
    from querencia.common import home

    typer.echo(f"Querencia is at {settings.PUBLIC_URL}")
    if not queries.is_set_up():
        typer.echo(f"Begin here: {settings.PUBLIC_URL}/welcome/?token={home.welcome_token(settings.HOME)}")
    typer.echo(f"Everything it knows is in {settings.HOME}. Ctrl+C stops it.")
