{{/* What things are called, and the labels of everything. */}}

{{- define "exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 52 characters: a StatefulSet's pods carry a label with its name and a hash of ten characters behind it. */}}
{{- define "exporter.fullname" -}}
{{- $name := include "exporter.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "exporter.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* These alone stand in selectors: they never change in the life of a release. */}}
{{- define "exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: exporter
{{- end -}}

{{- define "exporter.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "exporter.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" .Chart.Name
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{/* The metadata of an object. Takes root, and as wanted name, namespace, component, labels, annotations. */}}
{{- define "exporter.metadata" -}}
{{- $root := .root -}}
{{- $labels := include "exporter.labels" $root | fromYaml -}}
{{- $_ := set $labels "app.kubernetes.io/component" (default "exporter" .component) -}}
name: {{ default (include "exporter.fullname" $root) .name }}
namespace: {{ default (include "exporter.namespace" $root) .namespace }}
labels:
  {{- toYaml (merge $labels (default dict .labels)) | nindent 2 }}
{{- with merge (dict) (default dict .annotations) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Whether the workload is a StatefulSet with a volume of its own: not empty. */}}
{{/* Whether a database keeps the state: not empty. */}}
{{- define "exporter.database" -}}
{{- $store := toString (default "" .Values.config.store) -}}
{{- if or .Values.database.enabled (hasPrefix "postgresql://" $store) (hasPrefix "postgres://" $store) }}yes{{ end -}}
{{- end -}}

{{- define "exporter.stateful" -}}
{{- if and (not (include "exporter.database" .)) .Values.persistence.enabled (not .Values.persistence.existingClaim) }}yes{{ end -}}
{{- end -}}

{{- define "exporter.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- if $registry }}{{ trimSuffix "/" $registry }}/{{ end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}
@{{ .Values.image.digest }}
{{- else -}}
:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "exporter.imagePullSecrets" -}}
{{- $names := list -}}
{{- range concat .Values.global.imagePullSecrets .Values.image.pullSecrets .Values.imagePullSecrets -}}
{{- $names = append $names (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with $names -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}
