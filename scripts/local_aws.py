"""A local AWS with the function and real Valkey nodes, for scripts that try what people get of this project."""

import re
import subprocess
from pathlib import Path
from typing import IO


# Every local AWS has this network.
NETWORK = {
    "VPC": "vpc-0a1b2c3d4e5f60001",
    "SUBNETS": "subnet-0a000000000000001,subnet-0a000000000000002",
    "APP": "sg-0a00000000000aa01",
}


class LocalAws:
    """Runs until `end`. `environment` leads the AWS CLI to it, `certificate` is what its nodes are trusted by."""

    def __init__(self, program: str, bootstrap: Path, log: IO[str]) -> None:
        self.process = subprocess.Popen(
            [program, "serve", "--port", "0", "--speed", "600", "--nodes", "--bootstrap", bootstrap],
            stdout=subprocess.PIPE, stderr=log, text=True)
        self.environment = {"AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
                            "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
        self.certificate = ""
        for line in self.process.stdout:
            for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"):
                if found := re.search(rf"\b{name}=(\S+)", line):
                    self.environment[name] = found[1]
            if found := re.search(r"--certificate (\S+)", line):
                self.certificate = found[1]
            if line.startswith("Ctrl-C"):
                return
        raise RuntimeError(f"{program} has ended: {self.process.wait()}")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
