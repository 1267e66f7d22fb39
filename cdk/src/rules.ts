/**
 * What the function refuses without asking AWS, in its own words, for what this construct can express. A test gives both
 * the same properties. Values that only the deployment knows are not judged.
 */
import { readFileSync } from 'fs';
import { join } from 'path';

const UNKNOWN = Symbol('known at deployment only');
type Scalar = string | number | boolean | typeof UNKNOWN | undefined;
type Properties = { [name: string]: any };

/** Shown of a bad value, at most. */
const SHOWN_CHARACTERS = 60;

const OFFERED: { [engine: string]: string[] } = {
  valkey: ['7.2', '8.0', '8.1', '8.2', '9.0', '9.1'],
  redis: ['4.0.10', '5.0.6', '6.0', '6.2', '7.0', '7.1'],
};
const TITLES: { [engine: string]: string } = { valkey: 'Valkey', redis: 'Redis OSS' };
const DEFAULT_VERSIONS: { [engine: string]: string } = { valkey: '8.2', redis: '7.1' };

/** The first version of Redis OSS, and of Valkey, that has a feature. */
const FEATURES: { [feature: string]: [string | undefined, string] } = {
  tlsChange: ['7.0.5', '7.2'],
  clusterModeChange: ['7.0', '7.2'],
  ipv6: ['6.2', '7.2'],
  slowLog: ['6.0', '7.2'],
  engineLog: ['6.2', '7.2'],
  dataTiering: ['6.2', '7.2'],
  userGroups: ['6.0', '7.2'],
  durability: [undefined, '9.0'],
};
const DURABLE_FAMILIES = ['r8g', 'r7g', 'r6g', 'm8g', 'm7g', 'm6g', 'c8gn', 'c7gn'];
const VALKEY_ONLY_FAMILIES = ['cache.m8g.', 'cache.r8g.', 'cache.c8gn.'];
const MAX_TAGS = 40;
const MAX_SUBNETS = 20;
const MAX_NODES = 500;
/** Most actions that CloudWatch takes for one state of an alarm. */
const MAX_ACTIONS = 5;

/** A value of CloudFormation that only the deployment knows. */
function isFunction(value: any): boolean {
  const names = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return names.length === 1 && (names[0] === 'Ref' || names[0].startsWith('Fn::'));
}

/** Functions become UNKNOWN, and what says nothing undefined. */
function read(value: any): any {
  if (isFunction(value) || (typeof value === 'string' && value.includes('{{resolve:'))) {
    return UNKNOWN;
  }
  if (Array.isArray(value)) {
    const items = value.map(read).filter((item) => item !== undefined);
    return items.length ? items : undefined;
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([name, item]) => [name, read(item)]).filter(([, item]) => item !== undefined);
    return entries.length ? Object.fromEntries(entries) : undefined;
  }
  return value === null || value === '' ? undefined : value;
}

/** All that is wrong with properties as the template has them, sorted as the function sorts it. */
export function problems(properties: Properties): string[] {
  return new Rules(read(properties) ?? {}).check();
}

class Rules {
  private readonly found: [property: string, value: string, said: string][] = [];

  constructor(private readonly p: Properties) {}

  check(): string[] {
    this.schema();
    this.identity();
    this.network();
    this.engine();
    this.nodeType();
    this.parameters();
    this.counts();
    this.shards();
    this.availability();
    this.features();
    this.durability();
    this.encryption();
    this.auth();
    this.transit();
    this.backup();
    this.logs();
    this.alarms();
    const sorted = this.found.sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]) || compare(a[2], b[2]));
    return [...new Set(sorted.map(([, , said]) => said))];
  }

  private add(property: string, rule: string, fix: string, value?: Scalar): void {
    if (value === UNKNOWN) {
      return;
    }
    let shown = value === undefined ? '' : ` (${value})`;
    if (String(value).length > SHOWN_CHARACTERS) {
      shown = ` (${String(value).slice(0, SHOWN_CHARACTERS)}…)`;
    }
    this.found.push([property, String(value ?? ''), `${property}${shown}: ${rule}; ${fix}`]);
  }

  private is(name: string, value: boolean): boolean {
    return this.p[name] === value;
  }

  private text(name: string): string | undefined {
    return this.p[name] === undefined || this.p[name] === UNKNOWN ? undefined : String(this.p[name]);
  }

  private list(name: string): any[] {
    return Array.isArray(this.p[name]) ? this.p[name] : [];
  }

  /** Whether any of these is known at deployment only, so that nothing can be said of how they go together. */
  private isOpen(...names: string[]): boolean {
    return names.some((name) => this.p[name] === UNKNOWN || this.list(name).includes(UNKNOWN));
  }

  /** Ranges, which the schema has. What is out of its range counts as not set after that. */
  private schema(): void {
    const { properties } = JSON.parse(readFileSync(join(__dirname, '..', 'assets', 'custom-elasticache.json'), 'utf8'));
    for (const [name, schema] of Object.entries<any>(properties)) {
      this.range(name, name, schema, this.p);
      Object.entries<any>(schema.anyOf[0]?.properties ?? {}).forEach(([field, inner]) =>
        this.range(`${name}.${field}`, field, inner, this.p[name] ?? {}));
      const item = schema.anyOf[0]?.items?.anyOf?.[0];
      if (item) {
        this.list(name).forEach((entry, index) => Object.entries<any>(item.properties).forEach(([field, inner]) =>
          this.range(`${name}[${index}].${field}`, field, inner, entry)));
      }
    }
  }

  private range(property: string, name: string, schema: any, of: Properties): void {
    const { minimum, maximum, type } = schema.anyOf[0];
    const value = of[name];
    if (minimum === undefined || typeof value !== 'number') {
      return;
    }
    const isWhole = type.includes('number') || Number.isInteger(value);
    if (!isWhole || value < minimum || value > maximum) {
      const rule = isWhole ? `must be between ${minimum} and ${maximum}` : 'must be a whole number';
      this.add(property, rule, `write a number from ${minimum} to ${maximum}`, value);
      delete of[name];
    }
  }

  private identity(): void {
    const id = this.text('ReplicationGroupId');
    const defect = id && (nameDefect(id) ?? (id.length > 40 ? 'must have at most 40 characters' : undefined));
    if (defect) {
      this.add('ReplicationGroupId', defect, 'write 1 to 40 letters, digits and single hyphens, such as prod-app-cache', id);
    }
    const description = this.text('Description') ?? '';
    if ([...description].length > 255) {
      this.add('Description', `must have at most 255 characters and has ${[...description].length}`, 'shorten it', description);
    }
    if (/[<>]/.test(description)) {
      this.add('Description', 'must not hold angle brackets', 'remove < and >', description);
    }
    const tags = this.list('Tags');
    tags.forEach((tag, index) => {
      for (const part of ['Key', 'Value']) {
        if (typeof tag[part] === 'string' && !/^[\p{L}\p{N}\p{Zs}+\-=._:/@]*$/u.test(tag[part])) {
          const fix = 'AWS takes letters, digits, spaces and + - = . _ : / @ only';
          this.add(`Tags[${index}].${part}`, 'holds characters that no tag may have', fix, tag[part]);
        }
      }
      if (/^aws:/i.test(tag.Key) || tag.Key.startsWith('elasticache-resource:')) {
        const rule = 'keys that start with aws: or elasticache-resource: are reserved';
        this.add(`Tags[${index}].Key`, rule, 'choose another key', tag.Key);
      }
    });
    if (tags.length > MAX_TAGS) {
      this.add('Tags', `at most ${MAX_TAGS} tags fit next to the ownership tags`, 'remove some', tags.length);
    }
  }

  private network(): void {
    const subnets = this.list('SubnetIds');
    if (subnets.length > MAX_SUBNETS) {
      this.add('SubnetIds', `a subnet group holds at most ${MAX_SUBNETS} subnets`, 'remove some', subnets.length);
    }
    const network = this.p.NetworkType;
    if (this.isOpen('NetworkType', 'IpDiscovery')) {
      return;
    }
    if (this.p.IpDiscovery === 'ipv6' && !['ipv6', 'dual_stack'].includes(network)) {
      this.add('IpDiscovery', 'ipv6 needs a network with IPv6', 'set NetworkType to ipv6 or dual_stack', 'ipv6');
    }
    if (this.p.IpDiscovery === 'ipv4' && network === 'ipv6') {
      this.add('IpDiscovery', 'ipv4 needs a network with IPv4', 'set IpDiscovery to ipv6, or NetworkType to dual_stack', 'ipv4');
    }
  }

  /** Engine and version, where both can be read. */
  private version(): { engine: string; version: string } | undefined {
    if (this.isOpen('Engine', 'EngineVersion')) {
      return undefined;
    }
    const engine = String(this.p.Engine ?? 'valkey').toLowerCase();
    const version = this.text('EngineVersion') ?? DEFAULT_VERSIONS[engine];
    return version !== undefined && isVersion(version) ? { engine, version } : undefined;
  }

  private has(feature: string): boolean {
    const asked = this.version();
    if (!asked) {
      return true;
    }
    const [redis, valkey] = FEATURES[feature];
    const since = asked.engine === 'redis' ? redis : valkey;
    return since !== undefined && !isOlder(asked.version, since);
  }

  private engine(): void {
    const engine = this.p.Engine ?? 'valkey';
    const given = this.text('EngineVersion');
    const offered = OFFERED[engine];
    if (given === undefined || offered === undefined) {
      return;
    }
    if (!isVersion(given)) {
      this.add('EngineVersion', 'must be like 8.2', `write one of ${offered.join(', ')}`, given);
      return;
    }
    const matches = (known: string) => known === given || known.startsWith(`${given}.`) || given.startsWith(`${known}.`);
    const [major, minor, patch] = given.split('.').map(Number);
    const minors = offered.map((known) => known.split('.').map(Number)).filter((known) => known[0] === major).map((known) => known[1]);
    if (!offered.some(matches) && !(minors.length && minor > Math.max(...minors))) {
      const other = engine === 'valkey' ? 'redis' : 'valkey';
      const belongs = OFFERED[other].some((known) => known === given || known.startsWith(`${given}.`));
      const rule = `ElastiCache has no ${engine} ${given}${belongs ? `; ${given} is a ${TITLES[other]} version` : ''}`;
      this.add('EngineVersion', rule, `use ${offered[0]} or a later one of ${offered.join(', ')}`, given);
      return;
    }
    const wanted = offered.find((known) => known === `${major}.${minor}` || known.startsWith(`${major}.${minor}.`)) ?? `${major}.${minor}`;
    if (wanted.split('.').length === 2 && patch !== undefined) {
      this.add('EngineVersion', 'names a patch version, which ElastiCache chooses itself', `write ${wanted}`, given);
    } else if (wanted.split('.').length === 3 && wanted !== given) {
      this.add('EngineVersion', `ElastiCache offers only ${wanted} of this version`, `write ${wanted}`, given);
    }
  }

  private nodeType(): void {
    const type = this.text('NodeType');
    if (type === undefined) {
      return;
    }
    if (!/^cache\.[a-z][a-z0-9-]*\d[a-z0-9-]*\.(nano|micro|small|medium|large|\d*xlarge|metal(-.*)?)$/i.test(type)) {
      this.add('NodeType', 'must be a cache node type', 'write it like cache.t4g.micro', type);
    } else if (/^cache\.t[12]\./.test(type)) {
      this.add('NodeType', 'AWS makes no new t1 and t2 nodes', 'use cache.t4g or cache.t3', type);
    } else if (this.p.Engine === 'redis' && VALKEY_ONLY_FAMILIES.some((family) => type.startsWith(family))) {
      this.add('NodeType', 'is offered for Valkey only', 'use cache.m7g or cache.r7g, or Engine valkey', type);
    } else if (type.startsWith('cache.r6gd.') && !type.endsWith('xlarge')) {
      this.add('NodeType', 'r6gd nodes start at xlarge', 'use cache.r6gd.xlarge or larger', type);
    }
  }

  private parameters(): void {
    if (this.p.ParameterGroupName !== undefined && this.p.Parameters !== undefined) {
      const fix = 'keep Parameters to have a group made, or ParameterGroupName to bring one';
      this.add('ParameterGroupName', 'excludes Parameters', fix, this.p.ParameterGroupName);
    }
    const flag = this.p.Parameters?.['cluster-enabled'];
    const wanted = this.topology()?.mode === 'disabled' ? 'no' : 'yes';
    if (flag !== undefined && this.topology() && String(flag) !== wanted) {
      const fix = 'leave it out; NumNodeGroups and ClusterMode decide it';
      this.add('Parameters.cluster-enabled', `must be ${wanted} with this cluster mode`, fix, flag);
    }
  }

  /** The arrangement that the properties mean; undefined where it depends on the deployment. */
  private topology(): { shards?: number; nodes: number; replicas: number; mode: string } | undefined {
    const names = ['NumNodeGroups', 'ReplicasPerNodeGroup', 'NodeGroupConfiguration', 'NumCacheNodes', 'ClusterMode', 'ParameterGroupName'];
    const layout = this.list('NodeGroupConfiguration');
    if (this.isOpen(...names) || layout.some((shard) => shard.ReplicaCount === UNKNOWN)) {
      return undefined;
    }
    const sharded = this.p.NumNodeGroups !== undefined || this.p.ReplicasPerNodeGroup !== undefined || layout.length > 0;
    const shards: number = this.p.NumNodeGroups ?? Math.max(layout.length, 1);
    const group = this.text('ParameterGroupName');
    const plain = group !== undefined && group.startsWith('default.') && !group.endsWith('.cluster.on');
    const mode: string = this.p.ClusterMode ?? (sharded && !(shards === 1 && plain) ? 'enabled' : 'disabled');
    const replicas: number = this.p.ReplicasPerNodeGroup ?? 0;
    const each = layout.length ? layout.map((shard) => shard.ReplicaCount ?? replicas) : Array(shards).fill(replicas);
    const all = each.reduce((sum: number, count: number) => sum + count + 1, 0);
    if (sharded && mode === 'disabled' && shards === 1) {
      return { nodes: all, replicas, mode };
    }
    if (sharded) {
      return { shards, nodes: all, replicas: Math.min(...each), mode };
    }
    const nodes = this.p.NumCacheNodes ?? 1;
    return mode === 'enabled' ? { shards: 1, nodes, replicas: nodes - 1, mode } : { nodes, replicas: nodes - 1, mode };
  }

  /** One shard under a parameter group whose name does not tell whether it has cluster mode. */
  private modeFollowsParameterGroup(): boolean {
    const group = this.text('ParameterGroupName');
    return group !== undefined && !group.startsWith('default.') && this.topology()?.shards === 1 && this.p.ClusterMode === undefined;
  }

  private counts(): void {
    const topology = this.topology();
    if (!topology) {
      return;
    }
    if (topology.nodes > MAX_NODES) {
      const property = this.list('NodeGroupConfiguration').length ? 'NodeGroupConfiguration' : 'NumNodeGroups';
      const rule = `makes ${topology.nodes} nodes with all replicas, and AWS allows ${MAX_NODES}`;
      this.add(property, rule, 'use fewer shards or replicas');
    }
    const zones = this.list('PreferredAvailabilityZones');
    if (zones.length && topology.shards === undefined && zones.length !== topology.nodes) {
      const rule = `names ${zones.length} zones for ${topology.nodes} nodes`;
      this.add('PreferredAvailabilityZones', rule, 'name one zone per node, or leave it out');
    }
    if (this.is('MultiAzEnabled', true) && isCrowded(zones)) {
      this.crowded('PreferredAvailabilityZones', zones[0]);
    }
  }

  private crowded(property: string, zone: Scalar): void {
    const fix = 'name another zone for a node, or leave the zones out';
    this.add(property, 'Multi-AZ needs the nodes of a shard in two zones', fix, zone);
  }

  private shards(): void {
    const topology = this.topology();
    if (!topology) {
      return;
    }
    const { shards, mode } = topology;
    const fewer = 'set ClusterMode to enabled, or NumNodeGroups to 1';
    if (shards !== undefined && mode === 'disabled') {
      this.add('ClusterMode', `disabled allows one shard and ${shards} are wanted`, fewer, 'disabled');
    }
    if (mode === 'compatible') {
      if (shards !== undefined && shards > 1) {
        this.add('ClusterMode', `compatible allows one shard and ${shards} are wanted`, fewer, 'compatible');
      } else if (shards !== undefined && topology.nodes < 2) {
        this.add('ClusterMode', 'compatible needs a replica', 'set ReplicasPerNodeGroup to 1 or more', 'compatible');
      }
      const asked = this.version();
      if (asked && !this.has('clusterModeChange')) {
        const fix = 'use Redis OSS 7.0 or later or Valkey, or set ClusterMode to disabled or enabled';
        this.add('ClusterMode', `${TITLES[asked.engine]} ${asked.version} knows no compatible mode`, fix, 'compatible');
      }
    }
    this.layout();
  }

  private layout(): void {
    const layout = this.list('NodeGroupConfiguration');
    const count = this.p.NumNodeGroups;
    if (layout.length && count !== undefined && count !== layout.length) {
      const rule = `has ${layout.length} shards and NumNodeGroups says ${count}`;
      this.add('NodeGroupConfiguration', rule, 'make them agree, or leave NumNodeGroups out');
    }
    const covered: [number, number, number][] = [];
    layout.forEach((shard, index) => {
      const at = `NodeGroupConfiguration[${index}]`;
      const id = numbered(shard);
      if (id !== undefined && !/^\d{4}$/.test(id)) {
        this.add(`${at}.NodeGroupId`, 'must be a number of at most four digits', 'write it like 0001', id);
      } else if (id !== undefined && layout.slice(0, index).some((other) => numbered(other) === id)) {
        this.add(`${at}.NodeGroupId`, 'is given twice', 'number the shards', id);
      }
      const zones: Scalar[] = shard.ReplicaAvailabilityZones ?? [];
      const replicas = shard.ReplicaCount ?? this.p.ReplicasPerNodeGroup ?? 0;
      if (zones.length && zones.length !== replicas && !zones.includes(UNKNOWN)) {
        const rule = `names ${zones.length} zones for ${replicas} replicas`;
        this.add(`${at}.ReplicaAvailabilityZones`, rule, 'name one zone per replica, or leave it out', zones.join(', '));
      }
      const all = [shard.PrimaryAvailabilityZone, ...zones];
      if (this.is('MultiAzEnabled', true) && shard.PrimaryAvailabilityZone !== undefined && isCrowded(all)) {
        this.crowded(at, all[0]);
      }
      if (typeof shard.Slots === 'string') {
        const ranges = shard.Slots.split(',').map((range: string) => range.trim().split('-').map(Number));
        if (ranges.every(([low, high]: number[]) => low <= high && high < 16384)) {
          ranges.forEach(([low, high]: number[]) => covered.push([low, high, index]));
        } else {
          this.add(`${at}.Slots`, 'must be ranges of slots between 0 and 16383', 'write it like 0-8191', shard.Slots);
        }
      }
    });
    const withSlots = layout.filter((shard) => shard.Slots !== undefined).length;
    if (layout.some((shard) => shard.Slots === UNKNOWN) || withSlots === 0 || covered.length === 0) {
      return;
    }
    if (withSlots < layout.length) {
      this.add('NodeGroupConfiguration', 'some shards have Slots and others not', 'give Slots to all shards or to none');
      return;
    }
    let next = 0;
    for (const [low, high, index] of covered.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
      const at = `NodeGroupConfiguration[${index}].Slots`;
      if (low < next) {
        this.add(at, `slot ${low} is in two shards`, 'give every slot to one shard', `${low}-${high}`);
      } else if (low > next) {
        this.add(at, `slots ${next} to ${low - 1} are in no shard`, 'cover 0 to 16383', `${low}-${high}`);
      }
      next = Math.max(next, high + 1);
    }
    if (next < 16384) {
      this.add('NodeGroupConfiguration', `slots ${next} to 16383 are in no shard`, 'cover 0 to 16383');
    }
  }

  private availability(): void {
    const topology = this.topology();
    if (!topology || this.isOpen('AutomaticFailoverEnabled', 'MultiAzEnabled')) {
      return;
    }
    const failover = this.p.AutomaticFailoverEnabled;
    const multiAz = this.is('MultiAzEnabled', true);
    const twoNodes = 'set NumCacheNodes to 2 or more';
    if (topology.shards === undefined) {
      if (failover === true && topology.nodes < 2) {
        this.add('AutomaticFailoverEnabled', 'needs a replica to fail over to, and there is one node', twoNodes, true);
      }
      if (topology.mode === 'compatible' && (failover !== true || topology.nodes < 2)) {
        const fix = 'set AutomaticFailoverEnabled to true and NumCacheNodes to 2 or more';
        this.add('ClusterMode', 'compatible needs automatic failover and a replica', fix, 'compatible');
      }
      if (multiAz && failover !== true) {
        this.add('MultiAzEnabled', 'needs automatic failover', 'set AutomaticFailoverEnabled to true', true);
      }
      if (multiAz && topology.nodes < 2) {
        this.add('MultiAzEnabled', 'needs two nodes', twoNodes, true);
      }
    } else {
      if (failover === false && !this.modeFollowsParameterGroup()) {
        this.add('AutomaticFailoverEnabled', 'cluster mode demands automatic failover', 'set it to true or leave it out', false);
      }
      if (multiAz && topology.replicas < 1) {
        this.add('MultiAzEnabled', 'needs a replica in every shard', 'set ReplicasPerNodeGroup to 1 or more', true);
      }
    }
    if (multiAz && !this.isOpen('SubnetIds') && new Set(this.list('SubnetIds')).size === 1) {
      const rule = 'Multi-AZ needs subnets in two zones, and there is one subnet';
      this.add('SubnetIds', rule, 'add a subnet in another availability zone');
    }
  }

  private features(): void {
    if (!this.isOpen('NodeType')) {
      const type = this.text('NodeType') ?? 'cache.t4g.micro';
      const tiered = /^cache\.r[67]gd\./.test(type);
      if (this.is('DataTieringEnabled', true) && !tiered) {
        const rule = `needs a node type of the r6gd or r7gd family, not ${type}`;
        this.add('DataTieringEnabled', rule, 'set NodeType to cache.r6gd.xlarge or larger');
      }
      if (!this.is('DataTieringEnabled', true) && !this.isOpen('DataTieringEnabled') && type.startsWith('cache.r6gd.')) {
        this.add('DataTieringEnabled', 'r6gd nodes always use data tiering', 'set it to true', type);
      }
    }
    const asked = this.version();
    const wanted: [string, boolean, string, string, string][] = [
      ['NetworkType', ['ipv6', 'dual_stack'].includes(this.p.NetworkType), 'IPv6', 'ipv6', 'use NetworkType ipv4'],
      ['DataTieringEnabled', this.is('DataTieringEnabled', true), 'data tiering', 'dataTiering', 'use another NodeType without it'],
      ['UserGroupIds', this.list('UserGroupIds').length > 0, 'a user group', 'userGroups', 'use a token'],
      ...this.list('LogDelivery').map(({ LogType }, index): [string, boolean, string, string, string] =>
        [`LogDelivery[${index}].LogType`, true, LogType, LogType === 'slow-log' ? 'slowLog' : 'engineLog', 'remove it']),
    ];
    for (const [property, isWanted, name, feature, otherwise] of wanted) {
      if (asked && isWanted && !this.has(feature)) {
        this.add(property, `${name} ${needs(feature)}`, `raise EngineVersion (${asked.version}), or ${otherwise}`);
      }
    }
  }

  private durability(): void {
    const value = this.p.Durability;
    if (!['async', 'sync'].includes(value) || this.isOpen('NodeType', 'MultiAzEnabled', 'TransitEncryptionEnabled')) {
      return;
    }
    if (!this.has('durability')) {
      this.add('Durability', needs('durability'), 'set EngineVersion to 9.0 or later', value);
    }
    const family = (this.text('NodeType') ?? 'cache.t4g.micro').split('.')[1];
    if (!DURABLE_FAMILIES.includes(family)) {
      const fix = 'use a node of the r, m or c families of Graviton, such as cache.r7g.large';
      this.add('Durability', 'is not supported by the node type', fix, value);
    }
    const topology = this.topology();
    if (topology && (topology.mode !== 'enabled' || !this.is('MultiAzEnabled', true))) {
      const fix = 'set NumNodeGroups, ReplicasPerNodeGroup and MultiAzEnabled';
      this.add('Durability', 'needs cluster mode and Multi-AZ', fix, value);
    }
    if (!this.is('TransitEncryptionEnabled', true) && this.authProperties().length === 0) {
      this.add('Durability', 'needs TLS from the start', 'set TransitEncryptionEnabled to true', value);
    }
  }

  private encryption(): void {
    if (this.is('AtRestEncryptionEnabled', false) && this.p.KmsKeyId !== undefined) {
      const fix = 'set AtRestEncryptionEnabled to true, or remove KmsKeyId';
      const key = this.text('KmsKeyId');
      this.add('KmsKeyId', 'needs encryption at rest, which is off', fix, key);
    }
  }

  private authProperties(): string[] {
    return [
      this.p.AuthToken !== undefined && 'AuthToken',
      this.is('AuthTokenEnabled', true) && 'AuthTokenEnabled',
      this.p.AuthTokenSecretArn !== undefined && 'AuthTokenSecretArn',
      this.p.UserGroupIds !== undefined && 'UserGroupIds',
    ].filter((name): name is string => name !== false);
  }

  private auth(): void {
    const groups = this.list('UserGroupIds');
    if (groups.length > 1 && !groups.includes(UNKNOWN)) {
      this.add('UserGroupIds', 'a replication group takes one user group', 'keep one', groups.join(', '));
    }
    const days = this.p.SecretRecoveryWindowInDays;
    if (typeof days === 'number' && days > 0 && days < 7) {
      const fix = 'write 0 to delete the secret at once, or 7 to 30';
      this.add('SecretRecoveryWindowInDays', 'must be 0 or between 7 and 30', fix, days);
    }
    const name = this.text('SecretName');
    if (name !== undefined && !/^[A-Za-z0-9/_+=.@-]{1,500}$/.test(name)) {
      this.add('SecretName', 'is not a legal secret name', 'use at most 500 letters, digits and /_+=.@-');
    }
  }

  private transit(): void {
    const [first] = this.authProperties();
    const mode = this.text('TransitEncryptionMode');
    if (this.is('TransitEncryptionEnabled', false) && first) {
      const fix = `set TransitEncryptionEnabled to true or leave it out, or remove ${first}`;
      this.add('TransitEncryptionEnabled', `${first} needs TLS, which is off`, fix, false);
    }
    if (mode !== 'preferred') {
      return;
    }
    const asked = this.version();
    if (asked && this.p.EngineVersion !== undefined && !this.has('tlsChange')) {
      const fix = 'leave TransitEncryptionMode out, or use Redis OSS 7.1 or Valkey';
      this.add('TransitEncryptionMode', `${TITLES[asked.engine]} ${asked.version} knows no TLS mode but required`, fix, mode);
    }
    if (first) {
      const rule = `preferred lets plain connections in, which AWS refuses together with ${first}`;
      this.add('TransitEncryptionMode', rule, 'set TransitEncryptionMode to required or leave it out', mode);
    }
  }

  private backup(): void {
    const final = this.text('FinalSnapshotIdentifier');
    const defect = final && (nameDefect(final) ?? (final.length > 40 ? 'must have at most 40 characters' : undefined));
    if (defect) {
      this.add('FinalSnapshotIdentifier', defect, 'write letters, digits and single hyphens, such as final', final);
    }
    const snapshot = this.text('SnapshotWindow');
    const maintenance = this.text('MaintenanceWindow');
    const daily = snapshot === undefined ? undefined : window(snapshot, false);
    const weekly = maintenance === undefined ? undefined : window(maintenance, true);
    if (snapshot !== undefined && !daily) {
      this.add('SnapshotWindow', 'must be hh:mm-hh:mm', 'write at least an hour like 03:00-05:00 (UTC)', snapshot);
    }
    if (maintenance !== undefined && !weekly) {
      const fix = 'write at least an hour like sun:05:00-sun:07:00 (UTC)';
      this.add('MaintenanceWindow', 'must be ddd:hh:mm-ddd:hh:mm', fix, maintenance);
    }
    if (daily && weekly && overlap(daily, weekly)) {
      this.add('SnapshotWindow', 'overlaps MaintenanceWindow', 'move one of them', snapshot);
    }
    if (this.text('SnapshotName') !== undefined && this.list('SnapshotArns').length) {
      this.add('SnapshotName', 'excludes SnapshotArns', 'keep one of them');
    }
    const layout = this.list('NodeGroupConfiguration');
    const lacksSlots = !layout.length || layout.some((shard) => shard.Slots === undefined);
    if (this.p.SnapshotArns !== undefined && lacksSlots && this.topology()?.shards !== undefined && !this.modeFollowsParameterGroup()) {
      const rule = 'needs Slots for every shard when SnapshotArns are restored with cluster mode';
      this.add('NodeGroupConfiguration', rule, 'list every shard with its Slots, such as 0-8191 and 8192-16383');
    }
  }

  private logs(): void {
    const logs = this.list('LogDelivery');
    logs.forEach((log, index) => {
      const before = logs.slice(0, index);
      if (before.some((other) => other.LogType === log.LogType)) {
        this.add(`LogDelivery[${index}].LogType`, 'is given twice', 'keep one entry per log type');
      }
      const same = before.find((other) => typeof log.Destination === 'string'
        && other.Destination === log.Destination && other.DestinationType === log.DestinationType);
      if (same) {
        const fix = 'use a destination of its own for each log type';
        this.add(`LogDelivery[${index}].Destination`, `already receives the ${same.LogType}`, fix, log.Destination);
      }
    });
  }

  /** Topics have ARNs; there may be too many. */
  private alarms(): void {
    for (const name of ['Actions', 'OkActions']) {
      const actions = this.p.Alarms?.[name];
      if (Array.isArray(actions) && actions.length > MAX_ACTIONS) {
        this.add(`Alarms.${name}`, `must have at most ${MAX_ACTIONS} items`, 'let one topic notify several subscribers', actions.length);
      }
    }
  }
}

/** Id of a shard with all its digits. */
function numbered(shard: Properties): string | undefined {
  return typeof shard.NodeGroupId === 'string' ? shard.NodeGroupId.padStart(4, '0') : undefined;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function nameDefect(name: string): string | undefined {
  if (!/^[a-z]/i.test(name)) {
    return 'must start with a letter';
  }
  if (!/^[a-z0-9-]*$/i.test(name)) {
    return 'may hold only ASCII letters, digits and hyphens';
  }
  if (name.endsWith('-')) {
    return 'must not end with a hyphen';
  }
  return name.includes('--') ? 'must not hold two hyphens in a row' : undefined;
}

function isVersion(text: string): boolean {
  return /^\d+\.\d+(\.\d+)?$/.test(text);
}

/** Whether a version is before another; one without a patch counts as the newest of its patches. */
function isOlder(version: string, other: string): boolean {
  const [a, b] = [version, other].map((text) => text.split('.').map(Number));
  return a[0] - b[0] !== 0 ? a[0] < b[0] : a[1] - b[1] !== 0 ? a[1] < b[1] : a[2] !== undefined && a[2] < (b[2] ?? 0);
}

function needs(feature: string): string {
  const [redis, valkey] = FEATURES[feature];
  return redis ? `needs Redis OSS ${redis} or later, or Valkey` : `needs Valkey ${valkey} or later`;
}

function isCrowded(zones: Scalar[]): boolean {
  return zones.length > 1 && !zones.includes(UNKNOWN) && new Set(zones).size === 1;
}

const DAY = 24 * 60;

/** Start and length in minutes; undefined when it is no window of an hour at least. */
function window(text: string, isWeekly: boolean): [number, number] | undefined {
  const day = isWeekly ? '(mon|tue|wed|thu|fri|sat|sun):' : '()';
  const match = new RegExp(`^${day}([01]\\d|2[0-3]):([0-5]\\d)-${day}([01]\\d|2[0-3]):([0-5]\\d)$`, 'i').exec(text);
  if (!match) {
    return undefined;
  }
  const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
  const minutes = (at: number) =>
    Math.max(days.indexOf(match[at].toLowerCase()), 0) * DAY + Number(match[at + 1]) * 60 + Number(match[at + 2]);
  const period = isWeekly ? 7 * DAY : DAY;
  const length = (minutes(4) + period - minutes(1)) % period;
  return length >= 60 ? [minutes(1), length] : undefined;
}

function overlap([start, length]: [number, number], [weekStart, weekLength]: [number, number]): boolean {
  const week = 7 * DAY;
  return [0, 1, 2, 3, 4, 5, 6].some((day) => {
    const from = day * DAY + start;
    return (weekStart + week - from) % week < length || (from + week - weekStart) % week < weekLength;
  });
}
