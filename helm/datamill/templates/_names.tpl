{{/* Labels of one part's objects, of its pods, and the ones by which it is found; from a list of context and part. */}}
{{- define "datamill.labels" -}}
{{ include "library.labels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "datamill.podLabels" -}}
{{ include "library.podLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "datamill.selector" -}}
{{ include "library.selectorLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* The namespace of runs. Who may make jobs in a namespace can mount every Secret in it, so it is one of their own. */}}
{{- define "datamill.runs" -}}
{{- $runs := .Values.global.runs -}}
{{- if or (not $runs) (eq $runs .Release.Namespace) -}}
{{- fail "global.runs: name a namespace for runs that is not the one of the release" -}}
{{- end -}}
{{ $runs }}
{{- end }}

{{- define "datamill.home" -}}/var/lib/datamill{{- end }}

{{/* Name and tag of an image of global.images, from a list of context and name. */}}
{{- define "datamill.image" -}}
{{- $image := include "library.image" . | fromYaml -}}
{{ $image.image }}
{{- end }}

{{- define "datamill.pullPolicy" -}}
{{- $image := include "library.image" . | fromYaml -}}
{{ $image.imagePullPolicy }}
{{- end }}
