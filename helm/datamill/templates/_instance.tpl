{{/* dagster.yaml. Secrets are named by environment variables, here and in what is handed to runs. */}}
{{- define "datamill.instance" -}}
telemetry:
  enabled: false
nux:
  enabled: false
storage:
  custom:
    module: datamill_infra.orchestration.storage
    class: DeploymentStorage
    config:
      postgres_db:
        # SQLAlchemy's own choice is another driver by now than the one that dagster-postgres brings.
        scheme: postgresql+psycopg2
        hostname: {{ .Values.postgres.host | quote }}
        port: {{ .Values.postgres.port }}
        db_name: {{ .Values.postgres.database | quote }}
        username: {{ .Values.postgres.username | quote }}
        password:
          env: DAGSTER_PG_PASSWORD
compute_logs:
  module: datamill_infra.orchestration.compute_logs
  class: DeploymentComputeLogManager
  config:
    home:
      env: DAGSTER_HOME
    bucket: {{ .Values.s3.bucket | quote }}
run_launcher:
  module: datamill_infra.orchestration.run_launcher
  class: DeploymentRunLauncher
  config:
    {{- include "datamill.launcher" . | nindent 4 }}
# A failed step is not retried by starting its whole run again; a run is started again only when its pod disappeared.
run_retries:
  enabled: true
  max_retries: 1
  retry_on_asset_or_op_failure: false
# Pods that vanish, are evicted or cannot start are seen by this, and end the run with the reason.
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  cancel_timeout_seconds: 120
  max_resume_run_attempts: 0
  poll_interval_seconds: 15
  free_slots_after_run_end_seconds: 60
concurrency:
  # A pool is something that one step at a time may use, in whatever pod: a session of a broker.
  pools:
    default_limit: 1
  runs:
    max_concurrent_runs: {{ .Values.runs.concurrent }}
    tag_concurrency_limits:
      - key: datamill/writer
        limit: 1
sensors:
  use_threads: true
  num_workers: 2
schedules:
  use_threads: true
  num_workers: 2
python_logs:
  managed_python_loggers:
    - datamill_infra
    - datamill_pipelines
  python_log_level: INFO
{{- end }}

{{/*
Each run is a job of the run namespace, from the image of its code location, which adds what its runs have mounted. The keys
are those of dagster-k8s.
*/}}
{{- define "datamill.launcher" -}}
{{- $security := include "library.podSecurity" (list . 1000) | fromYaml -}}
load_incluster_config: true
job_namespace: {{ include "datamill.runs" . }}
service_account_name: {{ .Release.Name }}-runs
dagster_home: {{ include "datamill.home" . }}
instance_config_map: {{ .Release.Name }}
labels:
  app.kubernetes.io/name: {{ .Chart.Name }}-run
  app.kubernetes.io/instance: {{ .Release.Name }}-run
  app.kubernetes.io/part-of: datamill
run_k8s_config:
  pod_spec_config:
    enable_service_links: false
    security_context:
      {{- $security.securityContext | toYaml | nindent 6 }}
    volumes:
      {{- include "datamill.homeVolumes" . | nindent 6 }}
  container_config:
    env:
      {{- include "datamill.runEnvironment" . | nindent 6 }}
    security_context:
      {{- (include "library.containerSecurity" . | fromYaml).securityContext | toYaml | nindent 6 }}
    resources:
      {{- .Values.runs.resources | toYaml | nindent 6 }}
    volume_mounts:
      {{- include "datamill.homeMounts" . | nindent 6 }}
  job_spec_config:
    # Their logs are on the object store; what is left of a run here is for looking at for a while.
    ttl_seconds_after_finished: {{ .Values.runs.keepSeconds }}
    backoff_limit: 0
{{- end }}

{{- define "datamill.workspace" -}}
load_from:
  - grpc_server:
      host: {{ .Release.Name }}-pipelines
      port: 4000
      location_name: datamill_pipelines
  {{- if .Values.infrastructure.enabled }}
  - grpc_server:
      host: {{ .Release.Name }}-infrastructure
      port: 4000
      location_name: datamill_infra
  {{- end }}
{{- end }}

{{- define "datamill.store" -}}
{{- $fields := dict "endpoint" .Values.s3.endpoint "region" .Values.s3.region "path_style" .Values.s3.pathStyle -}}
{{- $secrets := dict "access_key" "s3.access_key" "secret_key" "s3.secret_key" -}}
{{- dict "s3" (dict "capability" "s3" "component" "s3" "fields" $fields "secrets" $secrets) | toJson -}}
{{- end }}
