"""A proxy between a client and the emulator that injects the faults of networks and services.

A rule names a fault for a request, or none. Requests without a fault pass through unchanged.
"""

import contextlib
import http.client
import http.server
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """The path with its query."""

    @property
    def is_write(self) -> bool:
        return self.path.startswith("/upload/") and self.method in ("POST", "PUT")

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and urlsplit(self.path).path.endswith("/o")

    @property
    def is_read(self) -> bool:
        return self.method == "GET" and not self.is_list


@dataclass(frozen=True)
class Status:
    """The service answers with this status; the request has no effect."""

    code: int
    message: str = "a fault of the test"


@dataclass(frozen=True)
class Reset:
    """The connection is reset before the request reaches the service."""


@dataclass(frozen=True)
class LostResponse:
    """The request takes effect, and the connection is reset instead of an answer."""


@dataclass(frozen=True)
class CutBody:
    """The answer breaks off in the middle of its body."""


@dataclass(frozen=True)
class DamagedBody:
    """One bit of the answer's body is wrong."""


@dataclass(frozen=True)
class SlowBody:
    """The answer's body comes in pieces, with pauses."""

    pieces: int = 5
    pause: float = 0.02


@dataclass(frozen=True)
class Silence:
    """Nothing is ever answered; the connection stays open this long."""

    seconds: float


Fault = Status | Reset | LostResponse | CutBody | DamagedBody | SlowBody | Silence
Rule = Callable[[Request], Fault | None]


@dataclass
class Proxy:
    url: str
    rule: Rule = lambda request: None
    latency: float = 0.0
    """Seconds added to every request."""
    requests: list[Request] = field(default_factory=list)
    """The requests that arrived, in order."""

    def first(self, times: int, fault: Fault, when: Callable[[Request], bool] = lambda request: True) -> None:
        """Injects a fault into the first `times` requests for which `when` is true, and into no other."""
        lock, remaining = threading.Lock(), times

        def rule(request: Request) -> Fault | None:
            nonlocal remaining
            with lock:
                if remaining and when(request):
                    remaining -= 1
                    return fault
                return None

        self.rule = rule

    def always(self, fault: Fault) -> None:
        self.rule = lambda request: fault


@contextlib.contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """Runs a proxy in front of `upstream`, on a free port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.state = Proxy(f"http://127.0.0.1:{server.server_port}")
    server.upstream = upstream
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    state: Proxy
    upstream: str

    def handle_error(self, request: object, client_address: object) -> None:
        """Silent: the faults make clients hang up."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server
    _upstream: http.client.HTTPConnection | None = None

    def _handle(self) -> None:
        state = self.server.state
        request = Request(self.command, self.path)
        state.requests.append(request)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if state.latency:
            time.sleep(state.latency)
        fault = state.rule(request)
        if isinstance(fault, Reset):
            self._reset()
        elif isinstance(fault, Silence):
            time.sleep(fault.seconds)
            self._reset()
        elif isinstance(fault, Status):
            error = {"error": {"code": fault.code, "message": fault.message}}
            self._answer(fault.code, [("Content-Type", "application/json")], json.dumps(error).encode(), None)
        else:
            status, headers, body = self._forward(content)
            if isinstance(fault, LostResponse):
                self._reset()
            else:
                self._answer(status, headers, body, fault)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _handle

    def _forward(self, content: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        address = urlsplit(self.server.upstream).netloc
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection(address)
        self._upstream.request(self.command, self.path, content, {**headers, "Host": address})
        response = self._upstream.getresponse()
        body = response.read()
        dropped = ("content-length", "transfer-encoding", "connection")
        # A large upload gets a URL for its content, which must lead through this proxy, too.
        answer_headers = [
            (name, value.replace(self.server.upstream, self.server.state.url))
            for name, value in response.getheaders()
            if name.lower() not in dropped
        ]
        return response.status, answer_headers, body

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, fault: Fault | None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(fault, DamagedBody):
            body = bytes([body[0] ^ 1]) + body[1:]
        if isinstance(fault, CutBody):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
        elif isinstance(fault, SlowBody):
            step = max(1, len(body) // fault.pieces)
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                self.wfile.flush()
                time.sleep(fault.pause)
        else:
            self.wfile.write(body)

    def _reset(self) -> None:
        # Without a linger time, closing the socket sends a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""
