{{/* Where people reach the web port: what is given, else the first host of the Ingress. Takes root and given. */}}
{{- define "exporter.address" -}}
{{- $ingress := .root.Values.ingress -}}
{{- if .given -}}
{{- trimSuffix "/" .given -}}
{{- else if and $ingress.enabled $ingress.hosts -}}
{{- printf "%s://%s%s" (ternary "https" "http" (not (empty $ingress.tls))) (first $ingress.hosts).host (include "exporter.prefix" .root) -}}
{{- end -}}
{{- end -}}

{{/* The annotations of an alert, with addresses in place of paths where their base is known. Takes annotations and bases. */}}
{{- define "exporter.links" -}}
{{- $annotations := deepCopy .annotations -}}
{{- range $name, $base := .bases -}}
{{- /* before the path of a page stands the template of external_url, which is not needed with an address */ -}}
{{- $path := last (splitList "{{ end }}" (get $annotations $name)) -}}
{{- if and $base $path -}}
{{- $_ := set $annotations (printf "%s_url" $name) (printf "%s%s" (trimSuffix "/" $base) (trimPrefix "docs/runbooks" $path)) -}}
{{- $_ := unset $annotations $name -}}
{{- end -}}
{{- end -}}
{{- toYaml $annotations -}}
{{- end -}}

{{/* An alert with what the values change of it. Takes root, rule and values. */}}
{{- define "exporter.alert" -}}
{{- $rule := deepCopy .rule -}}
{{- $own := default dict (get .values.overrides $rule.alert) -}}
{{- if hasKey $own "threshold" -}}
{{- $_ := set $rule "expr" (regexReplaceAll "-?[0-9.]+\\s*$" $rule.expr (toString $own.threshold)) -}}
{{- end -}}
{{- $rule = merge (pick $own "for" "expr") $rule -}}
{{- $_ := set $rule "labels" (merge (dict) (default dict $own.labels) .values.alertLabels $rule.labels) -}}
{{- $bases := dict "runbook" .values.runbookUrl "dashboard" .values.grafanaUrl "page" (include "exporter.address" (dict "root" .root "given" .values.exporterUrl)) -}}
{{- $linked := include "exporter.links" (dict "annotations" $rule.annotations "bases" $bases) | fromYaml -}}
{{- $_ := set $rule "annotations" (merge (dict) (default dict $own.annotations) .values.alertAnnotations $linked) -}}
{{- toYaml $rule -}}
{{- end -}}
