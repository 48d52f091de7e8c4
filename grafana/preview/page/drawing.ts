/** What the page is given to draw, as grafana/preview/drawing.py makes it. */
import type { DataTransformerConfig, FieldConfigSource } from '@grafana/data';

export interface Series {
  name: string;
  labels: Record<string, string>;
  /** Unix seconds, one for each value. */
  times: number[];
  values: number[];
}

export interface Target {
  refId: string;
  format: 'time_series' | 'table';
}

export interface Grid {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: Grid;
  targets: Target[];
  transformations?: DataTransformerConfig[];
  fieldConfig: FieldConfigSource;
  // Each type of panel has options of its own; the shipped JSON is held against their types by another test.
  options: any;
}

export interface Asked {
  panel: Panel;
  /** Seconds from one point of a series to the next. */
  step: number;
  /** The series of each target, in the order of the targets. */
  answers: Series[][];
}

export interface Drawing {
  title: string;
  note: string;
  rows: Panel[];
  asked: Asked[];
  /** Unix seconds. */
  start: number;
  end: number;
}
