"""A socket that says to the server what no client library would."""

import json
import socket


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def error(self):
        return json.loads(self.body)["error"]


class RawClient:
    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._left = b""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._socket.close()

    def send(self, *pieces):
        """Sends each piece by itself. A server that has hung up meanwhile is no error: its reply may be there."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def end_own_side(self):
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Leaves as a program does that crashes: with RST and not with FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._socket.close()

    def _read_more(self):
        piece = self._socket.recv(65536)
        self._left += piece
        return bool(piece)

    def read_until(self, mark):
        while mark not in self._left:
            assert self._read_more(), f"the server hung up before {mark!r}: {self._left!r}"
        found, self._left = self._left.split(mark, 1)
        return found

    def read_reply(self):
        """The next reply. Its body has a length; streams are read with read_until."""
        first, *lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(self._left) < length:
            assert self._read_more(), "the server hung up within a body"
        body, self._left = self._left[:length], self._left[length:]
        return Reply(int(status), headers, body)

    def is_closed(self):
        """Reads to the end; whether nothing more came."""
        try:
            while self._read_more():
                pass
        except ConnectionResetError:
            pass
        return self._left == b""


def request(method="GET", path="/health", body=b"", headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body or method == "POST":
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def post(path, value):
    return request("POST", path, json.dumps(value).encode())
