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
