/** Makes this process a browser; imported before anything that renders. */
import { JSDOM } from 'jsdom';

/** The page came from here: links of instances must name this host. */
export const PAGE_HOST = 'portal.test';

const dom = new JSDOM('<!doctype html><html lang="en"><body></body></html>', {
  url: `http://${PAGE_HOST}:3000/runner`,
  pretendToBeVisual: true,
});

// What Node has of its own stays: fetch and its streams, timers, AbortSignal.
for (const name of Object.getOwnPropertyNames(dom.window)) {
  if (!(name in globalThis)) {
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get: () => Reflect.get(dom.window, name) as unknown,
    });
  }
}
for (const name of ['addEventListener', 'removeEventListener'] as const) {
  Object.defineProperty(globalThis, name, {
    value: dom.window[name].bind(dom.window),
  });
}
Object.defineProperty(globalThis, 'window', { value: dom.window });
Object.defineProperty(globalThis, 'navigator', {
  value: dom.window.navigator,
  configurable: true,
});

export function closeBrowser(): void {
  dom.window.close();
}
