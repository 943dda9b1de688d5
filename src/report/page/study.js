// Shows a study: an overview of all curves, and for each task its curves and items. What is shown follows from the part
// of the address after "#", so every view is a link.

const VERDICTS = ['positive', 'inverse', 'u_shaped', 'inverted_u', 'flat', 'inconclusive'];
const SIGNS = ['●', '■', '▲', '◆', '★', '✖'];  // the markers, in text
const MARKERS = ['circle', 'rect', 'triangle', 'rectRot', 'star', 'crossRot'];
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 6]];
const ITEMS_A_TIME = 30;

function verdictBadge(verdict) {
  return element('span', { class: 'verdict ' + verdict }, words(verdict));
}

// ---- what is shown ----------------------------------------------------------------------------------------------------

const defaults = {
  task: '', metric: data.metrics.includes('accuracy') ? 'accuracy' : data.metrics[0], scale: data.scales[0],
  find: '', verdict: '', condition: '', family: '', model: '', show: 'all', search: '', hide: '',
};

function readState() {
  const state = { ...defaults };
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) if (key in defaults) state[key] = value;
  return state;
}

/** The address of the present view with `changes`. */
function address(changes) {
  const changed = { ...readState(), ...changes };
  const pairs = Object.entries(changed).filter(([key, value]) => value !== defaults[key]);
  return '#' + new URLSearchParams(pairs);
}

function go(changes, replace = false) {
  if (!replace) location.hash = address(changes);
  else { history.replaceState(null, '', address(changes)); show(); }
}

const metricOf = (state) => data.metrics.indexOf(state.metric);
const scaleOf = (state) => data.scales.indexOf(state.scale);
const curvesOf = (state, task) => data.curves.filter(
  (curve) => curve.task === task && curve.metric === metricOf(state) && curve.scale === scaleOf(state));

/** A curve's name among the curves of its task. */
function seriesName(curve) {
  const names = [];
  if (data.conditions.length > 1) names.push(data.conditions[curve.condition]);
  if (data.families.length > 1) names.push(data.families[curve.family]);
  return names.join(' · ') || data.conditions[curve.condition];
}

// ---- charts -----------------------------------------------------------------------------------------------------------

/** The parts of a curve as datasets: its interval band, the curve itself, the points. */
function datasetsOf(curve, { paint, fill = paint, marker = 'circle', dash = [] }, radius) {
  const line = {
    pointRadius: 0, pointHitRadius: 0, borderColor: paint, borderWidth: 2, borderDash: dash, order: 2,
  };
  const isFraction = data.metric_facts[curve.metric].is_proportion;
  const inside = (y) => (isFraction && y !== null ? Math.min(1, Math.max(0, y)) : y);
  const datasets = [];
  if (curve.fit) {
    const from = curve.x[0], to = curve.x.at(-1);
    const along = (values) => values.map((y, i) => ({ x: from * (to / from) ** (i / (values.length - 1)), y: inside(y) }));
    const hasBand = curve.fit.low.every((value) => value !== null);
    if (hasBand) {
      datasets.push({ ...line, role: 'band', order: 3, data: along(curve.fit.low), borderWidth: 0, fill: false });
      datasets.push({ ...line, role: 'band', order: 3, data: along(curve.fit.high), borderWidth: 0, fill: '-1', backgroundColor: paint + '26' });
    }
    datasets.push({ ...line, role: 'curve', data: along(curve.fit.y), fill: false });
  }
  datasets.push({
    role: 'points', order: 1, curve, data: curve.x.map((x, i) => ({ x, y: curve.y[i] })),
    errors: curve.error.map((error) => (error === null ? null : 1.96 * error)),
    showLine: !curve.fit, borderColor: paint, borderWidth: 1.5, borderDash: dash,
    pointStyle: marker, pointRadius: radius, pointHoverRadius: radius + 2, pointHitRadius: 10,
    pointBackgroundColor: fill, pointBorderColor: paint, pointBorderWidth: 1.75,
  });
  return datasets;
}

function chanceLine(curves) {
  const chance = curves.find((curve) => curve.chance !== null)?.chance ?? null;
  if (chance === null || !curves.length || data.metrics[curves[0].metric] !== 'accuracy') return [];
  const xs = curves.flatMap((curve) => curve.x);
  return [{
    role: 'chance', data: [Math.min(...xs), Math.max(...xs)].map((x) => ({ x, y: chance })),
    borderColor: color('soft'), borderWidth: 1, borderDash: [3, 4], pointRadius: 0, pointHitRadius: 0,
  }];
}

/** The range of an axis: proportions from 0 to 1, else what the points need. */
function verticalRange(curves) {
  if (curves.length && data.metric_facts[curves[0].metric].is_proportion && !curves.some((curve) => curve.y.some((y) => y < 0 || y > 1)))
    return { min: -0.04, max: 1.04 };
  const ends = curves.flatMap((curve) => curve.y.flatMap((y, i) => [y - 2 * curve.error[i], y + 2 * curve.error[i]]));
  if (!ends.length) return {};
  const low = Math.min(...ends), high = Math.max(...ends), margin = 0.06 * (high - low || 1);
  return { min: low - margin, max: high + margin };
}

/** Ticks of a vertical axis, `step` apart from 0 to 1 for proportions. */
const fractionTicks = (step) => (axis) => {
  if (axis.min !== -0.04 || axis.max !== 1.04) return;
  axis.ticks = [];
  for (let value = 0; value < 1 + step / 2; value += step) axis.ticks.push({ value });
};

/** A little more than the points need, so that the outermost are whole. */
function horizontalRange(curves) {
  const xs = curves.flatMap((curve) => curve.x);
  if (!xs.length) return {};
  const low = Math.min(...xs), high = Math.max(...xs), margin = Math.max((high / low) ** 0.05, 1.15);
  return { min: low / margin, max: high * margin };
}

/** Round numbers on a logarithmic axis: powers of ten, with 2 and 5 where there are few of those. */
function logTicks(axis) {
  const decades = Math.log10(axis.max / axis.min), ticks = [];
  const steps = decades > 8 ? [] : decades > 2.5 ? [1] : decades > 1 ? [1, 3] : [1, 2, 5];
  const every = decades > 8 ? Math.ceil(decades / 6) : 1;
  for (let power = Math.floor(Math.log10(axis.min)); power <= Math.ceil(Math.log10(axis.max)); ++power)
    for (const step of steps.length ? steps : power % every === 0 ? [1] : []) {
      const value = step * 10 ** power;
      if (value >= axis.min && value <= axis.max) ticks.push({ value });
    }
  axis.ticks = ticks;
}

function smallChart(canvas, curves) {
  const look = (curve, i) => ({ paint: color(curve.verdict), marker: MARKERS[i % MARKERS.length] });
  return new Chart(canvas, {
    type: 'line',
    data: { datasets: [...chanceLine(curves), ...curves.flatMap((curve, i) => datasetsOf(curve, look(curve, i), 2.5))] },
    options: {
      events: [], parsing: false, normalized: true,
      layout: { padding: { top: 3, bottom: 3, left: 3, right: 3 } },
      plugins: { legend: { display: false }, tooltip: { enabled: false } },
      scales: {
        x: { type: 'logarithmic', display: false, ...horizontalRange(curves) },
        y: {
          ...verticalRange(curves), afterBuildTicks: fractionTicks(0.5), grid: { color: color('line'), drawBorder: false, drawTicks: false },
          ticks: { color: color('soft'), font: { size: 10 }, maxTicksLimit: 4, includeBounds: false, padding: 4, callback: valueTick },
        },
      },
    },
  });
}

function pointText(curve, i) {
  const error = curve.error[i] === null ? '' : ` ± ${shortValue(1.96 * curve.error[i], curve.error[i])}`;
  return [
    `${data.metrics[curve.metric]} ${shortValue(curve.y[i], curve.error[i])}${error}${unitOf(data.metrics[curve.metric])}`,
    `${shortNumber(curve.x[i])} ${words(data.scales[curve.scale])}, ${curve.n[i] || 'unknown number of'} items`,
    `${data.conditions[curve.condition]}, family ${data.families[curve.family]}: ${words(curve.verdict)}`,
  ];
}

function largeChart(canvas, state, curves, look, choose) {
  const tickColor = color('soft'), gridColor = color('line');
  const axis = { ticks: { color: tickColor, maxRotation: 0 }, grid: { color: gridColor, drawBorder: false }, title: { display: true, color: color('ink') } };
  return new Chart(canvas, {
    type: 'line',
    data: { datasets: [...chanceLine(curves), ...curves.flatMap((curve) => datasetsOf(curve, look(curve), 5))] },
    options: {
      parsing: false, normalized: true,
      interaction: { mode: 'nearest', intersect: true },
      onClick: (event, hit) => hit.length && setTimeout(() => choose(hit[0])),  // later: it replaces this chart
      onHover: (event, hit) => { canvas.style.cursor = hit.length ? 'pointer' : ''; },
      plugins: {
        legend: { display: false },
        tooltip: {
          filter: (item) => item.dataset.role === 'points', displayColors: false,
          callbacks: {
            title: (items) => items.map((item) => visible(data.models[item.dataset.curve.models[item.dataIndex]])),
            label: (item) => pointText(item.dataset.curve, item.dataIndex).map(visible),
          },
        },
      },
      scales: {
        x: {
          ...axis, type: 'logarithmic', ...horizontalRange(curves), afterBuildTicks: logTicks,
          title: { ...axis.title, text: words(state.scale) },
          ticks: { ...axis.ticks, callback: (value) => shortNumber(value) },
        },
        y: {
          ...axis, ...verticalRange(curves), afterBuildTicks: fractionTicks(0.2), ticks: { ...axis.ticks, includeBounds: false, callback: valueTick },
          title: { ...axis.title, text: words(state.metric) + unitOf(state.metric) + (data.metric_facts[metricOf(state)].higher_is_better ? '' : ', lower is better') },
        },
      },
    },
  });
}

function flipsChart(canvas, curve) {
  const bars = (label, values, paint) => ({ label, data: values, backgroundColor: paint, stack: 'flips', maxBarThickness: 46 });
  const axis = { ticks: { color: color('soft'), maxRotation: 0 }, grid: { color: color('line'), drawBorder: false } };
  const steps = curve.x.slice(1).map((x, i) => `${shortNumber(curve.x[i])} → ${shortNumber(x)}`);
  return new Chart(canvas, {
    type: 'bar',
    data: { labels: steps, datasets: [bars('wrong to right', curve.flips.gained, color('right')), bars('right to wrong', curve.flips.lost.map((n) => -n), color('wrong'))] },
    options: {
      plugins: {
        legend: { position: 'top', align: 'start', labels: { color: color('ink'), boxWidth: 14 } },
        tooltip: { callbacks: { label: (item) => `${Math.abs(item.raw)} items ${item.dataset.label}` } },
      },
      scales: {
        x: { ...axis, stacked: true, grid: { display: false } },
        y: { ...axis, stacked: true, ticks: { ...axis.ticks, precision: 0, callback: (value) => Math.abs(value) }, title: { display: true, text: 'items', color: color('ink') } },
      },
    },
  });
}

// ---- overview ---------------------------------------------------------------------------------------------------------

/** The values at both ends, with the decimals of the larger error. */
function endsOf(curve) {
  if (!curve.y.length) return '';
  const error = Math.max(curve.error[0], curve.error.at(-1));
  return `${shortValue(curve.y[0], error)} → ${shortValue(curve.y.at(-1), error)}`;
}

function cell(task, condition, curves) {
  const name = `${data.tasks[task]}, ${data.conditions[condition]}`;
  const badges = curves.map((curve) => element('div', { class: 'line' },
    element('span', {}, curves.length > 1 ? visible(data.families[curve.family]) + ' ' : null, verdictBadge(curve.verdict)),
    element('span', { class: 'soft' }, endsOf(curve))));
  const label = `${name}: ${curves.map((curve) => words(curve.verdict)).join(', ')}`;
  return element('a', { class: 'cell', href: address({ task: data.tasks[task], condition: data.conditions[condition] }), 'aria-label': visible(label) },
    element('span', { class: 'condition' }, visible(data.conditions[condition])),
    curves.some((curve) => curve.y.length)
      ? plot('small', visible(label), (canvas) => smallChart(canvas, curves))
      : element('div', { class: 'plot missing' }, 'no results'),
    ...badges);
}

let overviewKey = null;
function showOverview(state) {
  const key = JSON.stringify([state.metric, state.scale, state.find, state.verdict]);
  if (key === overviewKey) return;
  overviewKey = key;
  const main = $('overview');
  const shown = data.curves.filter((curve) => curve.metric === metricOf(state) && curve.scale === scaleOf(state));
  const counts = VERDICTS.map((verdict) => shown.filter((curve) => curve.verdict === verdict).length);
  const buttons = VERDICTS.flatMap((verdict, i) => (counts[i] === 0 ? [] : [element('button', {
    type: 'button', class: verdict === state.verdict || !state.verdict ? '' : 'toggle', 'aria-pressed': String(verdict === state.verdict),
    onclick: () => go({ verdict: verdict === state.verdict ? '' : verdict }, true),
  }, verdictBadge(verdict), ' ' + counts[i])]));

  const cells = new Map();  // task → condition → its curves
  for (const curve of shown) {
    if (state.find && !data.tasks[curve.task].toLowerCase().includes(state.find.toLowerCase())) continue;
    if (!cells.has(curve.task)) cells.set(curve.task, new Map());
    const row = cells.get(curve.task);
    row.set(curve.condition, [...(row.get(curve.condition) ?? []), curve]);
  }
  const conditions = data.conditions.map((_, i) => i).filter((i) => shown.some((curve) => curve.condition === i));
  const columns = `minmax(7rem, 10rem) repeat(${conditions.length}, minmax(10rem, 1fr))`;
  const grid = element('div', { class: 'grid' }, element('span', { class: 'head' }),
    ...conditions.map((i) => element('span', { class: 'head' }, visible(data.conditions[i]))));
  grid.style.gridTemplateColumns = columns;
  for (const [task, row] of cells) {
    if (state.verdict && ![...row.values()].flat().some((curve) => curve.verdict === state.verdict)) continue;
    grid.append(element('a', { class: 'name', href: address({ task: data.tasks[task] }) }, visible(data.tasks[task])));
    for (const condition of conditions) {
      const curves = row.get(condition);
      const fits = curves && (!state.verdict || curves.some((curve) => curve.verdict === state.verdict));
      grid.append(fits ? cell(task, condition, curves) : element('span'));
    }
  }
  const field = searchField('find a task', state.find, (find) => go({ find }, true));
  const hadFocus = main.contains(document.activeElement) && document.activeElement.type === 'search';
  forgetCharts(main);
  put(main,
    element('h1', {}, visible(data.name)),
    element('div', { class: 'soft' }, [
      [data.tasks.length, 'task'], [data.conditions.length, 'condition'], [data.models.length, 'model'],
    ].map(([n, word]) => `${n} ${word}${n === 1 ? '' : 's'}`).join(', ') +
      `; ${words(state.metric)} against ${words(state.scale)}. Does it get better or worse with scale?`),
    element('div', { class: 'controls' }, ...buttons, data.tasks.length > 6 ? field : null),
    grid.children.length > conditions.length + 1 ? grid : element('p', { class: 'soft' }, 'No curve is like that.'),
    problemList());
  if (hadFocus) { field.focus(); field.setSelectionRange(field.value.length, field.value.length); }
}

// ---- a task -----------------------------------------------------------------------------------------------------------

/** Conditions differ by colour and marker, families by dash and by full or hollow points; of one condition families as conditions would. */
const hasConditions = data.conditions.length > 1;
const mainOf = (curve) => (hasConditions ? curve.condition : curve.family);
const restOf = (curve) => (hasConditions ? curve.family : 0);
const seriesColor = (curve) => 'series' + mainOf(curve) % 7;  // the style's names

function lookOf(curve) {
  const paint = color(seriesColor(curve));
  return {
    paint, fill: restOf(curve) === 0 ? paint : color('paper'),
    marker: MARKERS[mainOf(curve) % MARKERS.length], dash: DASHES[restOf(curve) % DASHES.length],
  };
}

function showTask(state) {
  const main = $('task'), task = data.tasks.indexOf(state.task);
  forgetCharts(main);
  if (task < 0) { put(main, element('p', {}, 'There is no such task here.')); return; }
  const curves = curvesOf(state, task);
  const sample = data.samples.find((one) => one.task === task);
  const hidden = new Set(state.hide.split('|'));
  const isShown = (curve) => !hidden.has(seriesName(curve));
  const shown = curves.filter((curve) => isShown(curve) && curve.y.length);
  const legend = curves.map((curve) => {
    const name = seriesName(curve), key = element('span', { class: 'key' }, SIGNS[mainOf(curve) % SIGNS.length]);
    key.style.color = `var(--${seriesColor(curve)})`;  // on paper another one than on a dark screen
    key.style.textDecorationStyle = restOf(curve) === 0 ? 'solid' : 'dashed';
    const others = [...hidden].filter((one) => one && one !== name);
    return element('button', {
      type: 'button', class: 'toggle', 'aria-pressed': String(isShown(curve)),
      onclick: () => go({ hide: (isShown(curve) ? [...others, name] : others).join('|') }, true),
    }, key, visible(name));
  });
  const choose = (curve, i) => {
    go({ condition: data.conditions[curve.condition], family: data.families[curve.family], model: data.models[curve.models[i]] }, true);
    $('items')?.scrollIntoView({ behavior: 'smooth' });
  };
  const facts = [`${curves.length} curve${curves.length === 1 ? '' : 's'}`];
  if (sample) facts.push(sample.format, `${sample.num_items} items`);
  const large = plot('large', visible(`${state.metric} of ${state.task} against ${words(state.scale)}; arrow keys go from point to point, Enter shows the items`),
    (canvas) => largeChart(canvas, state, shown, lookOf, ({ datasetIndex, index }) =>
      choose(charts.get(canvas).data.datasets[datasetIndex].curve, index)));
  makeWalkable(large.firstChild, choose);
  put(main,
    element('a', { href: address({ ...defaults, metric: state.metric, scale: state.scale, find: state.find, verdict: state.verdict }), class: 'soft' }, '← all tasks'),
    element('h1', {}, visible(state.task)),
    element('div', { class: 'soft' }, facts.join(', ')),
    element('div', { class: 'legend' }, ...legend),
    shown.length ? large : element('p', { class: 'soft' }, 'Nothing to draw.'),
    element('p', { class: 'soft small', id: 'reading', 'aria-live': 'polite' },
      'Points and their differences with 95 % intervals from sampling items; the curve, chosen by AICc, and slopes with those of a fit, which have the scatter of models, too' +
      (chanceLine(curves).length ? '; dotted: guessing' : '') + (sample ? '. Choose a point to see its items.' : '.')),
    verdictTable(curves), numberTable(curves, choose, sample),
    ...(sample ? itemSection(state, sample, task) : []));
}

/** Left and right go through the points of the chart, Enter or Space chooses one. */
function makeWalkable(canvas, choose) {
  canvas.tabIndex = 0;
  let at = -1;
  canvas.onkeydown = (event) => {
    const chart = charts.get(canvas);
    const stops = chart.data.datasets.flatMap((dataset, datasetIndex) =>
      (dataset.role === 'points' ? dataset.data.map((_, index) => ({ datasetIndex, index })) : []));
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step && stops.length) {
      at = (at + step + stops.length) % stops.length;
      chart.setActiveElements([stops[at]]);
      chart.tooltip.setActiveElements([stops[at]], { x: 0, y: 0 });
      chart.update();
      const { curve } = chart.data.datasets[stops[at].datasetIndex];
      $('reading').textContent = visible([data.models[curve.models[stops[at].index]], ...pointText(curve, stops[at].index)].join('; '));
    } else if ((event.key === 'Enter' || event.key === ' ') && at >= 0) {
      choose(chart.data.datasets[stops[at].datasetIndex].curve, stops[at].index);
    } else {
      return;
    }
    event.preventDefault();
  };
}

function verdictTable(curves) {
  const range = ([value, low, high], text) => {
    if (low === null || high === null) return text(value);
    const error = (high - low) / 4;
    return `${text(value, error)} (${text(low, error)} to ${text(high, error)})`;
  };
  const signed = (value, error) => (value > 0 ? '+' : '') + shortValue(value, error);
  const p = (value) => (value === null ? '–' : value < 0.001 ? '<0.001' : value.toFixed(3));
  return element('div', { class: 'wide' }, element('table', {},
    element('thead', {}, element('tr', {}, ...['', 'verdict', 'smallest to largest', 'p (Holm)', 'curve', 'turns at', 'why']
      .map((text) => element('th', { class: 'line' }, text)))),
    element('tbody', {}, ...curves.map((curve) => element('tr', {},
      element('td', { class: 'line' }, visible(seriesName(curve))),
      element('td', {}, verdictBadge(curve.verdict)),
      element('td', { class: 'line' }, curve.change ? range(curve.change, signed) : '–'),
      element('td', {}, p(curve.p)),
      element('td', {}, curve.fit ? words(curve.fit.name) : '–'),
      element('td', { class: 'line' }, curve.turn ? range(curve.turn, shortNumber) : '–'),
      element('td', { class: 'small why' }, visible([curve.reason, ...curve.missing.map((text) => 'without ' + text), ...curve.notes].join('; '))))))));
}

function numberTable(curves, choose, sample) {
  const rows = curves.flatMap((curve) => curve.x.map((x, i) => element('tr', {},
    element('td', {}, visible(seriesName(curve))),
    element('td', {}, sample
      ? element('button', { type: 'button', onclick: () => choose(curve, i) }, visible(data.models[curve.models[i]]))
      : visible(data.models[curve.models[i]])),
    ...[shortNumber(x), shortValue(curve.y[i], curve.error[i]), shortValue(curve.error[i], curve.error[i]), curve.n[i] || '–'].map((text) => element('td', { class: 'number' }, String(text))))));
  return element('details', {}, element('summary', {}, 'all numbers'), element('div', { class: 'wide' }, element('table', {},
    element('thead', {}, element('tr', {}, element('th', {}), element('th', {}, 'model'),
      ...['scale', 'value', 'standard error', 'items'].map((text) => element('th', { class: 'number' }, text)))),
    element('tbody', {}, ...rows))));
}

// ---- items ------------------------------------------------------------------------------------------------------------

const FILTERS = [
  ['all', 'all', () => true],
  ['lost', 'right first, wrong at last', (marks) => marks.startsWith('r') && marks.endsWith('w')],
  ['gained', 'wrong first, right at last', (marks) => marks.startsWith('w') && marks.endsWith('r')],
  ['dip', 'right at both ends, wrong between', (marks) => /^r.*w.*r$/.test(marks)],
  ['right', 'always right', (marks) => /^r+$/.test(marks)],
  ['wrong', 'always wrong', (marks) => /^w+$/.test(marks)],
];

/** What the models of a family say of a sample under a condition, smallest first. */
function ladderOf(sample, condition, family) {
  const curve = data.curves.find((one) => one.task === sample.task && one.condition === condition && one.family === family && one.y.length);
  if (!curve) return [];
  return curve.models.flatMap((model, i) => {
    const scores = sample.scores.find((one) => one.condition === condition && one.model === model);
    return scores ? [{ ...scores, scale: curve.x[i] }] : [];
  });
}

function itemSection(state, sample, task) {
  const conditions = [...new Set(sample.scores.map((scores) => scores.condition))];
  const families = [...new Set(data.curves.filter((curve) => curve.task === task && data.families[curve.family] !== 'pooled').map((curve) => curve.family))];
  const choice = (list, name, names) => (list.includes(names.indexOf(name)) ? names.indexOf(name) : list[0]);
  const condition = choice(conditions, state.condition, data.conditions), family = choice(families, state.family, data.families);
  const ladder = ladderOf(sample, condition, family);
  const hasAnswers = ladder.some((scores) => /[rw]/.test(scores.right));
  const flips = data.curves.find((curve) => curve.task === task && curve.condition === condition && curve.family === family &&
    curve.scale === scaleOf(state) && curve.flips && curve.x.length > 1);
  const list = element('div');
  const count = element('p', { class: 'soft small', 'aria-live': 'polite' });
  const fill = (show, search) => {
    const [, , fits] = FILTERS.find(([name]) => name === show) ?? FILTERS[0];
    const wanted = search.toLowerCase();
    const found = sample.items.map((item, i) => ({ item, i, marks: ladder.map((scores) => scores.right[i]).join('') }))
      .filter(({ item, marks }) => fits(marks) && (!wanted || String(item.item) === wanted ||
        [item.prompt, item.other_prompt ?? '', ...item.classes].some((text) => text.toLowerCase().includes(wanted))));
    count.textContent = `${found.length} of ${sample.items.length} items` +
      (sample.items.length < sample.num_items ? `, which are an even sample of all ${sample.num_items}` : '');
    let shown = 0;
    const more = element('button', { type: 'button', onclick: () => add() }, 'show more');
    const add = () => {
      more.before(...found.slice(shown, shown += ITEMS_A_TIME).map(({ item, i }) => itemView(state, item, i, ladder)));
      more.hidden = shown >= found.length;
    };
    put(list, more);
    add();
  };
  let { show, search } = state;
  const change = (changes) => {
    ({ show, search } = { show, search, ...changes });
    history.replaceState(null, '', address({ show, search }));
    fill(show, search);
  };
  fill(show, search);
  return [
    element('section', { id: 'items' },
      element('h2', {}, 'Items'),
      element('div', { class: 'controls' },
        conditions.length > 1 ? selectOf('condition', conditions.map((i) => [data.conditions[i], data.conditions[i]]), data.conditions[condition], (value) => go({ condition: value }, true)) : null,
        families.length > 1 ? selectOf('family', families.map((i) => [data.families[i], data.families[i]]), data.families[family], (value) => go({ family: value }, true)) : null,
        hasAnswers ? selectOf('along the ladder', FILTERS.map(([name, text]) => [name, text]), show, (value) => change({ show: value })) : null,
        searchField('search in items', search, (value) => change({ search: value }))),
      flips ? plot('flips', 'items that flip between one model and the next', (canvas) => flipsChart(canvas, flips)) : null,
      sample.note ? element('p', { class: 'soft small' }, visible(sample.note)) : null,
      count, list),
  ];
}

function markOf(state, scores, i) {
  const letter = scores.right[i], name = data.models[scores.model];
  const word = { r: 'right', w: 'wrong' }[letter] ?? 'no answer';
  return element('span', {
    class: `mark ${letter === '-' ? 'none' : letter}` + (name === state.model ? ' chosen' : ''), role: 'img',
    title: visible(`${name} (${shortNumber(scores.scale)}): ${word}`), 'aria-label': visible(`${name} ${word}`),
  }, { r: '✓', w: '✗' }[letter] ?? '·');
}

function itemView(state, item, i, ladder) {
  const excerpt = item.prompt || item.classes.join(' / ');
  const view = element('details', { class: 'item' }, element('summary', {},
    element('span', { class: 'soft small' }, String(item.item)),
    element('span', { class: 'strip' }, ...ladder.map((scores) => markOf(state, scores, i))),
    element('span', { class: 'excerpt' }, visible(excerpt.slice(0, 300).replace(/\s+/g, ' ')))));
  view.addEventListener('toggle', () => { if (view.open && view.children.length === 1) view.append(itemDetail(state, item, i, ladder)); });
  return view;
}

/** Prompt, classes, what every model gives to each (the highest log-likelihood is its choice), and what it wrote. */
function itemDetail(state, item, i, ladder) {
  const numbers = ladder.map((scores) => scores.log_likelihoods[i]);
  const numContinuations = Math.max(item.classes.length, ...numbers.map((list) => list.length));
  const numClasses = item.other_prompt && item.classes.length ? item.classes.length : numContinuations;
  const isNumber = item.true_answer !== undefined;
  const isAnswer = (c) => c % numClasses === item.answer && numClasses > 1;
  const header = element('tr', {}, element('th', {}, 'model'),
    ...Array.from({ length: numContinuations }, (_, c) => element('th', { class: 'number' },
      element('span', { class: 'class' }, item.classes.length ? visible(item.classes[c % numClasses]) : `class ${c % numClasses}`),
      isAnswer(c) ? ' ✓' : '', c >= numClasses ? ' (other prompt)' : '')));
  const rows = ladder.map((scores, m) => {
    const best = numbers[m].length === numClasses && numClasses > 1 ? numbers[m].indexOf(Math.max(...numbers[m])) : -1;
    return element('tr', {}, element('td', { class: 'line' }, markOf(state, scores, i), ' ', visible(data.models[scores.model])),
      ...(numbers[m].length ? numbers[m].map((value, c) => element('td', {
        class: 'number' + (c === best ? ` best ${isAnswer(c) ? 'r' : 'w'}` : ''),
      }, shortValue(value))) : [element('td', { class: 'soft' }, 'not measured')]));
  });
  return element('div', {},
    item.prompt ? element('div', { class: 'text' }, visible(item.prompt)) : null,
    item.other_prompt ? element('div', { class: 'soft small' }, 'other prompt') : null,
    item.other_prompt ? element('div', { class: 'text' }, visible(item.other_prompt)) : null,
    ...(isNumber
      ? [element('div', { class: 'soft small' }, `true answer ${item.true_answer}` + (item.anchor === undefined ? '' : `, anchor ${item.anchor}`))]
      : [element('div', { class: 'soft small' }, numContinuations ? 'log-likelihood of each continuation, in nats' : ''),
        element('div', { class: 'wide' }, element('table', {}, element('thead', {}, header), element('tbody', {}, ...rows)))]),
    ...ladder.flatMap((scores) => (scores.texts?.[i] ?? []).map((text) => element('div', {},
      element('div', { class: 'soft small' }, markOf(state, scores, i), visible(` written by ${data.models[scores.model]}`)),
      element('div', { class: 'text written' }, visible(text))))));
}

// ---- the page ---------------------------------------------------------------------------------------------------------

let overviewScroll = 0;
function show() {
  const state = readState(), wasOverview = !$('overview').hidden;
  put($('controls'),
    data.metrics.length > 1 ? switchOf('metric', data.metrics, state.metric, (metric) => go({ metric }, true)) : null,
    data.scales.length > 1 ? switchOf('axis', data.scales, state.scale, (scale) => go({ scale }, true)) : null,
  );
  if (wasOverview && state.task) overviewScroll = scrollY;
  $('overview').hidden = Boolean(state.task);
  $('task').hidden = !state.task;
  document.title = visible(state.task ? `${state.task} – ${data.name}` : data.name);
  if (state.task) showTask(state);
  else showOverview(state);
  if (wasOverview && state.task) scrollTo(0, 0);
  if (!wasOverview && !state.task) scrollTo(0, overviewScroll);
}

$('home').textContent = 'Catenary';
$('about').textContent = visible(`Made by catenary report from ${data.source}. Charts by Chart.js (MIT licence).`);
addEventListener('hashchange', show);
show();
