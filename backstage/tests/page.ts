/** What a user finds on the page. */
import assert from 'node:assert/strict';
import { fireEvent, screen, within } from '@testing-library/react';
import { eventually } from './portal.js';

export function row(name: string): HTMLElement {
  return screen.getByRole('row', { name: `Component:default/${name}` });
}

export function button(name: string): HTMLButtonElement {
  const found = screen.getByRole('button', { name });
  assert.ok(found instanceof window.HTMLButtonElement);
  return found;
}

export function press(name: string): void {
  fireEvent.click(button(name));
}

/** The button, when it is there and can be pressed, has been pressed. */
export async function pressWhenEnabled(name: string): Promise<void> {
  await eventually(() => assert.equal(button(name).disabled, false, name));
  press(name);
}

export async function start(name: string): Promise<void> {
  await pressWhenEnabled(`Start Component:default/${name}`);
}

export async function stop(name: string): Promise<void> {
  await pressWhenEnabled(`Stop Component:default/${name}`);
}

export async function statusOf(name: string, status: string): Promise<void> {
  await eventually(() => within(row(name)).getByText(status));
}

/** The problem that the row tells, all of its words. */
export async function problemOf(element: () => HTMLElement): Promise<string> {
  const alert = await eventually(() => within(element()).getByRole('alert'));
  return alert.textContent ?? '';
}
