/**
 * Options of nodes without shards.
 */
export interface ReplicatedOptions {
  /**
   * Whether the nodes are spread over availability zones.
   *
   * @default false
   */
  readonly multiAz?: boolean;

  /**
   * Whether a replica takes over when the primary fails.
   *
   * @default true
   */
  readonly automaticFailover?: boolean;

  /**
   * One availability zone for each node, used at creation only.
   *
   * @default - chosen by AWS
   */
  readonly availabilityZones?: string[];
}

/**
 * One shard, at creation.
 */
export interface Shard {
  /**
   * Up to four digits.
   *
   * @default - given by AWS
   */
  readonly id?: string;

  /**
   * Ranges such as `0-8191`; all shards together cover 0 to 16383.
   *
   * @default - even
   */
  readonly slots?: string;

  /**
   * Replicas of this shard.
   *
   * @default - those of the topology
   */
  readonly replicas?: number;

  /**
   * Availability zone of the primary.
   *
   * @default - chosen by AWS
   */
  readonly primaryAvailabilityZone?: string;

  /**
   * Availability zones of the replicas.
   *
   * @default - chosen by AWS
   */
  readonly replicaAvailabilityZones?: string[];
}

/**
 * Options of a cluster with shards.
 */
export interface ShardedOptions {
  /**
   * Number of shards.
   *
   * @default - as many as are in `layout`
   */
  readonly shards?: number;

  /**
   * Replicas of each shard.
   *
   * @default 0
   */
  readonly replicas?: number;

  /**
   * Whether the nodes of a shard are spread over availability zones. Needs a replica in every shard.
   *
   * @default false
   */
  readonly multiAz?: boolean;

  /**
   * Whether replicas take over when a primary fails. Cluster mode demands it.
   *
   * @default true
   */
  readonly automaticFailover?: boolean;

  /**
   * The shards one by one, at creation.
   *
   * @default - alike
   */
  readonly layout?: Shard[];
}

/**
 * How many nodes there are, and how they are arranged.
 */
export class Topology {
  /** One node. */
  public static single(): Topology {
    return new Topology({ NumCacheNodes: 1 }, false);
  }

  /**
   * A primary and replicas, without shards.
   *
   * @param nodes All nodes, the primary included: 1 to 6.
   */
  public static replicated(nodes: number, options: ReplicatedOptions = {}): Topology {
    return new Topology({
      NumCacheNodes: nodes,
      AutomaticFailoverEnabled: options.automaticFailover ?? true,
      MultiAzEnabled: options.multiAz,
      PreferredAvailabilityZones: options.availabilityZones,
    }, false);
  }

  /**
   * Shards, each with a primary and replicas, for clients that speak the cluster protocol.
   */
  public static sharded(options: ShardedOptions): Topology {
    return new Topology({
      NumNodeGroups: options.shards,
      ReplicasPerNodeGroup: options.replicas ?? (options.shards === undefined && !options.layout?.length ? 0 : undefined),
      AutomaticFailoverEnabled: options.automaticFailover,
      MultiAzEnabled: options.multiAz,
      NodeGroupConfiguration: options.layout?.map((shard) => ({
        NodeGroupId: shard.id,
        Slots: shard.slots,
        ReplicaCount: shard.replicas,
        PrimaryAvailabilityZone: shard.primaryAvailabilityZone,
        ReplicaAvailabilityZones: shard.replicaAvailabilityZones,
      })),
    }, true);
  }

  private constructor(
    /**
     * What the resource gets of it.
     *
     * @internal
     */
    public readonly _properties: { [name: string]: any },
    /** Whether there are shards. */
    public readonly isSharded: boolean,
  ) {}
}
