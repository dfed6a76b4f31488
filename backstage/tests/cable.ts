/** A cable between the portal and the hub that can be pulled out. */
import { type Server, type Socket, connect, createServer } from 'node:net';

export class Cable {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private plugged = true;
  /** How often somebody has tried to get through. */
  attempts = 0;

  private constructor(port: number) {
    this.server = createServer(near => {
      this.attempts += 1;
      if (!this.plugged) {
        near.destroy();
        return;
      }
      const far = connect(port, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(from);
        from.pipe(to);
        from.on('error', () => undefined);
        from.on('close', () => {
          this.sockets.delete(from);
          to.destroy();
        });
      }
    });
  }

  static async to(url: string): Promise<Cable> {
    const cable = new Cable(Number(new URL(url).port));
    await new Promise<void>(done =>
      cable.server.listen(0, '127.0.0.1', done),
    );
    return cable;
  }

  get url(): string {
    const address = this.server.address();
    return typeof address === 'object' && address
      ? `http://127.0.0.1:${address.port}`
      : '';
  }

  /** How many connections there are. */
  get open(): number {
    return this.sockets.size / 2;
  }

  pull(): void {
    this.plugged = false;
    this.sockets.forEach(socket => socket.destroy());
  }

  plug(): void {
    this.plugged = true;
  }

  close(): void {
    this.pull();
    this.server.close();
  }
}
