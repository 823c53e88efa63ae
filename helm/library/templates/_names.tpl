{{/* One release per component and namespace: its name is the name of everything in it. */}}
{{- define "library.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "library.labels" -}}
{{ include "library.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: datamill
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Of pods: no versions, so that a pod changes only when what runs in it does. */}}
{{- define "library.podLabels" -}}
{{ include "library.selectorLabels" . }}
app.kubernetes.io/part-of: datamill
{{- end }}

{{/* Name of the image in global.images, from a list of context and name. */}}
{{- define "library.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $image := get $root.Values.global.images $name -}}
{{- if not $image }}{{ fail (printf "global.images has no %q: pass helm/images.yaml as a values file" $name) }}{{ end -}}
image: {{ $image.repository }}:{{ $image.tag }}{{ with $image.digest }}@{{ . }}{{ end }}
imagePullPolicy: {{ $image.pullPolicy | default "IfNotPresent" }}
{{- end }}
