"""A real Docker engine for `test_real.py`: the running one, or one that is started for the tests and ended after them.

Builds use the package registries of this machine, found in pip's configuration.
"""

import ast
import contextlib
import functools
import http.server
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

BASE = "hpt-test-base:bookworm"


class Engine:
    """Runs docker, and the scripts of docker/, against one daemon."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def docker(self, *arguments: str) -> str:
        return self.run(["docker", *arguments], check=True).stdout.strip()

    def run(
        self, command: list[str], check: bool = False, cwd: Path | None = None, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            command, cwd=cwd, env={**self.environment, **environment}, capture_output=True, text=True, check=False
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def containers(self) -> str:
        return self.docker("ps", "--all", "--quiet", "--filter", "label=hpt.build")


@contextlib.contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """The running engine, or a new one. That needs root, Debian's docker.io (with BuildKit) and debootstrap."""
    environment = {**os.environ, "PATH": f"/usr/bin:{os.environ['PATH']}", "DOCKER_BUILDKIT": "1"}
    with contextlib.ExitStack() as stack:
        if subprocess.run(["docker", "info"], env=environment, capture_output=True, check=False).returncode != 0:
            environment["DOCKER_HOST"] = stack.enter_context(_daemon(folder, environment))
        running = Engine(environment)
        if "HPT_BASE_IMAGE" not in environment:
            _make_base(running, folder)
            environment["HPT_BASE_IMAGE"] = BASE
        stack.enter_context(_with_pip_configuration(running, folder))
        yield running


@contextlib.contextmanager
def _daemon(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    address = f"unix://{folder}/docker.sock"
    command = ["dockerd", "--host", address, "--storage-driver", "overlay2", "--data-root", f"{folder}/data"]
    command += ["--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
    with (folder / "dockerd.log").open("w") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(300):
            ask = ["docker", "--host", address, "info"]
            if subprocess.run(ask, env=environment, capture_output=True, check=False).returncode == 0:
                break
            assert daemon.poll() is None, (folder / "dockerd.log").read_text()
            time.sleep(0.2)
        yield address
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
        shutil.rmtree(folder / "data", ignore_errors=True)


def _make_base(running: Engine, folder: Path) -> None:
    if running.run(["docker", "image", "inspect", BASE]).returncode == 0:
        return
    root, archive = folder / "root", folder / "root.tar"
    packages = "--include=ca-certificates,python3,python3-venv"
    running.run(["debootstrap", "--variant=minbase", packages, "bookworm", str(root)], check=True)
    running.run(["tar", "--directory", str(root), "--create", "--file", str(archive), "."], check=True)
    running.docker("import", str(archive), BASE)
    shutil.rmtree(root)
    archive.unlink()


@contextlib.contextmanager
def _with_pip_configuration(running: Engine, folder: Path) -> Iterator[None]:
    """Gives builds the certificates and find-links of this machine's pip; local folders are served by HTTP."""
    configured: dict[str, str] = {}
    for line in running.run([sys.executable, "-m", "pip", "config", "list"]).stdout.splitlines():
        name, _, value = line.partition("=")
        configured[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    if "cert" in configured:
        running.environment.setdefault("HPT_CA_BUNDLE", configured["cert"])
    local = Path(configured.get("find-links", ""))
    if not local.is_absolute() or not local.is_dir():
        yield
        return
    gateway = _host_address_in_containers(running)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(local))
    with http.server.ThreadingHTTPServer((gateway, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        configuration = folder / "pip.conf"
        links = f"http://{gateway}:{server.server_port}/"
        configuration.write_text(f"[global]\nfind-links = {links}\ntrusted-host = {gateway}\ntimeout = 180\n")
        running.environment.setdefault("HPT_PIP_CONF", str(configuration))
        yield
        server.shutdown()


def _host_address_in_containers(running: Engine) -> str:
    routes = running.docker("run", "--rm", running.environment["HPT_BASE_IMAGE"], "cat", "/proc/net/route")
    (gateway,) = [words[2] for line in routes.splitlines() if (words := line.split())[1] == "00000000"]
    return socket.inet_ntoa(struct.pack("<L", int(gateway, 16)))
