"""The rules in lint/ find mistakes planted into a template, each at its line and with what to write, and none elsewhere.

Under the cfn-lint of the environment, and under the oldest one that is promised where OLDEST_CFN_LINT says where it is.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parent.parent
LINT = PROJECT / "lint"
RULES = ("E9601", "E9602")

# A template as people write them, with functions wherever they may stand.
RIGHT = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::LanguageExtensions
Parameters:
  VpcId:
    Type: AWS::EC2::VPC::Id
  SubnetIds:
    Type: List<AWS::EC2::Subnet::Id>
  Nodes:
    Type: Number
    Default: 2
  Size:
    Type: String
    Default: ""
Conditions:
  IsLarge: !Not [!Equals [!Ref Size, ""]]
Resources:
  Cache:
    Type: Custom::ElastiCache
    Properties:
      ServiceToken: !ImportValue elasticache-resource-ServiceToken
      Env: production
      ProjectId: !Sub "${AWS::StackName}-cache"
      Engine: Valkey
      EngineVersion: 8.2
      NodeType: !If [IsLarge, !Ref Size, !Ref AWS::NoValue]
      VpcId: !Ref VpcId
      SubnetIds: !Ref SubnetIds
      AllowedSecurityGroupIds: !Split [",", !ImportValue app-groups]
      AllowedCidrBlocks: [!Sub "10.0.0.0/16", !If [IsLarge, 10.1.0.0/16, !Ref AWS::NoValue]]
      SecurityGroupIds: []
      NumCacheNodes: !Ref Nodes
      AutomaticFailoverEnabled: !If [IsLarge, true, "true"]
      MultiAzEnabled: "TRUE"
      Port: "6380"
      Parameters:
        maxmemory-policy: allkeys-lru
        timeout: !Ref Nodes
      AuthToken: "{{resolve:secretsmanager:token}}"
      SnapshotRetentionLimit: "{{resolve:ssm:days}}"
      ReplacementPolicy: snapshot
      Tags:
        - Key: team
          Value: !If [IsLarge, large, small]
        - !If
          - IsLarge
          - Key: large
            Value: "true"
          - !Ref AWS::NoValue
      LogDelivery: !If
        - IsLarge
        - - LogType: slow-log
            DestinationType: cloudwatch-logs
            Destination: slow
        - !Ref AWS::NoValue
Outputs:
  Endpoint:
    Value: !GetAtt Cache.Connection.Endpoint
  Url:
    Value: !Sub "${Cache.Connection.Url} ${!Cache.Url} ${AWS::Region}"
  Given:
    Value: !Sub ["${Cache.Anything}", {Cache.Anything: !GetAtt [Cache, Connection.Port]}]
"""

# What is written instead of what, the words that stand in the line found, and what is said about it.
MISTAKES = [
    ("      NodeType: !If [IsLarge, !Ref Size, !Ref AWS::NoValue]", "      NodTypes: cache.t4g.micro", "NodTypes:",
     "NodTypes: is not a property of Custom::ElastiCache; did you mean NodeType?"),
    ("      Engine: Valkey", "      Engine: valky", "Engine: valky",
     "Engine (valky): must be one of valkey, redis; write valkey"),
    ('      Port: "6380"', "      Port: 70000", "Port: 70000",
     "Port (70000): must be between 1 and 65535; write a number from 1 to 65535"),
    ("      NumCacheNodes: !Ref Nodes", "      NumCacheNodes: two", "NumCacheNodes: two",
     "NumCacheNodes (two): must be a whole number; write a number from 1 to 6"),
    ('      MultiAzEnabled: "TRUE"', '      MultiAzEnabled: "yes"', "MultiAzEnabled:",
     "MultiAzEnabled (yes): must be true or false; write true or false"),
    ("      SubnetIds: !Ref SubnetIds", "      SubnetIds: subnet-1", "SubnetIds: subnet-1",
     "SubnetIds (subnet-1): must be a list of strings; write a list, even for one value"),
    ("      Env: production\n", "", "    Properties:",
     "Env: is required. "),
    ("        - Key: team", "        - Name: team", "Name: team",
     "Tags[0].Name: is not a property of Custom::ElastiCache; it is one of Key, Value"),
    ("        - - LogType: slow-log", "        - - LogType: slow", "LogType: slow",
     "LogDelivery[0].LogType (slow): must be one of slow-log, engine-log; write slow-log"),
    ("    Value: !GetAtt Cache.Connection.Endpoint", "    Value: !GetAtt Cache.Connection.EndPoint",
     "Cache.Connection.EndPoint",
     "Cache.Connection.EndPoint: is not an attribute of Custom::ElastiCache; did you mean Connection.Endpoint?"),
    ("${Cache.Connection.Url}", "${Cache.Url}", '${Cache.Url}',
     "Cache.Url: is not an attribute of Custom::ElastiCache; did you mean Connection.Url?"),
    ("!If [IsLarge, true, \"true\"]", "!If [IsLarge, \"on\", \"true\"]", "AutomaticFailoverEnabled:",
     "AutomaticFailoverEnabled (on): must be true or false; write true or false"),
    ("        maxmemory-policy: allkeys-lru", "        maxmemory-policy: [allkeys-lru]", "maxmemory-policy:",
     "Parameters.maxmemory-policy ([\"allkeys-lru\"]): must be a string; write one value, not a list or a map"),
    ('      AuthToken: "{{resolve:secretsmanager:token}}"', "      AuthToken: [very-secret-token]", "AuthToken:",
     "AuthToken: must be a string; write one value, not a list or a map"),
]

TEMPLATES = {
    "wrong.yaml": RIGHT,
    "right.yaml": RIGHT,
    "nothing.yaml": "Resources:\n  Cache:\n    Type: Custom::ElastiCache\n",
}
for right, wrong, _, _ in MISTAKES:
    assert TEMPLATES["wrong.yaml"].count(right) == 1, right
    TEMPLATES["wrong.yaml"] = TEMPLATES["wrong.yaml"].replace(right, wrong)

# Where the oldest cfn-lint lies, for Python's module path.
VERSIONS = {"pinned": None, "oldest": os.environ.get("OLDEST_CFN_LINT")}
# What the command cfn-lint runs.
MAIN = "import sys; from cfnlint.runner import main; sys.exit(main())"


class Finding(NamedTuple):
    template: str
    line: int
    message: str


def lint(*arguments: str, version: str) -> str:
    """What cfn-lint prints."""
    environment = {**os.environ, "PYTHONPATH": VERSIONS[version] or "", "AWS_DEFAULT_REGION": "us-east-1"}
    run = subprocess.run([sys.executable, "-c", MAIN, *arguments], capture_output=True, text=True, env=environment, cwd="/")
    # The bits of the exit status are the kinds of what was found.
    if run.stderr or run.returncode & 1:
        raise RuntimeError(run.stderr)
    return run.stdout


class Rules(unittest.TestCase):
    found: dict[str, list[Finding]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        """All templates in one go: cfn-lint takes seconds to start."""
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for name, text in TEMPLATES.items():
            (cls.folder / name).write_text(text)
        # The pinned one has the examples in `.cfnlintrc.yaml`, with these rules.
        examples = [PROJECT / "template.yaml", *sorted((PROJECT / "examples").glob("*.yaml"))]
        for version in (name for name, place in VERSIONS.items() if name == "pinned" or place):
            templates = [cls.folder / name for name in TEMPLATES] + (examples if version == "oldest" else [])
            found = json.loads(lint("--append-rules", str(LINT), "--format", "json", "--template", *map(str, templates),
                                    version=version))
            cls.found[version] = [Finding(Path(one["Filename"]).name, one["Location"]["Start"]["LineNumber"], one["Message"])
                                  for one in found if one["Rule"]["Id"] in RULES]

    def test_each_mistake_is_found_at_its_line_and_nothing_else(self):
        lines = TEMPLATES["wrong.yaml"].splitlines()
        for version, everything in self.found.items():
            found = [one for one in everything if one.template == "wrong.yaml"]
            for _, _, there, said in MISTAKES:
                matching = [one.line for one in found if one.message.startswith(said)]
                self.assertEqual(len(matching), 1, (version, said, found))
                self.assertIn(there, lines[matching[0] - 1], (version, said))
            self.assertEqual(len(found), len(MISTAKES), (version, found))
            self.assertFalse(any("very-secret-token" in one.message for one in found))

    def test_nothing_is_found_where_nothing_is_wrong(self):
        """In the examples, and where functions stand wherever they may."""
        for version, everything in self.found.items():
            self.assertEqual([one for one in everything if one.template not in ("wrong.yaml", "nothing.yaml")], [], version)

    def test_what_is_required_is_missed_where_there_is_nothing(self):
        for version, everything in self.found.items():
            said = {one.message.split(".")[0] for one in everything if one.template == "nothing.yaml"}
            self.assertEqual(said, {f"{name}: is required" for name in ("Env", "ProjectId", "VpcId", "SubnetIds")}, version)

    def test_the_oldest_is_the_one_that_the_readme_promises(self):
        if VERSIONS["oldest"]:
            self.assertIn(f"cfn-lint {lint('--version', version='oldest').split()[-1]}", (PROJECT / "docs/checks.md").read_text())

    def test_sam_takes_a_copy_of_the_rules_from_the_configuration(self):
        shutil.copytree(LINT, self.folder / "lint", ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / ".cfnlintrc").write_text("append_rules:\n  - lint\n")
        (self.folder / "template.yaml").write_text(RIGHT.replace("Engine: Valkey", "Engine: valky").replace(
            "Transform: AWS::LanguageExtensions", "Transform: AWS::Serverless-2016-10-31"))
        run = subprocess.run([str(Path(sys.executable).with_name("sam")), "validate", "--lint"],
                             cwd=self.folder, capture_output=True, text=True)
        said = run.stdout + run.stderr
        self.assertIn("E9601", said)
        self.assertIn("Engine (valky): must be one of valkey, redis; write valkey", said)


if __name__ == "__main__":
    unittest.main()
