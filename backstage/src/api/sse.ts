/** An event of a text/event-stream; one without data is a sign of life. */
export interface ServerEvent {
  event: string;
  data: string;
}

/** A stream without an end of line is not one of ours. */
const LINE_MAX = 4 * 1024 * 1024;

/** Takes pieces of a stream and gives its events, wherever it was cut. */
export class EventParser {
  private rest = '';
  private event = '';
  private data: string[] = [];

  push(piece: string): ServerEvent[] {
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? '';
    if (this.rest.length > LINE_MAX) {
      throw new Error('The stream of events has a line without an end');
    }
    return lines.flatMap(line => this.line(line));
  }

  private line(line: string): ServerEvent[] {
    if (line === '') {
      return this.dispatch();
    }
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (name === 'event') {
      this.event = value ?? '';
    } else if (name === 'data') {
      this.data.push(value ?? '');
    }
    return [];
  }

  private dispatch(): ServerEvent[] {
    const event = { event: this.event, data: this.data.join('\n') };
    const any = this.data.length > 0;
    this.event = '';
    this.data = [];
    return any ? [event] : [];
  }
}
