/** The field options that the dashboards set, and how each is read from the JSON. */
import {
  type DataFrame,
  type FieldConfigPropertyItem,
  type GrafanaTheme2,
  FieldConfigOptionsRegistry,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  dataLinksOverrideProcessor,
  identityOverrideProcessor,
  thresholdsOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import type { Panel } from './drawing';

const STANDARD = ['unit', 'decimals', 'min', 'max', 'displayName', 'noValue', 'color'];
const CUSTOM = [
  'cellOptions',
  'drawStyle',
  'fillOpacity',
  'lineInterpolation',
  'lineWidth',
  'showPoints',
  'spanNulls',
  'stacking',
];

type Process = FieldConfigPropertyItem['process'];

function item(id: string, process: Process): FieldConfigPropertyItem {
  return { id, path: id, name: id, process, shouldApply: () => true, override: () => null, editor: () => null };
}

function custom(id: string, path = id): FieldConfigPropertyItem {
  return { ...item(`custom.${id}`, identityOverrideProcessor), path, isCustom: true };
}

const REGISTRY = new FieldConfigOptionsRegistry(() => [
  ...STANDARD.map((id) => item(id, identityOverrideProcessor)),
  item('thresholds', thresholdsOverrideProcessor as Process),
  item('mappings', valueMappingsOverrideProcessor as Process),
  item('links', dataLinksOverrideProcessor as Process),
  ...CUSTOM.map((id) => custom(id)),
  custom('hidden', 'hideFrom.viz'), // Grafana 12 and older read the first; 13 moves it when it opens a dashboard
]);

/** Throw where a panel sets what is not read here: the picture would not be what Grafana shows. */
function checked({ title, fieldConfig: { defaults, overrides } }: Panel) {
  const { custom: own = {}, ...standard } = defaults;
  const changed = overrides.flatMap((override) => override.properties.map((property) => property.id));
  const given = [...Object.keys(standard), ...Object.keys(own).map((id) => `custom.${id}`), ...changed];
  const unknown = given.find((id) => !REGISTRY.getIfExists(id));
  if (unknown) {
    throw new Error(`panel "${title}": nothing reads the field option ${unknown}; add it to fields.ts`);
  }
}

/** Give each field of the frames its options, overrides, colour and text, as Grafana does. */
export function configured(panel: Panel, frames: DataFrame[], theme: GrafanaTheme2): DataFrame[] {
  checked(panel);
  const fields = applyFieldOverrides({
    data: frames,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: REGISTRY,
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(fields);
  return fields;
}
