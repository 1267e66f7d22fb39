#!/usr/bin/env python3
"""Measures the function beside a minimal handler, and prints a table.

Each process is started as Lambda starts it, gets two Create events and is ended: spawn to the first `/next` (init), the
first event (cold), the second (warm) and its peak memory. The caches of the local AWS are available at once, so what is
left is the function's own time and that of its calls. The handlers take turns, so that a busy machine slows down both.
Quote ratios: milliseconds depend on the machine. Linux only (memory is read from /proc).
"""

import argparse
import contextlib
import copy
import http.server
import io
import json
import os
import queue
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from pathlib import Path

EVENT = Path(__file__).parent.parent / "events" / "create-production.json"
NEXT = "/2018-06-01/runtime/invocation/next"
# So fast that ten minutes of the local AWS are over before the next call arrives.
SPEED = "1000000"
# Far longer than any step takes: it only ends a run that hangs.
PATIENCE = 60


class Lambda(http.server.ThreadingHTTPServer):
    """The Runtime API for one process, and the address that its answers to CloudFormation go to."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Request)
        self.asked = queue.Queue()  # moments at which the process asked for an event
        self.events = queue.Queue()  # events to hand out; None ends the connection
        self.handed_out = queue.Queue()  # moments at which an event was on its way
        self.outcomes = queue.Queue()  # (kind, moment, body) of whatever the process sends back
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    def handle_error(self, request, client_address):
        """A process that is ended drops its connections: nothing to report."""


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer are two writes; without this the second may wait for the first's acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        now = time.perf_counter()
        if self.path != NEXT:
            return self.reply(404)
        self.server.asked.put(now)
        event = self.server.events.get()
        if event is None:
            self.close_connection = True
            return None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 900) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": event["ServiceToken"],
            "Content-Type": "application/json",
        }
        self.server.handed_out.put(time.perf_counter())
        return self.reply(200, headers, json.dumps(event).encode())

    def do_POST(self):
        kind = "error" if self.path.endswith("/error") else "response"
        self.take(kind, 202)

    def do_PUT(self):
        self.take("answer", 200)

    def take(self, kind, status):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.outcomes.put((kind, time.perf_counter(), body))
        self.reply(status)

    def reply(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        """The table is the only output."""


class Handler:
    """A program to measure, and which of the things that it sends back ends an invocation."""

    def __init__(self, name, program, ends_with):
        self.name, self.program, self.ends_with = name, program, ends_with
        self.runs = []

    def run(self, endpoint):
        """Starts one process, gives it two events, and keeps the figures."""
        service = Lambda()
        environment = {
            "AWS_LAMBDA_RUNTIME_API": service.address,
            "AWS_LAMBDA_FUNCTION_NAME": "elasticache-resource",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/elasticache-resource",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_ENDPOINT_URL": endpoint,
            "RUST_LOG": "info",
        }
        with tempfile.TemporaryFile() as output:
            spawned = time.perf_counter()
            process = subprocess.Popen([self.program], env=environment, stdout=output, stderr=output)
            try:
                init = service.asked.get(timeout=PATIENCE) - spawned
                cold = self.invoke(service)
                warm = self.invoke(service)
                memory = peak_memory(process.pid)
            except queue.Empty:
                output.seek(0)
                sys.exit(f"{self.name} did not go on; its output:\n{output.read().decode(errors='replace')[-4000:]}")
            finally:
                process.kill()
                process.wait()
                service.events.put(None)
                service.shutdown()
                service.server_close()
        self.runs.append((init * 1000, cold * 1000, warm * 1000, memory))

    def invoke(self, service):
        """Sends a Create for a cache that does not exist yet; seconds until its result arrived."""
        service.events.put(create_event(service.address))
        begin = service.handed_out.get(timeout=PATIENCE)
        while True:
            kind, end, body = service.outcomes.get(timeout=PATIENCE)
            if kind == "error" or (kind == "answer" and json.loads(body)["Status"] != "SUCCESS"):
                sys.exit(f"{self.name} failed: {body.decode(errors='replace')}")
            if kind == self.ends_with:
                break
        service.asked.get(timeout=PATIENCE)
        # A response that follows the answer belongs to this invocation.
        with contextlib.suppress(queue.Empty):
            while True:
                service.outcomes.get_nowait()
        return end - begin

    def medians(self):
        return [statistics.median(column) for column in zip(*self.runs)] + [zip_size(self.program)]


def create_event(answers):
    event = copy.deepcopy(json.loads(EVENT.read_text()))
    request = str(uuid.uuid4())
    event["RequestId"] = request
    event["StackId"] = event["StackId"].rsplit("/", 1)[0] + "/" + request
    event["ResponseURL"] = f"http://{answers}/answer/{request}?X-Amz-Expires=7200&X-Amz-Signature=0"
    event["ResourceProperties"]["ProjectId"] = "b" + request[:8]
    return event


def peak_memory(process):
    """Largest resident set of a running process so far, in MiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    sys.exit("the kernel does not report VmHWM")


def zip_size(program):
    """Size of the deployment package in KiB."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(program, "bootstrap")
    return len(package.getvalue()) / 1024


@contextlib.contextmanager
def local_aws(program):
    """Runs a local AWS whose caches are available at once; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, "serve", "--speed", SPEED, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    try:
        give_up = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > give_up:
                sys.exit(f"{program} does not answer on port {port}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def print_table(handlers):
    columns = ["init ms", "cold ms", "warm ms", "peak MiB", "zip KiB"]
    rows = [(handler.name, [f"{value:.1f}" for value in handler.medians()]) for handler in handlers]
    first, second = (handler.medians() for handler in handlers)
    rows.append(("ratio", [f"{a / b:.2f}" for a, b in zip(first, second)]))
    width = max(len(name) for name, _ in rows)
    print(" " * width, *(f"{column:>9}" for column in columns))
    for name, values in rows:
        print(f"{name:<{width}}", *(f"{value:>9}" for value in values))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True, type=Path, help="the function, built for release")
    parser.add_argument("--minimal", required=True, type=Path, help="the minimal handler, built for release")
    parser.add_argument("--local-aws", required=True, type=Path, help="the program local-aws")
    parser.add_argument("--processes", type=int, default=20, help="processes to start of each handler")
    arguments = parser.parse_args()

    handlers = [
        Handler("elasticache-resource", arguments.bootstrap.resolve(), ends_with="answer"),
        Handler("minimal handler", arguments.minimal.resolve(), ends_with="response"),
    ]
    with local_aws(arguments.local_aws.resolve()) as endpoint:
        for handler in handlers:
            handler.run(endpoint)  # the first start reads the program from disk and is not counted
            handler.runs.clear()
        for _ in range(arguments.processes):
            for handler in handlers:
                handler.run(endpoint)
    print(f"medians of {arguments.processes} processes; Create of the production example, cache available at once")
    print_table(handlers)


if __name__ == "__main__":
    main()
