{{/* What scheduler and workers share, from a list of context and the part's name. */}}
{{- define "dask.labels" -}}
{{ include "library.podLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "dask.selector" -}}
{{ include "library.selectorLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "dask.environment" -}}
env:
  # The image's own home cannot be written, and Dask looks for its configuration there.
  - name: HOME
    value: /tmp
  - name: DASK_DISTRIBUTED__WORKER__DAEMON
    value: "False"
{{- end }}

{{- define "dask.scratch" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.scratch }}
{{- end }}
