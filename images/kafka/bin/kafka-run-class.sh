#!/bin/sh
# kafka-run-class.sh CLASS [ARGUMENT]...: run one class of Kafka. Options of the JVM come from the variables below.
set -eu
: "${KAFKA_HEAP_OPTS:=-Xmx512m}"
: "${KAFKA_LOG4J_OPTS:=-Dlog4j2.configurationFile=/opt/kafka/config/log4j2.properties}"
# shellcheck disable=SC2086  # each variable holds several options
exec "$JAVA_HOME/bin/java" $KAFKA_HEAP_OPTS $KAFKA_LOG4J_OPTS ${KAFKA_JVM_PERFORMANCE_OPTS:-} ${KAFKA_OPTS:-} \
  -cp "/opt/kafka/libs/*" "$@"
