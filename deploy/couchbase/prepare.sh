#!/bin/sh
# Makes bucket, scope, collections, indexes and the user on a cluster; with INIT=1 it first makes a cluster of one new
# node. What is there stays as it is, so it may be run again.
#
#   COUCHBASE=http://localhost:8091 QUERY=http://localhost:8093 ADMIN=Administrator ADMIN_PASSWORD=… \
#   BUCKET=catalog SCOPE=sluice SLUICE_USER=sluice SLUICE_PASSWORD=… sh prepare.sh
set -eu

: "${COUCHBASE:=http://localhost:8091}" "${QUERY:=http://localhost:8093}" "${ADMIN:=Administrator}"
: "${BUCKET:=catalog}" "${SCOPE:=sluice}"
here=$(dirname "$0")

admin() { curl -fsS -u "$ADMIN:$ADMIN_PASSWORD" "$@"; }
# Fails unless it is done or was done before.
once() { admin -o /dev/null "$@" 2>/dev/null || echo "already there, or refused: $1"; }
wait_for() {
  for _ in $(seq 60); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 2
  done
  echo "gave up waiting for: $*" >&2
  return 1
}

wait_for curl -fsS "$COUCHBASE/ui/index.html"
if [ -n "${INIT:-}" ]; then
  curl -fsS -o /dev/null "$COUCHBASE/node/controller/setupServices" -d 'services=kv,n1ql,index' || true
  curl -fsS -o /dev/null "$COUCHBASE/pools/default" -d 'memoryQuota=512' -d 'indexMemoryQuota=256' || true
  curl -fsS -o /dev/null "$COUCHBASE/settings/indexes" -d 'storageMode=plasma' || true
  curl -fsS -o /dev/null "$COUCHBASE/settings/web" -d 'port=SAME' \
    --data-urlencode "username=$ADMIN" --data-urlencode "password=$ADMIN_PASSWORD" || true
fi
wait_for admin "$COUCHBASE/pools/default"

once "$COUCHBASE/pools/default/buckets" -d "name=$BUCKET" -d ramQuota=256 -d replicaNumber=0
wait_for admin "$COUCHBASE/pools/default/buckets/$BUCKET/scopes"
once "$COUCHBASE/pools/default/buckets/$BUCKET/scopes" -d "name=$SCOPE"
for collection in provider_services providers bundles subscription_fields; do
  once "$COUCHBASE/pools/default/buckets/$BUCKET/scopes/$SCOPE/collections" -d "name=$collection"
done

query() {
  admin "$QUERY/query/service" --data-urlencode "query_context=default:$BUCKET.$SCOPE" \
    --data-urlencode "statement=$1"
}
wait_for query 'SELECT 1'
# An index that is being built elsewhere makes the server refuse the next one for a moment.
is_there() { query "SELECT name FROM system:indexes WHERE name = '$1' AND state = 'online'" | grep -q "\"$1\""; }
made() { query "$1" >/dev/null 2>&1 || true; is_there "$2"; }
grep '^CREATE INDEX' "$here/indexes.sql" | while read -r statement; do
  name=$(echo "$statement" | cut -d '`' -f 2)
  wait_for made "${statement%;}" "$name"
done
sh "$here/user.sh"
