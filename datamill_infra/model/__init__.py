"""The pure model: no Dagster, no Kubernetes client, no network, no clock."""
