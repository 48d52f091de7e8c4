/** Answers of Prometheus as the data frames that Grafana's data source makes of them. */
import {
  type DataFrame,
  type Field,
  FieldType,
  createDataFrame,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';
import type { Asked, Series, Target } from './drawing';

const TRANSFORMERS = [
  standardTransformers.mergeTransformer,
  standardTransformers.organizeFieldsTransformer,
  standardTransformers.sortByTransformer,
];
standardTransformersRegistry.setInit(() =>
  TRANSFORMERS.map((one) => ({
    id: one.id,
    name: one.name,
    transformation: async () => one,
    editor: () => null,
    imageDark: '',
    imageLight: '',
  }))
);

/** Make the frames of a panel: one a series, or one a query where the query asks for a table. */
export async function framesOf({ panel, answers, step }: Asked): Promise<DataFrame[]> {
  const frames = panel.targets.flatMap((target, at) => {
    const found = answers[at] ?? [];
    if (target.format !== 'table') {
      return found.map((series) => course(target, series, step));
    }
    return found.length ? [table(target, found, panel.targets.length > 1)] : [];
  });
  const { title, transformations = [] } = panel;
  const unknown = transformations.find(({ id }) => !standardTransformersRegistry.getIfExists(id));
  if (unknown) {
    throw new Error(`panel "${title}": nothing makes the transformation ${unknown.id}; add it to frames.ts`);
  }
  return lastValueFrom(transformDataFrame(transformations, frames));
}

function course(target: Target, { name, labels, times, values }: Series, step: number): DataFrame {
  const time = { name: 'Time', type: FieldType.time, values: millis(times), config: { interval: step * 1000 } };
  const value = { name: 'Value', type: FieldType.number, values, labels, config: { displayNameFromDS: name } };
  return createDataFrame({ refId: target.refId, fields: [time, value] });
}

function table(target: Target, found: Series[], several: boolean): DataFrame {
  const labels = [...new Set(found.flatMap((series) => Object.keys(series.labels)))].sort();
  const fields: Field[] = [
    { name: 'Time', type: FieldType.time, values: millis(found.map((series) => series.times[0])), config: {} },
    ...labels.map((label) => ({
      name: label,
      type: FieldType.string,
      values: found.map((series) => series.labels[label] ?? ''),
      config: {},
    })),
    {
      name: several ? `Value #${target.refId}` : 'Value',
      type: FieldType.number,
      values: found.map((series) => series.values[0]),
      config: {},
    },
  ];
  return createDataFrame({ refId: target.refId, fields });
}

function millis(seconds: number[]): number[] {
  return seconds.map((each) => each * 1000);
}
