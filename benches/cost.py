"""Measures the CPU time that a worker takes for an image on AWS's protocol, over TLS, beside `darkroom render`.

    python cost.py DARKROOM MINISTACK ROUNDS UPLOADS SLOTS FILE...

MINISTACK is the command of that emulator. stunnel4 stands before it, with a certificate of a CA made here, as the
services' TLS does on Fargate. In each round, for each number of SLOTS (such as 1,4,16), `darkroom render` makes the
thumbnails of UPLOADS files, then a worker publishes as many uploads of the same FILEs. Only the CPU time of these
processes counts, not that of the emulator, stunnel4 or this client. A core's hardware threads slow each other down, so
`darkroom render` runs once for each of them: beside the worker, the emulator and the client keep the others busy too.
"""
import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from botocore.config import Config
from botocore.session import get_session

TICKS = os.sysconf("SC_CLK_TCK")
PUBLISHED = 'darkroom_messages_settled_total{outcome="published"} '


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(is_true, what, process):
    until = time.monotonic() + 600
    while not is_true():
        if time.monotonic() > until or process.poll() is not None:
            sys.exit(f"not reached: {what}")
        time.sleep(0.05)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read().decode()
    except OSError:
        return ""


def published(admin):
    lines = answers(f"{admin}/metrics").splitlines()
    return sum(int(line.removeprefix(PUBLISHED)) for line in lines if line.startswith(PUBLISHED))


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def certificate(scratch):
    """A CA, and the certificate of 127.0.0.1 that it signed."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=scratch, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Benchmark CA", "-days", "2")
    openssl("req", "-new", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (scratch / "extensions").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "server.pem",
            "-days", "2", "-extfile", "extensions")


class Cloud:
    """MiniStack with its resources, and stunnel4 before it."""

    def __init__(self, command, scratch):
        self.plain, self.tls = free_port(), free_port()
        environment = {**os.environ, "GATEWAY_PORT": str(self.plain), "BIND_HOST": "127.0.0.1",
                       "SERVICES": "s3,sqs,dynamodb,sts", "LOG_LEVEL": "WARNING"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.emulator = subprocess.Popen(shlex.split(command), env=environment, **quiet)
        health = f"http://127.0.0.1:{self.plain}/_ministack/health"
        wait_until(lambda: answers(health), "MiniStack", self.emulator)
        certificate(scratch)
        settings = scratch / "stunnel.conf"
        settings.write_text(f"foreground = yes\npid =\n[tls]\naccept = 127.0.0.1:{self.tls}\n"
                            f"connect = 127.0.0.1:{self.plain}\ncert = {scratch}/server.pem\n"
                            f"key = {scratch}/server.key\n")
        self.stunnel = subprocess.Popen(["stunnel4", str(settings)], **quiet)
        session = get_session()
        session.set_credentials("test", "test")
        client = lambda service: session.create_client(
            service, region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{self.plain}",
            config=Config(s3={"addressing_style": "path"}))
        self.s3, self.sqs, self.dynamodb = client("s3"), client("sqs"), client("dynamodb")
        self.ca = scratch / "ca.pem"

    def close(self):
        for process in (self.stunnel, self.emulator):
            process.kill()
            process.wait()

    def deploy(self, name):
        """A bucket that sends its uploads to a queue, and a table; returns the settings of a worker."""
        self.s3.create_bucket(Bucket=name)
        self.dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST",
                                   AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                                   KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])

        def queue(queue_name, **attributes):
            url = self.sqs.create_queue(QueueName=queue_name, Attributes=attributes)["QueueUrl"]
            found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
            return url, found["Attributes"]["QueueArn"]

        dlq_url, dlq = queue(f"{name}-dlq")
        redrive = json.dumps({"deadLetterTargetArn": dlq, "maxReceiveCount": 10})
        queue_url, arn = queue(name, RedrivePolicy=redrive)
        rule = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "uploads/"}]}}
        self.s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": rule}]})
        return {
            "AWS_ENDPOINT_URL": f"https://127.0.0.1:{self.tls}", "SSL_CERT_FILE": str(self.ca),
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
            "DARKROOM_UPLOAD_BUCKET": name, "DARKROOM_TABLE": name,
            "DARKROOM_QUEUE_URL": queue_url.replace(f"http://127.0.0.1:{self.plain}", f"https://127.0.0.1:{self.tls}"),
            "DARKROOM_DLQ_URL": dlq_url.replace(f"http://127.0.0.1:{self.plain}", f"https://127.0.0.1:{self.tls}"),
        }


def rendered(binary, files, scratch):
    """CPU seconds of `darkroom render` per file, with one process for each core."""
    before, cores = os.times(), os.cpu_count()
    commands = [[binary, "render", "--force", "--out", scratch / "thumbnails", *files[core::cores]]
                for core in range(cores)]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    if any([process.wait() for process in processes]):
        sys.exit("a file was not rendered")
    after = os.times()
    return (after.children_user + after.children_system - before.children_user - before.children_system) / len(files)


def worked(binary, cloud, name, files, slots):
    """CPU seconds of a worker per upload, from the moment when it is ready."""
    settings = cloud.deploy(name)
    port = free_port()
    environment = {**settings, "PATH": os.environ["PATH"], "DARKROOM_RENDER_SLOTS": str(slots),
                   "DARKROOM_ADMIN_LISTEN": f"127.0.0.1:{port}", "RUST_LOG": "warn"}
    admin = f"http://127.0.0.1:{port}"
    worker = subprocess.Popen([binary, "worker"], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(f"{admin}/readyz"), "a ready worker", worker)
        begun = cpu_seconds(worker.pid)
        for number, file in enumerate(files):
            cloud.s3.put_object(Bucket=name, Key=f"uploads/{number}", Body=Path(file).read_bytes())
        wait_until(lambda: published(admin) >= len(files), "all uploads are published", worker)
        return (cpu_seconds(worker.pid) - begun) / len(files)
    finally:
        worker.kill()
        worker.wait()


def spread(values, factor, digits):
    scaled = [factor * value for value in values]
    return f"{statistics.median(scaled):.{digits}f} ({min(scaled):.{digits}f}-{max(scaled):.{digits}f})"


def main(binary, ministack, rounds, uploads, slots, *files):
    files = [files[number % len(files)] for number in range(int(uploads))]
    all_slots = [int(number) for number in slots.split(",")]
    measured = {number: ([], []) for number in all_slots}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        # `darkroom render` names its thumbnails after the files.
        copies = [scratch / f"{number}.jpg" for number in range(len(files))]
        for copy, file in zip(copies, files):
            copy.symlink_to(Path(file).resolve())
        for number in range(int(rounds)):
            for slots in all_slots:
                # MiniStack keeps objects in memory, so each worker has one of its own.
                (scratch / f"{number}-{slots}").mkdir()
                cloud = Cloud(ministack, scratch / f"{number}-{slots}")
                try:
                    alone = rendered(binary, copies, scratch)
                    among = worked(binary, cloud, f"images-{number}-{slots}", files, slots)
                finally:
                    cloud.close()
                measured[slots][0].append(alone)
                measured[slots][1].append(among)
    print("| slots | `darkroom render`, ms of CPU per image | worker, ms of CPU per image | ratio |")
    print("|---|---|---|---|")
    for slots, (alone, among) in measured.items():
        ratios = [one / other for one, other in zip(among, alone)]
        print(f"| {slots} | {spread(alone, 1000, 1)} | {spread(among, 1000, 1)} | {spread(ratios, 1, 2)} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
