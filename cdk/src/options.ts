import { Duration } from 'aws-cdk-lib';
import * as sns from 'aws-cdk-lib/aws-sns';

/**
 * TLS between clients and nodes.
 */
export enum TransitEncryption {
  /** No TLS. */
  DISABLED = 'disabled',
  /** Clients may use TLS or not. */
  PREFERRED = 'preferred',
  /** Clients must use TLS. */
  REQUIRED = 'required',
}

/**
 * What happens on a change that AWS cannot make in place.
 */
export enum ReplacementPolicy {
  /** The update fails before anything is changed. */
  REFUSE = 'Refuse',
  /** A new cluster gets the data of a snapshot of the old one. */
  SNAPSHOT = 'Snapshot',
  /** A new, empty cluster. */
  EMPTY = 'Empty',
}

/**
 * What the numbers of shards and replicas mean.
 */
export enum CountPolicy {
  /** So many, no more and no fewer. */
  EXACT = 'Exact',
  /** At least so many; those that auto scaling added stay. */
  MINIMUM = 'Minimum',
}

/**
 * IP versions of the network.
 */
export enum NetworkType {
  /** IPv4 alone. */
  IPV4 = 'ipv4',
  /** IPv6 alone. */
  IPV6 = 'ipv6',
  /** Both. */
  DUAL_STACK = 'dual_stack',
}

/**
 * IP version that discovery answers with.
 */
export enum IpDiscovery {
  /** IPv4. */
  IPV4 = 'ipv4',
  /** IPv6. */
  IPV6 = 'ipv6',
}

/**
 * Whether nodes speak the cluster protocol.
 */
export enum ClusterMode {
  /** They do not. */
  DISABLED = 'disabled',
  /** Clients may use it or not: the step between the other two. */
  COMPATIBLE = 'compatible',
  /** They do. */
  ENABLED = 'enabled',
}

/**
 * How durable writes are, from Valkey 9.0 on.
 */
export enum Durability {
  /** What AWS does without a word. */
  DEFAULT = 'default',
  /** Off. */
  DISABLED = 'disabled',
  /** Written to the log after the answer. */
  ASYNC = 'async',
  /** Written to the log before the answer. */
  SYNC = 'sync',
}

/**
 * Automatic backups.
 */
export interface BackupOptions {
  /**
   * How long backups are kept, in whole days up to 35; 0 turns them off.
   *
   * @default Duration.days(5)
   */
  readonly retention?: Duration;

  /**
   * When they are taken, in UTC: at least an hour, such as `03:00-05:00`.
   *
   * @default - chosen by AWS
   */
  readonly window?: string;
}

/**
 * Alarms on every node. A threshold of 0 is none of that kind; what is left out has the default.
 */
export interface AlarmOptions {
  /**
   * Topics that hear of an alarm, 5 at most.
   *
   * @default - none
   */
  readonly topics?: sns.ITopic[];

  /**
   * Topics that hear that an alarm is over, 5 at most.
   *
   * @default - none
   */
  readonly okTopics?: sns.ITopic[];

  /**
   * Memory that data takes, in percent, twice 5 minutes.
   *
   * @default - 80; none when the engine may evict any key
   */
  readonly memory?: number;

  /**
   * Processor of the engine, in percent, 5 minutes; on nodes with 4 vCPUs and more.
   *
   * @default 90
   */
  readonly engineCpu?: number;

  /**
   * Processor of the host, in percent, 5 minutes; on smaller nodes.
   *
   * @default - 90 divided by the vCPUs
   */
  readonly cpu?: number;

  /**
   * Connections, 10 minutes.
   *
   * @default 52000
   */
  readonly connections?: number;

  /**
   * Seconds that a replica is behind, 15 minutes; on nodes that are replicas or may become one.
   *
   * @default 30
   */
  readonly replicationLag?: number;

  /**
   * Swap space, in megabytes of 1024 x 1024 bytes, 5 minutes.
   *
   * @default 50
   */
  readonly swap?: number;

  /**
   * Keys that were removed for want of memory, in 5 minutes.
   *
   * @default - none
   */
  readonly evictions?: number;

  /**
   * Attempts to authenticate that were refused, in 5 minutes.
   *
   * @default - none
   */
  readonly authenticationFailures?: number;
}
