{{/* What all our processes have in common; runs are told their home by the launcher. */}}
{{- define "datamill.environment" -}}
- name: DAGSTER_HOME
  value: {{ include "datamill.home" . }}
{{ include "datamill.runEnvironment" . }}
{{- end }}

{{- define "datamill.runEnvironment" -}}
- name: HOME
  value: /tmp
- name: DAGSTER_PG_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.connections.name }}
      key: {{ .Values.connections.postgres }}
{{- end }}

{{/* Dagster's directory: written to, and gone with the pod. What must last is in the database and on the object store. */}}
{{- define "datamill.homeMounts" -}}
- name: home
  mountPath: {{ include "datamill.home" . }}
# Connections and secrets are mounted into it; without a volume of its own it would belong to root.
- name: home
  mountPath: {{ include "datamill.home" . }}/state
  subPath: state
- name: instance
  mountPath: {{ include "datamill.home" . }}/dagster.yaml
  subPath: dagster.yaml
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "datamill.homeVolumes" -}}
- name: home
  emptyDir:
    sizeLimit: 1Gi
- name: instance
  configMap:
    name: {{ .Release.Name }}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- end }}

{{/* Web server and daemon read captured logs, and know no connection but that of their store. */}}
{{- define "datamill.storeMounts" -}}
- name: instance
  mountPath: {{ include "datamill.home" . }}/state/connections.json
  subPath: connections.json
  readOnly: true
- name: store
  mountPath: {{ include "datamill.home" . }}/state/secrets
  readOnly: true
{{- end }}

{{- define "datamill.storeVolumes" -}}
- name: store
  secret:
    secretName: {{ .Values.connections.name }}
    defaultMode: 0440
    items:
      - key: {{ .Values.connections.accessKey }}
        path: s3.access_key
      - key: {{ .Values.connections.secretKey }}
        path: s3.secret_key
{{- end }}

{{/* Both code locations have the deployment; that of the platform also the way to the API server. */}}
{{- define "datamill.infrastructureMounts" -}}
{{ include "datamill.deploymentMounts" . }}
- name: kubeconfig
  mountPath: {{ include "datamill.kubeconfig" . | dir }}
  readOnly: true
{{- end }}

{{- define "datamill.infrastructureVolumes" -}}
{{ include "datamill.deploymentVolumes" . }}
- name: kubeconfig
  configMap:
    name: {{ .Release.Name }}-infrastructure
{{- end }}

{{- define "datamill.kubeconfig" -}}/etc/datamill-kubernetes/kubeconfig{{- end }}

{{- define "datamill.deploymentMounts" -}}
- name: deployment
  mountPath: {{ include "datamill.home" . }}/deployment.yaml
  subPath: deployment.yaml
  readOnly: true
- name: flavours
  mountPath: {{ include "datamill.home" . }}/flavours
  readOnly: true
{{- end }}

{{- define "datamill.deploymentVolumes" -}}
- name: deployment
  configMap:
    name: {{ .Values.deployment.configMap }}
- name: flavours
  configMap:
    name: {{ .Values.deployment.flavours }}
    optional: true
{{- end }}

{{/* Pipelines have its published connections, too, and the secrets that those name. */}}
{{- define "datamill.pipelinesMounts" -}}
{{ include "datamill.deploymentMounts" . }}
- name: deployment
  mountPath: {{ include "datamill.home" . }}/state/connections.json
  subPath: connections.json
  readOnly: true
- name: secrets
  mountPath: {{ include "datamill.home" . }}/state/secrets
  readOnly: true
{{- end }}

{{- define "datamill.pipelinesVolumes" -}}
{{ include "datamill.deploymentVolumes" . }}
- name: secrets
  secret:
    secretName: {{ .Values.deployment.secret }}
    defaultMode: 0440
{{- end }}

{{/* As library.podSecurity, with a service account of its own. From a list of context and account. */}}
{{- define "datamill.podSecurity" -}}
{{- $security := include "library.podSecurity" (list (index . 0) 1000) | fromYaml -}}
{{- $_ := set $security "serviceAccountName" (index . 1) -}}
{{ $security | toYaml }}
{{- end }}

{{/* The account's token, for the one container that calls the API server: Kubernetes would give it to all of the pod. */}}
{{- define "datamill.tokenMount" -}}
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{- define "datamill.tokenVolume" -}}
- name: token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                apiVersion: v1
                fieldPath: metadata.namespace
{{- end }}

{{/* What decides how our processes run, for the pods' annotation. */}}
{{- define "datamill.checksum" -}}
{{- printf "%s%s%s%s" (include "datamill.instance" .) (include "datamill.workspace" .) (include "datamill.store" .) (include "datamill.proxy" .) | sha256sum -}}
{{- end }}
