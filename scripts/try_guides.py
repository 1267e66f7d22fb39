#!/usr/bin/env python3
"""Runs what the guides show: their commands against a local AWS, their clients against its Valkey nodes.

Every block of commands is run as it stands, in the order of its page, unless a comment before it says why not
(`<!-- not tried: ... -->`). The AWS CLI is the real one; what the local AWS has no answer for is listed here, and has to fail.
`test_guides.py` checks the options of all of them. Not among the tests that `unittest discover` finds, because it needs what
is compiled: `make guides`.
"""

import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from guides import PROJECT, VALKEY_CLI, Block, blocks, pages
from local_aws import NETWORK, LocalAws

# What the guides need and the local AWS does not have.
UNANSWERED = {
    "cloudwatch get-metric-statistics": "it has no metrics",
    "elasticache complete-migration": "it has no migration",
    "elasticache start-migration": "it has no migration",
    "elasticache test-migration": "it has no migration",
    "elasticache test-failover": "its nodes do not fail",
    "elasticache copy-snapshot": "it copies no snapshots",
    "logs filter-log-events": "it keeps no logs",
    "resourcegroupstaggingapi get-resources": "it is not there",
    "s3 cp": "it has no buckets",
    "ssm start-session": "it has no machines",
}
# How the local AWS, or the lack of a bucket in it, says so. Anything else is a fault of the command.
NO_ANSWER = re.compile(r"\((InvalidAction|UnknownService)\)|\(403\) when calling the HeadObject")
# What valkey-cli does by itself, and a command that it sends for that.
MODES = {"--bigkeys": "SCAN 0", "--memkeys": "SCAN 0", "--latency": "PING", "--scan": "SCAN 0"}
PARAMETERS = f"VpcId={NETWORK['VPC']} SubnetIds={NETWORK['SUBNETS']} AppSecurityGroupId={NETWORK['APP']}"
NOT_TRIED = re.compile(r"<!-- not tried\b")


def main() -> int:
    """As one of the programs that commands begin with, or as the test."""
    if len(sys.argv) > 1:
        return PROGRAMS[sys.argv[1]](sys.argv[2:])
    unittest.main()
    return 0


def aws(words: list[str]) -> int:
    """The AWS CLI, which has to fail where the list above says so."""
    run = subprocess.run([os.environ["AWS"], *words], check=False, capture_output=True, text=True)
    why = UNANSWERED.get(" ".join(words[:2]))
    if why is None:
        print(run.stdout, end="")
        print(run.stderr, end="", file=sys.stderr)
        return run.returncode
    if run.returncode == 0:
        print(f"aws {' '.join(words[:2])} is answered now: take it off the list", file=sys.stderr)
        return 1
    if not NO_ANSWER.search(run.stderr):
        print(run.stderr, file=sys.stderr)
        return 1
    return 0


def valkey_cli(words: list[str]) -> int:
    """Sends a command as the tool does, to the caches that the names in the guides stand for: with TLS that of the stack
    `cache`, without the one that has no password, which is also the Redis on EC2 of a migration."""
    import valkey

    options, words = {"-p": "6379"}, list(words)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        options[option] = words.pop(0) if VALKEY_CLI[option] else True
    for mode in MODES.keys() & options.keys():
        words = MODES[mode].split()
    tls = "--tls" in options
    endpoint = os.environ["TLS_ENDPOINT" if tls else "PLAIN_ENDPOINT"]
    stands_for = {"production-myapp-valkey.example.com:6379", endpoint} | ({"10.0.1.20:6379"} if not tls else set())
    place = f"{options.get('-h')}:{options['-p']}"
    if place not in stands_for:
        print(f"{place} is none of {sorted(stands_for)}", file=sys.stderr)
        return 1
    host, port = endpoint.split(":")
    password = os.environ.get("REDISCLI_AUTH", os.environ["PASSWORD"]) if tls else None
    cache = valkey.Valkey(host, int(port), password=password, ssl=tls, decode_responses=True, socket_timeout=10)
    print(cache.execute_command(*words))
    return 0


def jq(words: list[str]) -> int:
    """A field as text, which is all that the guides that are tried take from it."""
    raw, path = words
    assert (raw, path[0]) == ("-r", ".") and path[1:].isalnum(), words
    print(json.load(sys.stdin)[path[1:]])
    return 0


def make(words: list[str]) -> int:
    """`make plan` without building: it is built."""
    target, *variables = words
    assert target == "plan", words
    given = dict(variable.split("=", 1) for variable in variables)
    if "FUNCTION" in given:
        asked = ["--function", given["FUNCTION"], "--id", given["ID"], "--old", given["OLD"], given["NEW"]]
        return subprocess.run([sys.executable, PROJECT / "scripts" / "plan.py", *asked], check=False).returncode
    return subprocess.run([os.environ["PLAN"], given["OLD"], given["NEW"]], check=False).returncode


def sleep(words: list[str]) -> int:
    """Ends an endless loop when it has run twice."""
    turns = Path("turns")
    turns.write_text((turns.read_text() if turns.exists() else "") + ".")
    time.sleep(float(words[0]) / 10)
    return int(len(turns.read_text()) > 2)


PROGRAMS = {"aws": aws, "valkey-cli": valkey_cli, "jq": jq, "make": make, "sleep": sleep}


class ShardedValkey:
    """Three shards of real Valkey, which know of each other. Those of the local AWS do not."""

    SLOTS = 16_384

    def __init__(self, program: str, folder: Path) -> None:
        import valkey

        self.servers, ports = [], []
        for number in range(3):
            with socket.socket() as probe:
                # The port of the bus is higher by ten thousand.
                while True:
                    port = random.randint(20_000, 50_000)
                    if probe.connect_ex(("127.0.0.1", port)):
                        break
            home = folder / f"shard-{number}"
            home.mkdir()
            options = ["--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", "", "--dir", home]
            self.servers.append(subprocess.Popen([program, *options], stdout=subprocess.DEVNULL))
            ports.append(port)
        self.endpoint = f"127.0.0.1:{ports[0]}"
        nodes = [valkey.Valkey("127.0.0.1", port, decode_responses=True) for port in ports]
        for number, node in enumerate(nodes):
            self.until(lambda: self.answers(node))
            first, last = (self.SLOTS * at // len(nodes) for at in (number, number + 1))
            node.execute_command("CLUSTER ADDSLOTSRANGE", first, last - 1)
            node.execute_command("CLUSTER MEET", "127.0.0.1", ports[0])
        for node in nodes:
            self.until(lambda: node.cluster("INFO")["cluster_state"] == "ok")

    @staticmethod
    def until(holds) -> None:
        for _ in range(400):
            if holds():
                return
            time.sleep(0.05)
        raise TimeoutError("the shards do not get to know each other")

    @staticmethod
    def answers(node) -> bool:
        import valkey

        try:
            return node.ping()
        except valkey.exceptions.ConnectionError:
            return False

    def end(self) -> None:
        for server in self.servers:
            server.terminate()
            server.wait()


class Guides(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        built = Path(os.environ["BUILT"])
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for name in ("lint", "template.yaml", "examples", "cdk"):
            (cls.folder / name).symlink_to(PROJECT / name)
        (cls.folder / "node_modules").symlink_to(PROJECT / "examples/clients/node/node_modules")
        programs = cls.folder / "bin"
        programs.mkdir()
        for name in PROGRAMS:
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} {name} "$@"\n')
            (programs / name).chmod(0o755)
        log = cls.enterClassContext((cls.folder / "log").open("w"))
        local = LocalAws(str(built / "local-aws"), built / "bootstrap", log)
        cls.addClassCleanup(local.end)
        cls.bin = Path(os.environ["BIN"])
        cls.environment = {
            "PATH": f"{programs}:{cls.bin}:{os.environ['PATH']}", "HOME": str(cls.folder), **local.environment,
            "AWS": str(cls.bin / "aws"), "PLAN": str(built / "plan"), "PYTHONPATH": str(PROJECT / "scripts"),
            # The certificates of the nodes are not publicly trusted, as ElastiCache's are.
            "SSL_CERT_FILE": local.certificate, "NODE_EXTRA_CA_CERTS": local.certificate,
        }

    def run_command(self, words: list[str], place: str, **more: str) -> str:
        run = subprocess.run(words, cwd=self.folder, env={**self.environment, **more}, capture_output=True, text=True,
                             timeout=240, check=False)
        self.assertEqual(run.returncode, 0, f"{place}\n{run.stdout}{run.stderr}")
        return run.stdout

    def secret(self, group: str) -> dict:
        words = ["aws", "secretsmanager", "get-secret-value", "--secret-id", f"elasticache/{group}/auth-token",
                 "--query", "SecretString", "--output", "text"]
        return json.loads(self.run_command(words, group))

    def endpoint(self, group: str) -> str:
        words = ["aws", "elasticache", "describe-replication-groups", "--replication-group-id", group,
                 "--query", "ReplicationGroups[0].NodeGroups[0].PrimaryEndpoint.[Address, Port]", "--output", "text"]
        return self.run_command(words, group).strip().replace("\t", ":")

    def tried(self, page: Path) -> list[Block]:
        lines = page.read_text().splitlines()
        return [block for block in blocks(page, "sh") if not NOT_TRIED.search(lines[block.line - 2])]

    def try_page(self, page: Path) -> None:
        for block in self.tried(page):
            with self.subTest(place=block.place):
                (self.folder / "turns").unlink(missing_ok=True)
                self.run_command(["bash", "-euo", "pipefail", "-c", block.text], block.place)

    def test_everything_that_the_guides_show_works(self):
        readme, recipes = PROJECT / "README.md", PROJECT / "docs/recipes.md"
        (self.folder / "cache.yaml").write_text(blocks(readme, "yaml")[0].text)
        # Most of the time the AWS CLI waits.
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(self.try_page, recipes), pool.submit(self.try_page, readme)]:
                done.result()
        # The guides take the example for production for granted, whose cache has the same name.
        self.run_command(["bash", "-euc", "aws cloudformation deploy --stack-name cache --template-file "
                          f"examples/production.yaml --parameter-overrides {PARAMETERS}"], "the example for production")
        secret = self.secret("production-myapp-valkey")
        self.environment |= {
            "TLS_ENDPOINT": f"{secret['host']}:{secret['port']}", "PASSWORD": secret["password"],
            "PLAIN_ENDPOINT": self.endpoint("development-myapp-valkey"),
        }
        for page in pages():
            if page not in (readme, recipes):
                self.try_page(page)
        self.try_clients()

    def try_clients(self) -> None:
        sharded = ShardedValkey(os.environ["VALKEY_SERVER"], self.folder)
        self.addCleanup(sharded.end)
        count = 0
        for block in blocks(PROJECT / "docs/connecting.md", "javascript", "python"):
            more = {"CACHE_ENDPOINT": self.environment["PLAIN_ENDPOINT"]}
            if "CACHE_SECRET" in block.text:
                more = {"CACHE_SECRET": "elasticache/production-myapp-valkey/auth-token"}
            elif "CACHE_PASSWORD" in block.text:
                more = {"CACHE_ENDPOINT": sharded.endpoint}
            name = self.folder / f"client-{count}{'.mjs' if block.language == 'javascript' else '.py'}"
            name.write_text(block.text)
            program = "node" if block.language == "javascript" else "python"
            with self.subTest(place=block.place):
                said = self.run_command([str(self.bin / program), str(name)], block.place, **more)
                self.assertRegex(said, "hello|Ada")
            count += 1
        self.assertGreaterEqual(count, 6)

    def test_a_block_that_is_not_tried_says_why(self):
        for page in pages():
            lines = page.read_text().splitlines()
            for block in blocks(page, "sh"):
                if NOT_TRIED.search(lines[block.line - 2]):
                    self.assertRegex(lines[block.line - 2], r"not tried(: .+| here.*) -->", block.place)


if __name__ == "__main__":
    sys.exit(main())
