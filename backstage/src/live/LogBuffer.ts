/** A line of a log, counted from the first that was ever seen. */
export interface LogLine {
  number: number;
  text: string;
}

/** No line of a terminal is that long; what is gets cut into several. */
const LINE_MAX = 16 * 1024;

/** The last lines of a log, however long it gets. */
export class LogBuffer {
  private readonly maxLines: number;
  private lines: LogLine[] = [];
  private rest = '';
  private count = 0;

  constructor(maxLines: number) {
    this.maxLines = maxLines;
  }

  push(piece: string): void {
    const lines = (this.rest + piece).split('\n');
    this.rest = lines.pop() ?? '';
    lines.forEach(line => this.add(line));
    while (this.rest.length > LINE_MAX) {
      this.add(this.rest.slice(0, LINE_MAX));
      this.rest = this.rest.slice(LINE_MAX);
    }
    if (this.lines.length > this.maxLines) {
      this.lines = this.lines.slice(-this.maxLines);
    }
  }

  /** The last line may lack its end. */
  get kept(): readonly LogLine[] {
    return this.rest === ''
      ? [...this.lines]
      : [...this.lines, { number: this.count + 1, text: this.rest }];
  }

  /** How many lines came before those that are kept. */
  get dropped(): number {
    return this.count - this.lines.length;
  }

  private add(text: string): void {
    this.count += 1;
    this.lines.push({ number: this.count, text: plain(text) });
  }
}

/** Colours of a terminal, and what a carriage return has overwritten. */
function plain(line: string): string {
  const text = line.replace(/\r$/, '');
  const bare = text.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, '');
  return bare.slice(bare.lastIndexOf('\r') + 1);
}
