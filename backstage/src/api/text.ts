/**
 * The text of a body as it comes in, whole characters only. An early end of
 * the loop cancels the request.
 */
export async function* textOf(response: Response): AsyncGenerator<string> {
  const reader = response.body?.getReader();
  if (!reader) {
    return;
  }
  const decoder = new TextDecoder();
  let over = false;
  try {
    while (!over) {
      const { done, value } = await reader.read();
      over = done;
      const piece = done ? decoder.decode() : decoder.decode(value, MORE);
      if (piece !== '') {
        yield piece;
      }
    }
  } finally {
    if (!over) {
      await reader.cancel().catch(() => undefined);
    }
  }
}

const MORE = { stream: true };
