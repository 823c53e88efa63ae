{{/* The broker's settings; the password is read from the mounted Secret by Kafka's own configuration provider. */}}
{{- define "kafka.settings" -}}
{{- $password := printf "${dir:/etc/kafka/secret:%s}" .Values.secret.key -}}
{{- $user := .Values.username -}}
{{- $login := printf "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"%s\" password=\"%s\" user_%s=\"%s\";" $user $password $user $password -}}
{{- $settings := dict
  "process.roles" "broker,controller"
  "node.id" "1"
  "controller.quorum.voters" "1@127.0.0.1:9093"
  "controller.listener.names" "CONTROLLER"
  "listeners" "BROKER://:9092,CONTROLLER://127.0.0.1:9093"
  "advertised.listeners" (printf "BROKER://%s.%s.svc:9092" .Release.Name .Release.Namespace)
  "inter.broker.listener.name" "BROKER"
  "listener.security.protocol.map" "BROKER:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"
  "sasl.enabled.mechanisms" "PLAIN"
  "sasl.mechanism.inter.broker.protocol" "PLAIN"
  "config.providers" "dir"
  "config.providers.dir.class" "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
  "listener.name.broker.plain.sasl.jaas.config" $login
  "log.dirs" "/var/lib/kafka/data/log"
  "num.partitions" (.Values.partitions | int)
  "log.retention.hours" (.Values.retentionHours | int)
  "auto.create.topics.enable" "false"
  "default.replication.factor" "1"
  "offsets.topic.replication.factor" "1"
  "offsets.topic.num.partitions" "4"
  "transaction.state.log.replication.factor" "1"
  "transaction.state.log.min.isr" "1"
  "transaction.state.log.num.partitions" "4"
  "share.coordinator.state.topic.replication.factor" "1"
  "share.coordinator.state.topic.min.isr" "1"
  "share.coordinator.state.topic.num.partitions" "1"
  "group.initial.rebalance.delay.ms" "0"
-}}
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

{{- define "kafka.start" -}}
if [ ! -f /var/lib/kafka/data/log/meta.properties ]; then
  # 16 random bytes as Kafka writes them, and no dash at the beginning. Its own tool would start Java once more.
  id="$(head -c 16 /dev/urandom | base64 | tr '+/' 'AA' | cut -c 1-22)"
  /opt/kafka/bin/kafka-storage.sh format --cluster-id "$id" --config /etc/kafka/server.properties
fi
exec /opt/kafka/bin/kafka-server-start.sh /etc/kafka/server.properties
{{- end }}
