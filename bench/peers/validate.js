// The rules of a delegation's body. Returns what is wrong with it, naming the
// field and what was expected, or null.

const REPOSITORY = /^[A-Za-z0-9_.-]{1,100}\/[A-Za-z0-9_.-]{1,100}$/;
const IF_VALUES = new Set(['success', 'always', 'failure']);
const TEXT_MAX = 1024;
const LIST_MAX = 1000;

const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v);

function text(body, name, required) {
  const value = body[name];
  if (value === undefined || value === null) {
    return required ? `${name} is required: a string` : null;
  }
  if (typeof value !== 'string' || value.length > TEXT_MAX) {
    return `${name}: expected a string of at most ${TEXT_MAX} characters`;
  }
  return required && value === '' ? `${name} must not be empty` : null;
}

function integer(body, name, min, max) {
  const value = body[name];
  if (value === undefined || value === null) return null;
  return Number.isInteger(value) && value >= min && value <= max
    ? null : `${name}: expected an integer from ${min} to ${max}`;
}

function stringMap(value, name) {
  if (value === undefined || value === null) return null;
  if (!isObject(value)) return `${name}: expected an object of strings`;
  for (const key of Object.keys(value)) {
    if (typeof value[key] !== 'string') return `${name}.${key}: expected a string`;
  }
  return null;
}

function stringList(value, name) {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value) || value.length > LIST_MAX
      || !value.every((item) => typeof item === 'string')) {
    return `${name}: expected a list of strings`;
  }
  return null;
}

function step(value, name) {
  if (!isObject(value)) return `${name}: expected an object`;
  const hasRun = value.run !== undefined;
  if (hasRun === (value.command !== undefined)) {
    return `${name}: expected either run or command`;
  }
  if (hasRun && typeof value.run !== 'string') return `${name}.run: expected a string`;
  if (value.if !== undefined && !IF_VALUES.has(value.if)) {
    return `${name}.if: expected success, always or failure`;
  }
  if (value.continueOnError !== undefined && typeof value.continueOnError !== 'boolean') {
    return `${name}.continueOnError: expected true or false`;
  }
  return (hasRun ? null : stringList(value.command, `${name}.command`))
    || text(value, 'name', false) || text(value, 'shell', false)
    || text(value, 'workingDirectory', false)
    || stringMap(value.env, `${name}.env`)
    || integer(value, 'timeoutSeconds', 1, 86400);
}

function steps(value) {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value) || value.length > LIST_MAX) {
    return `steps: expected a list of at most ${LIST_MAX}`;
  }
  for (let i = 0; i < value.length; i += 1) {
    const problem = step(value[i], `steps[${i}]`);
    if (problem) return problem;
  }
  return null;
}

export function validate(body) {
  if (!isObject(body)) return 'body: expected a JSON object';
  for (const name of ['jobId', 'runId', 'repository']) {
    const problem = text(body, name, true);
    if (problem) return problem;
  }
  if (!REPOSITORY.test(body.repository)) return 'repository: expected owner/repo';
  for (const name of ['workflow', 'runnerName', 'sha', 'ref', 'eventName', 'actor', 'image']) {
    const problem = text(body, name, false);
    if (problem) return problem;
  }
  return stringList(body.labels, 'labels') || integer(body, 'attempt', 1, 1000000)
    || integer(body, 'priority', 0, 100) || integer(body, 'timeoutSeconds', 1, 604800)
    || stringMap(body.env, 'env') || stringMap(body.secrets, 'secrets')
    || steps(body.steps);
}
