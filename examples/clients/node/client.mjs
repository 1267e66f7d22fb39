// A client that lives through rotations of its password: node client.mjs <ARN of the secret>
//
// The password is read from Secrets Manager and kept. When the cache refuses it, it was rotated: it is read again, and the
// command is sent once more. Prints the result of each command, until its input ends.

import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import Valkey from "iovalkey";

const secretId = process.argv[2];
const secrets = new SecretsManagerClient({});

async function connect() {
  const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: secretId }));
  const { host, port, username, password } = JSON.parse(SecretString);
  // `tls: {}` checks the certificate. No automatic reconnect: a new connection shall have the new password.
  const cache = new Valkey({ host, port, username, password, tls: {}, lazyConnect: true, retryStrategy: null });
  cache.on("error", () => {}); // every command reports its own error
  await cache.connect();
  return cache;
}

let cache = null;

async function call(name, ...args) {
  for (let tries = 0; ; tries++) {
    try {
      cache ??= await connect();
      return await cache.call(name, ...args);
    } catch (error) {
      // WRONGPASS and NOAUTH come with a rotation, a closed connection with a failover. Anything else is the caller's.
      const reconnect = /WRONGPASS|NOAUTH|Connection is closed|ECONN|EPIPE/.test(`${error.code} ${error.message}`);
      if (!reconnect || tries === 2) throw error;
      cache?.disconnect();
      cache = null;
    }
  }
}

let running = true;
process.stdin.on("end", () => (running = false)).resume();
while (running) {
  console.log(await call("INCR", "visits"));
  await new Promise((resolve) => setTimeout(resolve, 100));
}
cache?.disconnect();
