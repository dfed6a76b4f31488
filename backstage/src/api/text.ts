/**
 * The text of a body as it comes in, whole characters only. An early end of
 * the loop cancels the request, and so does the signal: that of fetch alone is
 * not enough, since some implementations forget it once the answer has begun.
 */
export async function* textOf(
  response: Response,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const reader = response.body?.getReader();
  if (!reader) {
    return;
  }
  const cancel = () => void reader.cancel().catch(() => undefined);
  signal?.addEventListener('abort', cancel);
  if (signal?.aborted) {
    cancel();
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
    signal?.removeEventListener('abort', cancel);
    if (!over) {
      await reader.cancel().catch(() => undefined);
    }
  }
}

const MORE = { stream: true };
