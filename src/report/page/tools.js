'use strict';
// What all pages are made with: elements, numbers as text, charts that are drawn when they come into view, controls. Texts of
// the data are set as text, never as HTML.

const data = JSON.parse(document.getElementById('data').textContent);

// ---- small tools ----------------------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);

/** An element: `properties` are set on it (`class`, `aria-…` and `data-…` as attributes), `children` are elements or texts. */
function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'class' || key.includes('-')) node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Control characters have signs of their own, so that none hides; spaces and line ends stay. */
const visible = (text) => text.replace(/[\0-\x08\x0b-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
  .replace(/\x7f/g, '␡').replace(/[\u202a-\u202e\u2066-\u2069\u2028\u2029]/g, '�');

/** Replaces what an element holds; there may be nulls among the children. */
const put = (node, ...children) => node.replaceChildren(...children.filter((child) => child !== null));

const WORDS = { u_shaped: 'U-shaped', inverted_u: 'inverted U', training_flops: 'training FLOPs', log_odds: 'log-odds' };
const words = (name) => WORDS[name] ?? name.replaceAll('_', ' ');
const unitOf = (metric) => (/loss|log_odds/.test(metric) ? ' (nats)' : '');
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();

function shortNumber(value) {
  if (value >= 1e15) return value.toExponential(1).replace('e+', 'e').replace('.0', '');
  for (const [unit, letter] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'K']])
    if (value >= unit) return String(Number((value / unit).toPrecision(3))) + letter;
  return String(Number(value.toPrecision(3)));
}

/** With decimals to the first digit of its error, where that is known; the data has four digits of a number. */
function shortValue(value, error = null) {
  if (value === null) return '–';
  const known = value ? 3 - Math.floor(Math.log10(Math.abs(value))) : 5;
  const needed = error > 0 ? Math.min(Math.ceil(-Math.log10(error)), known, 5) : 0;
  const text = value.toFixed(Math.max(needed, Math.abs(value) < 10 ? 2 : 1));
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
}

function problemList() {
  if (!data.problems.length) return null;
  return element('details', {}, element('summary', {}, `${data.problems.length} remarks on the data`),
    element('ul', {}, ...data.problems.map((text) => element('li', {}, visible(text)))));
}

// ---- charts -----------------------------------------------------------------------------------------------------------

Chart.defaults.animation = false;
Chart.defaults.font.family = 'system-ui, sans-serif';
Chart.defaults.maintainAspectRatio = false;

/** Draws each point's 95 % interval, which a dataset has as `errors` (half-widths). */
const errorBars = {
  id: 'errorBars',
  beforeDatasetsDraw(chart) {
    const { ctx, scales: { y } } = chart;
    chart.data.datasets.forEach((dataset, index) => {
      if (!dataset.errors || !chart.isDatasetVisible(index)) return;
      ctx.save();
      ctx.beginPath();
      ctx.rect(chart.chartArea.left, chart.chartArea.top, chart.chartArea.width, chart.chartArea.height);
      ctx.clip();
      ctx.beginPath();
      ctx.strokeStyle = dataset.pointBorderColor;
      ctx.lineWidth = 1.25;
      chart.getDatasetMeta(index).data.forEach((point, i) => {
        const value = dataset.data[i].y, error = dataset.errors[i];
        if (error === null) return;
        ctx.moveTo(point.x, y.getPixelForValue(value - error));
        ctx.lineTo(point.x, y.getPixelForValue(value + error));
      });
      ctx.stroke();
      ctx.restore();
    });
  },
};
Chart.register(errorBars);

const valueTick = (value) => String(Number(value.toPrecision(6))).replace('-', '−');

/** Charts in view are drawn, those out of view are not: a large study has thousands. */
const painters = new Map();  // canvas → function that draws it
const charts = new Map();  // canvas → its chart
function draw(canvas) {
  charts.get(canvas)?.destroy();
  charts.set(canvas, painters.get(canvas)());
}
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting && !charts.has(target)) draw(target);
}, { rootMargin: '400px' });
function plot(classes, label, painter) {
  const canvas = element('canvas', { role: 'img', 'aria-label': label });
  painters.set(canvas, () => painter(canvas));
  watcher.observe(canvas);
  return element('div', { class: 'plot ' + classes }, canvas);
}
function forgetCharts(parent) {
  for (const canvas of parent.querySelectorAll('canvas')) {
    watcher.unobserve(canvas);
    charts.get(canvas)?.destroy();
    charts.delete(canvas);
    painters.delete(canvas);
  }
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const canvas of charts.keys()) draw(canvas); });
const redrawForPaper = () => { for (const canvas of painters.keys()) if (canvas.isConnected && canvas.offsetParent) draw(canvas); };
addEventListener('beforeprint', redrawForPaper);
matchMedia('print').addEventListener('change', redrawForPaper);

// ---- controls ---------------------------------------------------------------------------------------------------------

/** Buttons of which one is pressed. */
function switchOf(label, options, chosen, choose) {
  return element('span', { class: 'switch', role: 'group', 'aria-label': label }, ...options.map((option) =>
    element('button', { type: 'button', 'aria-pressed': String(option === chosen), onclick: () => choose(option) }, words(option))));
}

function selectOf(label, options, chosen, choose) {
  const list = element('select', { 'aria-label': label, onchange: () => choose(list.value) },
    ...options.map(([value, text]) => element('option', { value, selected: value === chosen }, visible(text))));
  return element('label', {}, label, list);
}

function searchField(label, value, change) {
  const field = element('input', { type: 'search', placeholder: label, value, 'aria-label': label });
  field.oninput = () => change(field.value);
  return field;
}
