{{/* The exporter's configuration, and what would make it useless or dangerous. */}}

{{/* The configuration as the exporter reads it: the targets of the vendors' sections before those of `config`. */}}
{{- define "exporter.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $targets := list -}}
{{- range $platform := list "huaweicloud" "alibabacloud" -}}
{{- with include "exporter.target" (dict "root" $ "platform" $platform) -}}
{{- $targets = append $targets (fromYaml .) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "targets" (concat $targets (default list $config.targets)) -}}
{{- $web := default dict $config.web -}}
{{- $_ := set $web "listen" (default (printf "0.0.0.0:%v" .Values.containerPort) $web.listen) -}}
{{- if .Values.web.existingSecret -}}
{{- $_ := set $web "config_file" (printf "/etc/platform-events-exporter/web/%s" .Values.web.configKey) -}}
{{- end -}}
{{- $_ := set $config "web" $web -}}
{{- if or .Values.mappings .Values.existingMappingsConfigMap -}}
{{- $_ := set $config "mappings" (append (default list $config.mappings) "/etc/platform-events-exporter/mappings/*.yaml") -}}
{{- end -}}
{{- if .Values.database.existingSecret -}}
{{- $_ := set $config "store_password_file" "/run/secrets/database/password" -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The name of the ConfigMap or Secret that holds the whole configuration, if the chart does not write it. */}}
{{- define "exporter.existingConfig" -}}
{{- default .Values.existingConfigSecret .Values.existingConfigMap -}}
{{- end -}}

{{/* The target of a vendor's section; empty where it has no region. */}}
{{- define "exporter.target" -}}
{{- $given := get .root.Values .platform -}}
{{- if $given.region -}}
{{- $target := dict "name" $given.name "platform" .platform "region" $given.region "sources" $given.sources -}}
{{- if $given.projectId -}}
{{- $_ := set $target "project_id" $given.projectId -}}
{{- end -}}
{{- $folder := printf "/run/secrets/%s" .platform -}}
{{- if $given.existingSecret -}}
{{- $first := ternary "access_key" "access_key_id" (eq .platform "huaweicloud") -}}
{{- $second := ternary "secret_key" "access_key_secret" (eq .platform "huaweicloud") -}}
{{- $_ := set $target "credentials" (dict
  (printf "%s_file" $first) (printf "%s/%s" $folder $first)
  (printf "%s_file" $second) (printf "%s/%s" $folder $second)) -}}
{{- else if $given.credentials -}}
{{- $_ := set $target "credentials" $given.credentials -}}
{{- end -}}
{{- toYaml $target -}}
{{- end -}}
{{- end -}}

{{/* Secrets to mount by name: those of `secrets` and of the vendors' sections. */}}
{{- define "exporter.secrets" -}}
{{- $all := deepCopy .Values.secrets -}}
{{- with .Values.huaweicloud -}}
{{- if and .region .existingSecret -}}
{{- $_ := set $all "huaweicloud" (dict "existingSecret" .existingSecret "items" (dict .accessKeyKey "access_key" .secretKeyKey "secret_key")) -}}
{{- end -}}
{{- end -}}
{{- with .Values.alibabacloud -}}
{{- if and .region .existingSecret -}}
{{- $_ := set $all "alibabacloud" (dict "existingSecret" .existingSecret "items" (dict .accessKeyIdKey "access_key_id" .accessKeySecretKey "access_key_secret")) -}}
{{- end -}}
{{- end -}}
{{- with .Values.database -}}
{{- if .existingSecret -}}
{{- $_ := set $all "database" (dict "existingSecret" .existingSecret "items" (dict .passwordKey "password")) -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* What the schema cannot see; each message names the value and the cure. */}}
{{- define "exporter.validate" -}}
{{- include "exporter.validate.source" . -}}
{{- include "exporter.validate.secrets" . -}}
{{- include "exporter.validate.workload" . -}}
{{- include "exporter.validate.monitoring" . -}}
{{- end -}}

{{- define "exporter.validate.source" -}}
{{- $sections := or .Values.huaweicloud.region .Values.alibabacloud.region -}}
{{- $existing := include "exporter.existingConfig" . -}}
{{- if and .Values.existingConfigMap .Values.existingConfigSecret -}}
{{- fail "existingConfigMap and existingConfigSecret exclude each other: remove one of them" -}}
{{- end -}}
{{- if and $existing (or .Values.config $sections) -}}
{{- $key := ternary "existingConfigMap" "existingConfigSecret" (not (empty .Values.existingConfigMap)) -}}
{{- fail (printf "%s: %s is the whole configuration; remove config, huaweicloud.region and alibabacloud.region, or %s" $key $existing $key) -}}
{{- end -}}
{{- if and .Values.mappings .Values.existingMappingsConfigMap -}}
{{- fail "existingMappingsConfigMap and mappings exclude each other: remove one of them" -}}
{{- end -}}
{{- if not (or $existing .Values.config.targets $sections) -}}
{{- fail "nothing to watch: set huaweicloud.region and huaweicloud.existingSecret (or alibabacloud.…), config.targets, existingConfigMap or existingConfigSecret" -}}
{{- end -}}
{{- $listen := dig "web" "listen" "" .Values.config -}}
{{- if and $listen (not (hasSuffix (printf ":%v" .Values.containerPort) $listen)) -}}
{{- fail (printf "config.web.listen: %s has another port than containerPort %v; remove config.web.listen and set containerPort" $listen .Values.containerPort) -}}
{{- end -}}
{{- if and (dig "web" "config_file" "" .Values.config) .Values.web.existingSecret -}}
{{- fail "config.web.config_file: the chart writes it from web.existingSecret; remove one of them" -}}
{{- end -}}
{{- end -}}

{{- define "exporter.validate.secrets" -}}
{{- range $platform := list "huaweicloud" "alibabacloud" -}}
{{- $given := get $.Values $platform -}}
{{- $logins := compact (list $given.existingSecret (ternary "credentials" "" (not (empty $given.credentials))) (ternary "environment" "" $given.credentialsFromEnvironment)) -}}
{{- if and $given.region (empty $logins) -}}
{{- fail (printf "%s.existingSecret: is empty; name a Secret with the access keys, or set %s.credentials or %s.credentialsFromEnvironment" $platform $platform $platform) -}}
{{- end -}}
{{- if and $given.region (gt (len $logins) 1) -}}
{{- fail (printf "%s: existingSecret, credentials and credentialsFromEnvironment exclude each other: keep one of them" $platform) -}}
{{- end -}}
{{- if and $given.region (hasKey $.Values.secrets $platform) -}}
{{- fail (printf "secrets.%s: the name belongs to the section %s; give that entry another name" $platform $platform) -}}
{{- end -}}
{{- if eq $.Values.configKind "ConfigMap" -}}
{{- include "exporter.validate.credentials" (dict "path" (printf "%s.credentials" $platform) "credentials" $given.credentials) -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.configKind "ConfigMap" -}}
{{- range $index, $target := default list .Values.config.targets -}}
{{- include "exporter.validate.credentials" (dict "path" (printf "config.targets[%d].credentials" $index) "credentials" (default dict $target.credentials)) -}}
{{- end -}}
{{- end -}}
{{- if hasKey .Values.secrets "tokens" -}}
{{- fail "secrets.tokens: the name belongs to projectedTokens; give that entry another name" -}}
{{- end -}}
{{- end -}}

{{/* A ConfigMap is no place for a secret. */}}
{{- define "exporter.validate.credentials" -}}
{{- range $key := list "access_key" "secret_key" "password" "security_token" "access_key_secret" -}}
{{- if hasKey $.credentials $key -}}
{{- fail (printf "%s.%s: would be readable in a ConfigMap; put it into a Secret, mount that with secrets and write %s_file, or set configKind to Secret" $.path $key $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "exporter.validate.workload" -}}
{{- $database := include "exporter.database" . -}}
{{- if and (gt (int .Values.replicas) 1) (not $database) -}}
{{- fail (printf "replicas: %v need one database, for a second pod with a state of its own would count every event again; set config.store to postgresql://…, or database.enabled with existingConfigSecret" .Values.replicas) -}}
{{- end -}}
{{- if and $database (or .Values.persistence.enabled .Values.persistence.existingClaim) -}}
{{- fail "persistence: the state is in the database; remove persistence.enabled and persistence.existingClaim" -}}
{{- end -}}
{{- if and .Values.database.existingSecret (or (not $database) (include "exporter.existingConfig" .)) -}}
{{- fail "database.existingSecret: needs config.store with postgresql://…; with existingConfigMap or existingConfigSecret mount the Secret with secrets, and write store_password_file there" -}}
{{- end -}}
{{- if and .Values.database.existingSecret (hasKey .Values.secrets "database") -}}
{{- fail "secrets.database: the name belongs to the section database; give that entry another name" -}}
{{- end -}}
{{- if and (eq .Values.configKind "ConfigMap") (regexMatch "^postgres(ql)?://[^/@]*:[^/@]*@" (toString (default "" .Values.config.store))) -}}
{{- fail "config.store: its password would be readable in a ConfigMap; put it into a Secret and name that in database.existingSecret, or set configKind to Secret" -}}
{{- end -}}
{{- if and (or .Values.web.tls .Values.web.clientCertificates) (not .Values.web.existingSecret) -}}
{{- if not (or (include "exporter.existingConfig" .) (dig "web" "config_file" "" .Values.config)) -}}
{{- fail "web.existingSecret: is empty; name a Secret with the web configuration, or set web.tls and web.clientCertificates to false" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.web.existingSecret (include "exporter.existingConfig" .) -}}
{{- fail "web.existingSecret: with existingConfigMap or existingConfigSecret the chart cannot write web.config_file; mount the Secret with secrets and name the file in that configuration" -}}
{{- end -}}
{{- end -}}

{{- define "exporter.validate.monitoring" -}}
{{- $scraping := list -}}
{{- range $key := list "serviceMonitor" "podMonitor" "scrapeConfig" -}}
{{- if (get $.Values $key).enabled -}}
{{- $scraping = append $scraping (printf "%s.enabled" $key) -}}
{{- end -}}
{{- end -}}
{{- if gt (len $scraping) 1 -}}
{{- fail (printf "%s: every series would be scraped twice; enable one of them" (join " and " $scraping)) -}}
{{- end -}}
{{- if and .Values.prometheusRule.enabled .Values.grafanaAlerts.enabled -}}
{{- fail "prometheusRule.enabled and grafanaAlerts.enabled: every alert would come twice; enable one of them" -}}
{{- end -}}
{{- if and .Values.dashboards.grafanaOperator.enabled (empty .Values.dashboards.grafanaOperator.instanceSelector) -}}
{{- fail "dashboards.grafanaOperator.instanceSelector: is empty; set for example matchLabels of your Grafana" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (empty .Values.ingress.hosts) -}}
{{- fail "ingress.hosts: is empty; write for example hosts: [{host: events.example.com}]" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (empty .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs: is empty; name the gateway, for example parentRefs: [{name: gateway, namespace: gateways}]" -}}
{{- end -}}
{{- end -}}
