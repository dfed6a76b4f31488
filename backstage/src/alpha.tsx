/**
 * The same plugin for apps of Backstage's new frontend system: features of
 * `createApp`, discovered or named. Its page, its entry in the navigation and
 * its API; the card of an entity is a component like any other there.
 */
import { createApiFactory } from '@backstage/core-plugin-api';
import {
  ApiBlueprint,
  NavItemBlueprint,
  PageBlueprint,
  createFrontendPlugin,
  createRouteRef,
  discoveryApiRef,
  fetchApiRef,
} from '@backstage/frontend-plugin-api';
import { runnerApiRef } from './api/RunnerApi.js';
import { RunnerClient } from './api/RunnerClient.js';
import { RunnerIcon } from './components/RunnerIcon.js';

const rootRouteRef = createRouteRef();

const runnerApi = ApiBlueprint.make({
  params: defineParams =>
    defineParams(
      createApiFactory({
        api: runnerApiRef,
        deps: { discoveryApi: discoveryApiRef, fetchApi: fetchApiRef },
        factory: deps => new RunnerClient(deps),
      }),
    ),
});

const runnerPage = PageBlueprint.make({
  params: {
    path: '/runner',
    routeRef: rootRouteRef,
    loader: () =>
      import('./components/RunnerPage.js').then(m => <m.RunnerPage />),
  },
});

const runnerNavItem = NavItemBlueprint.make({
  params: { title: 'Runner', icon: RunnerIcon, routeRef: rootRouteRef },
});

export default createFrontendPlugin({
  pluginId: 'runner',
  routes: { root: rootRouteRef },
  extensions: [runnerApi, runnerPage, runnerNavItem],
});
