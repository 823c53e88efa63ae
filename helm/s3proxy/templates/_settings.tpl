{{- define "s3proxy.settings" -}}
s3proxy.endpoint=http://0.0.0.0:8080
s3proxy.authorization=aws-v2-or-v4
jclouds.provider=filesystem-nio2
jclouds.filesystem.basedir=/data/objects
{{- end }}

{{/* S3Proxy reads one file of properties; the credentials are joined in here, in memory, and never in an argument. */}}
{{- define "s3proxy.start" -}}
umask 077
mkdir -p /data/objects
{
  cat /etc/s3proxy/s3proxy.conf
  printf '\ns3proxy.identity=%s\n' "$(cat /etc/s3proxy-secret/{{ .Values.secret.accessKey }})"
  printf 's3proxy.credential=%s\n' "$(cat /etc/s3proxy-secret/{{ .Values.secret.secretKey }})"
} > /run/s3proxy/s3proxy.conf
exec java -Xmx{{ .Values.heap }} -XX:+UseSerialGC -jar /opt/s3proxy/s3proxy --properties /run/s3proxy/s3proxy.conf
{{- end }}
