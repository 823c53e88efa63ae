#!/bin/sh
# Start S3Proxy from environment variables; secrets are put into a file, because arguments can be seen by everybody.
set -eu
umask 077
properties=${TMPDIR:-/tmp}/s3proxy.properties
cat > "$properties" <<END
s3proxy.endpoint=${S3PROXY_ENDPOINT:-http://0.0.0.0:8080}
s3proxy.authorization=${S3PROXY_AUTHORIZATION:-aws-v2-or-v4}
s3proxy.identity=${S3PROXY_IDENTITY:-local-identity}
s3proxy.credential=${S3PROXY_CREDENTIAL:-local-credential}
jclouds.provider=${JCLOUDS_PROVIDER:-filesystem-nio2}
jclouds.filesystem.basedir=${JCLOUDS_FILESYSTEM_BASEDIR:-/data}
END
# shellcheck disable=SC2086  # several options
exec "$JAVA_HOME/bin/java" ${S3PROXY_JAVA_OPTS:-} -jar /opt/s3proxy/s3proxy --properties "$properties"
