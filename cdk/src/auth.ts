import { Duration, SecretValue } from 'aws-cdk-lib';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';

/**
 * Where the function keeps a password.
 */
export interface SecretOptions {
  /**
   * Name of the secret. Outside `elasticache/*` the function may only write it where its role allows it.
   *
   * @default - `elasticache/<replication group id>/auth-token`
   */
  readonly secretName?: string;

  /**
   * Key that the secret is encrypted with.
   *
   * @default - key of AWS
   */
  readonly encryptionKey?: kms.IKey;

  /**
   * How long the secret can be restored after the cache is deleted: 0, or 7 to 30 days.
   *
   * @default Duration.days(7)
   */
  readonly recoveryWindow?: Duration;
}

/**
 * Options of a password that the function makes.
 */
export interface GeneratedOptions extends SecretOptions {
  /**
   * A change of it rotates the password.
   *
   * @default none
   */
  readonly version?: string;

  /**
   * How long the old password still works after a scheduled rotation, up to an hour.
   *
   * @default - until the next rotation
   */
  readonly grace?: Duration;
}

/**
 * How clients log in.
 */
export class Auth {
  /** No password. */
  public static none(): Auth {
    return new Auth({}, {});
  }

  /** A password that the function makes and keeps in Secrets Manager. */
  public static generated(options: GeneratedOptions = {}): Auth {
    return new Auth({
      AuthTokenEnabled: true,
      AuthTokenVersion: options.version,
      AuthTokenGraceMinutes: options.grace?.toMinutes(),
      ...kept(options),
    }, { isGenerated: true, isKept: true, key: options.encryptionKey, secretKey: 'password' });
  }

  /**
   * A password of the template. The function keeps it in Secrets Manager too. Prefer `generated` or `fromSecret`, which
   * never bring it into a template, or a dynamic reference.
   */
  public static fromToken(token: SecretValue, options: SecretOptions = {}): Auth {
    return new Auth({ AuthToken: token.unsafeUnwrap(), ...kept(options) },
      { isKept: true, key: options.encryptionKey, secretKey: 'password' });
  }

  /**
   * A password in a secret of yours, which the function only reads. A provider in the same application is allowed to.
   *
   * @param key Key of the password in the secret's JSON. The default is the whole text.
   */
  public static fromSecret(secret: secretsmanager.ISecret, key?: string): Auth {
    return new Auth({ AuthTokenSecretArn: secret.secretArn, AuthTokenSecretKey: key }, { secret, secretKey: key });
  }

  /** Users and rights by a user group of ElastiCache. A cache takes one. */
  public static userGroups(...ids: string[]): Auth {
    return new Auth({ UserGroupIds: ids }, {});
  }

  private constructor(
    /**
     * What the resource gets of it.
     *
     * @internal
     */
    public readonly _properties: { [name: string]: any },
    /**
     * Where the password is.
     *
     * @internal
     */
    public readonly _password: PasswordSource,
  ) {}
}

/** Where a password is, and who makes it. */
interface PasswordSource {
  readonly isGenerated?: boolean;
  readonly isKept?: boolean;
  readonly secret?: secretsmanager.ISecret;
  readonly secretKey?: string;
  readonly key?: kms.IKey;
}

function kept(options: SecretOptions) {
  return {
    SecretName: options.secretName,
    SecretKmsKeyId: options.encryptionKey?.keyArn,
    SecretRecoveryWindowInDays: options.recoveryWindow?.toDays(),
  };
}
