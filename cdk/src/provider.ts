import { existsSync, readFileSync } from 'fs';
import { join } from 'path';
import { Aws, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct, IConstruct } from 'constructs';

/**
 * The function behind caches.
 */
export interface IElastiCacheProvider extends IConstruct, iam.IGrantable {
  /** ARN of the function, of an alias or a version of it. It must not change while a cache uses it. */
  readonly serviceToken: string;

  /**
   * Security groups of the function, if it runs in a VPC.
   *
   * @default - none
   */
  readonly securityGroups?: ec2.ISecurityGroup[];
}

/**
 * Properties of the function behind caches.
 */
export interface ElastiCacheProviderProps {
  /**
   * Processor of the function.
   *
   * @default Architecture.X86_64
   */
  readonly architecture?: lambda.Architecture;

  /**
   * Code of the function, a zip as `make release` builds it.
   *
   * @default - the zip in this package for the architecture, or the one that the context
   * `elasticache-resource:function` names
   */
  readonly code?: lambda.Code;

  /**
   * Memory in MB. The function mostly waits.
   *
   * @default 128
   */
  readonly memorySize?: number;

  /**
   * How long the function's logs are kept.
   *
   * @default RetentionDays.ONE_MONTH
   */
  readonly logRetention?: logs.RetentionDays;

  /**
   * How much the function logs: `error`, `warn`, `info`, `debug` or `trace`.
   *
   * @default info
   */
  readonly logLevel?: string;

  /**
   * Topic that hears of failures of the function.
   *
   * @default - no alarms
   */
  readonly alarmTopic?: sns.ITopic;

  /**
   * VPC to run in, so that a scheduled rotation tries a new password at the cache. It must reach the caches, and through
   * NAT or endpoints the services that the function calls.
   *
   * @default - none
   */
  readonly vpc?: ec2.IVpc;

  /**
   * Subnets in it.
   *
   * @default - private ones
   */
  readonly vpcSubnets?: ec2.SubnetSelection;
}

/** The one provider of a stack. A constant, because the ServiceToken of a cache must never change. */
const FIXED_ID = 'ElastiCacheResourceProvider';

/** Where this package has what it brings along. */
const PACKAGE = join(__dirname, '..');

/** Alarms, as in the function's own template: description, namespace, metric, and dimension. */
const FAILED_ANSWERS = 'A request of Custom::ElastiCache was answered with FAILED; the stack event says why.';
const UNDELIVERED_ANSWERS = 'An answer of Custom::ElastiCache did not reach CloudFormation.';

/**
 * The function behind caches, with its role, its log group and a queue for events that died.
 */
export class ElastiCacheProvider extends Construct implements IElastiCacheProvider {
  /**
   * The provider of the stack that the scope is in, made when there is none yet.
   */
  public static getOrCreate(scope: Construct): ElastiCacheProvider {
    const stack = Stack.of(scope);
    const found = stack.node.tryFindChild(FIXED_ID) as ElastiCacheProvider | undefined;
    return found ?? new ElastiCacheProvider(stack, FIXED_ID);
  }

  /**
   * A function that was deployed otherwise, such as by `template.yaml`.
   *
   * @param serviceToken Its ARN, such as `Fn.importValue('elasticache-resource-ServiceToken')`.
   */
  public static fromServiceToken(scope: Construct, id: string, serviceToken: string): IElastiCacheProvider {
    class Imported extends Construct implements IElastiCacheProvider {
      public readonly serviceToken = serviceToken;
      public readonly grantPrincipal = new iam.UnknownPrincipal({ resource: this });
    }
    return new Imported(scope, id);
  }

  public readonly serviceToken: string;
  public readonly grantPrincipal: iam.IPrincipal;
  public readonly securityGroups?: ec2.ISecurityGroup[];

  /** The function. */
  public readonly lambdaFunction: lambda.Function;

  /** Where events wait that died three times. */
  public readonly deadLetterQueue: sqs.Queue;

  constructor(scope: Construct, id: string, props: ElastiCacheProviderProps = {}) {
    super(scope, id);
    const architecture = props.architecture ?? lambda.Architecture.X86_64;
    this.deadLetterQueue = new sqs.Queue(this, 'DeadLetters', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const logGroup = new logs.LogGroup(this, 'LogGroup', {
      retention: props.logRetention ?? logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.lambdaFunction = new lambda.Function(this, 'Function', {
      description: 'Owns ElastiCache replication groups for CloudFormation (Custom::ElastiCache)',
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture,
      handler: 'bootstrap',
      code: props.code ?? lambda.Code.fromAsset(zip(this, architecture)),
      memorySize: props.memorySize ?? 128,
      // The longest that Lambda allows: creating a cache takes minutes, and the function waits for it.
      timeout: Duration.minutes(15),
      logGroup,
      loggingFormat: lambda.LoggingFormat.JSON,
      environment: {
        CACHE_NETWORK_ACCESS: String(props.vpc !== undefined),
        POLL_INTERVAL_MS: '30000',
        RUST_LOG: props.logLevel ?? 'info',
      },
      // A run that was cut off is started again and continues from what it finds; CloudFormation waits an hour at most.
      retryAttempts: 2,
      maxEventAge: Duration.hours(1),
      deadLetterQueue: this.deadLetterQueue,
      vpc: props.vpc,
      vpcSubnets: props.vpcSubnets,
    });
    this.serviceToken = this.lambdaFunction.functionArn;
    this.grantPrincipal = this.lambdaFunction.grantPrincipal;
    this.securityGroups = props.vpc && this.lambdaFunction.connections.securityGroups;

    // Apart from the role's own policy, on which the function depends: this one names the function.
    const statements = policy().Statement.map((statement) =>
      iam.PolicyStatement.fromJson(this.resolved(statement)));
    new iam.Policy(this, 'Policy', {
      document: new iam.PolicyDocument({ statements, minimize: false }),
      roles: [this.lambdaFunction.role!],
    });
    // Secrets Manager calls the function for scheduled rotations, of secrets in this account only.
    this.lambdaFunction.addPermission('Rotation', {
      principal: new iam.ServicePrincipal('secretsmanager.amazonaws.com'),
      sourceAccount: Aws.ACCOUNT_ID,
    });
    if (props.alarmTopic) {
      this.addAlarms(props.alarmTopic);
    }
  }

  /** A piece of the template's policy with its placeholders replaced. */
  private resolved(piece: any): any {
    if (Array.isArray(piece)) {
      return piece.map((item) => this.resolved(item));
    }
    if (typeof piece !== 'object') {
      return piece;
    }
    if ('Ref' in piece) {
      return this.placeholder(piece.Ref);
    }
    if ('Fn::Sub' in piece) {
      return piece['Fn::Sub'].replace(/\$\{([^}]+)\}/g, (_: string, name: string) => this.placeholder(name));
    }
    return Object.fromEntries(Object.entries(piece).map(([name, value]) => [name, this.resolved(value)]));
  }

  private placeholder(name: string): string {
    const stack = Stack.of(this);
    const values: { [name: string]: string } = {
      'AWS::Partition': stack.partition,
      'AWS::Region': stack.region,
      'AWS::AccountId': stack.account,
      'FunctionName': this.lambdaFunction.functionName,
    };
    if (!(name in values)) {
      throw new Error(`the policy of the function names ${name}, which this construct does not know`);
    }
    return values[name];
  }

  private addAlarms(topic: sns.ITopic): void {
    const own = (metricName: string, outcome: string) =>
      new cloudwatch.Metric({ namespace: 'ElastiCacheResource', metricName, dimensionsMap: { Outcome: outcome }, statistic: 'Sum' });
    const alarms: { [id: string]: [cloudwatch.IMetric, string] } = {
      FunctionErrors: [
        this.lambdaFunction.metricErrors(),
        'An invocation of the function behind Custom::ElastiCache failed; Lambda tries its event again.',
      ],
      DeadLetters: [
        this.deadLetterQueue.metricApproximateNumberOfMessagesVisible(),
        'An event of Custom::ElastiCache died three times and waits in the dead-letter queue.',
      ],
      LostEvents: [
        this.lambdaFunction.metric('DeadLetterErrors', { statistic: 'Sum' }),
        'An event of Custom::ElastiCache died, and the dead-letter queue did not take it.',
      ],
      FailedAnswers: [own('Invocations', 'FAILED'), FAILED_ANSWERS],
      UndeliveredAnswers: [own('Invocations', 'UNDELIVERED'), UNDELIVERED_ANSWERS],
    };
    for (const [id, [metric, alarmDescription]] of Object.entries(alarms)) {
      const alarm = new cloudwatch.Alarm(this, `${id}Alarm`, {
        alarmDescription,
        metric,
        threshold: 1,
        evaluationPeriods: 1,
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      });
      alarm.addAlarmAction(new actions.SnsAction(topic));
    }
  }
}

function policy(): { Statement: any[] } {
  return JSON.parse(readFileSync(join(PACKAGE, 'assets', 'policy.json'), 'utf8'));
}

function zip(scope: Construct, architecture: lambda.Architecture): string {
  const file = `function-${architecture.name}.zip`;
  const path: string = scope.node.tryGetContext('elasticache-resource:function') ?? join(PACKAGE, 'function', file);
  if (!existsSync(path)) {
    throw new Error(`${path} does not exist: build it with \`make release\`, or name a ${file} in the context elasticache-resource:function`);
  }
  return path;
}
