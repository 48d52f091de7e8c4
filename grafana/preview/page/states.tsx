/** The state timeline: Grafana publishes no component for it, so its bars are drawn here on Grafana's chart. */
import { type DataFrame, type Field, type GrafanaTheme2, FieldType, getFieldDisplayName } from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import { UPlotChart, UPlotConfigBuilder, useTheme2 } from '@grafana/ui';
import type uPlot from 'uplot';
import type { Shown } from './panels';

interface Stretch {
  from: number;
  to: number;
  text: string;
  color: string;
}

/** Draw one bar a series: each stretch of time in the colour of its state. */
export function States({ panel, frames, range, width, height }: Shown) {
  const theme = useTheme2();
  const names = frames.map((frame) => getFieldDisplayName(valueOf(frame), frame, frames));
  const bars = frames.map(stretches);
  const config = axes(names, range.from.valueOf(), range.to.valueOf(), theme);
  config.addHook('draw', (plot) => bars.forEach((bar, at) => paint(plot, bar, at, panel.options.rowHeight, theme)));
  const data: uPlot.AlignedData = [
    [range.from.valueOf(), range.to.valueOf()],
    [0, 0],
  ];
  return <UPlotChart {...{ config, data, width, height }} />;
}

function valueOf(frame: DataFrame): Field {
  const field = frame.fields.find((each) => each.type === FieldType.number);
  if (!field) {
    throw new Error('a state timeline needs a number field in each frame; see frames.ts');
  }
  return field;
}

/** Join the points of equal state; a point lasts until the next one is due. */
function stretches(frame: DataFrame): Stretch[] {
  const field = valueOf(frame);
  const [time] = frame.fields;
  const lasts = time.config.interval ?? 0;
  return field.values.reduce<Stretch[]>((found, value, at) => {
    const { text, color = '' } = field.display!(value);
    const from: number = time.values[at];
    const last = found.at(-1);
    if (last && last.text === text && from <= last.to) {
      last.to = from + lasts;
      return found;
    }
    return [...found, { from, to: from + lasts, text, color }];
  }, []);
}

function axes(names: string[], from: number, to: number, theme: GrafanaTheme2): UPlotConfigBuilder {
  const config = new UPlotConfigBuilder('utc');
  const middles = names.map((_, at) => at + 0.5);
  const across = { orientation: ScaleOrientation.Horizontal, direction: ScaleDirection.Right };
  const down = { orientation: ScaleOrientation.Vertical, direction: ScaleDirection.Down };
  config.addScale({ scaleKey: 'x', isTime: true, range: () => [from, to], ...across });
  config.addScale({ scaleKey: 'y', range: () => [0, names.length], ...down });
  config.addAxis({
    scaleKey: 'x',
    isTime: true,
    placement: AxisPlacement.Bottom,
    timeZone: 'utc',
    theme,
    grid: { show: false },
  });
  config.addAxis({
    scaleKey: 'y',
    placement: AxisPlacement.Left,
    splits: () => middles,
    values: () => names,
    grid: { show: false },
    ticks: { show: false },
    theme,
  });
  // Grafana's chart draws a series; this one shows nothing, and keeps the chart from being empty.
  config.addSeries({ scaleKey: 'y', theme, pathBuilder: () => null, show: true, lineWidth: 0 });
  return config;
}

function paint(plot: uPlot, bar: Stretch[], at: number, rowHeight: number, theme: GrafanaTheme2) {
  const { ctx } = plot;
  const top = plot.valToPos(at + (1 - rowHeight) / 2, 'y', true);
  const bottom = plot.valToPos(at + (1 + rowHeight) / 2, 'y', true);
  for (const { from, to, text, color } of bar) {
    const left = Math.max(plot.valToPos(from, 'x', true), plot.bbox.left);
    const right = Math.min(plot.valToPos(to, 'x', true), plot.bbox.left + plot.bbox.width);
    ctx.fillStyle = color;
    ctx.fillRect(left, top, right - left, bottom - top);
    ctx.font = `${theme.typography.fontSize * devicePixelRatio}px ${theme.typography.fontFamily}`;
    if (ctx.measureText(text).width + 8 < right - left) {
      ctx.fillStyle = theme.colors.getContrastText(color, 3);
      ctx.textAlign = 'left';
      ctx.textBaseline = 'middle';
      ctx.fillText(text, left + 4, (top + bottom) / 2);
    }
  }
}
