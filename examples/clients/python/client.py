"""A client that lives through rotations of its password: python client.py <ARN of the secret>

The password is read from Secrets Manager and kept. When the cache refuses it, it was rotated: it is read again, and the
command is sent once more. Prints the result of each command, until its input ends.
"""

import json
import sys
import threading
import time

import boto3
import valkey


class Password(valkey.CredentialProvider):
    """Gives every new connection the password that the secret holds when it is opened."""

    def __init__(self, secret_id):
        self.secret_id = secret_id
        self.secrets = boto3.client("secretsmanager")
        self.value = None

    def read(self):
        text = self.secrets.get_secret_value(SecretId=self.secret_id)["SecretString"]
        self.value = json.loads(text)
        return self.value

    def get_credentials(self):
        value = self.value or self.read()
        return value["username"], value["password"]


class Cache:
    def __init__(self, secret_id):
        self.password = Password(secret_id)
        place = self.password.read()
        # ssl=True checks certificate and host name.
        self.client = valkey.Valkey(
            host=place["host"], port=place["port"], ssl=True, credential_provider=self.password
        )

    def command(self, *args):
        tries = 0
        while True:
            try:
                return self.client.execute_command(*args)
            # The first comes with a rotation, the second with a failover too.
            except (valkey.AuthenticationError, valkey.ConnectionError):
                tries += 1
                if tries == 3:
                    raise
                self.password.read()
                self.client.connection_pool.disconnect()


def main():
    cache = Cache(sys.argv[1])
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        print(cache.command("INCR", "visits"), flush=True)
        time.sleep(0.1)


main()
