/** Each type of panel, drawn by the component that Grafana publishes for it. */
import {
  type DataFrame,
  type FieldDisplay,
  type TimeRange,
  VizOrientation,
  applyNullInsertThreshold,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
} from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater, useTheme2 } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import type { ReactElement } from 'react';
import type { Panel } from './drawing';
import { States } from './states';

export interface Shown {
  panel: Panel;
  frames: DataFrame[];
  range: TimeRange;
  width: number;
  height: number;
}

const DRAWN: Record<string, (shown: Shown) => ReactElement> = {
  bargauge: Bars,
  stat: Stat,
  'state-timeline': States,
  table: Table,
  timeseries: Course,
};

/** Draw the content of a panel. */
export function Content(shown: Shown) {
  const Drawn = DRAWN[shown.panel.type];
  if (!Drawn) {
    throw new Error(`panel "${shown.panel.title}": nothing draws the type ${shown.panel.type}; add it to panels.tsx`);
  }
  const empty = shown.frames.every((frame) => frame.length === 0);
  return empty && shown.panel.type !== 'stat' ? <Nothing {...shown} /> : <Drawn {...shown} />;
}

function Nothing({ panel, width, height }: Shown) {
  const style = { width, height, display: 'flex', alignItems: 'center', justifyContent: 'center' };
  return <div style={style}>{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;
}

function useValues({ panel, frames }: Shown): FieldDisplay[] {
  const theme = useTheme2();
  const { fieldConfig, options } = panel;
  const { reduceOptions } = options;
  return getFieldDisplayValues({
    fieldConfig,
    reduceOptions,
    data: frames,
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
}

function Stat(shown: Shown) {
  const theme = useTheme2();
  const values = useValues(shown);
  const { colorMode, graphMode, justifyMode, textMode } = shown.panel.options;
  return (
    <VizRepeater<FieldDisplay>
      autoGrid
      getValues={() => values}
      height={shown.height}
      orientation={VizOrientation.Auto}
      renderCounter={0}
      renderValue={({ value, width, height, count }) => (
        <BigValue
          {...{ colorMode, graphMode, justifyMode, textMode, theme, width, height, count }}
          value={value.display}
        />
      )}
      source={shown.frames}
      width={shown.width}
    />
  );
}

function Bars(shown: Shown) {
  const theme = useTheme2();
  const values = useValues(shown);
  const { displayMode, maxVizHeight, minVizHeight, namePlacement, showUnfilled, valueMode } = shown.panel.options;
  return (
    <VizRepeater<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      getValues={() => values}
      height={shown.height}
      maxVizHeight={maxVizHeight}
      minVizHeight={minVizHeight}
      orientation={VizOrientation.Horizontal}
      renderCounter={0}
      renderValue={({ value, width, height, orientation, alignmentFactors }) => (
        <BarGauge
          {...{ alignmentFactors, displayMode, height, namePlacement, orientation, showUnfilled, theme, width }}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)}
          field={value.field}
          value={value.display}
          valueDisplayMode={valueMode}
        />
      )}
      source={shown.frames}
      width={shown.width}
    />
  );
}

function Course({ panel, frames, range, width, height }: Shown) {
  const [refFieldPseudoMin, refFieldPseudoMax] = [range.from.valueOf(), range.to.valueOf()];
  // The component does this for the first frame alone; without it lines run across the gaps of the others.
  const gapped = frames.map((frame) => applyNullInsertThreshold({ frame, refFieldPseudoMin, refFieldPseudoMax }));
  return (
    <TimeSeries {...{ width, height }} frames={gapped} legend={panel.options.legend} timeRange={range} timeZone="utc" />
  );
}

function Table({ panel, frames, range, width, height }: Shown) {
  const { cellHeight, showHeader } = panel.options;
  const { noValue } = panel.fieldConfig.defaults;
  return (
    <TableNG
      {...{ cellHeight, width, height, noValue }}
      data={frames[0]}
      noHeader={!showHeader}
      timeRange={range}
      enableVirtualization={false}
    />
  );
}
