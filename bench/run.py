#!/usr/bin/env python3
"""Measures the function next to other handlers in one run, and prints a table.

Each process is started as Lambda starts it, gets two Create events and is ended: spawn to the first `/next` (init), the
first event (cold), the second (warm), the CPU time of all its threads from the spawn to the end of the first event, and its
peak memory. The caches of the local AWS are available at once, so what is left is a handler's own time and that of its
calls, which are plain HTTP. The handlers take turns, so that a busy machine slows down all of them, and the least figure
counts. Quote ratios: milliseconds depend on the machine. Linux only (memory is read from /proc).

The minimal handler calls nothing: it is the floor. Those in Python and Node do the same job as the function does for this one
event, with none of its checks. They run on the interpreters of this project, as Lambda's runtimes do.
"""

import argparse
import contextlib
import copy
import http.client
import http.server
import io
import json
import os
import platform
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from pathlib import Path

import report

HERE = Path(__file__).resolve().parent
EVENT = HERE.parent / "events" / "create-production.json"
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

    def __init__(self, name, command, ends_with, package, environment=()):
        self.name, self.command, self.ends_with = name, command, ends_with
        self.package = package  # files of the deployment package, by their names in it
        self.environment = dict(environment)
        self.calls = 0
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
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_ENDPOINT_URL": endpoint,
            # A function has neither.
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "RUST_LOG": "info",
            # The cache is there at once, so the function's pause before it asks would be all that is seen of the rest.
            "POLL_INTERVAL_MS": "1",
            **self.environment,
        }
        with tempfile.TemporaryFile() as output:
            spawned = time.perf_counter()
            process = subprocess.Popen(self.command, env=environment, stdout=output, stderr=output)
            try:
                init = service.asked.get(timeout=PATIENCE) - spawned
                cold = self.invoke(service)
                cpu = cpu_time(process.pid)
                warm = self.invoke(service)
                memory = peak_memory(process.pid)
            except (queue.Empty, Failed) as problem:
                output.seek(0)
                text = output.read().decode(errors="replace")[-4000:]
                sys.exit(f"{self.name} did not go on: {problem or 'no answer'}; its output:\n{text}")
            finally:
                process.kill()
                process.wait()
                service.events.put(None)
                service.shutdown()
                service.server_close()
        self.runs.append({"init": init * 1000, "cold": cold * 1000, "warm": warm * 1000, "cpu": cpu * 1000, "memory": memory})

    def count_calls(self, endpoint):
        """One run that is not timed, which also brings the program from the disk into memory."""
        with Counter(endpoint) as counter:
            self.run(counter.endpoint)
        self.calls = counter.calls / 2
        self.runs.clear()

    def invoke(self, service):
        """Sends a Create for a cache that does not exist yet; seconds until its result arrived."""
        service.events.put(create_event(service.address))
        begin = service.handed_out.get(timeout=PATIENCE)
        while True:
            kind, end, body = service.outcomes.get(timeout=PATIENCE)
            if kind == "error" or (kind == "answer" and json.loads(body)["Status"] != "SUCCESS"):
                raise Failed(body.decode(errors="replace"))
            if kind == self.ends_with:
                break
        service.asked.get(timeout=PATIENCE)
        # A response that follows the answer belongs to this invocation.
        with contextlib.suppress(queue.Empty):
            while True:
                service.outcomes.get_nowait()
        return end - begin

    def figures(self):
        # What else runs on the machine only adds.
        least = {key: min(run[key] for run in self.runs) for key in self.runs[0]}
        return {**least, "zip": zip_size(self.package), "calls": self.calls}


class Failed(Exception):
    """A handler answered that it failed."""


class Counter:
    """Passes calls on to the local AWS and counts them."""

    def __init__(self, endpoint):
        self.calls = 0
        counter = self

        class Passing(Request):
            def do_POST(self):
                counter.calls += 1
                connection = http.client.HTTPConnection(endpoint.removeprefix("http://"))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                headers = {name: value for name, value in answer.getheaders() if name.lower() != "content-length"}
                self.reply(answer.status, headers, content)
                connection.close()

            do_GET = do_PUT = do_POST

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Passing)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


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


def cpu_time(process):
    """Seconds that all threads of a running process have computed, those that have ended among them."""
    # The kernel's clock of another process: its number, inverted, and the kind CPUCLOCK_SCHED.
    return time.clock_gettime((~process << 3) | 2)


def zip_size(package):
    """Size of the deployment package in KiB."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, file in package.items():
            archive.write(file, name)
    return len(packed.getvalue()) / 1024


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


def peers(folder):
    """The handlers in Python and Node, where `make` could install what they need."""
    python, crhelper = folder / "python", folder / "python" / "crhelper"
    if crhelper.is_dir():
        code = HERE / "python-handler" / "handler.py"
        package = {"handler.py": code, **{f"crhelper/{file.name}": file for file in sorted(crhelper.glob("*.py"))}}
        command = [sys.executable, "-m", "awslambdaric", "handler.handler"]
        environment = {"PYTHONPATH": f"{code.parent}:{python}", "LAMBDA_TASK_ROOT": str(code.parent)}
        yield Handler("Python, crhelper", command, "answer", package, environment)
    else:
        print("The handler in Python is left out: its libraries are not installed.", file=sys.stderr)
    node, bundle = folder / "node", folder / "handler.js"
    if node.exists() and bundle.exists():
        command = [node, HERE / "node-handler" / "runtime.mjs", bundle]
        yield Handler("Node, SDK bundled", command, "answer", {"handler.js": bundle})
    else:
        print("The handler in Node is left out: its libraries are not installed.", file=sys.stderr)


def conditions(processes):
    """Where and how it was measured, in one line."""
    models = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith(("model name", "CPU part"))]
    machine = f"{os.cpu_count()} cores of {models[0] if models else platform.machine()}, Linux {platform.machine()}"
    return (f"Least of {processes} processes; Create of the production example on the local AWS, cache available at once; "
            f"{machine}; {time.strftime('%Y-%m-%d')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True, type=Path, help="the function, built for release")
    parser.add_argument("--minimal", required=True, type=Path, help="the minimal handler, built for release")
    parser.add_argument("--local-aws", required=True, type=Path, help="the program local-aws")
    parser.add_argument("--peers", type=Path, help="where libraries of the handlers in Python and Node are [default: without]")
    parser.add_argument("--processes", type=int, default=20, help="processes to start of each handler")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page and the plot next to it")
    arguments = parser.parse_args()

    function, minimal = arguments.bootstrap.resolve(), arguments.minimal.resolve()
    handlers = [
        Handler("elasticache-resource", [function], "answer", {"bootstrap": function}),
        Handler(report.FLOOR, [minimal], "response", {"bootstrap": minimal}),
        *(peers(arguments.peers.resolve()) if arguments.peers else ()),
    ]
    program = arguments.local_aws.resolve()
    with local_aws(program) as endpoint:
        for handler in handlers:
            handler.count_calls(endpoint)
    for _ in range(arguments.processes):
        # Each time a new one: an account has a quota of nodes, and what is in it slows down those that look at it.
        with local_aws(program) as endpoint:
            for handler in handlers:
                handler.run(endpoint)
    figures = {handler.name: handler.figures() for handler in handlers}
    under = conditions(arguments.processes)
    print(under)
    print(report.text(figures))
    if arguments.write:
        report.write(figures, under, arguments.write)


if __name__ == "__main__":
    main()
