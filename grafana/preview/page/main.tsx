/** A dashboard as a page: its panels at their places in Grafana's grid, in Grafana's dark theme. */
import { type DataFrame, type TimeRange, ThemeContext, createTheme, dateTime } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import type { Asked, Drawing, Grid } from './drawing';
import { configured } from './fields';
import { framesOf } from './frames';
import { Content } from './panels';
import 'uplot/dist/uPlot.min.css';

/** Pixels of a row of the grid, between panels, and of the head of the page. */
const [CELL, GAP, HEAD, COLUMNS] = [30, 8, 48, 24];
const theme = createTheme({ colors: { mode: 'dark' } });

interface Ready {
  asked: Asked;
  frames: DataFrame[];
}

declare global {
  interface Window {
    draw(drawing: Drawing): Promise<void>;
  }
}

window.draw = async (drawing) => {
  const ready = await Promise.all(drawing.asked.map(prepared));
  const root = createRoot(document.getElementById('page')!);
  flushSync(() => root.render(<Page drawing={drawing} ready={ready} />));
  await document.fonts.ready;
  await painted();
};

async function prepared(asked: Asked): Promise<Ready> {
  return { asked, frames: configured(asked.panel, await framesOf(asked), theme) };
}

/** Wait for the frame in which charts were laid out, and for the one that shows them. */
async function painted(): Promise<void> {
  for (let frame = 0; frame < 2; frame++) {
    await new Promise(requestAnimationFrame);
  }
}

function Page({ drawing, ready }: { drawing: Drawing; ready: Ready[] }) {
  const [from, to] = [dateTime(drawing.start * 1000), dateTime(drawing.end * 1000)];
  const range = { from, to, raw: { from, to } };
  const grids = ready.map(({ asked }) => asked.panel.gridPos);
  const last = Math.max(...grids.map((grid) => grid.y + grid.h));
  const rows = drawing.rows.filter((row) => row.gridPos.y < last);
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ position: 'relative', overflow: 'hidden', height: HEAD + last * (CELL + GAP) }}>
        <Head title={drawing.title} note={drawing.note} />
        {rows.map((row) => (
          <Row key={row.id} title={row.title} top={place(row.gridPos).top} />
        ))}
        {ready.map((each) => (
          <Placed key={each.asked.panel.id} {...each} range={range} />
        ))}
      </div>
    </ThemeContext.Provider>
  );
}

function Placed({ asked: { panel }, frames, range }: Ready & { range: TimeRange }) {
  const { left, top, width, height } = place(panel.gridPos);
  return (
    <div style={{ position: 'absolute', left, top }}>
      <PanelChrome {...{ width, height }} title={panel.title} description={panel.description} padding="md">
        {(innerWidth: number, innerHeight: number) => (
          <Content {...{ panel, frames, range }} width={innerWidth} height={innerHeight} />
        )}
      </PanelChrome>
    </div>
  );
}

function Head({ title, note }: { title: string; note: string }) {
  const style = {
    display: 'flex',
    justifyContent: 'space-between',
    alignItems: 'center',
    height: HEAD,
    padding: `0 ${GAP * 2}px`,
  };
  return (
    <div style={style}>
      <h3 style={{ margin: 0 }}>{title}</h3>
      <span style={{ color: theme.colors.text.secondary }}>{note}</span>
    </div>
  );
}

function Row({ title, top }: { title: string; top: number }) {
  return <h5 style={{ position: 'absolute', left: GAP * 2, top, lineHeight: `${CELL}px` }}>{title}</h5>;
}

function place({ x, y, w, h }: Grid) {
  const column = (document.documentElement.clientWidth - GAP) / COLUMNS;
  return {
    left: GAP + x * column,
    top: HEAD + y * (CELL + GAP),
    width: w * column - GAP,
    height: h * (CELL + GAP) - GAP,
  };
}
