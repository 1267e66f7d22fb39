"""A cache and an application that uses it: VPC, security groups, password, rotation, alarms."""

from aws_cdk import App, Duration, RemovalPolicy, Stack, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from elasticache_resource_cdk import Auth, BackupOptions, Cache, Engine, Topology

app = App()
stack = Stack(app, "Shop")

vpc = ec2.Vpc(
    stack, "Vpc",
    max_azs=2,
    nat_gateways=0,
    subnet_configuration=[
        ec2.SubnetConfiguration(name="private", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)],
)
# The application reads the password through it.
vpc.add_interface_endpoint("SecretsManager", service=ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER)

alarms = sns.Topic(stack, "Alarms", enforce_ssl=True)

cache = Cache(
    stack, "Cache",
    vpc=vpc,
    environment="production",
    project="shop",
    engine=Engine.VALKEY_8_2,
    node_type=ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.SMALL),
    topology=Topology.replicated(2, multi_az=True),
    auth=Auth.generated(grace=Duration.minutes(30)),
    backup=BackupOptions(retention=Duration.days(7), window="03:00-05:00"),
    parameters={"maxmemory-policy": "allkeys-lru"},
    removal_policy=RemovalPolicy.SNAPSHOT,
)
cache.add_rotation(every=Duration.days(30), alarm=alarms)
cache.metric_engine_cpu_utilization().create_alarm(stack, "Busy", threshold=80, evaluation_periods=5)

counter = lambda_.Function(
    stack, "Counter",
    runtime=lambda_.Runtime.NODEJS_24_X,
    handler="index.handler",
    # Yours, with a client such as iovalkey: examples/clients/node shows how it reads the password again after a rotation.
    code=lambda_.Code.from_inline(
        "exports.handler = async () => Object.keys(process.env).filter((n) => n.startsWith('REDIS_'));"),
    vpc=vpc,
    environment=cache.to_environment(),
)
cache.grant_read(counter)
cache.connections.allow_default_port_from(counter)

Tags.of(stack).add("team", "shop")

app.synth()
