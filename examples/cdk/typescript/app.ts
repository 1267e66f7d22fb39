// A cache and an application that uses it: VPC, security groups, password, rotation, alarms.
import { App, Duration, RemovalPolicy, Stack, Tags } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as sns from "aws-cdk-lib/aws-sns";
import { Auth, Cache, Engine, Topology } from "elasticache-resource-cdk";

const app = new App();
const stack = new Stack(app, "Shop");

const vpc = new ec2.Vpc(stack, "Vpc", {
  maxAzs: 2,
  natGateways: 0,
  subnetConfiguration: [{ name: "private", subnetType: ec2.SubnetType.PRIVATE_ISOLATED }],
});
// The application reads the password through it.
vpc.addInterfaceEndpoint("SecretsManager", { service: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER });

const alarms = new sns.Topic(stack, "Alarms", { enforceSSL: true });

const cache = new Cache(stack, "Cache", {
  vpc,
  environment: "production",
  project: "shop",
  engine: Engine.VALKEY_8_2,
  nodeType: ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.SMALL),
  topology: Topology.replicated(2, { multiAz: true }),
  auth: Auth.generated({ grace: Duration.minutes(30) }),
  backup: { retention: Duration.days(7), window: "03:00-05:00" },
  parameters: { "maxmemory-policy": "allkeys-lru" },
  removalPolicy: RemovalPolicy.SNAPSHOT,
});
cache.addRotation({ every: Duration.days(30), alarm: alarms });
cache.metricEngineCpuUtilization().createAlarm(stack, "Busy", { threshold: 80, evaluationPeriods: 5 });

const counter = new lambda.Function(stack, "Counter", {
  runtime: lambda.Runtime.NODEJS_24_X,
  handler: "index.handler",
  // Yours, with a client such as iovalkey: examples/clients/node shows how it reads the password again after a rotation.
  code: lambda.Code.fromInline("exports.handler = async () => Object.keys(process.env).filter((n) => n.startsWith('REDIS_'));"),
  vpc,
  environment: cache.toEnvironment(),
});
cache.grantRead(counter);
cache.connections.allowDefaultPortFrom(counter);

Tags.of(stack).add("team", "shop");
