// Shows what changed between two sweeps: each metric's values before against after, and a row for every model x task x
// condition, regressions first.

const STATES = [['regressed', 'regressions'], ['changed', 'changed'], ['same', 'unchanged'], ['lost', 'lost']];
const COLORS = { regressed: 'inverse', changed: 'u_shaped', same: 'flat' };  // the style's names
const ROWS_A_TIME = 200;

const stateOf = (row) => (row.reason !== undefined ? 'lost' : row.is_regression ? 'regressed' : row.num_items_up + row.num_items_down ? 'changed' : 'same');
const nameOf = (row) => [row.task, row.condition, row.model].join(', ');
const rows = [...data.changes, ...data.lost];
const order = STATES.map(([state]) => state);
order.unshift(order.pop());  // lost first
rows.sort((a, b) => order.indexOf(stateOf(a)) - order.indexOf(stateOf(b)) || (a.p_holm ?? 1) - (b.p_holm ?? 1));

/** Better or worse is said of what is hardly chance. */
function badge(row) {
  const state = stateOf(row);
  const change = !(row.p_holm < data.level) ? 'changed' : row.is_better ? 'better' : 'worse';
  return element('span', { class: 'verdict ' + state }, { regressed: 'regression', changed: change, same: 'unchanged', lost: 'lost' }[state]);
}

/** Before against after: what lies on the diagonal did not change. */
function scatter(canvas, metric) {
  const changes = data.changes.filter((row) => row.metric === metric);
  const values = changes.flatMap((row) => [row.before, row.after]);
  const low = Math.min(...values), high = Math.max(...values), margin = 0.05 * (high - low || 1);
  const axis = { min: low - margin, max: high + margin, grid: { color: color('line'), drawBorder: false }, title: { display: true, color: color('ink') } };
  const ticks = { color: color('soft'), includeBounds: false, callback: valueTick };
  return new Chart(canvas, {
    type: 'scatter',
    data: {
      datasets: [
        ...STATES.slice(0, 3).map(([state, label], i) => {
          const of = changes.filter((row) => stateOf(row) === state);
          return {
            label, rows: of, role: 'points', data: of.map((row) => ({ x: row.before, y: row.after })), order: i, pointRadius: 5, pointHoverRadius: 7,
            pointStyle: ['triangle', 'circle', 'rect'][i], pointBackgroundColor: color(COLORS[state]), pointBorderColor: color('paper'),
          };
        }),
        { role: 'diagonal', type: 'line', data: [{ x: axis.min, y: axis.min }, { x: axis.max, y: axis.max }], borderColor: color('soft'), borderWidth: 1, borderDash: [3, 4], pointRadius: 0, pointHitRadius: 0, order: 9 },
      ],
    },
    options: {
      plugins: {
        legend: { align: 'start', labels: { color: color('ink'), usePointStyle: true, filter: (item, chart) => chart.datasets[item.datasetIndex].role === 'points' } },
        tooltip: {
          filter: (item) => item.dataset.role === 'points', displayColors: false,
          callbacks: { label: ({ dataset, dataIndex }) => [visible(nameOf(dataset.rows[dataIndex])), `${changeValue(dataset.rows[dataIndex].before)} → ${changeValue(dataset.rows[dataIndex].after)}`] },
        },
      },
      scales: {
        x: { ...axis, ticks, title: { ...axis.title, text: `${words(metric)}${unitOf(metric)}, before` } },
        y: { ...axis, ticks, title: { ...axis.title, text: `${words(metric)}${unitOf(metric)}, after` } },
      },
    },
  });
}

const changeValue = (value) => value.toFixed(4).replace(/^-/, '−');
const signed = (value) => (value === null ? '–' : (value > 0 ? '+' : '') + changeValue(value));

function changeRow(row) {
  const names = [row.task, row.condition, row.model, row.metric + unitOf(row.metric)].map((name) => element('td', {}, visible(name)));
  const state = element('td', { class: 'line' }, badge(row));
  if (row.reason !== undefined) return element('tr', {}, state, ...names, element('td', { colSpan: 6 }, visible(row.reason)));
  const [value, low, high] = row.difference;
  const cells = [row.n, changeValue(row.before), changeValue(row.after), `${signed(value)} (${signed(low)} to ${signed(high)})`,
    `${row.num_items_up} / ${row.num_items_down}`, row.p_holm === null ? '–' : row.p_holm < 0.001 ? '<0.001' : row.p_holm.toFixed(3)];
  return element('tr', {}, state, ...names, ...cells.map((text) => element('td', { class: 'number' }, String(text))));
}

function changeTable() {
  const counts = new Map(STATES.map(([state]) => [state, rows.filter((row) => stateOf(row) === state).length]));
  const body = element('tbody'), count = element('p', { class: 'soft small', 'aria-live': 'polite' });
  const more = element('button', { type: 'button' }, 'show more');
  let chosen = '', search = '';
  const buttons = element('span', { class: 'controls' });
  const fill = () => {
    const found = rows.filter((row) => (!chosen || stateOf(row) === chosen) && (nameOf(row) + ', ' + row.metric).toLowerCase().includes(search));
    count.textContent = `${found.length} of ${rows.length}`;
    let shown = 0;
    put(body);
    more.onclick = () => {
      body.append(...found.slice(shown, shown += ROWS_A_TIME).map(changeRow));
      more.hidden = shown >= found.length;
    };
    more.onclick();
    put(buttons, ...STATES.flatMap(([state, label]) => (counts.get(state) === 0 ? [] : [element('button', {
      type: 'button', 'aria-pressed': String(state === chosen), class: chosen && state !== chosen ? 'toggle' : '',
      onclick: () => { chosen = state === chosen ? '' : state; fill(); },
    }, element('span', { class: 'verdict ' + state }, label), ` ${counts.get(state)}`)])));
  };
  fill();
  return [
    element('div', { class: 'controls' }, buttons, searchField('search', '', (text) => { search = text.toLowerCase(); fill(); })),
    count,
    element('div', { class: 'wide' }, element('table', {}, element('thead', {}, element('tr', {},
      ...['', 'task', 'condition', 'model', 'metric'].map((text) => element('th', {}, text)),
      ...['items', 'before', 'after', 'difference (95 % interval)', 'up / down', 'p (Holm)'].map((text) => element('th', { class: 'number' }, text)))), body)),
    more,
  ];
}

const numLost = data.lost.length, numRegressions = data.changes.filter((row) => row.is_regression).length;
const title = numLost + numRegressions === 0 ? 'Nothing got worse'
  : [numRegressions ? `${numRegressions} regression${numRegressions === 1 ? '' : 's'}` : '', numLost ? `${numLost} lost` : ''].filter(Boolean).join(', ');
document.title = visible(`${title}: ${data.before} → ${data.after}`);
const metrics = [...new Set(data.changes.map((row) => row.metric))];
put($('overview'),
  element('h1', {}, title),
  element('div', { class: 'soft' }, visible(`${data.before} → ${data.after}: ${data.changes.length} compared, on the items that both have. ` +
    `A regression is worse by more than ${data.threshold} with p below ${data.level}, adjusted over all.`)),
  element('div', { class: 'pair' }, ...metrics.map((metric) => plot('square', visible(`${words(metric)} before against after`), (canvas) => scatter(canvas, metric)))),
  ...changeTable(), problemList());
$('home').textContent = 'Catenary';
$('about').textContent = visible(`Made by catenary compare from ${data.before} and ${data.after}. Charts by Chart.js (MIT licence).`);
