{{/*
Who may connect, from a list of context, port names, and egress rules (a list, may be empty): the pods themselves, the
components that the deployment's graph names, and the pods of the run namespace. Outgoing: name resolution and the rules.
*/}}
{{- define "library.networkPolicy" -}}
{{- $root := index . 0 -}}
{{- $ports := index . 1 -}}
{{- $egress := index . 2 -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $root.Release.Name }}
  labels:
    {{- include "library.labels" $root | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "library.selectorLabels" $root | nindent 6 }}
  policyTypes:
    - Ingress
    - Egress
  ingress:
    - from:
        - podSelector:
            matchLabels:
              {{- include "library.selectorLabels" $root | nindent 14 }}
        {{- with $root.Values.global.clients }}
        - podSelector:
            matchExpressions:
              - key: app.kubernetes.io/name
                operator: In
                values:
                  {{- toYaml . | nindent 18 }}
            matchLabels:
              app.kubernetes.io/part-of: datamill
        {{- end }}
        {{- with $root.Values.global.runs }}
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ . }}
          podSelector:
            matchLabels:
              app.kubernetes.io/part-of: datamill
        {{- end }}
      ports:
        {{- range $ports }}
        - port: {{ . }}
          protocol: TCP
        {{- end }}
  egress:
    - ports:
        - port: 53
          protocol: UDP
        - port: 53
          protocol: TCP
    - to:
        - podSelector:
            matchLabels:
              {{- include "library.selectorLabels" $root | nindent 14 }}
    {{- with $egress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
