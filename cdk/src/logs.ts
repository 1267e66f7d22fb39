import { IResolvable } from 'aws-cdk-lib';
import * as firehose from 'aws-cdk-lib/aws-kinesisfirehose';
import * as logs from 'aws-cdk-lib/aws-logs';

/**
 * Format of the lines of a log.
 */
export enum LogFormat {
  /** JSON. */
  JSON = 'json',
  /** Text. */
  TEXT = 'text',
}

/**
 * Where a log goes.
 */
export class LogDestination {
  /** A log group of CloudWatch Logs. Each log needs one of its own. */
  public static logGroup(group: logs.ILogGroup): LogDestination {
    return new LogDestination('cloudwatch-logs', group.logGroupName);
  }

  /** A delivery stream of Firehose. Each log needs one of its own. */
  public static firehose(stream: firehose.IDeliveryStream): LogDestination {
    return new LogDestination('kinesis-firehose', stream.deliveryStreamName);
  }

  private constructor(
    /** `cloudwatch-logs` or `kinesis-firehose`. */
    public readonly destinationType: string,
    /** Name of the log group or delivery stream. */
    public readonly name: string,
  ) {}
}

/**
 * A log of the engine, delivered.
 */
export class CacheLog {
  /** The slow log, from Redis OSS 6.0 on. */
  public static slow(destination: LogDestination, format?: LogFormat): CacheLog {
    return new CacheLog('slow-log', destination, format);
  }

  /** The engine log, from Redis OSS 6.2 on. */
  public static engine(destination: LogDestination, format?: LogFormat): CacheLog {
    return new CacheLog('engine-log', destination, format);
  }

  private constructor(
    private readonly type: string,
    private readonly destination: LogDestination,
    private readonly format?: LogFormat,
  ) {}

  /**
   * What the resource gets of it.
   *
   * @internal
   */
  public _render(): { [name: string]: string | IResolvable | undefined } {
    return {
      LogType: this.type,
      DestinationType: this.destination.destinationType,
      Destination: this.destination.name,
      LogFormat: this.format,
    };
  }
}
