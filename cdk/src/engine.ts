/**
 * Engine of a cache, with its version.
 */
export class Engine {
  /** Valkey 7.2. */
  public static readonly VALKEY_7_2 = Engine.of('valkey', '7.2');
  /** Valkey 8.0. */
  public static readonly VALKEY_8_0 = Engine.of('valkey', '8.0');
  /** Valkey 8.1. */
  public static readonly VALKEY_8_1 = Engine.of('valkey', '8.1');
  /** Valkey 8.2. */
  public static readonly VALKEY_8_2 = Engine.of('valkey', '8.2');
  /** Valkey 9.0. */
  public static readonly VALKEY_9_0 = Engine.of('valkey', '9.0');
  /** Valkey 9.1. */
  public static readonly VALKEY_9_1 = Engine.of('valkey', '9.1');
  /** Redis OSS 5.0.6. */
  public static readonly REDIS_5_0_6 = Engine.of('redis', '5.0.6');
  /** Redis OSS 6.0. */
  public static readonly REDIS_6_0 = Engine.of('redis', '6.0');
  /** Redis OSS 6.2. */
  public static readonly REDIS_6_2 = Engine.of('redis', '6.2');
  /** Redis OSS 7.0. */
  public static readonly REDIS_7_0 = Engine.of('redis', '7.0');
  /** Redis OSS 7.1. */
  public static readonly REDIS_7_1 = Engine.of('redis', '7.1');

  /**
   * An engine by name, in a version that ElastiCache offers.
   *
   * @param name `valkey` or `redis`.
   * @param version Such as `8.2`. The default is that of the function: Valkey 8.2, Redis OSS 7.1.
   */
  public static of(name: string, version?: string): Engine {
    return new Engine(name, version);
  }

  private constructor(
    /** `valkey` or `redis`. */
    public readonly name: string,
    /**
     * The version, such as `8.2`.
     *
     * @default - that of the function
     */
    public readonly version?: string,
  ) {}
}
