#!/bin/sh
# kafka-server-start.sh FILE: run a node as the properties file says.
exec /opt/kafka/bin/kafka-run-class.sh kafka.Kafka "$@"
