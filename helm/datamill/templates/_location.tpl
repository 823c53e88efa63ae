{{/*
A code location and its service, from a list of context, part, module, whether it has a token of the API server, and what
else Dagster is to know about the jobs of its runs than what the launcher says: they have mounted what it has.
*/}}
{{- define "datamill.location" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- $module := index . 2 -}}
{{- $token := index . 3 -}}
{{- $context := index . 4 -}}
{{- $values := get $root.Values $part -}}
{{- $mounts := include (printf "datamill.%sMounts" $part) $root -}}
{{- $volumes := include (printf "datamill.%sVolumes" $part) $root -}}
{{- $pod := dict "volumes" ($volumes | fromYamlArray) -}}
{{- $container := dict "volume_mounts" ($mounts | fromYamlArray) -}}
{{- $_ := set $context "image_pull_policy" (include "datamill.pullPolicy" (list $root $part)) -}}
{{- $_ := set $context "run_k8s_config" (dict "pod_spec_config" $pod "container_config" $container) -}}
{{- with $root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-{{ $part }}
  labels:
    {{- include "datamill.labels" (list . $part) | nindent 4 }}
spec:
  replicas: 1
  selector:
    matchLabels:
      {{- include "datamill.selector" (list . $part) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "datamill.podLabels" (list . $part) | nindent 8 }}
      annotations:
        datamill/configuration: {{ include "datamill.checksum" . }}
    spec:
      {{- if $token }}
      {{- include "datamill.podSecurity" (list . (printf "%s-%s" .Release.Name $part)) | nindent 6 }}
      {{- else }}
      {{- include "library.podSecurity" (list . 1000) | nindent 6 }}
      {{- end }}
      terminationGracePeriodSeconds: 30
      containers:
        - name: {{ $part }}
          {{- include "library.image" (list . $part) | nindent 10 }}
          {{- include "library.containerSecurity" . | nindent 10 }}
          command:
            - python3
            - -m
            - dagster
            - api
            - grpc
            - --host
            - 0.0.0.0
            - --port
            - "4000"
            - --module-name
            - {{ $module }}.definitions
            - --location-name
            - {{ $module }}
            - --container-image
            - {{ include "datamill.image" (list . $part) }}
            - --container-context
            - {{ dict "k8s" $context | toJson | quote }}
          env:
            {{- include "datamill.environment" . | nindent 12 }}
            {{- range $context.env_vars }}
            - name: {{ splitList "=" . | first }}
              value: {{ splitList "=" . | rest | join "=" | quote }}
            {{- end }}
          ports:
            - name: grpc
              containerPort: 4000
              protocol: TCP
          startupProbe:
            grpc:
              port: 4000
              service: DagsterApi
            periodSeconds: 3
            timeoutSeconds: 5
            failureThreshold: 80
          readinessProbe:
            grpc:
              port: 4000
              service: DagsterApi
            periodSeconds: 10
            timeoutSeconds: 5
          livenessProbe:
            grpc:
              port: 4000
              service: DagsterApi
            periodSeconds: 20
            timeoutSeconds: 10
            failureThreshold: 6
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            {{- include "datamill.homeMounts" . | nindent 12 }}
            {{- $mounts | nindent 12 }}
            {{- if $token }}
            {{- include "datamill.tokenMount" . | nindent 12 }}
            {{- end }}
      volumes:
        {{- include "datamill.homeVolumes" . | nindent 8 }}
        {{- $volumes | nindent 8 }}
        {{- if $token }}
        {{- include "datamill.tokenVolume" . | nindent 8 }}
        {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}-{{ $part }}
  labels:
    {{- include "datamill.labels" (list . $part) | nindent 4 }}
spec:
  selector:
    {{- include "datamill.selector" (list . $part) | nindent 4 }}
  ports:
    - name: grpc
      port: 4000
      targetPort: grpc
      protocol: TCP
{{- end }}
{{- end }}
