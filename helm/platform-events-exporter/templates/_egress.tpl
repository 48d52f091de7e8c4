{{/* What the exporter has to reach, read off the values. */}}

{{/* The TCP ports, as a YAML list: those of the values, and those of every address that the values name. */}}
{{- define "exporter.egressPorts" -}}
{{- $ports := .Values.networkPolicy.egress.ports -}}
{{- range include "exporter.addresses" . | fromYamlArray -}}
{{- $given := regexFind ":[0-9]+$" (urlParse .).host | trimPrefix ":" -}}
{{- $ports = append $ports (int (default (ternary 80 443 (hasPrefix "http://" .)) $given)) -}}
{{- end -}}
{{- $ports = concat $ports (include "exporter.databasePorts" . | fromYamlArray) -}}
{{- $numbers := list -}}
{{- range $ports }}{{ $numbers = append $numbers (int .) }}{{ end -}}
{{- toYaml (uniq $numbers) -}}
{{- end -}}

{{/* The ports of the database, as a YAML list: those of its hosts, else the one of the values. */}}
{{- define "exporter.databasePorts" -}}
{{- $ports := list -}}
{{- if include "exporter.database" . -}}
{{- $authority := toString (default "" .Values.config.store) | regexFind "://[^/?]*" | trimPrefix "://" -}}
{{- range splitList "," (last (splitList "@" $authority)) -}}
{{- $ports = append $ports (int (default $.Values.database.port (regexFind ":[0-9]+$" . | trimPrefix ":"))) -}}
{{- end -}}
{{- end -}}
{{- toYaml $ports -}}
{{- end -}}

{{/* Addresses of proxies, of the collector, and of endpoints of targets; also those given by the environment. */}}
{{- define "exporter.addresses" -}}
{{- $found := list .Values.proxy.httpProxy .Values.proxy.httpsProxy (dig "otlp" "endpoint" "" .Values.config) -}}
{{- range default list .Values.config.targets -}}
{{- $found = concat $found (values (default dict .endpoints)) -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and (regexMatch "(?i)(_proxy|endpoint)" (default "" .name)) (contains "://" (default "" .value)) -}}
{{- $found = append $found .value -}}
{{- end -}}
{{- end -}}
{{- toYaml (compact $found) -}}
{{- end -}}

{{/* Whether the clouds' metadata services are asked: not empty. */}}
{{- define "exporter.asksMetadata" -}}
{{- $logins := list .Values.huaweicloud.credentials .Values.alibabacloud.credentials -}}
{{- range default list .Values.config.targets -}}
{{- $logins = append $logins (default dict .credentials) -}}
{{- end -}}
{{- $asked := .Values.networkPolicy.egress.metadata -}}
{{- if kindIs "invalid" $asked -}}
{{- range $logins -}}
{{- if or .metadata .ecs_role }}{{ $asked = true }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if $asked }}yes{{ end -}}
{{- end -}}
