"""An S3 server on this machine: moto's, in a process of its own, spoken to over HTTP."""

import re
import subprocess
import sys
from pathlib import Path

SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


class ObjectStore:
    """A running server; it ends when its standard input does, so with this process at the latest."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._seen = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("wb"),
            text=True,
        )
        self.endpoint = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "a secret",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def make_bucket(self, name: str) -> None:
        """A bucket as its owner makes it."""
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="somebody",
            aws_secret_access_key="a secret",
        )
        client.create_bucket(Bucket=name)

    def requests(self) -> list[tuple[str, str]]:
        """(method, path with query) of every request answered since this was asked last."""
        log = re.sub(r"\x1b\[\d*m", "", self._log.read_text())  # refusals and ranges are coloured
        found = re.findall(r'"([A-Z]+) (\S+) HTTP/1\.1" \d+', log)
        new, self._seen = found[self._seen :], len(found)
        return new

    def end(self) -> None:
        self._process.communicate("")
