/** A portal around the plugin: an app with its discovery and its sign-in. */
import {
  AppRouter,
  FetchMiddlewares,
  FrontendHostDiscovery,
  createFetchApi,
  createSpecializedApp,
} from '@backstage/core-app-api';
import {
  type AppComponents,
  type IdentityApi,
  type SignInPageProps,
  configApiRef,
  createApiFactory,
  discoveryApiRef,
  fetchApiRef,
  identityApiRef,
} from '@backstage/core-plugin-api';
import { ThemeProvider, createTheme } from '@material-ui/core/styles';
import { runnerPlugin } from '@runnerhub/backstage-plugin-runner';
import { cleanup, configure, render, waitFor } from '@testing-library/react';
import { type ReactNode, useEffect } from 'react';
import { Route, BrowserRouter, Routes } from 'react-router-dom';

// A check that fails is made again in 20 ms, so it must be cheap: no picture of
// the whole page in each error, no style of each parent of each element.
configure({
  defaultHidden: true,
  getElementError: message => new Error(message ?? 'not found'),
});

/** One of the things that the caller of these tests has set up. */
export function given(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set; see test_portal_plugin.py`);
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

/** The two APIs that each app puts together from its configuration. */
const defaultApis = [
  createApiFactory({
    api: discoveryApiRef,
    deps: { configApi: configApiRef },
    factory: ({ configApi }) => FrontendHostDiscovery.fromConfig(configApi),
  }),
  createApiFactory({
    api: fetchApiRef,
    deps: {
      config: configApiRef,
      identityApi: identityApiRef,
      discoveryApi: discoveryApiRef,
    },
    factory: ({ config, identityApi, discoveryApi }) =>
      createFetchApi({
        middleware: [
          FetchMiddlewares.resolvePluginProtocol({ discoveryApi }),
          FetchMiddlewares.injectIdentityAuth({ identityApi, config }),
        ],
      }),
  }),
];

function Nothing() {
  return null;
}

function appComponents(token: string | undefined): AppComponents {
  const SignInPage = ({ onSignInSuccess }: SignInPageProps) => {
    useEffect(() => onSignInSuccess(identityOf(token)), [onSignInSuccess]);
    return null;
  };
  return {
    NotFoundErrorPage: Nothing,
    BootErrorPage: ({ error }) => <p role="alert">{error.message}</p>,
    Progress: Nothing,
    Router: BrowserRouter,
    ErrorBoundaryFallback: ({ error }) => <p role="alert">{error?.message}</p>,
    SignInPage,
  };
}

const theme = createTheme();

/** The hub, or the way to it through a real portal. */
function defaultTarget(): string {
  return process.env.PORTAL_TARGET ?? `${given('HUB_URL')}/api/runner`;
}

function portal(options: PortalOptions) {
  const target = options.target ?? defaultTarget();
  const data = {
    app: { baseUrl: 'http://portal.test:3000' },
    backend: { baseUrl: 'http://portal.test:7007' },
    discovery: { endpoints: [{ target, plugins: ['runner'] }] },
  };
  return createSpecializedApp({
    apis: [],
    defaultApis,
    plugins: [runnerPlugin],
    // The plugin asks for none.
    icons: {} as never,
    components: appComponents(options.token ?? process.env.PORTAL_TOKEN),
    themes: [
      {
        id: 'light',
        title: 'Light',
        variant: 'light',
        Provider: ({ children }) => (
          <ThemeProvider theme={theme}>{children}</ThemeProvider>
        ),
      },
    ],
    configLoader: async () => [{ context: 'app-config.yaml', data }],
  });
}

/** The element as the page at /runner of a portal. */
export function show(element: ReactNode, options: PortalOptions = {}) {
  const Root = portal(options).createRoot(
    <AppRouter>
      <Routes>
        <Route path="/runner" element={element} />
      </Routes>
    </AppRouter>,
  );
  return render(<Root />);
}

export { cleanup };

/** Waits until it does not throw; a broken hub shows as this error. */
export function eventually<T>(check: () => T): Promise<T> {
  return waitFor(check, { timeout: 120_000, interval: 20 });
}
