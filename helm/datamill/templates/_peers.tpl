{{- define "datamill.apiServer" -}}
ports:
  {{- range .Values.kubernetes.ports }}
  - port: {{ . }}
    protocol: TCP
  {{- end }}
{{- with .Values.kubernetes.addresses }}
to:
  {{- range . }}
  - ipBlock:
      cidr: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Spark's driver and its executors, and the ports that drivers name: their own, and that of everybody's blocks. */}}
{{- define "datamill.executors" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/part-of: datamill
{{- end }}

{{- define "datamill.executorPorts" -}}
- port: 7078
  protocol: TCP
- port: 7079
  protocol: TCP
{{- end }}
