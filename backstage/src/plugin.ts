import {
  createApiFactory,
  createComponentExtension,
  createPlugin,
  createRoutableExtension,
  createRouteRef,
  discoveryApiRef,
  fetchApiRef,
} from '@backstage/core-plugin-api';
import { runnerApiRef } from './api/RunnerApi.js';
import { RunnerClient } from './api/RunnerClient.js';

export const rootRouteRef = createRouteRef({ id: 'runner' });

export const runnerPlugin = createPlugin({
  id: 'runner',
  routes: { root: rootRouteRef },
  apis: [
    createApiFactory({
      api: runnerApiRef,
      deps: { discoveryApi: discoveryApiRef, fetchApi: fetchApiRef },
      factory: deps => new RunnerClient(deps),
    }),
  ],
});

/** For a route of the app: `<Route path="/runner" element={<RunnerPage />} />`. */
export const RunnerPage = runnerPlugin.provide(
  createRoutableExtension({
    name: 'RunnerPage',
    component: () =>
      import('./components/RunnerPage.js').then(m => m.RunnerPage),
    mountPoint: rootRouteRef,
  }),
);

/** For the page of an entity. */
export const EntityRunnerCard = runnerPlugin.provide(
  createComponentExtension({
    name: 'EntityRunnerCard',
    component: {
      lazy: () =>
        import('./components/EntityRunnerCard.js').then(
          m => m.EntityRunnerCard,
        ),
    },
  }),
);
