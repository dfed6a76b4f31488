/** A portal around the plugin: its APIs, its discovery, its tokens. */
import { ConfigReader } from '@backstage/config';
import {
  ApiFactoryRegistry,
  ApiProvider,
  ApiResolver,
  FetchMiddlewares,
  FrontendHostDiscovery,
  createFetchApi,
} from '@backstage/core-app-api';
import {
  type IdentityApi,
  createApiFactory,
  discoveryApiRef,
  fetchApiRef,
} from '@backstage/core-plugin-api';
import { cleanup, render, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { runnerPlugin } from '@runnerhub/backstage-plugin-runner';

/** One of the things that the caller of these tests has set up. */
export function given(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set: run tests/integration/test_portal_plugin.py`);
  }
  return value;
}

export interface PortalOptions {
  /** Where the hub's component API is; the one that runs when left out. */
  target?: string;
  /** Of the user who is signed in. */
  token?: string;
}

function identityOf(token: string | undefined): IdentityApi {
  const user = 'user:default/tester';
  return {
    getBackstageIdentity: async () => ({
      type: 'user',
      userEntityRef: user,
      ownershipEntityRefs: [user],
    }),
    getCredentials: async () => (token === undefined ? {} : { token }),
    getProfileInfo: async () => ({}),
    signOut: async () => undefined,
  };
}

/** As an app puts them together, from its app-config and its plugins. */
export function portalApis(options: PortalOptions): ApiResolver {
  const target = options.target ?? `${given('HUB_URL')}/api/runner`;
  const config = new ConfigReader({
    backend: { baseUrl: 'http://portal.test:7007' },
    discovery: { endpoints: [{ target, plugins: ['runner'] }] },
  });
  const discoveryApi = FrontendHostDiscovery.fromConfig(config);
  const fetchApi = createFetchApi({
    middleware: [
      FetchMiddlewares.resolvePluginProtocol({ discoveryApi }),
      FetchMiddlewares.injectIdentityAuth({
        identityApi: identityOf(options.token),
        config,
      }),
    ],
  });
  const registry = new ApiFactoryRegistry();
  registry.register('default', createApiFactory(discoveryApiRef, discoveryApi));
  registry.register('default', createApiFactory(fetchApiRef, fetchApi));
  for (const factory of runnerPlugin.getApis()) {
    registry.register('default', factory);
  }
  return new ApiResolver(registry);
}

export function show(element: ReactNode, options: PortalOptions = {}) {
  return render(
    <ApiProvider apis={portalApis(options)}>{element}</ApiProvider>,
  );
}

export { cleanup };

/** Waits until it does not throw; a broken hub shows as this error. */
export function eventually<T>(check: () => T): Promise<T> {
  return waitFor(check, { timeout: 120_000, interval: 20 });
}
