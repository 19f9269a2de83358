'use strict';

// Everything on this page comes from the one JSON object above; nothing is loaded.
const report = JSON.parse(document.getElementById('report').textContent);
const account = report;
const { recording, settings, cost, series } = report;

// ---- numbers in words -------------------------------------------------------------------------------------------

const grouped = (n) => Math.round(n).toLocaleString('en-US');

function threeDigits(value) {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

function duration(ns) {
  if (ns < 1000) return `${Math.round(ns)} ns`;
  if (ns >= 60e9) return `${Math.floor(ns / 60e9)} min ${Math.round((ns % 60e9) / 1e9)} s`;
  for (const [size, unit] of [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs']]) {
    if (ns >= size * 0.9995) return `${threeDigits(ns / size)} ${unit}`;
  }
  return `${Math.round(ns)} ns`;
}

// For axes, where 1.00 ms would only be longer than 1 ms.
function roundDuration(ns) {
  for (const [size, unit] of [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']]) {
    if (ns >= size * 0.9995) return `${parseFloat((ns / size).toPrecision(3))} ${unit}`;
  }
  return '0';
}

function bytes(n) {
  for (const [size, unit] of [[2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']]) {
    if (n >= size) return `${threeDigits(n / size)} ${unit}`;
  }
  return `${n} B`;
}

function share(part, whole) {
  if (whole === 0) return '';
  const percent = (100 * part) / whole;
  if (part !== 0 && percent < 0.1) return '< 0.1 %';
  if (part !== whole && percent > 99.9) return '> 99.9 %';
  return `${percent.toFixed(1)} %`;
}

const shortNumber = (n) =>
  n >= 1e6 ? `${parseFloat((n / 1e6).toPrecision(3))} M` : n >= 1e4 ? `${parseFloat((n / 1e3).toPrecision(3))} k` : grouped(n);

// ---- elements ---------------------------------------------------------------------------------------------------

// Text is always set as text, never as markup: file and function names come from somebody's trace.
function element(tag, { parent, text, ...attributes } = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name === 'klass' ? 'class' : name, value);
  if (parent) parent.append(made);
  return made;
}

function caption(id, title, subtitle) {
  const card = document.getElementById(id);
  card.querySelector('h2').textContent = title;
  card.querySelector('h2 + p').textContent = subtitle;
  return card.querySelector('.plot');
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const faint = (name, percent) => `color-mix(in srgb, ${colour(name)} ${percent}%, transparent)`;

// ---- header and tiles -------------------------------------------------------------------------------------------

const inOrder = report.adds_up && account.early === 0 && account.lost === 0;

function writeHeader() {
  const verdict = document.getElementById('verdict');
  if (inOrder) {
    verdict.textContent = `${grouped(account.armings)} armings, every one accounted for. None early, none lost.`;
  } else {
    const faults = [];
    if (!report.adds_up) faults.push('the ends do not add up');
    if (account.early) faults.push(`${grouped(account.early)} fired early`);
    if (account.lost) faults.push(`${grouped(account.lost)} were lost`);
    verdict.textContent = `${grouped(account.armings)} armings, and `;
    element('span', { parent: verdict, klass: 'bad', text: `${faults.join(', ')}.` });
  }
  const subject = document.getElementById('subject');
  element('b', { parent: subject, text: recording.file.split('/').pop() });
  const how = [
    `${grouped(recording.lines.events)} kernel timer events`,
    `${grouped(recording.timers)} timers on ${grouped(recording.cpus)} CPUs`,
    `${duration(recording.length_ns)} recorded`,
    settings.speed === 0
      ? 'replayed as fast as possible'
      : settings.speed === 1
        ? 'replayed at recorded pace'
        : `replayed at ${settings.speed} times the pace`,
  ];
  if (settings.repeat > 1) how.push(`${settings.repeat} times over`);
  if (settings.timers_times > 1) how.push(`population times ${settings.timers_times}`);
  if (settings.executor !== 'driver') how.push(`callbacks on the ${settings.executor}`);
  subject.append(`: ${how.join(', ')}.`);
  if (report.interrupted) {
    const done = `${grouped(cost.operations)} of ${grouped(report.planned_operations)} operations`;
    element('b', { parent: subject, text: ` Ended early by the user, after ${done}.` });
  }
  const remarks = document.getElementById('remarks');
  remarks.hidden = recording.remarks.length === 0;
  for (const remark of recording.remarks) element('li', { parent: remarks, text: remark });
  document.getElementById('made').textContent = `Made by detent ${report.version}, ${report.started_at} UTC.`;
  document.title = `detent replay: ${recording.file.split('/').pop()}`;
}

function writeTiles() {
  const tiles = document.getElementById('tiles');
  const tile = (name, value, beside, verdict = '') => {
    const made = element('div', { parent: tiles, klass: 'tile' });
    element('div', { parent: made, klass: 'name', text: name });
    element('div', { parent: made, klass: `value ${verdict}`, text: value });
    element('div', { parent: made, klass: 'beside', text: beside });
  };
  const none = (count) => (count === 0 ? 'good' : 'bad');
  tile('Early firings', grouped(account.early), `of ${grouped(account.fired)} fired`, none(account.early));
  tile('Lost armings', grouped(account.lost), `of ${grouped(account.armings)}`, none(account.lost));
  tile('Lateness, p50', duration(report.lateness_ns.p50), `bare sleep ${duration(report.bare_sleep_ns.p50)}`);
  tile('Lateness, p99', duration(report.lateness_ns.p99), `bare sleep ${duration(report.bare_sleep_ns.p99)}`);
  tile('Per operation', duration(cost.p50_ns_per_operation), `mean ${duration(cost.ns_per_operation)} of ${grouped(cost.operations)}`);
  const cpu_ns = cost.user_cpu_ns + cost.system_cpu_ns;
  tile('CPU time', duration(cpu_ns), `in ${duration(cost.wall_ns)} of replay`);
  tile('Memory', bytes(cost.peak_memory_bytes), `trace ${bytes(cost.trace_memory_bytes)}, service ${bytes(cost.service_memory_bytes)}`);
}

// ---- plots ------------------------------------------------------------------------------------------------------

const plotFont = '12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const plots = [];

function axis(extra) {
  return {
    stroke: colour('soft'),
    font: plotFont,
    labelFont: plotFont,
    labelSize: 20,
    grid: { stroke: colour('grid'), width: 1 },
    ticks: { stroke: colour('line'), width: 1, size: 5 },
    ...extra,
  };
}

// Draws now, again when its room changes, and again when the colours do.
function plot(place, height, make) {
  let drawn = null;
  const draw = () => {
    if (drawn) drawn.destroy();
    const { options, data } = make(place.clientWidth);
    drawn = new uPlot({ width: place.clientWidth, height, padding: [8, 24, 0, 0], ...options }, data, place);
  };
  draw();
  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth === width) return;
    width = place.clientWidth;
    draw();
  }).observe(place);
  plots.push(draw);
}

// Whole decades on the logarithmic x axis; of their labels only as many as there is room for.
const decadeLines = (u, splits) => splits.map((v) => (isDecade(v) ? v : null));
const isDecade = (v) => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-6;

function decadeLabels(u, splits) {
  const { min, max } = u.scales.x;
  const labelRoom = 62 * devicePixelRatio;
  const step = Math.ceil((Math.log10(max / min) * labelRoom) / u.bbox.width);
  return splits.map((v) => (isDecade(v) && Math.round(Math.log10(v / min)) % step === 0 ? v : null));
}

const durations = (u, splits) => splits.map((v) => (v == null ? '' : roundDuration(v)));

// One value per bar on a logarithmic scale. The program's buckets need not be even there, so each is spread over the
// bars that it covers.
function overDecades(buckets, first, last, perDecade) {
  const bars = new Array((last - first) * perDecade).fill(0);
  const place = (ns) => (Math.log10(Math.max(ns, 1)) - first) * perDecade;
  let total = 0;
  for (const { from_ns, to_ns, count } of buckets) {
    total += count;
    const from = place(from_ns);
    const to = Math.max(place(to_ns), from + 1e-9);
    for (let bar = Math.floor(from); bar < to && bar < bars.length; ++bar) {
      bars[bar] += (count * (Math.min(to, bar + 1) - Math.max(from, bar))) / (to - from);
    }
  }
  return bars.map((count) => (total ? (100 * count) / total : 0));
}

function plotLateness() {
  const filled = [...series.lateness, ...series.bare_sleep].filter((bucket) => bucket.count > 0);
  const late = report.lateness_ns;
  const place = caption(
    'lateness',
    late.count ? `Half of all firings began within ${duration(late.p50)} of their deadline, 99 % within ${duration(late.p99)}` : 'Nothing fired',
    `Share of firings by lateness; the worst was ${duration(late.max)} late. A bare sleep: ${duration(report.bare_sleep_ns.p50)}, ` +
      `${duration(report.bare_sleep_ns.p99)}, worst ${duration(report.bare_sleep_ns.max)}.`,
  );
  if (filled.length === 0) return;
  const lowest = Math.max(1, Math.min(...filled.map((bucket) => bucket.from_ns)));
  const highest = Math.max(lowest * 2, ...filled.map((bucket) => bucket.to_ns));
  const first = Math.floor(Math.log10(lowest));
  const last = Math.ceil(Math.log10(highest) - 1e-9);
  const perDecade = 16;
  const timers = overDecades(series.lateness, first, last, perDecade);
  const sleep = overDecades(series.bare_sleep, first, last, perDecade);
  const edges = timers.map((_, bar) => 10 ** (first + bar / perDecade));
  edges.push(10 ** last);
  const stepped = uPlot.paths.stepped({ align: 1 });
  const percent = (u, v) => (v == null ? '' : `${v.toFixed(2)} %`);
  plot(place, 330, () => ({
    data: [edges, [...timers, 0], [...sleep, 0]],
    options: {
      scales: { x: { time: false, distr: 3, range: [10 ** first, 10 ** last] }, y: { range: (u, min, max) => [0, max * 1.08 || 1] } },
      axes: [
        axis({ size: 28, label: 'lateness (log scale)', values: durations, filter: decadeLabels }),
        axis({ label: 'share of firings', size: 52, values: (u, splits) => splits.map((v) => `${v} %`) }),
      ],
      series: [
        { label: 'from', value: (u, v) => (v == null ? '' : duration(v)) },
        { label: 'timers', stroke: colour('fired'), fill: faint('fired', 22), width: 2, paths: stepped, points: { show: false }, value: percent },
        { label: 'bare sleep', stroke: colour('sleep'), width: 1.5, dash: [5, 4], paths: stepped, points: { show: false }, value: percent },
      ],
    },
  }));
}

const kinds = [
  ['rearmed', 're-arms'],
  ['armed', 'arms'],
  ['cancelled', 'cancels'],
  ['fired', 'firings'],
];

const secondsAxis = (extra) => axis({ size: 28, label: 'time of the replay', values: (u, splits) => splits.map((v) => `${parseFloat(v.toPrecision(6))} s`), ...extra });
const spanStarts = () => series.activity.armed.map((_, span) => (span * series.activity.span_ns) / 1e9);
const atTime = { label: 'at', value: (u, v) => (v == null ? '' : `${v.toFixed(3)} s`) };

// Neighbouring spans together until the line has no more points than a reader can tell apart.
function thinned(counts, mostPoints) {
  const together = Math.max(1, Math.ceil(counts.length / mostPoints));
  const sums = [];
  for (let from = 0; from < counts.length; from += together) {
    const part = counts.slice(from, from + together);
    sums.push((part.reduce((sum, n) => sum + n, 0) * together) / part.length);
  }
  return { sums, together };
}

// One strip per kind, each with its own scale: kinds differ by factors of a hundred, and on one scale they hide each other.
function plotOperations() {
  const { activity } = series;
  const mostPoints = 200;
  const { together } = thinned(activity.armed, mostPoints);
  const span_ns = activity.span_ns * together;
  const length_s = Math.max((activity.armed.length * activity.span_ns) / 1e9, 1e-9);
  const totals = kinds.map(([key, name]) => ({ name, count: activity[key].reduce((sum, n) => sum + n, 0) }));
  const all = totals.reduce((sum, { count }) => sum + count, 0);
  const most = totals.reduce((a, b) => (b.count > a.count ? b : a));
  const place = caption(
    'operations',
    all ? `${share(most.count, all)} of all operations are ${most.name}` : 'No operations',
    `Operations per second, in spans of ${roundDuration(span_ns)}; ${shortNumber(all / length_s)} a second on average. Each strip has its own scale.` +
      (report.pace_ns.count ? ` Half of them began within ${duration(report.pace_ns.p50)} of their recorded instant, 99 % within ${duration(report.pace_ns.p99)}.` : ''),
  );
  if (all === 0) return;
  kinds.forEach(([key, name], at) => {
    const last = at === kinds.length - 1;
    const rates = thinned(activity[key], mostPoints).sums.map((n) => (n * 1e9) / span_ns);
    const times = rates.map((_, span) => (span * span_ns) / 1e9);
    const label = element('p', { parent: place, klass: 'strip' });
    element('span', { parent: label, klass: 'swatch', style: `background: var(--${key})` });
    element('b', { parent: label, text: name });
    const readout = element('span', { parent: label });
    const rest = `${shortNumber(totals[at].count / length_s)}/s on average`;
    readout.textContent = rest;
    plot(element('div', { parent: place }), last ? 118 : 70, () => ({
      data: [times, rates],
      options: {
        legend: { show: false },
        cursor: { y: false, sync: { key: 'operations' }, points: { size: 6 }, drag: { x: false } },
        scales: { x: { time: false }, y: { range: (u, min, max) => [0, max * 1.1 || 1] } },
        axes: [
          last ? secondsAxis() : axis({ size: 4, values: () => [], ticks: { show: false } }),
          axis({ size: 58, space: 22, values: (u, splits) => splits.map(shortNumber) }),
        ],
        series: [{}, { stroke: colour(key), fill: faint(key, 18), width: 1.5, points: { show: false } }],
        hooks: {
          setCursor: [
            ({ cursor: { idx, left } }) => {
              readout.textContent = idx == null || left < 0 ? rest : `${grouped(rates[idx])}/s at ${times[idx].toFixed(2)} s`;
            },
          ],
        },
      },
    }));
  });
}

function plotPopulation() {
  const { activity } = series;
  const highest = activity.population.reduce((a, b) => Math.max(a, b), 0);
  const place = caption(
    'population',
    `At most ${grouped(highest)} timers were armed at once`,
    `Armed timers of the live service, at the end of each span of ${duration(activity.span_ns)}.`,
  );
  if (activity.population.length === 0) return;
  plot(place, Math.max(260, heightOfLifetimes()), () => ({
    data: [spanStarts(), activity.population],
    options: {
      scales: { x: { time: false }, y: { range: (u, min, max) => [0, max * 1.08 || 1] } },
      axes: [secondsAxis(), axis({ label: 'armed timers', size: 58, values: (u, splits) => splits.map(shortNumber) })],
      series: [
        atTime,
        { label: 'armed', stroke: colour('armed'), fill: faint('armed', 18), width: 2, points: { show: false }, value: (u, v) => (v == null ? '' : grouped(v)) },
      ],
    },
  }));
}

// ---- life-times: one row per kernel function, drawn on uPlot's canvas ----------------------------------------------

const usualEnd = (row) => (row.rearmed >= row.expired && row.rearmed >= row.cancelled ? 'rearmed' : row.cancelled >= row.expired ? 'cancelled' : 'fired');
const endsOf = (row) => row.expired + row.rearmed + row.cancelled;

function drawRows(u, rows) {
  const { ctx } = u;
  const pixels = devicePixelRatio;
  const x = (ns) => u.valToPos(Math.max(ns, u.scales.x.min), 'x', true);
  ctx.save();
  rows.forEach((row, at) => {
    const middle = u.valToPos(at + 0.5, 'y', true);
    const half = Math.min(8 * pixels, Math.abs(u.valToPos(1, 'y', true) - u.valToPos(0, 'y', true)) * 0.32);
    const own = colour(usualEnd(row));
    ctx.strokeStyle = ctx.fillStyle = own;
    ctx.lineWidth = 1.5 * pixels;
    ctx.beginPath();
    ctx.moveTo(x(row.p05_ns), middle);
    ctx.lineTo(x(row.p95_ns), middle);
    ctx.stroke();
    const left = x(row.p25_ns);
    const width = Math.max(x(row.p75_ns) - left, 3 * pixels);
    ctx.fillStyle = colour('card');
    ctx.fillRect(left, middle - half, width, 2 * half);
    ctx.globalAlpha = 0.35;
    ctx.fillStyle = own;
    ctx.fillRect(left, middle - half, width, 2 * half);
    ctx.globalAlpha = 1;
    ctx.fillRect(x(row.p50_ns) - 1.5 * pixels, middle - half, 3 * pixels, 2 * half);
  });
  ctx.restore();
}

function widthOfNames(names, room) {
  const measure = document.createElement('canvas').getContext('2d');
  measure.font = plotFont;
  return Math.min(Math.max(...names.map((name) => measure.measureText(name).width)) + 14, room * 0.42);
}

function shortened(name, room) {
  const fits = Math.floor(room / 6.6);
  return name.length <= fits ? name : `${name.slice(0, Math.max(fits - 1, 4))}…`;
}

const mostRows = 16;
const heightOfLifetimes = () => 56 + Math.min(series.lifetimes.length, mostRows) * 26;

function plotLifetimes() {
  const rows = series.lifetimes.slice(0, mostRows);
  const ended = series.lifetimes.reduce((sum, row) => sum + endsOf(row), 0);
  const expired = series.lifetimes.reduce((sum, row) => sum + row.expired, 0);
  const place = caption(
    'lifetimes',
    ended ? `${share(expired, ended)} of the kernel's armings ran to their expiry; the others were re-armed or cancelled before` : 'No timer ended in the recording',
    'Recorded time from arming to end, by kernel function, the most frequent first. Box: the middle half with the median; line: 5 % to 95 %.',
  );
  const readout = document.querySelector('#lifetimes .readout');
  if (rows.length === 0) return;
  readout.append('The usual end: ');
  for (const [key, words] of [['rearmed', 're-armed'], ['cancelled', 'cancelled'], ['fired', 'expired']]) {
    element('span', { parent: readout, klass: 'swatch', style: `background: var(--${key}); margin-left: 10px; margin-right: 5px` });
    readout.append(words);
  }
  const legend = [...readout.childNodes];
  const lowest = Math.max(100, Math.min(...rows.map((row) => Math.max(row.p05_ns, 1))));
  const highest = Math.max(...rows.map((row) => row.p95_ns), lowest * 10);
  const range = [10 ** Math.floor(Math.log10(lowest)), 10 ** Math.ceil(Math.log10(highest) - 1e-9)];
  plot(place, heightOfLifetimes(), (room) => {
    const names = rows.map((row) => row.function);
    const nameRoom = widthOfNames(names, room);
    const middles = rows.map((_, at) => at + 0.5);
    return {
      data: [range, [null, null]],
      options: {
        legend: { show: false },
        cursor: { y: false, x: false, points: { show: false }, drag: { x: false, y: false } },
        scales: { x: { time: false, distr: 3, range }, y: { dir: -1, range: [0, rows.length] } },
        axes: [
          axis({
            size: 28,
            label: 'time from arming to end (log scale)',
            values: durations,
            filter: decadeLabels,
            grid: { stroke: colour('grid'), width: 1, filter: decadeLines },
            ticks: { stroke: colour('line'), width: 1, size: 5, filter: decadeLines },
          }),
          axis({ size: nameRoom, splits: () => middles, values: () => names.map((name) => shortened(name, nameRoom - 10)), grid: { show: false }, ticks: { show: false } }),
          axis({ scale: 'y', side: 1, size: 62, splits: () => middles, values: () => rows.map((row) => shortNumber(endsOf(row))), grid: { show: false }, ticks: { show: false } }),
        ],
        series: [{}, { scale: 'y' }],
        hooks: {
          draw: [(u) => drawRows(u, rows)],
          setCursor: [
            (u) => {
              const row = u.cursor.top >= 0 ? rows[Math.floor(u.posToVal(u.cursor.top, 'y'))] : undefined;
              if (!row) return readout.replaceChildren(...legend);
              readout.textContent =
                `${row.function}: median ${duration(row.p50_ns)}, middle half ${duration(row.p25_ns)} to ${duration(row.p75_ns)}; ` +
                `${grouped(row.rearmed)} re-armed, ${grouped(row.cancelled)} cancelled, ${grouped(row.expired)} expired`;
            },
          ],
        },
      },
    };
  });
}

// ---- tables -----------------------------------------------------------------------------------------------------

function writeAccount() {
  const ends = [
    ['fired', 'fired', 'fired'],
    ['replaced', 'replaced by a later arming', 'rearmed'],
    ['cancelled', 'cancelled', 'cancelled'],
    ['closed', 'closed', 'closed'],
    ['shut_down', 'ended by the shutdown', 'shut_down'],
    ['dropped', 'dropped by the executor', 'dropped'],
    ['pending', 'still pending', 'pending'],
  ];
  const card = document.getElementById('account');
  const bar = card.querySelector('.shares');
  const table = card.querySelector('table');
  const row = (name, count, part, klass = '') => {
    const made = element('tr', { parent: table, klass });
    const weight = count === 0 ? 'soft' : '';
    element('td', { parent: made, klass: weight, text: name });
    element('td', { parent: made, klass: weight, text: grouped(count) });
    element('td', { parent: made, klass: 'soft', text: part });
    return made;
  };
  for (const [key, name, shade] of ends) {
    const count = account[key];
    if (count > 0) element('span', { parent: bar, style: `flex: ${count} 0 0; background: var(--${shade})`, title: name });
    const made = row(name, count, share(count, account.armings));
    made.firstChild.prepend(element('span', { klass: 'swatch', style: `background: var(--${shade})` }));
  }
  const sum = ends.reduce((total, [key]) => total + account[key], 0);
  row('sum of the ends', sum, '', 'total');
  const armings = row('armings', account.armings, sum === account.armings ? 'adds up' : 'does not add up');
  armings.lastChild.className = sum === account.armings ? 'good' : 'bad';
  for (const [name, count] of [['fired before the deadline', account.early], ['without any end', account.lost]]) {
    row(name, count, '').children[1].className = count === 0 ? 'good' : 'bad';
  }
}

function writeRecording() {
  const card = document.getElementById('recording');
  const [events, unusual] = card.querySelectorAll('table');
  const head = element('tr', { parent: element('thead', { parent: events }) });
  for (const name of ['', 'start', 'cancel', 'expire', 'arms', 're-arms', 'cancels', 'expiries']) element('th', { parent: head, text: name });
  for (const family of ['timer', 'hrtimer']) {
    const row = element('tr', { parent: events });
    const folded = recording.folded[family];
    element('td', { parent: row, text: family });
    for (const verb of ['start', 'cancel', 'expire_entry']) {
      element('td', { parent: row, klass: 'soft', text: grouped(recording.events[`${family}_${verb}`]) });
    }
    for (const key of ['arms', 'rearms', 'cancels', 'expiries']) element('td', { parent: row, text: grouped(folded[key]) });
  }
  const names = {
    first_seen_by_cancel: 'timers first seen by a cancel',
    first_seen_by_expiry: 'timers first seen by an expiry',
    cancelled_while_idle: 'cancelled while idle: no start was recorded',
    expired_while_idle: 'expired while idle: no start was recorded',
    ends_not_seen: 'armed anew for another function, end not seen',
    addresses_reused: 'addresses re-used by another timer',
    armed_at_end: 'timers still armed when the recording ends',
    already_due: 'armed for an instant that had passed',
    foreign_clock: 'deadlines on another clock, taken from the end',
    time_went_back: 'events stamped before their predecessor',
    lost_markers: 'times that the recorder fell behind',
    lost_events: 'events that it lost then',
  };
  for (const [key, name] of Object.entries(names)) {
    if (recording.unusual[key] === 0) continue;
    const row = element('tr', { parent: unusual });
    element('td', { parent: row, text: name });
    element('td', { parent: row, text: grouped(recording.unusual[key]) });
  }
  for (const [key, name] of [['malformed', 'malformed event lines, skipped'], ['foreign', 'lines of other events, skipped']]) {
    if (recording.lines[key] === 0) continue;
    const row = element('tr', { parent: unusual });
    element('td', { parent: row, text: name });
    element('td', { parent: row, text: grouped(recording.lines[key]) });
  }
  if (!unusual.hasChildNodes()) element('td', { parent: element('tr', { parent: unusual }), text: 'nothing' });
}

writeHeader();
writeTiles();
writeAccount();
writeRecording();
plotLateness();
plotOperations();
plotPopulation();
plotLifetimes();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plots.forEach((draw) => draw()));
