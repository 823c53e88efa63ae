{{/* MLServer's settings.json. Worker processes outlive a killed server; models are loaded once the server is there. */}}
{{- define "mlserver.settings" -}}
{{- $bucket := dict
  "url" (printf "s3://%s" .Values.s3.bucket)
  "endpoint" .Values.s3.endpoint
  "region" .Values.s3.region
  "path_style" .Values.s3.pathStyle
-}}
{{- dict
  "host" "0.0.0.0"
  "http_port" 8080
  "grpc_port" 8081
  "metrics_port" 8082
  "metrics_dir" "/tmp/metrics"
  "environments_dir" "/tmp/environments"
  "model_repository_root" "/mnt/models"
  "model_repository_implementation" "datamill_pipelines.serving.mirror.MirroredRepository"
  "model_repository_implementation_args" $bucket
  "load_models_at_startup" false
  "parallel_workers" 0
  "debug" false
  | toPrettyJson -}}
{{- end }}
