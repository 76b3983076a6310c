#!/bin/sh
# Makes the user that Sluice reads with: it may query and read the documents of one scope, and nothing else.
#
#   COUCHBASE=http://localhost:8091 ADMIN=Administrator ADMIN_PASSWORD=… \
#   BUCKET=catalog SCOPE=sluice SLUICE_USER=sluice SLUICE_PASSWORD=… sh user.sh
#
# The roles are those of the Enterprise Edition; the Community Edition has only bucket_full_access[BUCKET].
set -eu

: "${COUCHBASE:=http://localhost:8091}" "${ADMIN:=Administrator}" "${BUCKET:=catalog}" "${SCOPE:=sluice}"
: "${SLUICE_USER:=sluice}"

roles="query_select[$BUCKET:$SCOPE],data_reader[$BUCKET:$SCOPE]"
curl -fsS -o /dev/null -u "$ADMIN:$ADMIN_PASSWORD" -X PUT "$COUCHBASE/settings/rbac/users/local/$SLUICE_USER" \
  --data-urlencode "password=$SLUICE_PASSWORD" --data-urlencode "roles=$roles"
echo "user $SLUICE_USER: $roles"
