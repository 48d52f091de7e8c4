{{/*
The changes of samples that make event metrics outlive the pod. A new pod has another `instance` and `pod`, so Prometheus
would begin new series, and `increase` cannot see what was counted between the last scrape of the old pod and the first of
the new one. Metrics of the process itself keep the labels of their pod. `^$`: an operator leaves an empty regex out.
*/}}
{{- define "exporter.stableLabels" -}}
- {sourceLabels: [__name__], regex: "(platform_exporter|process|python)_.*", targetLabel: __tmp_own, replacement: own}
- {sourceLabels: [__tmp_own], regex: "^$", targetLabel: instance, replacement: {{ include "exporter.fullname" . }}}
- {sourceLabels: [__tmp_own], regex: "^$", targetLabel: pod, replacement: ""}
- {regex: __tmp_own, action: labeldrop}
{{- end -}}

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
  {{- with .authorization }}
  authorization:
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
  {{- if or .stableLabels .metricRelabelings }}
  metricRelabelings:
    {{- if .stableLabels }}
    {{- include "exporter.stableLabels" $.root | nindent 4 }}
    {{- end }}
    {{- with .metricRelabelings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- end }}
{{- end -}}

{{/* What both have beside their endpoints. */}}
{{- define "exporter.selection" -}}
jobLabel: {{ .monitor.jobLabel }}
{{- range $key := list "sampleLimit" "scrapeClass" }}
{{- with get $.monitor $key }}
{{ $key }}: {{ . }}
{{- end }}
{{- end }}
{{- range $key := list "targetLabels" "podTargetLabels" }}
{{- with get $.monitor $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
namespaceSelector:
  matchNames:
    - {{ include "exporter.namespace" .root }}
selector:
  matchLabels:
    {{- include "exporter.selectorLabels" .root | nindent 4 }}
{{- end -}}
