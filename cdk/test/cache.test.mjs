import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import cdk from "aws-cdk-lib";
import assertions from "aws-cdk-lib/assertions";
import ec2 from "aws-cdk-lib/aws-ec2";
import iam from "aws-cdk-lib/aws-iam";
import firehose from "aws-cdk-lib/aws-kinesisfirehose";
import kms from "aws-cdk-lib/aws-kms";
import lambda from "aws-cdk-lib/aws-lambda";
import logs from "aws-cdk-lib/aws-logs";
import secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import sns from "aws-cdk-lib/aws-sns";
import nag from "cdk-nag";
import * as elasticache from "../lib/index.js";
import { settingsProperties } from "../lib/settings.js";
import { template as functionTemplate } from "../scripts/assets.mjs";

const { Auth, Cache, CacheLog, ElastiCacheProvider, Engine, LogDestination, Topology } = elasticache.default;
const { Match, Template } = assertions;
const { Duration, RemovalPolicy } = cdk;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const schema = JSON.parse(readFileSync(here("../../schema/custom-elasticache.json"), "utf8"));

/** What stands in for the zip of the function, whose build takes minutes. */
const scratch = mkdtempSync(join(tmpdir(), "cdk-"));
process.on("exit", () => rmSync(scratch, { recursive: true }));
const zip = join(scratch, "function.zip");
writeFileSync(zip, "the function");

function newStack() {
  const app = new cdk.App({ context: { "elasticache-resource:function": zip }, analyticsReporting: false });
  const stack = new cdk.Stack(app, "Stack");
  const vpc = new ec2.Vpc(stack, "Vpc", { natGateways: 0 });
  return { app, stack, vpc };
}

function newCache(props = {}, { stack, vpc } = newStack()) {
  const cache = new Cache(stack, "Cache", { vpc, environment: "prod", project: "shop", ...props });
  return { stack, vpc, cache };
}

function properties(props) {
  const [resource] = Object.values(Template.fromStack(newCache(props).stack).findResources("Custom::ElastiCache"));
  return resource.Properties;
}

test("a cache with nothing but what is required", () => {
  const { ServiceToken, VpcId, SubnetIds, SecurityGroupIds, ...rest } = properties();
  assert.deepEqual(rest, { Env: "prod", ProjectId: "shop", NumCacheNodes: 1 });
  assert.ok(ServiceToken["Fn::GetAtt"][0].startsWith("ElastiCacheResourceProviderFunction"));
  assert.equal(SubnetIds.length, 2);
  assert.equal(SecurityGroupIds.length, 1);
});

/** A value for each option that is a property as it stands, so that a new one needs none here. */
function settings() {
  const sample = (name) => {
    const { type, enum: words, minimum } = schema.properties[name].anyOf[0];
    return words ? false : type.includes("integer") ? minimum : "sample";
  };
  const option = (name) => name[0].toLowerCase() + name.slice(1);
  return Object.fromEntries(Object.keys(settingsProperties({})).map((name) => [option(name), sample(name)]));
}

/** Sets of properties that together use every option of every class. */
function everything({ stack, vpc }) {
  const group = (id) => ec2.SecurityGroup.fromSecurityGroupId(stack, id, `sg-${id}`);
  const key = kms.Key.fromKeyArn(stack, "Key", "arn:aws:kms:us-east-1:123456789012:key/key");
  const common = { vpc, environment: "prod", project: "shop" };
  return [
    {
      ...common,
      ...settings(),
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
      replicationGroupId: "mine",
      description: "Mine",
      tags: { team: "shop" },
      securityGroups: [group("own")],
      allowedSecurityGroups: [group("app")],
      allowedCidrBlocks: ["10.0.0.0/8"],
      port: 6380,
      networkType: elasticache.NetworkType.DUAL_STACK,
      ipDiscovery: elasticache.IpDiscovery.IPV6,
      engine: Engine.VALKEY_9_0,
      nodeType: new ec2.InstanceType("cache.r7gd.large"),
      topology: Topology.replicated(2, { multiAz: true, availabilityZones: ["us-east-1a", "us-east-1b"] }),
      dataTiering: true,
      parameters: { timeout: "10" },
      auth: Auth.generated({
        version: "2", grace: Duration.minutes(30), secretName: "elasticache/mine", encryptionKey: key, recoveryWindow: Duration.days(8),
      }),
      transitEncryption: elasticache.TransitEncryption.REQUIRED,
      atRestEncryption: true,
      kmsKey: key,
      backup: { retention: Duration.days(1), window: "03:00-05:00" },
      maintenanceWindow: "sun:05:00-sun:07:00",
      notificationTopic: sns.Topic.fromTopicArn(stack, "Topic", "arn:aws:sns:us-east-1:123456789012:topic"),
      applyImmediately: false,
      logs: [
        CacheLog.slow(LogDestination.logGroup(logs.LogGroup.fromLogGroupName(stack, "Slow", "slow")), elasticache.LogFormat.TEXT),
        CacheLog.engine(LogDestination.firehose(firehose.DeliveryStream.fromDeliveryStreamAttributes(stack, "Stream", { deliveryStreamName: "engine" }))),
      ],
      alarms: {
        topics: [sns.Topic.fromTopicArn(stack, "Alarmed", "arn:aws:sns:us-east-1:123456789012:alarmed")],
        okTopics: [sns.Topic.fromTopicArn(stack, "Over", "arn:aws:sns:us-east-1:123456789012:over")],
        memory: 75.5, engineCpu: 80, cpu: 40, connections: 1000, replicationLag: 10, swap: 0, evictions: 1, authenticationFailures: 5,
      },
      deletionProtection: true,
      maxMonthlyCost: 500,
      countPolicy: elasticache.CountPolicy.MINIMUM,
      replacementPolicy: elasticache.ReplacementPolicy.SNAPSHOT,
      removalPolicy: RemovalPolicy.SNAPSHOT,
      finalSnapshotName: "last",
      serviceTimeout: Duration.minutes(50),
    },
    {
      ...common,
      topology: Topology.sharded({
        shards: 1, replicas: 1, multiAz: true,
        layout: [{ id: "0001", slots: "0-16383", replicas: 1, primaryAvailabilityZone: "us-east-1a", replicaAvailabilityZones: ["us-east-1b"] }],
      }),
      engine: Engine.VALKEY_9_0,
      nodeType: ec2.InstanceType.of(ec2.InstanceClass.R7G, ec2.InstanceSize.LARGE),
      clusterMode: elasticache.ClusterMode.ENABLED,
      durability: elasticache.Durability.SYNC,
      parameterGroupName: "mine",
      auth: Auth.fromSecret(secretsmanager.Secret.fromSecretNameV2(stack, "Imported", "theirs"), "password"),
      snapshotArns: ["arn:aws:s3:::bucket/backup.rdb"],
      transitEncryption: elasticache.TransitEncryption.REQUIRED,
    },
    { ...common, auth: Auth.userGroups("users"), snapshotName: "yesterday" },
    { ...common, auth: Auth.fromToken(cdk.SecretValue.secretsManager("token")) },
  ];
}

test("every property of the schema is reached, and none that it has not", () => {
  const made = newStack();
  everything(made).forEach((props, index) => new Cache(made.stack, `Cache${index}`, props));
  const reached = new Set();
  for (const { Properties } of Object.values(Template.fromStack(made.stack).findResources("Custom::ElastiCache"))) {
    for (const [name, value] of Object.entries(Properties)) {
      reached.add(name);
      const isListOfMaps = Array.isArray(value) && schema.properties[name]?.anyOf[0].items?.anyOf;
      const isMap = schema.properties[name]?.anyOf[0].properties;
      if (isMap) Object.keys(value).forEach((inner) => reached.add(`${name}.${inner}`));
      if (isListOfMaps) value.flatMap(Object.keys).forEach((inner) => reached.add(`${name}[].${inner}`));
    }
  }
  const declared = Object.entries(schema.properties).flatMap(([name, { anyOf }]) => [
    name,
    ...Object.keys(anyOf[0].properties ?? {}).map((inner) => `${name}.${inner}`),
    ...Object.keys(anyOf[0].items?.anyOf?.[0].properties ?? {}).map((inner) => `${name}[].${inner}`),
  ]);
  assert.deepEqual([...reached].sort(), declared.sort());
});

test("alarms with the default thresholds are asked for by an empty map", () => {
  assert.deepEqual(properties({ alarms: {} }).Alarms, {});
});

test("every word of the schema has a name", () => {
  const words = (name) => schema.properties[name].anyOf[0].enum;
  for (const [name, type] of [
    ["NetworkType", elasticache.NetworkType], ["IpDiscovery", elasticache.IpDiscovery], ["ClusterMode", elasticache.ClusterMode],
    ["ReplacementPolicy", elasticache.ReplacementPolicy], ["CountPolicy", elasticache.CountPolicy],
  ]) {
    assert.deepEqual(Object.values(type).sort(), [...words(name)].sort(), name);
  }
  const transit = Object.values(elasticache.TransitEncryption).filter((word) => word !== "disabled");
  assert.deepEqual(transit.sort(), [...words("TransitEncryptionMode")].sort());
});

test("attributes that are used exist", () => {
  const { stack, cache } = newCache({ auth: Auth.generated() });
  for (const [index, value] of [...Object.values(cache.toEnvironment()), cache.attribute("Warnings"), cache.endpoint.socketAddress,
    cache.readerEndpoint.socketAddress, cache.replicationGroupId, cache.metric("X").dimensions.CacheClusterId].entries()) {
    new cdk.CfnOutput(stack, `Output${index}`, { value });
  }
  const used = [...JSON.stringify(Template.fromStack(stack).toJSON()).matchAll(/"Fn::GetAtt":\["Cache[0-9A-F]{8}","([^"]+)"\]/g)];
  assert.ok(used.length > 5);
  for (const [, name] of used) assert.ok(name in schema.attributes, name);
});

test("a removal policy becomes a last snapshot or stays", () => {
  const resource = (removalPolicy, more) =>
    Object.values(Template.fromStack(newCache({ removalPolicy, ...more }).stack).findResources("Custom::ElastiCache"))[0];
  const snapshot = resource(RemovalPolicy.SNAPSHOT);
  assert.deepEqual([snapshot.Properties.FinalSnapshotIdentifier, snapshot.DeletionPolicy], ["prod-shop-final", "Delete"]);
  assert.equal(resource(RemovalPolicy.SNAPSHOT, { project: "my_shop.", environment: "1" }).Properties.FinalSnapshotIdentifier, "c1-my-shop-final");
  const long = resource(RemovalPolicy.SNAPSHOT, { project: "x".repeat(60) }).Properties.FinalSnapshotIdentifier;
  assert.equal(long.length, 40);
  const retained = resource(RemovalPolicy.RETAIN);
  assert.deepEqual([retained.Properties.FinalSnapshotIdentifier, retained.DeletionPolicy], [undefined, "Retain"]);
  assert.equal(resource().DeletionPolicy, "Delete");
});

test("impossible combinations fail at synthesis, all at once, in the function's words", () => {
  const { stack } = newCache({
    topology: Topology.replicated(1, { multiAz: true }),
    engine: Engine.of("valkey", "7.1"),
    auth: Auth.userGroups("a", "b"),
    transitEncryption: elasticache.TransitEncryption.DISABLED,
  });
  assert.throws(() => Template.fromStack(stack), (error) => {
    for (const said of [
      "[Stack/Cache] AutomaticFailoverEnabled (true): needs a replica to fail over to, and there is one node; set NumCacheNodes to 2 or more",
      "EngineVersion (7.1): ElastiCache has no valkey 7.1; 7.1 is a Redis OSS version",
      "UserGroupIds (a, b): a replication group takes one user group; keep one",
      "TransitEncryptionEnabled (false): UserGroupIds needs TLS, which is off",
    ]) assert.ok(error.message.includes(said), error.message);
    return true;
  });
});

test("what only the deployment knows passes", () => {
  const made = newStack();
  const parameter = new cdk.CfnParameter(made.stack, "Nodes", { type: "Number" });
  const vpc = ec2.Vpc.fromVpcAttributes(made.stack, "Imported", {
    vpcId: cdk.Fn.importValue("vpc"), availabilityZones: ["a", "b"], privateSubnetIds: [cdk.Fn.importValue("a"), cdk.Fn.importValue("b")],
  });
  const { stack } = newCache({ vpc, topology: Topology.replicated(parameter.valueAsNumber, { multiAz: true }) }, made);
  Template.fromStack(stack).hasResourceProperties("Custom::ElastiCache", {
    NumCacheNodes: { Ref: "Nodes" }, VpcId: { "Fn::ImportValue": "vpc" },
  });
});

test("connections are about a security group of the construct's own", () => {
  const { stack, vpc, cache } = newCache({ port: 7000 });
  const app = new ec2.SecurityGroup(stack, "App", { vpc });
  cache.connections.allowDefaultPortFrom(app);
  cache.connections.allowDefaultPortFrom(ec2.Peer.ipv4("10.0.0.0/8"));
  const template = Template.fromStack(stack);
  const [own] = Object.keys(template.findResources("AWS::EC2::SecurityGroup", { Properties: { GroupDescription: "Nodes of Stack/Cache" } }));
  template.hasResourceProperties("Custom::ElastiCache", {
    SecurityGroupIds: [{ "Fn::GetAtt": [own, "GroupId"] }], AllowedSecurityGroupIds: Match.absent(),
  });
  template.hasResourceProperties("AWS::EC2::SecurityGroupIngress", {
    FromPort: 7000, ToPort: 7000, GroupId: { "Fn::GetAtt": [own, "GroupId"] },
    SourceSecurityGroupId: { "Fn::GetAtt": [Match.stringLikeRegexp("^App"), "GroupId"] },
  });
  template.hasResourceProperties("AWS::EC2::SecurityGroup", { SecurityGroupIngress: [Match.objectLike({ CidrIp: "10.0.0.0/8", FromPort: 7000 })] });
});

test("tags of the CDK reach the cluster", () => {
  const { stack, cache } = newCache({ tags: { own: "1" } });
  cdk.Tags.of(stack).add("team", "shop");
  cdk.Tags.of(cache).add("tier", "hot", { includeResourceTypes: ["Custom::ElastiCache"] });
  cdk.Tags.of(cache).remove("own");
  Template.fromStack(stack).hasResourceProperties("Custom::ElastiCache", {
    Tags: [{ Key: "team", Value: "shop" }, { Key: "tier", Value: "hot" }],
  });
});

test("an application gets the password and where to connect", () => {
  const made = newStack();
  const key = new kms.Key(made.stack, "Key");
  const { stack, cache } = newCache({ auth: Auth.generated({ encryptionKey: key }) }, made);
  const role = new iam.Role(stack, "App", { assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com") });
  cache.grantRead(role);
  const template = Template.fromStack(stack);
  const [logical] = Object.keys(template.findResources("Custom::ElastiCache"));
  const get = (name) => ({ "Fn::GetAtt": [logical, name] });
  template.hasResourceProperties("AWS::IAM::Policy", {
    Roles: [{ Ref: Match.stringLikeRegexp("^App") }],
    PolicyDocument: { Statement: Match.arrayWith([Match.objectLike({
      Action: ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], Resource: get("Security.AuthTokenSecretArn"),
    })]) },
  });
  template.hasResourceProperties("AWS::KMS::Key", {
    KeyPolicy: { Statement: Match.arrayWith([Match.objectLike({
      Action: "kms:Decrypt", Principal: { AWS: { "Fn::GetAtt": [Match.stringLikeRegexp("^App"), "Arn"] } },
    })]) },
  });
  assert.deepEqual(stack.resolve(cache.toEnvironment()), {
    REDIS_HOST: { "Fn::Select": [0, { "Fn::Split": [":", get("Connection.Endpoint")] }] },
    REDIS_PORT: get("Connection.Port"),
    REDIS_READER_HOST: get("Connection.ReaderEndpoint"),
    REDIS_TLS: get("Connection.TlsEnabled"),
    REDIS_SECRET_ARN: get("Security.AuthTokenSecretArn"),
    REDIS_SECRET_KEY: "password",
  });
});

test("with shards everybody connects to the configuration endpoint", () => {
  const { stack, cache } = newCache({ topology: Topology.sharded({ shards: 2 }) });
  assert.deepEqual(stack.resolve(cache.readerEndpoint.hostname), stack.resolve(cache.endpoint.hostname));
});

test("a secret of the user's is read by the function too", () => {
  const made = newStack();
  const secret = new secretsmanager.Secret(made.stack, "Mine");
  const { stack, cache } = newCache({ auth: Auth.fromSecret(secret) }, made);
  assert.equal(cache.secret, secret);
  assert.equal(cache.toEnvironment().REDIS_SECRET_KEY, undefined);
  const template = Template.fromStack(stack);
  template.hasResourceProperties("AWS::IAM::Policy", {
    Roles: [{ Ref: Match.stringLikeRegexp("^ElastiCacheResourceProvider") }],
    PolicyDocument: { Statement: Match.arrayWith([Match.objectLike({
      Action: ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], Resource: { Ref: Match.stringLikeRegexp("^Mine") },
    })]) },
  });
});

test("without a password there is nothing to read", () => {
  const { cache, stack } = newCache();
  const role = new iam.Role(stack, "App", { assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com") });
  assert.equal(cache.secret, undefined);
  assert.equal(cache.grantRead(role).success, false);
  assert.ok(!("REDIS_SECRET_ARN" in cache.toEnvironment()));
});

test("a generated password rotates on schedule, with an alarm", () => {
  const { cache, stack } = newCache({ auth: Auth.generated() });
  cache.addRotation({ every: Duration.days(30), alarm: new sns.Topic(stack, "Topic") });
  const template = Template.fromStack(stack);
  template.hasResourceProperties("AWS::SecretsManager::RotationSchedule", {
    RotationLambdaARN: { "Fn::GetAtt": [Match.stringLikeRegexp("^ElastiCacheResourceProvider"), "Arn"] },
    RotationRules: { ScheduleExpression: "rate(30 days)" }, RotateImmediatelyOnUpdate: false,
  });
  template.hasResourceProperties("AWS::CloudWatch::Alarm", { MetricName: "MatchedEvents", AlarmActions: [{ Ref: Match.stringLikeRegexp("^Topic") }] });
  assert.throws(() => newCache({ auth: Auth.userGroups("u") }).cache.addRotation({ every: Duration.days(1) }), /only a generated password rotates/);
});

test("metrics are about a node", () => {
  const { cache } = newCache();
  const metric = cache.metricEvictions({ period: Duration.minutes(1) });
  assert.deepEqual([metric.namespace, metric.metricName, metric.statistic, Object.keys(metric.dimensions)], ["AWS/ElastiCache", "Evictions", "Sum", ["CacheClusterId"]]);
  const usual = Object.getOwnPropertyNames(Object.getPrototypeOf(Cache.prototype)).filter((name) => /^metric./.test(name));
  assert.ok(usual.length >= 10);
  for (const name of usual) assert.ok(cache[name]().metricName);
});

test("a cache from elsewhere", () => {
  const { stack } = newStack();
  const cache = Cache.fromCacheAttributes(stack, "Theirs", {
    replicationGroupId: "theirs", endpointAddress: "host", securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(stack, "Group", "sg-1")],
    secret: secretsmanager.Secret.fromSecretNameV2(stack, "Secret", "theirs"),
  });
  cache.connections.allowDefaultPortFrom(ec2.Peer.anyIpv4());
  Template.fromStack(stack).hasResourceProperties("AWS::EC2::SecurityGroupIngress", { GroupId: "sg-1", FromPort: 6379 });
  const { REDIS_HOST, REDIS_READER_HOST, REDIS_PORT, REDIS_TLS } = cache.toEnvironment();
  assert.deepEqual([REDIS_HOST, REDIS_READER_HOST, REDIS_PORT, REDIS_TLS], ["host", "host", "6379", "true"]);
});

test("there is one provider in a stack, whatever it is made for", () => {
  const made = newStack();
  new Cache(made.stack, "One", { vpc: made.vpc, environment: "a", project: "b" });
  const before = Object.keys(Template.fromStack(made.stack).findResources("AWS::Lambda::Function"));
  const again = newStack();
  for (const id of ["Two", "One"]) new Cache(again.stack, id, { vpc: again.vpc, environment: "a", project: id });
  const template = Template.fromStack(again.stack);
  assert.deepEqual(Object.keys(template.findResources("AWS::Lambda::Function")), before);
  template.hasResourceProperties("AWS::Lambda::Function", { FunctionName: Match.absent(), Timeout: 900, Runtime: "provided.al2023", Architectures: ["x86_64"] });
  template.hasResourceProperties("AWS::Lambda::EventInvokeConfig", { MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 3600 });
});

test("a function that stands already", () => {
  const made = newStack();
  const provider = ElastiCacheProvider.fromServiceToken(made.stack, "Provider", cdk.Fn.importValue("elasticache-resource-ServiceToken"));
  const template = Template.fromStack(newCache({ provider }, made).stack);
  template.resourceCountIs("AWS::Lambda::Function", 0);
  template.hasResourceProperties("Custom::ElastiCache", { ServiceToken: { "Fn::ImportValue": "elasticache-resource-ServiceToken" } });
});

test("a provider of one's own: processor, VPC, alarms", () => {
  const made = newStack();
  const provider = new ElastiCacheProvider(made.stack, "Provider", {
    architecture: lambda.Architecture.ARM_64, vpc: made.vpc, vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
    alarmTopic: new sns.Topic(made.stack, "Topic"),
  });
  const template = Template.fromStack(newCache({ provider }, made).stack);
  template.hasResourceProperties("AWS::Lambda::Function", {
    Architectures: ["arm64"], VpcConfig: Match.anyValue(), Environment: { Variables: Match.objectLike({ CACHE_NETWORK_ACCESS: "true" }) },
  });
  template.resourceCountIs("AWS::CloudWatch::Alarm", 5);
  const alarms = Object.values(functionTemplate().Resources).filter(({ Type }) => Type === "AWS::CloudWatch::Alarm");
  for (const { Properties: { AlarmDescription, Namespace, MetricName, Statistic, Threshold } } of alarms) {
    template.hasResourceProperties("AWS::CloudWatch::Alarm", { AlarmDescription, Namespace, MetricName, Threshold, ...(Namespace === "AWS/SQS" ? {} : { Statistic }) });
  }
  template.hasResourceProperties("AWS::EC2::SecurityGroupIngress", { Description: "The function tries new passwords" });
});

test("a package without the function says how to get it", () => {
  const stack = new cdk.Stack(new cdk.App({ context: { "elasticache-resource:function": "/nowhere/function.zip" } }), "Stack");
  assert.throws(() => ElastiCacheProvider.getOrCreate(stack), /\/nowhere\/function.zip does not exist: build it with `make release`/);
});

/** A template's value with `Fn::Sub` and `Fn::Join` as plain text. */
function flat(value, names) {
  if (Array.isArray(value)) return value.length === 1 ? flat(value[0], names) : value.map((item) => flat(item, names));
  if (typeof value !== "object" || value === null) return value;
  if (value["Fn::Join"]) return value["Fn::Join"][1].map((part) => (typeof part === "string" ? part : `\${${names[part.Ref] ?? part.Ref}}`)).join("");
  if (value["Fn::Sub"]) return value["Fn::Sub"];
  if (value.Ref) return `\${${names[value.Ref] ?? value.Ref}}`;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, flat(item, names)]));
}

test("the policy is the one of the function's own template", () => {
  const { Policies } = functionTemplate().Resources.ElastiCacheResourceFunctionRole.Properties;
  const template = Template.fromStack(newCache().stack);
  const [functionId] = Object.keys(template.findResources("AWS::Lambda::Function"));
  const made = Object.values(template.findResources("AWS::IAM::Policy")).flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
  const bySid = (statements) => Object.fromEntries(statements.filter(({ Sid }) => Sid).map((one) => [one.Sid, flat(one, { [functionId]: "FunctionName" })]));
  const own = bySid(Policies.find(({ PolicyName }) => PolicyName === "ElastiCacheResourceFunctionRolePolicy0").PolicyDocument.Statement);
  assert.ok(Object.keys(own).length > 20);
  assert.deepEqual(bySid(made), own);
  // In addition only what the CDK adds for the dead-letter queue, as the template does.
  assert.deepEqual(made.filter(({ Sid }) => !Sid).map(({ Action }) => Action), ["sqs:SendMessage"]);
});

/** Findings of cdk-nag, and why each is as it should be. */
const EXPLAINED = [
  [/^AwsSolutions-IAM4\[.*AWSLambdaBasicExecutionRole\]$/, "writes the function's own log, as every function's role does"],
  [/^AwsSolutions-IAM5\[/, "the policy of template.yaml, where each statement says why: conditions limit it to what carries our tag"],
  [/^AwsSolutions-VPC7$/, "the VPC is the test's"],
  [/^AwsSolutions-SQS3$/, "the queue is the dead-letter queue"],
  [/^AwsSolutions-SMG4$/, "rotation is the user's choice: addRotation"],
];

test("cdk-nag finds nothing that is not explained", () => {
  const made = newStack();
  newCache({ auth: Auth.generated(), removalPolicy: RemovalPolicy.SNAPSHOT }, made);
  const { violations } = new nag.AwsSolutionsChecks(made.app).validateScope(made.app);
  const found = violations.map(({ ruleName }) => ruleName);
  assert.ok(found.length > 0);
  assert.deepEqual(found.filter((id) => !EXPLAINED.some(([pattern]) => pattern.test(id))), []);
});

test("the template of everything is as it was", () => {
  const made = newStack();
  everything(made).forEach((props, index) => new Cache(made.stack, `Cache${index}`, props));
  const template = Template.fromStack(made.stack).toJSON();
  const written = `${JSON.stringify(template.Resources, null, 1)}\n`;
  const path = here("everything.snapshot.json");
  if (process.env.UPDATE_SNAPSHOTS || !existsSync(path)) writeFileSync(path, written);
  assert.equal(written, readFileSync(path, "utf8"), "run npm test with UPDATE_SNAPSHOTS=1 and read the difference");
});

test("cfn-lint with our rules finds nothing in a synthesised template", { skip: !process.env.CFN_LINT && "CFN_LINT names no cfn-lint" }, () => {
  const made = newStack();
  const { cache } = newCache({ auth: Auth.generated() }, made);
  cache.addRotation({ every: Duration.days(30), alarm: new sns.Topic(made.stack, "Topic") });
  const path = join(made.app.synth().directory, "Stack.template.json");
  // W3005 is about dependencies that a reference brings already, which the CDK adds on purpose.
  execFileSync(process.env.CFN_LINT, ["--append-rules", here("../../lint"), "--ignore-checks", "W3005", "--template", path], { stdio: ["ignore", "inherit", "inherit"] });
});
