import {
  CustomResource, Duration, Fn, IResource, ITaggable, Lazy, RemovalPolicy, Resource, Stack, TagManager, TagType, Token, Tokenization,
} from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { Auth } from './auth';
import { Endpoint } from './endpoint';
import { Engine } from './engine';
import { CacheLog } from './logs';
import {
  AlarmOptions, BackupOptions, ClusterMode, CountPolicy, Durability, IpDiscovery, NetworkType, ReplacementPolicy,
  TransitEncryption,
} from './options';
import { ElastiCacheProvider, IElastiCacheProvider } from './provider';
import { problems } from './rules';
import { CacheSettings, settingsProperties } from './settings';
import { Topology } from './topology';

/** Type of the resource. */
const TYPE = 'Custom::ElastiCache';

/** Port unless the template gives another. */
const DEFAULT_PORT = 6379;

/**
 * A cache, made here or elsewhere.
 */
export interface ICache extends IResource, ec2.IConnectable {
  /**
   * Id of the replication group.
   *
   * @attribute
   */
  readonly replicationGroupId: string;

  /**
   * Where clients connect to: with shards the configuration endpoint, else the primary.
   */
  readonly endpoint: Endpoint;

  /**
   * Where clients may read: with shards the configuration endpoint, else any replica.
   */
  readonly readerEndpoint: Endpoint;

  /**
   * Port of all endpoints; it may be a token.
   */
  readonly port: number;

  /**
   * The secret with the password.
   *
   * @default - none: there is no password, or there are user groups
   */
  readonly secret?: secretsmanager.ISecret;

  /**
   * Lets somebody read the password. Who may connect is another matter: `connections`.
   */
  grantRead(grantee: iam.IGrantable): iam.Grant;

  /**
   * A metric of one node, the first one unless `dimensionsMap` names another by its `CacheClusterId`.
   */
  metric(metricName: string, props?: cloudwatch.MetricOptions): cloudwatch.Metric;

  /**
   * What an application needs in its environment: `REDIS_HOST`, `REDIS_PORT`, `REDIS_READER_HOST`, `REDIS_TLS`, and where
   * there is a password `REDIS_SECRET_ARN` with, unless the secret is the password alone, its key `REDIS_SECRET_KEY`.
   */
  toEnvironment(): { [name: string]: string };
}

/**
 * What is known of a cache that was made elsewhere.
 */
export interface CacheAttributes {
  /** Id of the replication group. */
  readonly replicationGroupId: string;

  /** Host to connect to. */
  readonly endpointAddress: string;

  /**
   * Host to read from.
   *
   * @default - that of `endpointAddress`
   */
  readonly readerEndpointAddress?: string;

  /**
   * Port.
   *
   * @default 6379
   */
  readonly port?: number;

  /**
   * Whether clients use TLS.
   *
   * @default - true with a secret
   */
  readonly tls?: boolean;

  /**
   * The secret with the password.
   *
   * @default - none
   */
  readonly secret?: secretsmanager.ISecret;

  /**
   * Key of the password in that secret's JSON.
   *
   * @default password
   */
  readonly secretKey?: string;

  /**
   * Security groups of the nodes, to let others connect.
   *
   * @default - none
   */
  readonly securityGroups?: ec2.ISecurityGroup[];
}

/**
 * Properties of a cache. Each is passed on to the function as it is; what is left out has the function's default.
 */
export interface CacheProps extends CacheSettings {
  /** VPC of the nodes. Cannot be changed in place. */
  readonly vpc: ec2.IVpc;

  /**
   * Subnets of the nodes.
   *
   * @default - private ones
   */
  readonly vpcSubnets?: ec2.SubnetSelection;

  /** First part of the name `<environment>-<project>-<engine>`. */
  readonly environment: string;

  /** Second part of the name. */
  readonly project: string;

  /**
   * A replication group id of your own.
   *
   * @default - `<environment>-<project>-<engine>`
   */
  readonly replicationGroupId?: string;

  /**
   * Up to 255 characters without angle brackets.
   *
   * @default - says what it is
   */
  readonly description?: string;

  /**
   * Tags on everything that is made, with those that `Tags.of` gives.
   *
   * @default - none
   */
  readonly tags?: { [key: string]: string };

  /**
   * Security groups of the nodes, in place of the one that the construct makes; `connections` is about them.
   *
   * @default - a new one
   */
  readonly securityGroups?: ec2.ISecurityGroup[];

  /**
   * Security groups that may connect by rules that the function keeps. Prefer `connections`.
   *
   * @default - none
   */
  readonly allowedSecurityGroups?: ec2.ISecurityGroup[];

  /**
   * Blocks of IPv4 and IPv6 addresses that may connect, by rules that the function keeps. Prefer `connections`.
   *
   * @default - none
   */
  readonly allowedCidrBlocks?: string[];

  /**
   * Port of all endpoints. Cannot be changed in place.
   *
   * @default 6379
   */
  readonly port?: number;

  /**
   * IP versions of the network. Cannot be changed in place.
   *
   * @default NetworkType.IPV4
   */
  readonly networkType?: NetworkType;

  /**
   * Addresses that discovery answers with.
   *
   * @default IpDiscovery.IPV4
   */
  readonly ipDiscovery?: IpDiscovery;

  /**
   * Engine and version.
   *
   * @default Engine.VALKEY_8_2
   */
  readonly engine?: Engine;

  /**
   * Size of every node, such as `InstanceType.of(InstanceClass.T4G, InstanceSize.SMALL)`.
   *
   * @default - cache.t4g.micro
   */
  readonly nodeType?: ec2.InstanceType;

  /**
   * Number and arrangement of nodes.
   *
   * @default Topology.single()
   */
  readonly topology?: Topology;

  /**
   * Whether nodes speak the cluster protocol.
   *
   * @default - as the topology needs it
   */
  readonly clusterMode?: ClusterMode;

  /**
   * Keeps what is used seldom on SSD, on node types that have one. Cannot be changed in place.
   *
   * @default - no
   */
  readonly dataTiering?: boolean;

  /**
   * How durable writes are. Cannot be changed in place.
   *
   * @default - what AWS does
   */
  readonly durability?: Durability;

  /**
   * Parameters of the engine, kept in a parameter group that is made for the cache.
   *
   * @default - those of AWS
   */
  readonly parameters?: { [name: string]: string };

  /**
   * A parameter group of your own, in place of `parameters`.
   *
   * @default - none
   */
  readonly parameterGroupName?: string;

  /**
   * How clients log in.
   *
   * @default Auth.none()
   */
  readonly auth?: Auth;

  /**
   * TLS between clients and nodes.
   *
   * @default - none; required with a password or user group
   */
  readonly transitEncryption?: TransitEncryption;

  /**
   * Whether the nodes' disks and backups are encrypted. Cannot be changed in place.
   *
   * @default true
   */
  readonly atRestEncryption?: boolean;

  /**
   * Key for that. Cannot be changed in place.
   *
   * @default - key of AWS
   */
  readonly kmsKey?: kms.IKey;

  /**
   * Automatic backups.
   *
   * @default - kept for five days
   */
  readonly backup?: BackupOptions;

  /**
   * Snapshot to restore at creation.
   *
   * @default - none
   */
  readonly snapshotName?: string;

  /**
   * Backup files in S3 to restore at creation, as ARNs.
   *
   * @default - none
   */
  readonly snapshotArns?: string[];

  /**
   * Name of the snapshot that `RemovalPolicy.SNAPSHOT` takes; it is made unique.
   *
   * @default - `<environment>-<project>-final`
   */
  readonly finalSnapshotName?: string;

  /**
   * Topic for the events of ElastiCache.
   *
   * @default - none
   */
  readonly notificationTopic?: sns.ITopic;

  /**
   * `false` leaves to the maintenance window what can wait.
   *
   * @default true
   */
  readonly applyImmediately?: boolean;

  /**
   * Whether shards and replicas that something else added, such as auto scaling, stay.
   *
   * @default CountPolicy.EXACT
   */
  readonly countPolicy?: CountPolicy;

  /**
   * Logs of the engine to deliver.
   *
   * @default - none
   */
  readonly logs?: CacheLog[];

  /**
   * Alarms on every node, kept with the nodes: `{}` for those with the default thresholds.
   *
   * @default - none
   */
  readonly alarms?: AlarmOptions;

  /**
   * What the nodes may cost in a month, in USD: what is estimated to cost more, or cannot be estimated, is refused before
   * anything is made or changed.
   *
   * @default - no limit
   */
  readonly maxMonthlyCost?: number;

  /**
   * Makes a deletion fail.
   *
   * @default false
   */
  readonly deletionProtection?: boolean;

  /**
   * What happens on a change that AWS cannot make in place.
   *
   * @default ReplacementPolicy.REFUSE
   */
  readonly replacementPolicy?: ReplacementPolicy;

  /**
   * What happens to the cache when it leaves the application. With `SNAPSHOT` the function takes a last snapshot.
   *
   * @default RemovalPolicy.DESTROY
   */
  readonly removalPolicy?: RemovalPolicy;

  /**
   * How long CloudFormation waits, an hour at most.
   *
   * @default Duration.hours(1)
   */
  readonly serviceTimeout?: Duration;

  /**
   * The function that makes it.
   *
   * @default - one for the stack, made when there is none yet
   */
  readonly provider?: IElastiCacheProvider;
}

/**
 * A rotation of the password on schedule.
 */
export interface RotationOptions {
  /** How often: whole days, or from four hours on whole hours. */
  readonly every: Duration;

  /**
   * Topic that hears of a rotation that failed. Secrets Manager tells it through CloudTrail, which has to be on.
   *
   * @default - nobody hears of it
   */
  readonly alarm?: sns.ITopic;
}

abstract class CacheBase extends Resource implements ICache {
  public abstract readonly replicationGroupId: string;
  public abstract readonly endpoint: Endpoint;
  public abstract readonly readerEndpoint: Endpoint;
  public abstract readonly secret?: secretsmanager.ISecret;
  public abstract readonly connections: ec2.Connections;

  /** Id of the node that metrics are about. */
  protected abstract readonly firstNode: string;
  protected abstract readonly tls: string;
  protected abstract readonly secretKey?: string;

  public get port(): number {
    return this.endpoint.port;
  }

  public grantRead(grantee: iam.IGrantable): iam.Grant {
    return this.secret?.grantRead(grantee) ?? iam.Grant.drop(grantee, 'there is no password');
  }

  public toEnvironment(): { [name: string]: string } {
    return {
      REDIS_HOST: this.endpoint.hostname,
      REDIS_PORT: Tokenization.stringifyNumber(this.endpoint.port),
      REDIS_READER_HOST: this.readerEndpoint.hostname,
      REDIS_TLS: this.tls,
      ...(this.secret && { REDIS_SECRET_ARN: this.secret.secretArn }),
      ...(this.secret && this.secretKey && { REDIS_SECRET_KEY: this.secretKey }),
    };
  }

  public metric(metricName: string, props: cloudwatch.MetricOptions = {}): cloudwatch.Metric {
    return new cloudwatch.Metric({
      namespace: 'AWS/ElastiCache',
      metricName,
      dimensionsMap: { CacheClusterId: this.firstNode },
      statistic: 'Average',
      ...props,
    }).attachTo(this);
  }

  /** Processor of the engine, in percent. */
  public metricEngineCpuUtilization(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('EngineCPUUtilization', props);
  }

  /** Processor of the host, in percent. */
  public metricCpuUtilization(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('CPUUtilization', props);
  }

  /** Memory that data takes, in percent of what there is for it. */
  public metricDatabaseMemoryUsagePercentage(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('DatabaseMemoryUsagePercentage', props);
  }

  /** Connections. */
  public metricCurrConnections(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('CurrConnections', { statistic: 'Maximum', ...props });
  }

  /** Keys that were removed for want of memory. */
  public metricEvictions(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('Evictions', { statistic: 'Sum', ...props });
  }

  /** Reads that found their key. */
  public metricCacheHits(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('CacheHits', { statistic: 'Sum', ...props });
  }

  /** Reads that did not. */
  public metricCacheMisses(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('CacheMisses', { statistic: 'Sum', ...props });
  }

  /** Seconds that a replica is behind; only replicas have it. */
  public metricReplicationLag(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('ReplicationLag', { statistic: 'Maximum', ...props });
  }

  /** Bytes in swap space. */
  public metricSwapUsage(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('SwapUsage', { statistic: 'Maximum', ...props });
  }

  /** Attempts to authenticate that were refused. */
  public metricAuthenticationFailures(props?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('AuthenticationFailures', { statistic: 'Sum', ...props });
  }
}

/**
 * A Valkey or Redis OSS cluster with all that it needs, as one resource: `Custom::ElastiCache`.
 */
export class Cache extends CacheBase implements ITaggable {
  /**
   * A cache that was made elsewhere.
   */
  public static fromCacheAttributes(scope: Construct, id: string, attrs: CacheAttributes): ICache {
    const port = attrs.port ?? DEFAULT_PORT;
    const at = (host: string) => new Endpoint(host, port, `${host}:${Tokenization.stringifyNumber(port)}`);
    class Imported extends CacheBase {
      public readonly replicationGroupId = attrs.replicationGroupId;
      public readonly endpoint = at(attrs.endpointAddress);
      public readonly readerEndpoint = at(attrs.readerEndpointAddress ?? attrs.endpointAddress);
      public readonly secret = attrs.secret;
      public readonly connections = new ec2.Connections({
        securityGroups: attrs.securityGroups,
        defaultPort: ec2.Port.tcp(port),
      });
      protected readonly firstNode = `${attrs.replicationGroupId}-001`;
      protected readonly tls = String(attrs.tls ?? attrs.secret !== undefined);
      protected readonly secretKey = attrs.secretKey ?? 'password';
    }
    return new Imported(scope, id);
  }

  public readonly replicationGroupId: string;
  public readonly endpoint: Endpoint;
  public readonly readerEndpoint: Endpoint;
  public readonly secret?: secretsmanager.ISecret;
  public readonly connections: ec2.Connections;
  public readonly tags: TagManager;

  /** The function that makes it. */
  public readonly provider: IElastiCacheProvider;

  protected readonly firstNode: string;
  protected readonly tls: string;
  protected readonly secretKey?: string;

  private readonly resource: CustomResource;
  private readonly auth: Auth;

  constructor(scope: Construct, id: string, props: CacheProps) {
    super(scope, id);
    this.provider = props.provider ?? ElastiCacheProvider.getOrCreate(this);
    this.auth = props.auth ?? Auth.none();
    const initial = Object.entries(props.tags ?? {}).map(([key, value]) => ({ key, value }));
    this.tags = new TagManager(TagType.STANDARD, TYPE, initial);

    // A group of its own: from the function's own one the function removes rules that are not in the properties.
    const securityGroups = props.securityGroups ?? [new ec2.SecurityGroup(this, 'SecurityGroup', {
      vpc: props.vpc,
      description: `Nodes of ${this.node.path}`,
      allowAllOutbound: false,
    })];
    const defaultPort = ec2.Port.tcp(props.port ?? DEFAULT_PORT);
    this.connections = new ec2.Connections({ securityGroups, defaultPort });
    for (const group of this.provider.securityGroups ?? []) {
      this.connections.allowFrom(group, defaultPort, 'The function tries new passwords');
    }

    const properties = this.render(props, securityGroups);
    this.node.addValidation({ validate: () => problems(Stack.of(this).resolve(properties)) });
    this.resource = new CustomResource(this, 'Resource', {
      resourceType: TYPE,
      serviceToken: this.provider.serviceToken,
      serviceTimeout: props.serviceTimeout,
      properties,
      // CloudFormation takes no snapshot of a custom resource; the function does.
      removalPolicy: props.removalPolicy === RemovalPolicy.SNAPSHOT ? RemovalPolicy.DESTROY : props.removalPolicy,
    });
    // Its rights come before it and go after it.
    this.resource.node.addDependency(this.provider);

    const sharded = props.topology?.isSharded ?? false;
    const get = (name: string) => this.resource.getAttString(name);
    const port = Token.asNumber(get('Connection.Port'));
    const socket = get('Connection.Endpoint');
    this.replicationGroupId = this.resource.ref;
    this.endpoint = new Endpoint(Fn.select(0, Fn.split(':', socket)), port, socket);
    const reader = get('Connection.ReaderEndpoint');
    this.readerEndpoint = sharded ? this.endpoint : new Endpoint(reader, port, Fn.join(':', [reader, get('Connection.Port')]));
    this.firstNode = get('Identifiers.ClusterId');
    this.tls = get('Connection.TlsEnabled');
    const { secret, secretKey, isKept, key } = this.auth._password;
    this.secretKey = secretKey;
    this.secret = isKept ? secretsmanager.Secret.fromSecretAttributes(this, 'Secret', {
      secretCompleteArn: get('Security.AuthTokenSecretArn'),
      encryptionKey: key,
    }) : secret;
    secret?.grantRead(this.provider);
  }

  /**
   * An attribute of the resource, such as `EstimatedCost.MonthlyEstimate` or `Warnings`.
   */
  public attribute(name: string): string {
    return this.resource.getAttString(name);
  }

  /**
   * Has Secrets Manager rotate the password on schedule, by the function. It must be a generated one.
   */
  public addRotation(options: RotationOptions): secretsmanager.CfnRotationSchedule {
    if (!this.auth._password.isGenerated || !this.secret) {
      throw new Error(`${this.node.path}: only a generated password rotates: use Auth.generated()`);
    }
    const days = options.every.toDays({ integral: false });
    const rate = Number.isInteger(days) ? `rate(${days} ${days === 1 ? 'day' : 'days'})` : `rate(${options.every.toHours()} hours)`;
    if (options.alarm) {
      this.addRotationAlarm(this.secret, options.alarm);
    }
    return new secretsmanager.CfnRotationSchedule(this, 'Rotation', {
      secretId: this.secret.secretArn,
      rotationLambdaArn: this.provider.serviceToken,
      rotateImmediatelyOnUpdate: false,
      rotationRules: { scheduleExpression: rate },
    });
  }

  private addRotationAlarm(secret: secretsmanager.ISecret, topic: sns.ITopic): void {
    const rule = new events.Rule(this, 'RotationFailed', {
      description: `Rotations of the password of ${this.node.path} that failed`,
      eventPattern: {
        source: ['aws.secretsmanager'],
        detailType: ['AWS Service Event via CloudTrail'],
        detail: { eventName: ['RotationFailed'], additionalEventData: { SecretId: [secret.secretArn] } },
      },
      targets: [new targets.SnsTopic(topic)],
    });
    const alarm = new cloudwatch.Alarm(this, 'RotationFailedAlarm', {
      alarmDescription: `Secrets Manager could not rotate the password of ${this.node.path}`,
      metric: new cloudwatch.Metric({
        namespace: 'AWS/Events',
        metricName: 'MatchedEvents',
        dimensionsMap: { RuleName: rule.ruleName },
        statistic: 'Sum',
      }),
      threshold: 1,
      evaluationPeriods: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new actions.SnsAction(topic));
  }

  /** The properties of the resource. */
  private render(props: CacheProps, securityGroups: ec2.ISecurityGroup[]): { [name: string]: any } {
    const tls = props.transitEncryption;
    const takesSnapshot = props.removalPolicy === RemovalPolicy.SNAPSHOT;
    const type = props.nodeType?.toString();
    return {
      Env: props.environment,
      ProjectId: props.project,
      ReplicationGroupId: props.replicationGroupId,
      Description: props.description,
      Tags: Lazy.any({ produce: () => this.renderedTags() }, { omitEmptyArray: true }),
      VpcId: props.vpc.vpcId,
      SubnetIds: props.vpc.selectSubnets(props.vpcSubnets).subnetIds,
      SecurityGroupIds: securityGroups.map((group) => group.securityGroupId),
      AllowedSecurityGroupIds: props.allowedSecurityGroups?.map((group) => group.securityGroupId),
      AllowedCidrBlocks: props.allowedCidrBlocks,
      Port: props.port,
      NetworkType: props.networkType,
      IpDiscovery: props.ipDiscovery,
      Engine: props.engine?.name,
      EngineVersion: props.engine?.version,
      NodeType: type && (type.startsWith('cache.') || Token.isUnresolved(type) ? type : `cache.${type}`),
      ...(props.topology ?? Topology.single())._properties,
      ClusterMode: props.clusterMode,
      DataTieringEnabled: props.dataTiering,
      Durability: props.durability,
      Parameters: props.parameters,
      ParameterGroupName: props.parameterGroupName,
      ...this.auth._properties,
      TransitEncryptionEnabled: tls && tls !== TransitEncryption.DISABLED,
      TransitEncryptionMode: tls === TransitEncryption.DISABLED ? undefined : tls,
      AtRestEncryptionEnabled: props.atRestEncryption,
      KmsKeyId: props.kmsKey?.keyArn,
      SnapshotRetentionLimit: props.backup?.retention?.toDays(),
      SnapshotWindow: props.backup?.window,
      SnapshotName: props.snapshotName,
      SnapshotArns: props.snapshotArns,
      FinalSnapshotIdentifier: takesSnapshot ? props.finalSnapshotName ?? finalSnapshot(props) : undefined,
      ...settingsProperties(props),
      NotificationTopicArn: props.notificationTopic?.topicArn,
      ApplyImmediately: props.applyImmediately,
      CountPolicy: props.countPolicy,
      LogDelivery: props.logs?.map((log) => log._render()),
      Alarms: props.alarms && renderedAlarms(props.alarms),
      DeletionProtection: props.deletionProtection,
      MaxMonthlyCost: props.maxMonthlyCost,
      ReplacementPolicy: props.replacementPolicy,
    };
  }

  private renderedTags(): { Key: string; Value: string }[] {
    const tags: { key: string; value: string }[] = this.tags.renderTags() ?? [];
    return tags.map(({ key, value }) => ({ Key: key, Value: value }));
  }
}

function renderedAlarms(alarms: AlarmOptions): { [name: string]: any } {
  return {
    Actions: alarms.topics?.map((topic) => topic.topicArn),
    OkActions: alarms.okTopics?.map((topic) => topic.topicArn),
    Memory: alarms.memory,
    EngineCpu: alarms.engineCpu,
    Cpu: alarms.cpu,
    Connections: alarms.connections,
    ReplicationLag: alarms.replicationLag,
    Swap: alarms.swap,
    Evictions: alarms.evictions,
    AuthenticationFailures: alarms.authenticationFailures,
  };
}

/** The name of the last snapshot: legal, as far as it is known. */
function finalSnapshot(props: CacheProps): string {
  const parts = [props.environment, props.project].map((part) =>
    Token.isUnresolved(part) ? part : part.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, ''));
  const name = [...parts, 'final'].join('-');
  return Token.isUnresolved(name) ? name : `${/^[a-z]/i.test(name) ? '' : 'c'}${name.slice(0, -6).slice(0, 34).replace(/-$/, '')}-final`;
}
