'use strict';

// Everything on this page comes from the one JSON object above; nothing is loaded.
const report = JSON.parse(document.getElementById('report').textContent);
const { rows, machine } = report;

// ---- numbers and elements -----------------------------------------------------------------------------------------

const number = (v) => (v >= 99.95 ? Math.round(v).toLocaleString('en-US') : v >= 9.95 ? v.toFixed(1) : v.toFixed(2));
const count = (n) => (n >= 1e3 && Number.isInteger(Math.log10(n)) ? `10${[...String(Math.log10(n))].map((d) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[d]).join('')}` : n.toLocaleString('en-US'));
const median = (row) => row.median_ns ?? row.median;

function duration(ns) {
  for (const [size, unit] of [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']]) {
    if (ns >= size * 0.9995) return `${parseFloat((ns / size).toPrecision(3))} ${unit}`;
  }
  return '0';
}
const value = (row) => (row.unit === 'ns' ? duration(median(row)) : `${number(median(row))}${row.unit === 'bytes' ? ' B' : ''}`);

// Text is always set as text, never as markup.
function element(tag, { parent, text, klass, ...attributes } = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (klass) made.className = klass;
  for (const [name, word] of Object.entries(attributes)) made.setAttribute(name, word);
  if (parent) parent.append(made);
  return made;
}

function card(section, title, subtitle) {
  const made = element('figure', { parent: document.getElementById(section), klass: 'card' });
  element('h2', { parent: made, text: title });
  element('p', { parent: made, text: subtitle });
  return made;
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const isOurs = (peer) => peer === 'detent' || peer.startsWith('detent-');
const peers = [...new Set(rows.filter((row) => row.workload !== 'floor').map((row) => row.peer))];
const others = peers.filter((peer) => !isOurs(peer));

function colour(peer) {
  const ours = { detent: 'armed', 'detent-now': 'fired', 'detent-loop': 'rearmed', 'detent-pool': 'sleep' };
  if (ours[peer]) return css(ours[peer]);
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  return `hsl(${Math.round((360 * others.indexOf(peer)) / others.length)} 45% ${dark ? 62 : 48}%)`;
}

const shown = () => document.querySelector('.choose input:checked').value;
const isShown = (row) => isOurs(row.peer) || shown() === 'all' || row.thread_safe === (shown() === 'any_thread');

// Groups in the order of their first row.
function grouped(list, key) {
  const groups = new Map();
  for (const row of list) {
    const name = key(row);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return groups;
}

// ---- plots ----------------------------------------------------------------------------------------------------------

const plotFont = '12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const axis = (extra) => ({
  stroke: css('soft'), font: plotFont, labelFont: plotFont, labelSize: 20,
  grid: { stroke: css('grid'), width: 1 }, ticks: { stroke: css('line'), width: 1, size: 5 }, ...extra,
});
const isDecade = (v) => v > 0 && Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-6;
const decades = (u, splits) => splits.map((v) => (isDecade(v) ? v : null));

function plot(place, height, options, data) {
  const drawn = new uPlot({ width: place.clientWidth, height, padding: [8, 20, 0, 0], ...options }, data, place);
  new ResizeObserver(() => drawn.setSize({ width: place.clientWidth, height })).observe(place);
}

function logRange(values) {
  return [10 ** Math.floor(Math.log10(Math.min(...values))), 10 ** Math.ceil(Math.log10(Math.max(...values)) + 1e-9)];
}

function growth(title, subtitle, list) {
  const sizes = [...new Set(list.map((row) => row.n))].sort((a, b) => a - b);
  const lines = [...grouped(list, (row) => row.peer)].sort(([a], [b]) => isOurs(b) - isOurs(a));
  const place = element('div', { parent: card('growth', title, subtitle), klass: 'plot' });
  const data = lines.map(([, points]) => sizes.map((n) => { const row = points.find((p) => p.n === n); return row ? median(row) : null; }));
  plot(place, 420, {
    scales: { x: { time: false, distr: 3, range: logRange(sizes) }, y: { distr: 3, range: logRange(list.map(median)) } },
    axes: [
      axis({ label: 'timers', size: 30, values: (u, s) => s.map((v) => (v == null ? '' : count(v))), filter: decades }),
      axis({ label: 'ns per operation', size: 62, values: (u, s) => s.map((v) => (v == null ? '' : duration(v))), filter: decades }),
    ],
    series: [
      { label: 'timers', value: (u, v) => (v == null ? '' : count(v)) },
      ...lines.map(([peer, [row]]) => ({
        label: peer, stroke: colour(peer), width: isOurs(peer) ? 3 : 1.3, dash: row.thread_safe ? undefined : [6, 4],
        spanGaps: true, points: { show: true, size: isOurs(peer) ? 6 : 4 }, value: (u, v) => (v == null ? '' : duration(v)),
      })),
    ],
  }, [sizes, ...data]);
}

function distribution(title, subtitle, list) {
  const place = element('div', { parent: card('lateness', title, subtitle), klass: 'plot' });
  const edges = [...new Set(list.flatMap((row) => row.buckets.map((b) => Math.max(b.from_ns, 1))))].sort((a, b) => a - b);
  // The share of firings that are at most so late.
  const data = list.map((row) => {
    const total = row.buckets.reduce((sum, b) => sum + b.count, 0);
    return edges.map((edge) => (100 * row.buckets.filter((b) => b.from_ns <= edge).reduce((sum, b) => sum + b.count, 0)) / total);
  });
  plot(place, 420, {
    scales: { x: { time: false, distr: 3, range: [1e3, Math.max(1e7, edges[edges.length - 1])] }, y: { range: [0, 101] } },
    axes: [
      axis({ label: 'at most so late', size: 30, values: (u, s) => s.map((v) => (v == null ? '' : duration(v))), filter: decades }),
      axis({ label: 'share of firings', size: 52, values: (u, s) => s.map((v) => `${v} %`) }),
    ],
    series: [
      { label: 'late', value: (u, v) => (v == null ? '' : duration(v)) },
      ...list.map((row) => ({
        label: row.metric === 'bare sleep' ? 'bare sleep' : row.peer, width: isOurs(row.peer) ? 2.5 : 1.2,
        stroke: row.metric === 'bare sleep' ? css('sleep') : colour(row.peer), dash: row.metric === 'bare sleep' ? [5, 4] : undefined,
        points: { show: false }, value: (u, v) => (v == null ? '' : `${v.toFixed(1)} %`),
      })),
    ],
  }, [edges, ...data]);
}

function bars(title, subtitle, list) {
  const place = element('div', { parent: card('bars', title, subtitle), klass: 'bars' });
  const most = Math.max(...list.map(median), 1e-9);
  for (const row of [...list].sort((a, b) => median(a) - median(b))) {
    element(isOurs(row.peer) ? 'b' : 'span', { parent: place, text: row.peer });
    element('div', { parent: place, klass: isOurs(row.peer) ? 'bar ours' : 'bar', style: `width: ${(100 * median(row)) / most}%` });
    element('span', { parent: place, klass: 'number', text: value(row) });
  }
}

// ---- tables ---------------------------------------------------------------------------------------------------------

function table(title, list) {
  const place = element('figure', { parent: document.getElementById('tables'), klass: 'card' });
  element('h2', { parent: place, text: title });
  const columns = [...grouped(list, (row) => `${row.n} ${row.threads}`).values()].map(([row]) => row).sort((a, b) => a.n - b.n || a.threads - b.threads);
  const made = element('table', { parent: place });
  const head = element('tr', { parent: element('thead', { parent: made }) });
  element('th', { parent: head });
  for (const { n, threads } of columns) element('th', { parent: head, text: n === 1 ? '' : `${count(n)}${threads > 1 ? ` × ${threads} threads` : ''}` });
  for (const [peer, cells] of grouped(list, (row) => row.peer)) {
    const line = element('tr', { parent: made });
    element('td', { parent: line, text: peer, klass: isOurs(peer) ? 'ours' : '' });
    for (const { n, threads } of columns) {
      const row = cells.find((cell) => cell.n === n && cell.threads === threads);
      const cell = element('td', { parent: line, text: row ? value(row) : '-', klass: row ? '' : 'soft' });
      const ends = row && [row.min_ns ?? row.min, row.max_ns ?? row.max];
      if (row) cell.title = `${number(ends[0])} to ${number(ends[1])} ${row.unit} in ${row.reps} rounds`;
    }
  }
}

function draw() {
  for (const id of ['growth', 'lateness', 'bars', 'tables']) document.getElementById(id).replaceChildren();
  const visible = rows.filter((row) => row.workload === 'floor' || isShown(row));
  const words = {
    churn: ['Churn: cancel a random timer and arm it anew', '1 ms to 60 s ahead.'],
    turnover: ['Turnover: destroy a random timer, create and arm another', 'Every peer allocates what it needs.'],
    postpone: ['Postpone: push a random timeout back to 30 s from now', 'What a server does with every byte that comes in.'],
  };
  for (const [workload, [title, subtitle]] of Object.entries(words)) {
    const list = visible.filter((row) => row.workload === workload);
    if (list.length) growth(title, `${subtitle} Both axes logarithmic; dashed: only one thread may use it.`, list);
  }
  const late = report.lateness.filter((row) => row.workload === 'lateness' && visible.some((v) => v.peer === row.peer));
  const most = Math.max(...late.map((row) => row.n));
  const bare = late.find((row) => row.metric === 'bare sleep');
  const own = late.filter((row) => row.metric === 'lateness' && row.n === most);
  if (own.length) distribution('Lateness at a thousand random timers a second', 'Further left is better. Who fires early begins above zero.', bare ? [...own, bare] : own);
  const charts = [
    ['fire', 'cpu per firing', 'CPU time of one firing', 'Of the whole process, all timers due within one second.'],
    ['memory', 'bytes per timer', 'Memory of one armed timer', 'Handle, callback of three pointers, and what the library keeps; for the JVM its heap.'],
    ['herd', 'drain per firing', 'A herd in one millisecond', 'Time from the deadline to the last callback, by their number.'],
    ['replay', 'operation', "A web server's kernel timers, replayed as fast as possible", 'Per operation of the recording in data/.'],
    ['periodic', 'cpu per firing', 'CPU time of a firing of a series', 'Periods of 500 to 1500 ms.'],
    ['idle', 'cpu per second', 'CPU time in a second in which nothing is due', 'Looking at the clock for this account included.'],
  ];
  for (const [workload, metric, title, subtitle] of charts) {
    const list = visible.filter((row) => row.workload === workload && row.metric === metric);
    const n = Math.max(...list.map((row) => row.n));
    if (list.length) bars(`${title}, ${count(n)} timers`, subtitle, list.filter((row) => row.n === n));
  }
  for (const [name, list] of grouped(visible, (row) => `${row.workload}: ${row.metric}`)) table(name, list);
}

document.getElementById('subject').textContent =
  `${machine.cpu}, ${machine.cpus} CPUs, ${machine.system}, ${machine.compiler} ${machine.flags}. ${machine.started_at} UTC, ` +
  `load average ${machine.load_at_begin} before and ${machine.load_at_end} after.`;
document.getElementById('made').textContent = `Made by detent ${report.version} with seed ${report.seed}. Versions: ` +
  [...grouped(rows.filter((row) => row.workload !== 'floor'), (row) => row.peer)].map(([peer, [row]]) => `${peer} ${row.version}`).join(', ') + '.';
const missing = document.querySelector('#left-out table');
for (const row of report.left_out) {
  const line = element('tr', { parent: missing });
  element('td', { parent: line, text: row.peer });
  element('td', { parent: line, text: row.workload ? `${row.workload}${row.n ? ` from ${count(row.n)}` : ''}` : 'all' });
  element('td', { parent: line, text: row.why });
}
if (!report.left_out.length) element('td', { parent: element('tr', { parent: missing }), text: 'nothing' });
draw();
for (const choice of document.querySelectorAll('.choose input')) choice.addEventListener('change', draw);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
