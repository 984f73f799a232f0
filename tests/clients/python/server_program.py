"""`trellis serve` as a process of its own, at a free port, and what its metrics say."""

import os
import re
import signal
import subprocess
import threading
import time

import httpx

_MOST_START_S = 60
_MOST_STOP_S = 60


def required(name):
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set; run these tests with: make test-clients")
    return value


def until(condition, what, seconds=30):
    """Waits for condition() to be true. For what another process does, and says nothing about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


class ServerProgram:
    """A running server. As a context it stops at the end, which must give exit status 0."""

    def __init__(self, *arguments, model=None):
        self._process = subprocess.Popen(
            [required("TRELLIS_PROGRAM"), "serve", "-m", model or required("TRELLIS_MODEL")]
            + ["--backend", "cpu", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._log = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        line = self._process.stdout.readline()
        match = re.search(r"https?://\S+$", line)
        if not match:
            self._process.wait()
            self._reader.join()
            raise RuntimeError(f"it ended with {self._process.returncode} instead of starting: {self.log}")
        self.url = match.group()
        self.port = int(self.url.rsplit(":", 1)[1])
        until(lambda: httpx.get(f"{self.url}/ready").is_success, "/ready becomes 200", _MOST_START_S)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()

    def _read_log(self):
        for line in self._process.stderr:
            self._log.append(line)

    @property
    def log(self):
        return "".join(self._log)

    def stop(self):
        assert self._process.poll() is None, f"it ended by itself with {self._process.returncode}: {self.log}"
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(_MOST_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        self._reader.join()
        self._process.stdout.close()
        self._process.stderr.close()
        assert status == 0, f"it ended with {status}: {self.log}"

    def post(self, path, body):
        """The reply's JSON, past every client library."""
        response = httpx.post(f"{self.url}{path}", json=body, timeout=60)
        assert response.status_code == 200, response.text
        return response.json()

    def tokens(self, text):
        return self.post("/tokenize", {"prompt": text})["tokens"]

    def chat_tokens(self, messages):
        """The ids of what the model is shown of a conversation."""
        return self.post("/tokenize", {"messages": messages})["tokens"]

    def metric(self, name, **labels):
        """The sum of the lines of /metrics with this name, those that have these labels."""
        text = httpx.get(f"{self.url}/metrics", timeout=60).text
        lines = re.findall(rf"^trellis:{name}\{{(.*)\}} (\S+)$", text, re.MULTILINE)
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        values = [float(value) for found, value in lines if all(label in found for label in wanted)]
        assert values, f"no trellis:{name} in /metrics"
        return sum(values)

    def is_idle(self):
        """Whether nothing runs or waits, and no page is held."""
        names = ("num_requests_running", "num_requests_waiting", "kv_cache_used_pages")
        return all(self.metric(name) == 0 for name in names)

    def resident_bytes(self):
        with open(f"/proc/{self._process.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
