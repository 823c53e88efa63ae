{{/* The claim of a StatefulSet for the volume "data". */}}
{{- define "library.dataClaim" -}}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata:
    name: data
    labels:
      {{- include "library.podLabels" . | nindent 6 }}
  spec:
    accessModes:
      - ReadWriteOnce
    volumeMode: Filesystem
    {{- with .Values.storage.className }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .Values.storage.size }}
{{- end }}

{{/* Scratch space in memory, from a list of name and size; it counts towards the container's memory limit. */}}
{{- define "library.scratch" -}}
- name: {{ index . 0 }}
  emptyDir:
    medium: Memory
    sizeLimit: {{ index . 1 }}
{{- end }}

{{/* Probes of a TCP port, from a list of port name and seconds that the first start may take. */}}
{{- define "library.tcpProbes" -}}
startupProbe:
  tcpSocket:
    port: {{ index . 0 }}
  periodSeconds: 2
  failureThreshold: {{ div (index . 1) 2 }}
readinessProbe:
  tcpSocket:
    port: {{ index . 0 }}
  periodSeconds: 5
livenessProbe:
  tcpSocket:
    port: {{ index . 0 }}
  periodSeconds: 10
  failureThreshold: 6
{{- end }}
