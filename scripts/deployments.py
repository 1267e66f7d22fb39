#!/usr/bin/env python3
"""Deploys what people get of this project on the local AWS, with the AWS CLI and the function as it is packed: the files of a
release, as docs/install.md says and as the acceptance test takes them, and the example of the CDK.

Not among the tests that `unittest discover` finds, because it needs what is compiled and built: `make deployments`.
"""

import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
import zipfile
from pathlib import Path

from local_aws import NETWORK, LocalAws

PROJECT = Path(__file__).resolve().parent.parent
LOCAL_AWS = os.environ["LOCAL_AWS"]
# The folder that `make release` writes, and the template that the example of the CDK becomes.
RELEASE = Path(os.environ["RELEASE"])
CDK_TEMPLATE = Path(os.environ["CDK_TEMPLATE"])
BIN = Path(os.environ["BIN"])


class Bucket(http.server.BaseHTTPRequestHandler):
    """As much of S3 as `aws cloudformation package` needs; the local AWS has none."""

    objects: dict[str, bytes] = {}
    parts: dict[str, dict[int, bytes]] = {}

    def do_HEAD(self) -> None:
        self.answer(200 if self.path in self.objects else 404)

    def do_PUT(self) -> None:
        key, query = self.asked()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "partNumber" in query:
            self.parts.setdefault(key, {})[int(query["partNumber"][0])] = body
        else:
            self.objects[key] = body
        self.answer(200)

    def do_POST(self) -> None:
        """Begins and ends the upload of a large object in parts."""
        key, query = self.asked()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in query:
            self.answer(200, "<InitiateMultipartUploadResult><UploadId>any</UploadId></InitiateMultipartUploadResult>")
        else:
            self.objects[key] = b"".join(body for _, body in sorted(self.parts[key].items()))
            self.answer(200, "<CompleteMultipartUploadResult><ETag>any</ETag></CompleteMultipartUploadResult>")

    def asked(self) -> tuple[str, dict[str, list[str]]]:
        url = urllib.parse.urlsplit(self.path)
        return url.path, urllib.parse.parse_qs(url.query, keep_blank_values=True)

    def answer(self, status: int, body: str = "") -> None:
        self.send_response(status)
        self.send_header("ETag", '"any"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


class Deployments(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        with zipfile.ZipFile(RELEASE / "function-x86_64.zip") as archive:
            cls.assert_lambda_can_start(archive.getinfo("bootstrap"))
            archive.extract("bootstrap", cls.folder)
        (cls.folder / "bootstrap").chmod(0o755)
        bucket = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
        threading.Thread(target=bucket.serve_forever, daemon=True).start()
        cls.addClassCleanup(bucket.server_close)
        cls.addClassCleanup(bucket.shutdown)
        log = cls.enterClassContext((cls.folder / "log").open("w"))
        aws = LocalAws(LOCAL_AWS, cls.folder / "bootstrap", log)
        cls.addClassCleanup(aws.end)
        cls.certificate = aws.certificate
        cls.environment = {
            "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(cls.folder), **NETWORK, "BUCKET": "my-bucket",
            **aws.environment,
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{bucket.server_port}",
            # Plain bytes in the bucket.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }

    @staticmethod
    def assert_lambda_can_start(entry: zipfile.ZipInfo) -> None:
        assert entry.external_attr >> 16 & 0o111 == 0o111, "bootstrap is not executable"

    def run_shell(self, script: str, cwd: Path) -> str:
        run = subprocess.run(["bash", "-euc", script], cwd=cwd, env=self.environment, capture_output=True, text=True)
        if run.returncode:
            said = [line for line in run.stderr.splitlines() if "Uploading" not in line]
            if events := re.search(r"^aws cloudformation describe-stack-events .*$", run.stderr, re.MULTILINE):
                query = "StackEvents[?contains(ResourceStatus, 'FAILED')].[LogicalResourceId, ResourceStatusReason]"
                said.append(self.run_shell(f'{events[0]} --query "{query}"', cwd))
            log = (self.folder / "log").read_text().splitlines()[-5:]
            self.fail("\n".join([script, *said, *log]))
        return run.stdout

    def stack(self, name: str) -> dict:
        return json.loads(self.run_shell(f"aws cloudformation describe-stacks --stack-name {name}", PROJECT))["Stacks"][0]

    def assert_deleted(self, name: str, delete: str) -> None:
        """The waiter of the CLI looks every half minute only."""
        stack_id = self.stack(name)["StackId"]
        self.run_shell(delete, PROJECT)
        status = "DELETE_IN_PROGRESS"
        while status == "DELETE_IN_PROGRESS":
            time.sleep(0.5)
            status = self.stack(stack_id)["StackStatus"]
        self.assertEqual(status, "DELETE_COMPLETE", name)

    def test_a_release_is_installed_as_the_guide_says(self):
        guide = (PROJECT / "docs" / "install.md").read_text()
        section = guide.split("## From the files of a release")[1].split("For Graviton")[0]
        blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
        self.assertEqual(len(blocks), 2)
        for block in blocks:
            self.run_shell(block, RELEASE)
        packed = (RELEASE / "packaged.yaml")
        self.addCleanup(packed.unlink)
        zips = [body for body in Bucket.objects.values() if body == (RELEASE / "function-x86_64.zip").read_bytes()]
        self.assertEqual(len(zips), 1)
        for name in ("elasticache-resource", "my-cache"):
            self.assertEqual(self.stack(name)["StackStatus"], "CREATE_COMPLETE", name)
        self.assert_planned("elasticache-resource", "my-cache")
        [removal] = re.findall(r"```sh\n(aws cloudformation delete-stack.*?)```", guide, re.DOTALL)
        self.assert_deleted("my-cache", "aws cloudformation delete-stack --stack-name my-cache")
        self.assert_deleted("elasticache-resource", removal)

    def assert_planned(self, function: str, stack: str) -> None:
        """The deployed function tells `make plan` what it would do, and ends it as a check in a pipeline wants it."""
        outputs = {output["OutputKey"]: output["OutputValue"] for output in self.stack(stack)["Outputs"]}
        old, new, group = self.folder / "old.json", self.folder / "new.json", outputs["ReplicationGroupId"]
        standing = {"Env": "development", "ProjectId": "myapp", "VpcId": NETWORK["VPC"], "SubnetIds": NETWORK["SUBNETS"].split(","),
                    "AllowedSecurityGroupIds": [NETWORK["APP"]]}
        old.write_text(json.dumps(standing))
        variables = f"VENV={BIN.parent} FUNCTION={function} NEW={new}"
        update = f"ID={group} OLD={old}"
        for change, more, code, said in (
            ({"NumCacheNodes": 2}, update, 0, f"increase replicas of {group} to 1"),
            ({"NumCacheNodes": 2}, update, 0, "Cost of a month: about 18.69 USD"),
            ({"Port": 6380}, f"{update} JSON=1", 1, '"refused": true'),
            ({"ProjectId": "other"}, "", 0, "development-other-valkey is created"),
            ({}, "FUNCTION=nobodys", 2, "Function not found"),
        ):
            new.write_text(json.dumps(standing | change))
            command = f"make --no-print-directory --silent plan {variables} {more} 2>&1 || echo ended with $?"
            printed = self.run_shell(command, PROJECT)
            self.assertIn(said, printed)
            # Make itself ends with 2, and names the code of what it ran.
            self.assertEqual(f"Error {code}" in printed, code > 0, printed)

    def test_the_example_of_the_cdk_is_deployed_updated_and_deleted(self):
        template = self.folder / "template.json"
        plain = json.loads(CDK_TEMPLATE.read_text())
        # Says only which version of the CDK made the template, in the stack of its bucket.
        plain.get("Parameters", {}).pop("BootstrapVersion", None)
        plain.pop("Rules", None)
        caches = [name for name, resource in plain["Resources"].items() if resource["Type"] == "Custom::ElastiCache"]
        [counter] = [name for name in plain["Resources"] if re.fullmatch(r"Counter[0-9A-F]{8}", name)]
        variables = plain["Resources"][counter]["Properties"]["Environment"]["Variables"]
        plain["Outputs"] = {name.replace("_", ""): {"Value": value} for name, value in variables.items()}
        deploy = f"aws cloudformation deploy --stack-name shop --template-file {template} --capabilities CAPABILITY_IAM"

        template.write_text(json.dumps(plain))
        self.run_shell(deploy, PROJECT)
        stack = self.stack("shop")
        self.assertEqual(stack["StackStatus"], "CREATE_COMPLETE")
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self.assertEqual(outputs["REDISTLS"], "true")
        self.assertEqual(self.answers(outputs), ["+OK", "+PONG"])

        plain["Resources"][caches[0]]["Properties"]["NodeType"] = "cache.t4g.medium"
        template.write_text(json.dumps(plain))
        self.run_shell(deploy, PROJECT)
        self.assertEqual(self.stack("shop")["StackStatus"], "UPDATE_COMPLETE")
        self.assertEqual(self.answers(outputs), ["+OK", "+PONG"])

        self.assert_deleted("shop", "aws cloudformation delete-stack --stack-name shop")
        left = json.loads(self.run_shell("aws elasticache describe-replication-groups", PROJECT))
        self.assertEqual(left["ReplicationGroups"], [])

    def test_the_acceptance_test_deploys_a_function_of_its_own(self):
        packaged, report = self.folder / "packaged.yaml", self.folder / "report.md"
        self.run_shell("aws cloudformation package --template-file release-template.yaml --s3-bucket $BUCKET "
                       f"--output-template-file {packaged}", RELEASE)
        acceptance = Path(LOCAL_AWS).parent / "acceptance"
        place = "--vpc $VPC --subnets $SUBNETS,subnet-0a000000000000003 --clients $APP,sg-0a00000000000aa02"
        said = self.run_shell(f"AWS_REGION=us-east-1 {acceptance} run --yes --pause 0.2 --only rollback {place} "
                              f"--function {packaged} --report {report}", PROJECT)
        self.assertIn("rollback: delete: well", said)
        self.assertIn("| `elasticache DeleteReplicationGroup ReplicationGroupId` | held |", report.read_text())
        stacks = json.loads(self.run_shell("aws cloudformation describe-stacks", PROJECT))["Stacks"]
        self.assertEqual([stack["StackName"] for stack in stacks], [])

    def test_sam_deploys_an_example(self):
        deploy = ("SAM_CLI_TELEMETRY=0 sam deploy --template-file examples/quick-start.yaml --stack-name sam "
                  "--no-confirm-changeset --parameter-overrides VpcId=$VPC SubnetIds=$SUBNETS AppSecurityGroupId=$APP")
        self.run_shell(deploy, PROJECT)
        self.assertEqual(self.stack("sam")["StackStatus"], "CREATE_COMPLETE")
        self.assertIn("No changes to deploy", self.run_shell(f"{deploy} --no-fail-on-empty-changeset 2>&1", PROJECT))
        self.assert_deleted("sam", "aws cloudformation delete-stack --stack-name sam")

    def answers(self, outputs: dict[str, str]) -> list[str]:
        """What the cache says to an application that knows its environment alone."""
        get = f"aws secretsmanager get-secret-value --secret-id {outputs['REDISSECRETARN']}"
        secret = json.loads(json.loads(self.run_shell(get, PROJECT))["SecretString"])
        password = secret[outputs["REDISSECRETKEY"]]
        context = ssl.create_default_context(cafile=self.certificate)
        # Host names of nodes lead to this machine only in the client of the local AWS.
        where = ("127.0.0.1", int(outputs["REDISPORT"]))
        with socket.create_connection(where, timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname=outputs["REDISHOST"]) as tls, tls.makefile("r") as lines:
                tls.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                return [lines.readline().strip(), lines.readline().strip()]


def main() -> int:
    """Each test in a process of its own, at the same time: most of the time the AWS CLI waits."""
    names = unittest.TestLoader().getTestCaseNames(Deployments)
    tests = [subprocess.Popen([sys.executable, "-m", "unittest", f"deployments.Deployments.{name}"],
                              cwd=Path(__file__).parent) for name in names]
    return max(test.wait() for test in tests)


if __name__ == "__main__":
    sys.exit(main())
