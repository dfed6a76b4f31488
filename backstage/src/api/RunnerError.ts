/** A request that the hub refused, in the hub's own words. */
export class RunnerError extends Error {
  /** Of HTTP; 0 when there was no answer at all. */
  readonly status: number;
  /** The hub's name of the cause, such as `PORT_ALREADY_IN_USE`. */
  readonly code: string | undefined;

  constructor(name: string, message: string, status: number, code?: string) {
    super(message);
    this.name = name;
    this.status = status;
    this.code = code;
  }
}

type Fields = Record<string, unknown>;

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The answer's error: `{error: {name, message, code}}`, or `{error: "..."}`. */
function fromBody(status: number, body: unknown): RunnerError | undefined {
  const error = fields(body).error;
  const message = text(error) ?? text(fields(error).message);
  if (message === undefined) {
    return undefined;
  }
  const name = text(fields(error).name) ?? 'RunnerError';
  return new RunnerError(name, message, status, text(fields(error).code));
}

/** What a proxy in between says is not JSON: told with its status. */
export async function errorOfResponse(
  response: Response,
): Promise<RunnerError> {
  const body = await response.text().catch(() => '');
  const status = `${response.status} ${response.statusText}`.trim();
  try {
    const error = fromBody(response.status, JSON.parse(body));
    if (error) {
      return error;
    }
  } catch {
    // Not JSON.
  }
  const detail = body.trim().slice(0, 300);
  return new RunnerError(
    'ResponseError',
    detail ? `The answer is ${status}: ${detail}` : `The answer is ${status}`,
    response.status,
  );
}

/** No answer: the network, CORS, a hub that is down. */
export function errorOfNetwork(cause: unknown): RunnerError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new RunnerError(
    'NetworkError',
    `The runner cannot be reached: ${said}`,
    0,
  );
}

export function toError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause));
}
