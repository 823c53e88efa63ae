{{- define "rabbitmq.settings" -}}
{{- $settings := dict
  "listeners.tcp.default" "5672"
  "mqtt.listeners.tcp.default" "1883"
  "mqtt.vhost" "/"
  "mqtt.exchange" "amq.topic"
  "load_definitions" "/run/rabbitmq/definitions.json"
  "vm_memory_high_watermark.absolute" .Values.memory
  "disk_free_limit.absolute" .Values.minDiskFree
  "log.console" "true"
  "log.console.level" "info"
  "log.file" "false"
-}}
{{- range $key, $value := mergeOverwrite $settings .Values.settings }}
{{ $key }} = {{ kindIs "float64" $value | ternary ($value | toJson) $value }}
{{- end }}
{{- end }}

{{/* AMQP 1.0 is a plugin before RabbitMQ 4, and a plugin without content since. */}}
{{- define "rabbitmq.plugins" -}}
[rabbitmq_amqp1_0,rabbitmq_mqtt].
{{- end }}

{{/*
What the node has at each start, whatever it had before; PASSWORD stands for what is in the Secret. There is nobody but this
user, so nobody gets in without a name. The queue is for the probe: an AMQP 1.0 client cannot make one.
*/}}
{{- define "rabbitmq.definitions" -}}
{{- $user := dict "name" .Values.username "password" "PASSWORD" "tags" "" -}}
{{- $all := dict "user" .Values.username "vhost" "/" "configure" ".*" "write" ".*" "read" ".*" -}}
{{- $queue := dict "name" "datamill-probe" "vhost" "/" "durable" true "auto_delete" false "arguments" dict -}}
{{- dict "vhosts" (list (dict "name" "/")) "users" (list $user) "permissions" (list $all) "queues" (list $queue) | toJson }}
{{- end }}

{{/* The password is joined in here, in memory, and never in an argument. */}}
{{- define "rabbitmq.start" -}}
umask 077
cookie="$HOME/.erlang.cookie"
if [ ! -s "$cookie" ]; then
  head -c 32 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' > "$cookie"
fi
# Erlang refuses a cookie that others may read, and a volume may be given to a group as a whole.
chmod 0400 "$cookie"
password="$(sed 's/["\\]/\\&/g' /etc/rabbitmq-secret/{{ .Values.secret.key }})"
while IFS= read -r line || [ -n "$line" ]; do
  printf '%s%s%s' "${line%%PASSWORD*}" "$password" "${line#*PASSWORD}"
done < /etc/rabbitmq/definitions.json > /run/rabbitmq/definitions.json
unset password
exec rabbitmq-server
{{- end }}
