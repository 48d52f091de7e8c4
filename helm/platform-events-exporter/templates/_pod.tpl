{{/* The pod of the Deployment and of the StatefulSet. */}}

{{- define "exporter.scheme" -}}
{{- ternary "https" "http" .Values.web.tls -}}
{{- end -}}

{{/* The path under which the web port answers, without a slash at its end. */}}
{{- define "exporter.prefix" -}}
{{- dig "web" "route_prefix" "" .Values.config | trimAll "/" | printf "/%s" | trimSuffix "/" -}}
{{- end -}}

{{/* A probe. Takes root, probe (its values) and path. */}}
{{- define "exporter.probe" -}}
{{- $root := .root -}}
{{- if $root.Values.web.clientCertificates }}
tcpSocket:
  port: http
{{- else }}
httpGet:
  path: {{ include "exporter.prefix" $root }}{{ .path }}
  port: http
  scheme: {{ include "exporter.scheme" $root | upper }}
{{- end }}
{{ toYaml (omit .probe "enabled") }}
{{- end -}}

{{/* What makes a running pod old. */}}
{{- define "exporter.checksums" -}}
{{- if not (include "exporter.existingConfig" .) }}
checksum/config: {{ include "exporter.config" . | sha256sum }}
{{- end }}
{{- if and .Values.mappings (eq .Values.onChange "restart") }}
checksum/mappings: {{ toYaml .Values.mappings | sha256sum }}
{{- end }}
{{- end -}}

{{- define "exporter.volumes" -}}
- name: config
  {{- $own := printf "%s-config" (include "exporter.fullname" .) }}
  {{- if or .Values.existingConfigSecret (and (eq .Values.configKind "Secret") (not .Values.existingConfigMap)) }}
  secret:
    secretName: {{ default $own .Values.existingConfigSecret }}
    defaultMode: 0440
    items:
      - key: {{ ternary .Values.existingConfigSecretKey "exporter.yaml" (not (empty .Values.existingConfigSecret)) }}
        path: exporter.yaml
  {{- else }}
  configMap:
    name: {{ default $own .Values.existingConfigMap }}
    items:
      - key: {{ ternary .Values.existingConfigMapKey "exporter.yaml" (not (empty .Values.existingConfigMap)) }}
        path: exporter.yaml
  {{- end }}
{{- if or .Values.mappings .Values.existingMappingsConfigMap }}
- name: mappings
  configMap:
    name: {{ default (printf "%s-mappings" (include "exporter.fullname" .)) .Values.existingMappingsConfigMap }}
{{- end }}
{{- if .Values.web.existingSecret }}
- name: web
  secret:
    secretName: {{ .Values.web.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- range $name, $secret := include "exporter.secrets" . | fromYaml }}
- name: secret-{{ $name }}
  secret:
    secretName: {{ $secret.existingSecret }}
    defaultMode: 0440
    {{- if $secret.optional }}
    optional: true
    {{- end }}
    {{- with $secret.items }}
    items:
      {{- range $key, $path := . }}
      - key: {{ $key }}
        path: {{ $path }}
      {{- end }}
    {{- end }}
{{- end }}
{{- with .Values.projectedTokens }}
- name: tokens
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - serviceAccountToken:
          audience: {{ .audience | quote }}
          expirationSeconds: {{ default 3600 .expirationSeconds }}
          path: {{ .path }}
      {{- end }}
{{- end }}
{{- if .Values.persistence.existingClaim }}
- name: data
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim }}
{{- else if not .Values.persistence.enabled }}
- name: data
  emptyDir:
    sizeLimit: {{ .Values.emptyDirSizeLimit }}
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Folders, never single files: a file mounted by subPath does not change with its ConfigMap or Secret. */}}
{{- define "exporter.volumeMounts" -}}
- name: config
  mountPath: /etc/platform-events-exporter/config
  readOnly: true
{{- if or .Values.mappings .Values.existingMappingsConfigMap }}
- name: mappings
  mountPath: /etc/platform-events-exporter/mappings
  readOnly: true
{{- end }}
{{- if .Values.web.existingSecret }}
- name: web
  mountPath: /etc/platform-events-exporter/web
  readOnly: true
{{- end }}
{{- range $name, $_ := include "exporter.secrets" . | fromYaml }}
- name: secret-{{ $name }}
  mountPath: /run/secrets/{{ $name }}
  readOnly: true
{{- end }}
{{- if .Values.projectedTokens }}
- name: tokens
  mountPath: /run/secrets/tokens
  readOnly: true
{{- end }}
- name: data
  mountPath: /var/lib/platform-events-exporter
- name: tmp
  mountPath: /tmp
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "exporter.env" -}}
{{- range $name, $text := dict "HTTP_PROXY" .Values.proxy.httpProxy "HTTPS_PROXY" .Values.proxy.httpsProxy "NO_PROXY" .Values.proxy.noProxy }}
{{- if $text }}
- name: {{ $name }}
  value: {{ $text | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end -}}

{{- define "exporter.container" -}}
name: exporter
image: {{ include "exporter.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - run
  - --config=/etc/platform-events-exporter/config/exporter.yaml
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with include "exporter.env" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
ports:
  - name: http
    containerPort: {{ .Values.containerPort }}
    protocol: TCP
{{- range $kind, $path := dict "startupProbe" "/-/healthy" "livenessProbe" "/-/healthy" "readinessProbe" "/-/ready" }}
{{- $probe := get $.Values $kind }}
{{- if $probe.enabled }}
{{ $kind }}:
  {{- include "exporter.probe" (dict "root" $ "probe" $probe "path" $path) | trim | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.lifecycle }}
lifecycle:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "exporter.volumeMounts" . | nindent 2 }}
{{- end -}}

{{/* How replicas are spread by default, as a YAML list: over nodes and zones where possible. */}}
{{- define "exporter.spread" -}}
{{- $spread := list -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" -}}
{{- $selector := dict "matchLabels" (include "exporter.selectorLabels" $ | fromYaml) -}}
{{- $spread = append $spread (dict "maxSkew" 1 "topologyKey" $key "whenUnsatisfiable" "ScheduleAnyway" "labelSelector" $selector) -}}
{{- end -}}
{{- end -}}
{{- toYaml $spread -}}
{{- end -}}

{{- define "exporter.pod" -}}
metadata:
  labels:
    {{- $own := include "exporter.selectorLabels" . | fromYaml }}
    {{- toYaml (merge $own (include "exporter.labels" . | fromYaml) .Values.podLabels) | nindent 4 }}
  {{- with merge (include "exporter.checksums" . | fromYaml) .Values.podAnnotations .Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "exporter.serviceAccountName" . }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
  {{- /* Variables of a Service named platform-exporter would look like configuration. */}}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with include "exporter.imagePullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - {{ include "exporter.container" . | nindent 6 | trim }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "exporter.volumes" . | nindent 4 }}
  {{- with default (include "exporter.spread" . | fromYamlArray) .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" "schedulerName" "hostAliases" "dnsConfig" }}
  {{- with get $.Values $key }}
  {{ $key }}: {{ kindIs "string" . | ternary . (toYaml . | nindent 4) }}
  {{- end }}
  {{- end }}
  {{- with default (ternary "ClusterFirstWithHostNet" "" .Values.hostNetwork) .Values.dnsPolicy }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- if .Values.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- if not (kindIs "invalid" .Values.hostUsers) }}
  hostUsers: {{ .Values.hostUsers }}
  {{- end }}
{{- end -}}
