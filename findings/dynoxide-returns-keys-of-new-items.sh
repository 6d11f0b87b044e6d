#!/usr/bin/env bash
# dynoxide returns the key as the old attributes of an item that did not exist.
#
# Version:   dynoxide 1.2.1 (npm @dynoxide/linux-x64), botocore 1.44.8 (PyPI)
# Guess:     UpdateItem with ReturnValues=ALL_OLD has no Attributes if it creates the item, as in DynamoDB, and as
#            dynoxide's own PutItem answers.
# Behaviour: UpdateItem's Attributes are the key of the new item; PutItem has none.
# So:        who reads "nothing returned" as "it is new" finds an old item without a field. darkroom takes an item of its
#            key alone for no record.
# Seen:      see "expected" at the end
set -euo pipefail
folder=$(mktemp -d)
pid=
trap '{ kill -KILL ${pid:+"$pid"} || true; wait; } 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet install botocore==1.44.8
npm install --silent --no-audit --no-fund --prefix . @dynoxide/linux-x64@1.2.1 >npm.log 2>&1
node_modules/@dynoxide/linux-x64/dynoxide --port 28800 >log 2>&1 &
pid=$!
cat >ask.py <<'PYTHON'
import time

from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.session import get_session

session = get_session()
session.set_credentials("test", "test")
dynamodb = session.create_client("dynamodb", region_name="us-east-1", endpoint_url="http://127.0.0.1:28800",
                                 config=Config(retries={"max_attempts": 1}))
table = {"TableName": "images"}
for attempt in range(100):
    try:
        dynamodb.create_table(**table, BillingMode="PAY_PER_REQUEST",
                              AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                              KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
        break
    except BotoCoreError:
        time.sleep(0.3)
one = {":one": {"N": "1"}}
updated = dynamodb.update_item(**table, Key={"id": {"S": "cat"}}, UpdateExpression="SET rev = :one",
                               ExpressionAttributeValues=one, ReturnValues="ALL_OLD")
put = dynamodb.put_item(**table, Item={"id": {"S": "dog"}}, ReturnValues="ALL_OLD")
print("UpdateItem:", updated.get("Attributes"))
print("PutItem:", put.get("Attributes"))
PYTHON
seen=$(venv/bin/python ask.py)
echo "$seen"
expected="UpdateItem: {'id': {'S': 'cat'}}
PutItem: None"
[ "$seen" = "$expected" ] || { echo "changed"; exit 1; }
