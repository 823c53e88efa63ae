{{/* How many pods of the release the draining of nodes may take at once. A pod that is not ready protects nobody's data. */}}
{{- define "library.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .Release.Name }}
  labels:
    {{- include "library.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .Values.disruptions }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "library.selectorLabels" . | nindent 6 }}
{{- end }}
