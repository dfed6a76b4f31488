import type { DiscoveryApi, FetchApi } from '@backstage/core-plugin-api';
import type { LogsOptions, RunnerApi, RunnerEvent } from './RunnerApi.js';
import { errorOfNetwork, errorOfResponse } from './RunnerError.js';
import { EventParser } from './sse.js';
import { textOf } from './text.js';
import type { RunnerComponent, RunnerFault, RunnerInstance } from './types.js';

const PLUGIN_ID = 'runner';

/**
 * Speaks to the hub wherever the portal's discovery finds the plugin `runner`,
 * with the portal's fetch, which knows the user's token.
 */
export class RunnerClient implements RunnerApi {
  private readonly discoveryApi: DiscoveryApi;
  private readonly fetchApi: FetchApi;

  constructor(options: { discoveryApi: DiscoveryApi; fetchApi: FetchApi }) {
    this.discoveryApi = options.discoveryApi;
    this.fetchApi = options.fetchApi;
  }

  start(componentRef: string): Promise<RunnerInstance> {
    return this.post<RunnerInstance>('/start', { entityRef: componentRef });
  }

  async stop(instanceId: string): Promise<void> {
    await this.post('/stop', { instanceId });
  }

  instance(instanceId: string): Promise<RunnerInstance> {
    return this.get<RunnerInstance>(instancePath(instanceId));
  }

  async instances(): Promise<RunnerInstance[]> {
    return (await this.get<Items<RunnerInstance>>('/instances')).items;
  }

  async components(): Promise<RunnerComponent[]> {
    return (await this.get<Items<RunnerComponent>>('/components')).items;
  }

  async faults(instanceId: string): Promise<RunnerFault[]> {
    const path = `${instancePath(instanceId)}/errors`;
    return (await this.get<{ errors: RunnerFault[] }>(path)).errors;
  }

  async logs(instanceId: string, options: LogsOptions = {}): Promise<string> {
    const path = `${instancePath(instanceId)}/logs?${logsQuery(options)}`;
    return (await this.get<{ logs: string }>(path)).logs;
  }

  async *followLogs(
    instanceId: string,
    signal: AbortSignal,
    options: LogsOptions = {},
  ): AsyncGenerator<string> {
    const query = logsQuery({ ...options, follow: true });
    const path = `${instancePath(instanceId)}/logs?${query}`;
    const response = await this.request(path, { signal });
    yield '';
    yield* this.stream(response, signal);
  }

  async *events(
    signal: AbortSignal,
    onOpen: () => void,
  ): AsyncGenerator<RunnerEvent> {
    const headers = { Accept: 'text/event-stream' };
    const response = await this.request('/events', { signal, headers });
    const parser = new EventParser();
    onOpen();
    for await (const piece of this.stream(response, signal)) {
      yield { type: 'alive' };
      for (const { event, data } of parser.push(piece)) {
        if (event === 'instance') {
          yield { type: event, instance: JSON.parse(data) as RunnerInstance };
        } else if (event === 'removed') {
          yield { type: event, ...(JSON.parse(data) as { id: string }) };
        }
      }
    }
  }

  private async *stream(
    response: Response,
    signal: AbortSignal,
  ): AsyncGenerator<string> {
    try {
      yield* textOf(response, signal);
    } catch (cause) {
      throw errorOfNetwork(cause);
    }
  }

  private async get<T>(path: string): Promise<T> {
    return (await (await this.request(path, {})).json()) as T;
  }

  private async post<T>(path: string, body: unknown): Promise<T> {
    const response = await this.request(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    return (await response.json()) as T;
  }

  private async request(path: string, init: RequestInit): Promise<Response> {
    const base = await this.discoveryApi.getBaseUrl(PLUGIN_ID);
    let response: Response;
    try {
      response = await this.fetchApi.fetch(base + path, init);
    } catch (cause) {
      throw errorOfNetwork(cause);
    }
    if (!response.ok) {
      throw await errorOfResponse(response);
    }
    return response;
  }
}

interface Items<T> {
  items: T[];
}

function instancePath(instanceId: string): string {
  return `/instances/${encodeURIComponent(instanceId)}`;
}

function logsQuery(options: LogsOptions & { follow?: boolean }): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && value !== false) {
      query.set(name, String(value));
    }
  }
  return query.toString();
}
