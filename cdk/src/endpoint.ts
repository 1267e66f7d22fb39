/**
 * Where clients connect to.
 */
export class Endpoint {
  constructor(
    /** Host name. */
    public readonly hostname: string,
    /** Port; it may be a token. */
    public readonly port: number,
    /** `host:port`. */
    public readonly socketAddress: string,
  ) {}
}
