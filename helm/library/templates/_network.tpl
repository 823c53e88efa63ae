{{/*
Who may connect, from a list of context and port names: the pods of the release to each other, and to the named ports its
test, the components that the deployment's graph names, the platform's own code location and the pods of the run namespace. Outgoing: name resolution, and the
components that this one needs; anything, when one of them runs outside the cluster.
*/}}
{{- define "library.networkPolicy" -}}
{{- $root := index . 0 -}}
{{- $ports := index . 1 -}}
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
    - from:
        - podSelector:
            matchLabels:
              {{- include "library.testLabels" $root | nindent 14 }}
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
        {{- with $root.Values.global.clientReleases }}
        - podSelector:
            matchExpressions:
              - key: app.kubernetes.io/instance
                operator: In
                values:
                  {{- toYaml . | nindent 18 }}
        {{- end }}
        {{- if $root.Values.global.infrastructure }}
        - podSelector:
            matchLabels:
              app.kubernetes.io/component: infrastructure
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
    {{- with $root.Values.global.providers }}
    - to:
        - podSelector:
            matchExpressions:
              - key: app.kubernetes.io/name
                operator: In
                values:
                  {{- toYaml . | nindent 18 }}
            matchLabels:
              app.kubernetes.io/part-of: datamill
    {{- end }}
    {{- with $root.Values.global.providerReleases }}
    - to:
        - podSelector:
            matchExpressions:
              - key: app.kubernetes.io/instance
                operator: In
                values:
                  {{- toYaml . | nindent 18 }}
    {{- end }}
    {{- if $root.Values.global.outside }}
    - {}
    {{- end }}
{{- end }}
