{{/* An alert with what the values change of it. Takes rule and values. */}}
{{- define "exporter.alert" -}}
{{- $rule := deepCopy .rule -}}
{{- $own := default dict (get .values.overrides $rule.alert) -}}
{{- if hasKey $own "threshold" -}}
{{- $_ := set $rule "expr" (regexReplaceAll "-?[0-9.]+\\s*$" $rule.expr (toString $own.threshold)) -}}
{{- end -}}
{{- $rule = merge (pick $own "for" "expr") $rule -}}
{{- $_ := set $rule "labels" (merge (dict) (default dict $own.labels) .values.alertLabels $rule.labels) -}}
{{- $annotations := merge (dict) (default dict $own.annotations) .values.alertAnnotations $rule.annotations -}}
{{- with .values.runbookUrl -}}
{{- $_ := set $annotations "runbook_url" (printf "%s/%s.md" (trimSuffix "/" .) $rule.alert) -}}
{{- end -}}
{{- $_ := set $rule "annotations" $annotations -}}
{{- toYaml $rule -}}
{{- end -}}
