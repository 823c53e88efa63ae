{{/*
A role and who has it, from a list of context, name, namespace, service accounts, rules. The accounts are those of the
release's namespace, but for that of runs.
*/}}
{{- define "datamill.rights" -}}
{{- $root := index . 0 -}}
{{- $name := printf "%s-%s" $root.Release.Name (index . 1) -}}
{{- $namespace := index . 2 -}}
{{- $own := printf "%s-runs" $root.Release.Name -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels:
    {{- include "library.labels" $root | nindent 4 }}
rules:
  {{- index . 4 | toYaml | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels:
    {{- include "library.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
  {{- range index . 3 }}
  - kind: ServiceAccount
    name: {{ . }}
    namespace: {{ eq . $own | ternary $namespace $root.Release.Namespace }}
  {{- end }}
{{- end }}
