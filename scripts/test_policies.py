"""The check of the policies notices what it is for: mistakes put into the template, one at a time."""

import unittest
from collections.abc import Callable
from pathlib import Path

import policies

TEMPLATE = Path(__file__).parent.parent / "template.yaml"
PARAMETERS = {"AdditionalSecretArns": "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-??????"}


def problems(change: Callable[[dict[str, dict]], None] = lambda statements: None) -> list[str]:
    """What is wrong with the template after a change of its statements, which are known by their Sid."""
    source = policies.yaml_parse(TEMPLATE.read_text())
    documents = policies.documents("", source["Resources"])
    change({statement.get("Sid"): statement for _, document in documents for statement in document["Statement"]})
    return policies.problems(source, PARAMETERS)


class Mistakes(unittest.TestCase):
    def assert_noticed(self, said: str, change: Callable[[dict[str, dict]], None]) -> None:
        found = problems(change)
        self.assertTrue(any(said in problem for problem in found), found)

    def test_there_is_none_in_the_template(self):
        self.assertEqual(problems(), [])

    def test_the_rights_for_a_vpc_come_with_one(self):
        """The expanded template, because SAM gives its own role these rights always."""
        source = policies.yaml_parse(TEMPLATE.read_text())
        resources = policies.Template(source, PARAMETERS).resources
        roles = [resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::IAM::Role"]
        managed = [arn for role in roles for arn in role["ManagedPolicyArns"]]
        about_vpcs = [arn for arn in managed if "VPC" in str(arn)]
        self.assertTrue(about_vpcs)
        for arn in about_vpcs:
            condition, _, otherwise = arn["Fn::If"]
            self.assertEqual((condition, otherwise), ("HasNetwork", {"Ref": "AWS::NoValue"}))

    def test_a_required_kind_of_resource_is_missing(self):
        def without_parameter_groups(statements):
            for statement in statements.values():
                if "elasticache:CreateReplicationGroup" in statement["Action"]:
                    statement["Resource"] = [arn for arn in statement["Resource"] if "parametergroup" not in str(arn)]

        said = "elasticache:CreateReplicationGroup requires a parametergroup (arn:*:elasticache:*:*:parametergroup:*)"
        self.assert_noticed(said, without_parameter_groups)

    def test_any_action_is_misspelt(self):
        template = policies.Template(policies.yaml_parse(TEMPLATE.read_text()), PARAMETERS)
        for place, document in template.policies():
            for statement in policies.listed(document["Statement"]):
                for action in policies.listed(statement["Action"]):
                    service, name = action.split(":")
                    for wrong in (f"{service}:{name.replace('*', '')}x", f"{service}x:{name}"):
                        with self.subTest(place=place, action=wrong):
                            said = list(policies.problems_of_statement({**statement, "Action": wrong}))
                            self.assertIn(f"there is no action {wrong}", said)

    def test_any_statement_has_a_key_that_its_actions_do_not_know(self):
        template = policies.Template(policies.yaml_parse(TEMPLATE.read_text()), PARAMETERS)
        for place, document in template.policies():
            for statement in policies.listed(document["Statement"]):
                for key in ("dynamodb:LeadingKeys", "aws:SecureTransprt", "aws:RequestTags/x"):
                    with self.subTest(place=place, statement=statement.get("Sid"), key=key):
                        changed = {**statement, "Condition": {"Null": {key: "false"}}}
                        said = " ".join(policies.problems_of_statement(changed))
                        # A permission of Lambda and the trust of a role have no resource that a key could be of.
                        if "Resource" in statement:
                            self.assertIn(f"does not know the condition key {key}", said)

    def test_a_key_belongs_to_another_action_of_the_service(self):
        def about_encryption(statements):
            statements["KeyOfCache"]["Condition"] = {"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}}

        self.assert_noticed("kms:CreateGrant does not know the condition key kms:EncryptionAlgorithm", about_encryption)

    def test_a_key_belongs_to_another_kind_of_resource(self):
        def tagged_vpc(statements):
            condition = statements["NewSecurityGroup"]["Condition"]
            statements["VpcOfNewSecurityGroup"]["Condition"] = condition

        self.assert_noticed("ec2:CreateSecurityGroup does not know the condition key aws:RequestTag", tagged_vpc)

    def test_a_resource_is_none_of_the_actions(self):
        def misspelt(statements):
            statements["SubnetGroup"]["Resource"] = [{"Fn::Sub": "arn:aws:elasticache:${AWS::Region}:*:subnetgroups:*"}]

        self.assert_noticed("SubnetGroup: no action of the statement works on arn:aws:elasticache:", misspelt)
        self.assert_noticed("elasticache:ModifyCacheSubnetGroup works on none of the resources", misspelt)

    def test_an_action_without_resources_is_limited_to_one(self):
        def limited(statements):
            statements["ReadEvents"]["Resource"] = statements["SubnetGroup"]["Resource"]

        self.assert_noticed("elasticache:DescribeEvents works on none of the resources, but on *", limited)

    def test_an_action_in_the_callers_name_is_missing(self):
        def without(statements):
            statements["ReadNetwork"]["Action"].remove("ec2:DescribeVpcs")

        self.assert_noticed("elasticache:CreateReplicationGroup needs ec2:DescribeVpcs too", without)

    def test_the_policies_are_too_long_for_a_role(self):
        def longer(statements):
            statements["ReadNetwork"]["Action"] *= 30

        self.assert_noticed("a role may have 10240", longer)
        many = {"AdditionalSecretArns": ",".join([PARAMETERS["AdditionalSecretArns"]] * 30)}
        found = policies.problems(policies.yaml_parse(TEMPLATE.read_text()), many)
        self.assertTrue(any("a role may have 6144" in problem for problem in found), found)


if __name__ == "__main__":
    unittest.main()
