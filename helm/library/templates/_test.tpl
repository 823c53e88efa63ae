{{/*
What `helm test` runs: a pod that makes one round trip of each protocol, by the probes that Data Mill itself uses, and the
policy that lets it out to the release and nowhere else. From a list of context, connections (as they are published; each
of their secrets is the name of a file) and file to key of the Secret of the release.

The pod carries labels of its own: with those of the release the service would count it among its servers.
*/}}
{{- define "library.test" -}}
{{- $root := index . 0 -}}
{{- $connections := index . 1 -}}
{{- $secrets := index . 2 -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $root.Release.Name }}-test
  labels:
    {{- include "library.testLabels" $root | nindent 4 }}
  annotations:
    {{- include "library.testHook" (list "hook-succeeded,hook-failed" "-1") | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "library.testLabels" $root | nindent 6 }}
  policyTypes:
    - Ingress
    - Egress
  ingress: []
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
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ $root.Release.Name }}-test
  labels:
    {{- include "library.testLabels" $root | nindent 4 }}
  annotations:
    {{- include "library.testHook" (list "hook-succeeded" "0") | nindent 4 }}
spec:
  {{- include "library.podSecurity" (list $root 1000) | nindent 2 }}
  restartPolicy: Never
  activeDeadlineSeconds: 180
  containers:
    - name: probe
      {{- include "library.image" (list $root "pipelines") | nindent 6 }}
      {{- include "library.containerSecurity" $root | nindent 6 }}
      command:
        - python3
        - -m
        - datamill_infra.capabilities
        - --seconds
        - "60"
        {{- if $secrets }}
        - --secrets
        - /run/secrets/datamill
        {{- end }}
      env:
        - name: HOME
          value: /tmp
        - name: DATAMILL_CONNECTIONS
          value: {{ $connections | toJson | quote }}
      resources:
        requests:
          cpu: 100m
          memory: 256Mi
        limits:
          cpu: "1"
          memory: 512Mi
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if $secrets }}
        - name: secret
          mountPath: /run/secrets/datamill
          readOnly: true
        {{- end }}
  volumes:
    {{- include "library.scratch" (list "tmp" "16Mi") | nindent 4 }}
    {{- if $secrets }}
    - name: secret
      secret:
        secretName: {{ $root.Values.secret.name }}
        defaultMode: 0440
        items:
          {{- range $file, $key := $secrets }}
          - key: {{ $key }}
            path: {{ $file }}
          {{- end }}
    {{- end }}
{{- end }}

{{- define "library.testLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-test
app.kubernetes.io/instance: {{ .Release.Name }}-test
app.kubernetes.io/part-of: datamill
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* From a list of what ends the object, and its place in the order. */}}
{{- define "library.testHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,{{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
{{- end }}
