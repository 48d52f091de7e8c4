{{/* The endpoint that a ServiceMonitor and a PodMonitor share. Takes root and monitor (its values). */}}
{{- define "exporter.endpoint" -}}
{{- $tls := .root.Values.web.tls -}}
- port: http
  path: {{ include "exporter.prefix" .root }}/metrics
  scheme: {{ include "exporter.scheme" .root }}
  {{- with .monitor }}
  interval: {{ .interval }}
  scrapeTimeout: {{ .scrapeTimeout }}
  honorLabels: {{ .honorLabels }}
  {{- with .basicAuth }}
  basicAuth:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and $tls .tlsConfig }}
  tlsConfig:
    {{- toYaml .tlsConfig | nindent 4 }}
  {{- end }}
  {{- with .relabelings }}
  relabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end -}}

{{/* What both have beside their endpoints. */}}
{{- define "exporter.selection" -}}
jobLabel: {{ .monitor.jobLabel }}
{{- with .monitor.sampleLimit }}
sampleLimit: {{ . }}
{{- end }}
namespaceSelector:
  matchNames:
    - {{ include "exporter.namespace" .root }}
selector:
  matchLabels:
    {{- include "exporter.selectorLabels" .root | nindent 4 }}
{{- end -}}
