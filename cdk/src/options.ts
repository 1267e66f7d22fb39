import { Duration } from 'aws-cdk-lib';

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
