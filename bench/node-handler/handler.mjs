// The same job with the AWS SDK for JavaScript, bundled with it: makes what the production example asks for, and no more.

import { randomBytes } from "node:crypto";
import {
  AuthorizeSecurityGroupIngressCommand, CreateSecurityGroupCommand, EC2Client,
} from "@aws-sdk/client-ec2";
import {
  CreateCacheSubnetGroupCommand, CreateReplicationGroupCommand, DescribeReplicationGroupsCommand, ElastiCacheClient,
  waitUntilReplicationGroupAvailable,
} from "@aws-sdk/client-elasticache";
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

const ec2 = new EC2Client({});
const elasticache = new ElastiCacheClient({});
const secretsManager = new SecretsManagerClient({});

const isTrue = (value) => String(value).toLowerCase() === "true";

async function create({ StackId, ResourceProperties: properties }) {
  const name = `${properties.Env}-${properties.ProjectId}-${properties.Engine}`;
  const tags = properties.Tags;
  const { GroupId: group } = await ec2.send(new CreateSecurityGroupCommand({
    GroupName: `elasticache-${name}`, Description: `Clients of ${name}`, VpcId: properties.VpcId,
    TagSpecifications: [{ ResourceType: "security-group", Tags: tags }],
  }));
  await ec2.send(new AuthorizeSecurityGroupIngressCommand({
    GroupId: group,
    IpPermissions: [{
      IpProtocol: "tcp", FromPort: 6379, ToPort: 6379,
      UserIdGroupPairs: properties.AllowedSecurityGroupIds.map((client) => ({ GroupId: client })),
    }],
  }));
  await elasticache.send(new CreateCacheSubnetGroupCommand({
    CacheSubnetGroupName: name, CacheSubnetGroupDescription: `Subnets of ${name}`, SubnetIds: properties.SubnetIds,
    Tags: tags,
  }));
  const password = randomBytes(32).toString("hex");
  const { ARN: secret } = await secretsManager.send(new CreateSecretCommand({
    Name: `elasticache/${name}/auth-token`, SecretString: JSON.stringify({ password }), Tags: tags,
  }));
  await elasticache.send(new CreateReplicationGroupCommand({
    ReplicationGroupId: name, ReplicationGroupDescription: `${name} of ${StackId}`,
    Engine: properties.Engine, EngineVersion: properties.EngineVersion, CacheNodeType: properties.NodeType,
    NumCacheClusters: Number(properties.NumCacheNodes), Port: 6379, CacheSubnetGroupName: name,
    SecurityGroupIds: [group], AuthToken: password, Tags: tags,
    AutomaticFailoverEnabled: isTrue(properties.AutomaticFailoverEnabled),
    MultiAZEnabled: isTrue(properties.MultiAzEnabled),
    TransitEncryptionEnabled: isTrue(properties.TransitEncryptionEnabled),
    AtRestEncryptionEnabled: isTrue(properties.AtRestEncryptionEnabled),
    SnapshotRetentionLimit: Number(properties.SnapshotRetentionLimit), SnapshotWindow: properties.SnapshotWindow,
  }));
  const cache = { ReplicationGroupId: name };
  await waitUntilReplicationGroupAvailable({ client: elasticache, maxWaitTime: 840 }, cache);
  const { ReplicationGroups: [made] } = await elasticache.send(new DescribeReplicationGroupsCommand(cache));
  const { PrimaryEndpoint: primary, ReaderEndpoint: reader } = made.NodeGroups[0];
  await secretsManager.send(new PutSecretValueCommand({
    SecretId: secret,
    SecretString: JSON.stringify({
      host: primary.Address, port: primary.Port, readerHost: reader.Address, password,
    }),
  }));
  const attributes = {
    PrimaryEndpoint: primary.Address, ReaderEndpoint: reader.Address, Port: String(primary.Port), SecretArn: secret,
    SecurityGroupId: group, Arn: made.ARN,
  };
  return [name, attributes];
}

export async function handler(event) {
  const { StackId, RequestId, LogicalResourceId, ResponseURL } = event;
  const answer = { Status: "SUCCESS", Reason: "", PhysicalResourceId: RequestId, StackId, RequestId, LogicalResourceId };
  try {
    [answer.PhysicalResourceId, answer.Data] = await create(event);
  } catch (error) {
    console.error(error);
    Object.assign(answer, { Status: "FAILED", Reason: String(error) });
  }
  await fetch(ResponseURL, { method: "PUT", body: JSON.stringify(answer), headers: { "content-type": "" } });
}
