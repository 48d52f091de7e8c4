// The dashboards, alerts and recording rules as a monitoring mixin. The files that it imports are written by
// `make dashboards`; nothing is generated here. Set the addresses in _config, and alerts and panels link there:
//
//   (import 'platform-events-exporter/grafana/mixin/mixin.libsonnet') + {
//     _config+:: { runbookUrl: 'https://wiki.example.com/runbooks', grafanaUrl: 'https://grafana.example.com' },
//   }

local boards = {
  'platform-events-dws.json': import '../dashboards/platform-events-dws.json',
  'platform-events-exporter.json': import '../dashboards/platform-events-exporter.json',
  'platform-events-jobs.json': import '../dashboards/platform-events-jobs.json',
  'platform-events-overview.json': import '../dashboards/platform-events-overview.json',
  'platform-events-pools.json': import '../dashboards/platform-events-pools.json',
  'platform-events-services.json': import '../dashboards/platform-events-services.json',
};

// What stands before the path of a page: the exporter's own external_url, for who gives no address here.
local external = '{{ with query "max by (url) (platform_exporter_external_url_info)" }}{{ . | first | label "url" }}{{ end }}';

// An annotation that is a path becomes an address where its base is known.
local linked(annotations, bases) = std.foldl(
  function(found, name)
    if bases[name] != '' && std.objectHas(annotations, name) then
      local path = std.strReplace(std.strReplace(annotations[name], external, ''), 'docs/runbooks', '');
      local base = std.rstripChars(bases[name], '/');
      { [key]: found[key] for key in std.objectFields(found) if key != name } + { [name + '_url']: base + path }
    else found,
  std.objectFields(bases),
  annotations
);

{
  _config:: {
    runbookUrl: '',  // where your copy of docs/runbooks can be read
    grafanaUrl: '',
    exporterUrl: '',  // where the exporter's pages can be opened
  },

  local bases = { runbook: $._config.runbookUrl, dashboard: $._config.grafanaUrl, page: $._config.exporterUrl },
  // Links from panels go by the variable that holds the address of the exporter's pages.
  local address = std.rstripChars($._config.exporterUrl, '/'),
  local chosen = { selected: true, text: address, value: address },
  local addressed(variable) =
    if variable.name == 'exporter' && address != '' then variable { query: address, current: chosen, options: [chosen] }
    else variable,

  grafanaDashboards+:: {
    [name]: boards[name] { templating+: { list: [addressed(variable) for variable in super.list] } }
    for name in std.objectFields(boards)
  },
  prometheusAlerts+:: {
    groups+: [
      group { rules: [rule { annotations: linked(rule.annotations, bases) } for rule in group.rules] }
      for group in (import 'alerts.json').groups
    ],
  },
  prometheusRules+:: { groups+: (import 'rules.json').groups },
}
