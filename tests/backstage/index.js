'use strict';

// A portal's backend: catalog, guest sign-in, its proxy, and a plugin `runner`
// that hands each request to the hub (docs/BACKSTAGE.md shows the same).
const http = require('node:http');
const { createBackend } = require('@backstage/backend-defaults');
const {
  coreServices,
  createBackendPlugin,
} = require('@backstage/backend-plugin-api');

const runnerPlugin = createBackendPlugin({
  pluginId: 'runner',
  register(env) {
    env.registerInit({
      deps: {
        config: coreServices.rootConfig,
        httpRouter: coreServices.httpRouter,
      },
      async init({ config, httpRouter }) {
        const hub = config.getString('runner.hub');
        httpRouter.use((request, response) => {
          const { host, ...headers } = request.headers;
          const upstream = http.request(hub + request.url, {
            method: request.method,
            headers,
          });
          upstream.on('response', answer => {
            response.writeHead(answer.statusCode, answer.headers);
            answer.pipe(response);
          });
          upstream.on('error', error => {
            if (response.headersSent) {
              response.destroy();
            } else {
              response.status(503).send(`The hub does not answer: ${error.code}`);
            }
          });
          response.on('close', () => upstream.destroy());
          request.pipe(upstream);
        });
      },
    });
  },
});

const backend = createBackend();
backend.add(import('@backstage/plugin-auth-backend'));
backend.add(import('@backstage/plugin-auth-backend-module-guest-provider'));
backend.add(import('@backstage/plugin-catalog-backend'));
backend.add(import('@backstage/plugin-proxy-backend'));
backend.add(runnerPlugin);
backend.start();
