#!/bin/sh
# kafka-storage.sh format|info|random-uuid ...: prepare the directories of a node.
exec /opt/kafka/bin/kafka-run-class.sh kafka.tools.StorageTool "$@"
