// A run as a file: JSON with its settings and its record, which minidyn.lab.read_run opens too.

import { COLUMNS, WIDTH } from "../rows.js";
import { RUN_SETTINGS, consistent, problem } from "../state.js";

const FORMAT = "minidyn lab run";
const VERSION = 1;
const MOST_ROWS = 200_000;
const SPECIAL = { Infinity, "-Infinity": -Infinity }; // JSON has neither these nor NaN, which is null

export function write(settings, record) {
  const rows = record.rows();
  const columns = COLUMNS.map((name, i) => [name, column(rows, i)]);
  const own = RUN_SETTINGS.map(({ name }) => [name, settings[name]]);
  return JSON.stringify({ format: FORMAT, version: VERSION, settings: Object.fromEntries(own), record: Object.fromEntries(columns) });
}

function column(rows, i) {
  const values = [];
  for (let at = i; at < rows.length; at += WIDTH) values.push(encode(rows[at]));
  return values;
}

const encode = (value) => (Number.isFinite(value) ? value : Number.isNaN(value) ? null : String(value));
const decode = (value) => (value === null ? NaN : SPECIAL[value] ?? value);

// {settings, rows}. Throws an Error that names the field, its value and what is allowed.
export function read(text) {
  const content = parse(text);
  if (content?.format !== FORMAT) fail("format", content?.format, `"${FORMAT}"`);
  if (content.version !== VERSION) fail("version", content.version, String(VERSION));
  if (!isObject(content.settings)) fail("settings", content.settings, "an object");
  if (!isObject(content.record)) fail("record", content.record, "an object");
  return { settings: readSettings(content.settings), rows: readRecord(content.record) };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`The file is not JSON: ${error.message}`);
  }
}

function readSettings(settings) {
  for (const setting of RUN_SETTINGS) {
    const allowed = problem(setting, settings[setting.name]);
    if (allowed) fail(`settings.${setting.name}`, settings[setting.name], allowed);
  }
  if (consistent(settings) !== settings) fail("settings.width", settings.width, "100 with the weights of figure 4");
  return Object.fromEntries(RUN_SETTINGS.map(({ name }) => [name, settings[name]]));
}

function readRecord(record) {
  const count = record.step?.length;
  if (!(count >= 1 && count <= MOST_ROWS)) fail("record.step", record.step, `an array of 1 to ${MOST_ROWS} steps`);
  const rows = new Float64Array(count * WIDTH);
  COLUMNS.forEach((name, i) => {
    const values = record[name];
    if (!Array.isArray(values) || values.length !== count) fail(`record.${name}`, values, `an array of ${count} numbers`);
    values.forEach((value, k) => {
      const number = (rows[k * WIDTH + i] = decode(value));
      if (typeof number !== "number") fail(`record.${name}[${k}]`, value, "a number or null");
    });
  });
  record.step.forEach((step, k) => {
    if (!Number.isSafeInteger(step) || step < 0 || (k && step <= record.step[k - 1])) fail(`record.step[${k}]`, step, "whole steps in rising order");
  });
  return rows;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function fail(field, value, allowed) {
  const shown = value === undefined ? "nothing" : JSON.stringify(value).slice(0, 60);
  throw new Error(`${field} must be ${allowed}, got ${shown}`);
}
