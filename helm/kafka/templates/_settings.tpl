{{/*
What all nodes have in common; the password is read from the mounted Secret by Kafka's own configuration provider. One node
keeps its controller to itself. Three are one quorum, whose members log in to each other like every client.
*/}}
{{- define "kafka.settings" -}}
{{- $nodes := int .Values.nodes -}}
{{- $several := gt $nodes 1 -}}
{{- $voters := list -}}
{{- range $number := until $nodes -}}
{{- $voters = append $voters (printf "%d@%s-%d.%s.%s.svc:9093" (add1 $number) $.Release.Name $number $.Release.Name $.Release.Namespace) -}}
{{- end -}}
{{- $password := printf "${dir:/etc/kafka/secret:%s}" .Values.secret.key -}}
{{- $user := .Values.username -}}
{{- $login := printf "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"%s\" password=\"%s\" user_%s=\"%s\";" $user $password $user $password -}}
{{- /* Of three copies two must have a message before it counts as written, so that one node may be away. */ -}}
{{- $insync := $several | ternary 2 1 -}}
{{- $settings := dict
  "process.roles" "broker,controller"
  "controller.quorum.voters" ($several | ternary (join "," $voters) "1@127.0.0.1:9093")
  "controller.listener.names" "CONTROLLER"
  "listeners" (printf "BROKER://:9092,CONTROLLER://%s:9093" ($several | ternary "" "127.0.0.1"))
  "inter.broker.listener.name" "BROKER"
  "listener.security.protocol.map" (printf "BROKER:SASL_PLAINTEXT,CONTROLLER:%s" ($several | ternary "SASL_PLAINTEXT" "PLAINTEXT"))
  "sasl.enabled.mechanisms" "PLAIN"
  "sasl.mechanism.inter.broker.protocol" "PLAIN"
  "config.providers" "dir"
  "config.providers.dir.class" "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
  "listener.name.broker.plain.sasl.jaas.config" $login
  "log.dirs" "/var/lib/kafka/data/log"
  "num.partitions" (.Values.partitions | int)
  "log.retention.hours" (.Values.retentionHours | int)
  "auto.create.topics.enable" "false"
  "default.replication.factor" $nodes
  "min.insync.replicas" $insync
  "offsets.topic.replication.factor" $nodes
  "offsets.topic.num.partitions" "4"
  "transaction.state.log.replication.factor" $nodes
  "transaction.state.log.min.isr" $insync
  "transaction.state.log.num.partitions" "4"
  "share.coordinator.state.topic.replication.factor" $nodes
  "share.coordinator.state.topic.min.isr" $insync
  "share.coordinator.state.topic.num.partitions" "1"
  "group.initial.rebalance.delay.ms" "0"
-}}
{{- if $several -}}
{{- $_ := set $settings "sasl.mechanism.controller.protocol" "PLAIN" -}}
{{- $_ := set $settings "listener.name.controller.sasl.enabled.mechanisms" "PLAIN" -}}
{{- $_ := set $settings "listener.name.controller.plain.sasl.jaas.config" $login -}}
{{- end -}}
{{- range $key, $value := mergeOverwrite $settings .Values.settings }}
{{ $key }}={{ kindIs "float64" $value | ternary ($value | toJson) $value }}
{{- end }}
{{- end }}

{{- define "kafka.logging" -}}
rootLogger.level=INFO
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1.}: %m%n
# Hundreds of lines with every setting, at each start and for each internal client.
logger.settings.name=org.apache.kafka.common.config.AbstractConfig
logger.settings.level=WARN
{{- end }}

{{/*
What is a node's own is joined to what all have: its number is that of its pod, and clients reach it by the name of its pod,
or of the service when it is alone.
*/}}
{{- define "kafka.start" -}}
{{- $service := printf "%s.%s.svc" .Release.Name .Release.Namespace -}}
number="$((${HOSTNAME##*-} + 1))"
{
  cat /etc/kafka/server.properties
  printf '\nnode.id=%s\nadvertised.listeners=BROKER://%s:9092\n' "$number" {{ gt (int .Values.nodes) 1 | ternary (printf "\"$HOSTNAME.%s\"" $service) $service }}
} > /tmp/server.properties
{{- if gt (int .Values.nodes) 1 }}
id="$(cut -c 1-22 /etc/kafka/secret/{{ .Values.secret.clusterKey }})"
{{- else }}
# 16 random bytes as Kafka writes them, and no dash at the beginning. Its own tool would start Java once more.
id="$(head -c 16 /dev/urandom | base64 | tr '+/' 'AA' | cut -c 1-22)"
{{- end }}
meta=/var/lib/kafka/data/log/meta.properties
if [ ! -f "$meta" ]; then
  /opt/kafka/bin/kafka-storage.sh format --cluster-id "$id" --config /tmp/server.properties
{{- if gt (int .Values.nodes) 1 }}
elif ! grep -q "^cluster.id=$id" "$meta"; then
  echo "This volume is of another cluster, as of one with a single node. Move its topics, or deploy with its number of nodes." >&2
  exit 1
{{- end }}
fi
exec /opt/kafka/bin/kafka-server-start.sh /tmp/server.properties
{{- end }}
