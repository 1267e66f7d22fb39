"""The guides are right about what can be checked without a running AWS: links, commands, templates, code, and the seed."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import jmespath
import yaml
from awscli.clidriver import create_clidriver

from guides import PROJECT, VALKEY_CLI, anchors, blocks, commands, links, pages

BIN = Path(sys.executable).parent

# The headings of the module's guide that this project implements.
SEED = """\
ElastiCache Redis/Valkey Module
Overview
Quick Start
Basic Usage (Single Node - Development)
Production Usage (High Availability)
Features
Engine Options
Node Types & Costs
High Availability Options
Variables
Required Variables
Optional Variables
Outputs
Single Output Object
Application Integration
Node.js (ioredis)
Python (redis-py)
With TLS/SSL (if transit_encryption_enabled = true)
High Availability Explained
Single Node (No HA)
Multi-Node with Automatic Failover (HA)
Security Best Practices
1. Use Auth Token (Password)
2. Store Password in Secrets Manager
3. Enable Encryption
4. Use Private Subnets
5. Restrict Access via Security Groups
Backups & Snapshots
Automatic Backups
Final Snapshot on Deletion
Manual Snapshot
Restore from Snapshot
Monitoring
CloudWatch Metrics (Automatic)
CloudWatch Alarms
Troubleshooting
Issue: Can't Connect from Application
Issue: High Memory Usage
Issue: Slow Performance
Cost Optimization
1. Use Valkey Instead of Redis OSS
2. Right-Size Instances
3. Reduce Backup Retention
4. Single Node for Non-Critical Apps
Migration from EC2 Redis
Examples
Comparison: EC2 Redis vs ElastiCache
Summary
""".splitlines()

# The rows of its tables, by the page that has them.
SEED_ROWS = {
    "migrating.md": [
        # Variables.
        *["env", "project_id", "vpc_id", "subnet_ids", "engine", "engine_version", "node_type", "num_cache_nodes"],
        *["automatic_failover_enabled", "multi_az_enabled", "port", "auth_token", "at_rest_encryption_enabled"],
        *["transit_encryption_enabled", "snapshot_retention_limit", "allowed_security_group_ids"],
        *["allowed_cidr_blocks", "snapshot_window", "final_snapshot_identifier", "tags"],
        # Outputs.
        *["enabled", "cluster_type", "connection.primary_endpoint", "connection.reader_endpoint", "connection.port"],
        *["connection.endpoint", "connection.password_required", "connection.tls_enabled", "configuration.engine"],
        *["configuration.engine_version", "configuration.node_type", "configuration.num_cache_nodes"],
        *["high_availability.enabled", "high_availability.automatic_failover_enabled"],
        *["high_availability.multi_az_enabled", "high_availability.failover_time", "estimated_cost.node_type"],
        *["estimated_cost.num_nodes", "estimated_cost.monthly_estimate", "app_config_examples.node_js"],
        *["app_config_examples.python", "app_config_examples.environment_variables", "identifiers.cluster_id"],
        "security.security_group_id",
    ],
    "choosing.md": ["cache.t4g.micro", "cache.t4g.small", "cache.t4g.medium", "cache.r7g.large", "valkey", "redis"],
    "monitoring.md": ["DatabaseMemoryUsagePercentage", "CPUUtilization", "CurrConnections", "Evictions"],
}

# What version 2 of the AWS CLI alone has; the one that is installed is version 1.
VERSION_2 = {("configure", "export-credentials")}

# Other programs that commands begin with.
OTHER_PROGRAMS = {"cat", "cd", "cfn-lint", "date", "echo", "eval", "export", "jq", "local-aws", "make", "npm", "rm", "sed"}
OTHER_PROGRAMS |= {"sha256sum", "sleep"}


class Text(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for page in pages():
            for link in links(page):
                path, _, anchor = link.partition("#")
                target = (page.parent / path).resolve() if path else page
                with self.subTest(page=page.name, link=link):
                    self.assertTrue(target.exists(), "there is no such file")
                    if anchor:
                        self.assertIn(anchor, anchors(target))

    def test_the_start_page_has_every_page(self):
        linked = set(links(PROJECT / "docs/README.md"))
        for page in (PROJECT / "docs").glob("*.md"):
            self.assertIn(page.name, linked | {"README.md"})

    def test_every_example_is_in_the_recipes(self):
        linked = set(links(PROJECT / "docs/recipes.md"))
        for example in (PROJECT / "examples").glob("*.yaml"):
            self.assertIn(f"../examples/{example.name}", linked)

    def test_each_heading_of_the_seed_has_its_place(self):
        rows = (PROJECT / "docs/from-the-seed.md").read_text().splitlines()
        listed = [match[1] for row in rows if (match := re.match(r"\| `(.+?)` \| \[", row))]
        self.assertEqual(listed, SEED)

    def test_each_row_of_the_seed_has_its_place(self):
        for page, names in SEED_ROWS.items():
            text = (PROJECT / "docs" / page).read_text()
            for name in names:
                with self.subTest(page=page, name=name):
                    self.assertRegex(text, rf"(?m)^\|[^|\n]*`{re.escape(name)}`[^|\n]*\|")


class AwsCli:
    """The options of the installed AWS CLI."""

    def __init__(self):
        self.driver = create_clidriver()
        self.services = self.driver.subcommand_table if hasattr(self.driver, "subcommand_table") else None
        if self.services is None:
            self.services = self.driver._get_command_table()
        self.globals = self.driver._get_argument_table()

    def command(self, words):
        """The command that these words name, and the words after its name."""
        table, command, rest = self.services, None, list(words)
        while rest and rest[0] in table:
            command = table[rest.pop(0)]
            table = getattr(command, "subcommand_table", None)
            if not table:
                table = command._get_command_table() if hasattr(command, "_get_command_table") else {}
        return command, rest

    def defect(self, words):
        """What is wrong with a command, given without the program's name; none where nothing is."""
        command, rest = self.command(words)
        if command is None or not hasattr(command, "arg_table"):
            return f"there is no command {' '.join(words[:2])}"
        table, given, values = command.arg_table, set(), {}
        option = None
        for word in rest:
            if not word.startswith("--"):
                if option is None:
                    if not any(getattr(argument, "positional_arg", False) for argument in table.values()):
                        return f"{word} belongs to no option"
                else:
                    values.setdefault(option, []).append(word)
                continue
            option = word[2:]
            given.add(option)
            if option not in table and option not in self.globals:
                return f"there is no option --{option}"
        for option, words in values.items():
            argument = table.get(option, self.globals.get(option))
            model = getattr(argument, "argument_model", None)
            enum = getattr(model, "enum", None) or getattr(getattr(model, "member", None), "enum", None)
            for word in words:
                if enum and word not in enum:
                    return f"--{option} {word}: not in {enum}"
            if option == "query":
                jmespath.compile(words[0])
        # A positional one is told from the rest by its place, which is not looked at.
        required = {
            name
            for name, argument in table.items()
            if argument.required and not getattr(argument, "positional_arg", False) and name != "outfile"
        }
        missing = required - given
        return f"--{', --'.join(sorted(missing))} is missing" if missing else None


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cli = AwsCli()
        cls.all = [(block, words) for page in pages() for block in blocks(page, "sh") for words in commands(block.text)]

    def test_commands_have_the_options_of_the_installed_aws_cli(self):
        ours = [(block, words[1:]) for block, words in self.all if words[0].split("/")[-1] == "aws"]
        ours = [(block, words) for block, words in ours if tuple(words[:2]) not in VERSION_2]
        self.assertGreater(len(ours), 30)
        for block, words in ours:
            with self.subTest(place=block.place, command=" ".join(words)):
                self.assertIsNone(self.cli.defect(words))

    def test_a_wrong_option_is_found(self):
        for right, wrong in [
            ("elasticache describe-events --duration 1", "elasticache describe-events --minutes 1"),
            ("elasticache describe-events --source-type cache-cluster", "elasticache describe-events --source-type node"),
            ("elasticache test-failover --replication-group-id a --node-group-id 1", "elasticache test-failover"),
            ("cloudformation deploy --stack-name a --template-file b", "cloudformation deploy --stack a --template-file b"),
            ("sts get-caller-identity --query Account", "sts get-identity"),
            ("s3 cp a b --region eu-west-1", "s3 cp a b --place eu-west-1"),
        ]:
            self.assertIsNone(self.cli.defect(right.split()), right)
            self.assertIsNotNone(self.cli.defect(wrong.split()), wrong)

    def test_commands_in_substitutions_pipes_and_loops_are_seen(self):
        shell = 'a=$(aws x --b "$(aws y)" | jq -r .p)\nwhile sleep 1; do valkey-cli \\\n  PING > f; done\n'
        self.assertEqual(commands(shell), [["aws", "y"], ["aws", "x", "--b", "X"], ["jq", "-r", ".p"], ["sleep", "1"], ["valkey-cli", "PING"]])

    def test_valkey_cli_has_the_options(self):
        for block, (program, *words) in self.all:
            if program not in ("valkey-cli", "redis-cli"):
                continue
            with self.subTest(place=block.place, command=" ".join(words)):
                while words and words[0].startswith("-"):
                    option = words.pop(0)
                    self.assertIn(option, VALKEY_CLI)
                    if VALKEY_CLI[option]:
                        words.pop(0)

    def test_no_password_is_an_argument(self):
        for block, words in self.all:
            self.assertNotIn("-a", words, block.place)

    def test_every_program_is_known(self):
        for block, words in self.all:
            program = words[0].split("/")[-1]
            self.assertIn(program, OTHER_PROGRAMS | {"aws", "valkey-cli", "redis-cli", "sam"}, block.place)


class Loader(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation's functions, which stay as they are."""


class Function(yaml.YAMLObject):
    def __init__(self, node):
        self.node = node


Loader.add_multi_constructor("!", lambda _loader, _suffix, node: Function(node))

AROUND = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  VpcId:
    Type: AWS::EC2::VPC::Id
  SubnetIds:
    Type: List<AWS::EC2::Subnet::Id>
  AppSecurityGroupId:
    Type: AWS::EC2::SecurityGroup::Id
Resources:
  People:
    Type: AWS::SNS::Topic
  SlowLog:
    Type: AWS::Logs::LogGroup
    Properties:
      RetentionInDays: 1
  Unused:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: !Sub "${VpcId} ${AppSecurityGroupId}"
      TopicName: !Select [0, !Ref SubnetIds]
"""
CACHE = """\
  Cache:
    Type: Custom::ElastiCache
    Properties:
      ServiceToken: !ImportValue elasticache-resource-ServiceToken
      Env: production
      ProjectId: myapp
      VpcId: !Ref VpcId
"""
SUBNETS = "      SubnetIds: !Ref SubnetIds\n"
TASK = """\
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - Name: application
          Image: application
"""


def indented(text, by):
    return re.sub(r"(?m)^(?=.)", " " * by, text)


def whole(text):
    """A template around a block: whole already, resources, properties of the cache, or a part of something else."""
    read = yaml.load(text, Loader)
    if "Resources" in read:
        return text
    if all(isinstance(value, dict) and "Type" in value for value in read.values()):
        return AROUND + ("" if "Cache" in read else CACHE + SUBNETS) + indented(text, 2)
    if "Secrets" in read:
        return AROUND + CACHE + SUBNETS + TASK + indented(text, 10)
    return AROUND + CACHE + ("" if "SubnetIds" in read else SUBNETS) + indented(text, 6)


class Code(unittest.TestCase):
    def test_templates_pass_cfn_lint(self):
        found = [block for page in pages() for block in blocks(page, "yaml")]
        found = [block for block in found if not block.text.startswith(("append_rules:", "# yaml-language-server"))]
        self.assertGreater(len(found), 10)
        with tempfile.TemporaryDirectory() as folder:
            for block in found:
                name = re.sub(r"\W", "-", block.place)
                (Path(folder) / f"{name}.yaml").write_text(whole(block.text))
            # What is around a block may have nothing that uses it.
            lint = [BIN / "cfn-lint", "--append-rules", PROJECT / "lint", "--ignore-checks", "W2001", "--template"]
            run = subprocess.run([*lint, *sorted(Path(folder).iterdir())], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, run.stdout)

    def test_the_first_template_of_the_readme_is_whole(self):
        template = next(block for block in blocks(PROJECT / "README.md", "yaml"))
        self.assertIn("Resources", yaml.load(template.text, Loader))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cache.yaml"
            path.write_text(template.text)
            lint = [BIN / "cfn-lint", "--append-rules", PROJECT / "lint", "--template", path]
            run = subprocess.run(lint, capture_output=True, text=True, check=False)
            self.assertEqual((run.returncode, run.stdout), (0, ""))

    def each(self, *languages):
        for page in pages():
            for block in blocks(page, *languages):
                with self.subTest(place=block.place):
                    yield block

    def test_python_compiles(self):
        for block in self.each("python"):
            compile(block.text, block.place, "exec")

    def test_json_reads(self):
        for block in self.each("json"):
            json.loads(block.text)

    def checked(self, block, suffix, *command):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"snippet{suffix}"
            path.write_text(block.text)
            run = subprocess.run([*command, path], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_javascript_parses(self):
        node = BIN / "node" if (BIN / "node").exists() else shutil.which("node")
        if not node:
            self.skipTest("there is no Node")
        for block in self.each("javascript"):
            self.checked(block, ".mjs", node, "--check")

    def test_java_parses(self):
        java = shutil.which("java")
        if not java or not shutil.which("javac"):
            self.skipTest("there is no Java")
        for block in self.each("java"):
            self.checked(block, ".java", java, PROJECT / "scripts/ParseJava.java")

    def test_go_parses(self):
        gofmt = shutil.which("gofmt")
        if not gofmt:
            self.skipTest("there is no Go")
        for block in self.each("go"):
            self.checked(block, ".go", gofmt, "-e", "-l")

    def test_every_block_says_its_language(self):
        known = {"csharp", "go", "java", "javascript", "json", "python", "rust", "sh", "text", "ts", "yaml"}
        for page in pages():
            for block in blocks(page):
                self.assertIn(block.language, known, block.place)


if __name__ == "__main__":
    unittest.main()
