// A separate darkroom for a test: the built binary on free ports and a fresh directory.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** How long a start or a stop may take on a busy machine. */
const PATIENCE_MS = 60_000;

/** Starts `darkroom local`; `url` is the address of its page. */
export async function startDarkroom(settings = {}) {
  const dir = await mkdtemp(join(tmpdir(), "darkroom-browser-"));
  const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
  const environment = { DARKROOM_ADMIN_LISTEN: "127.0.0.1:0", NO_COLOR: "1", ...settings };
  const child = spawn(join(target, "debug/darkroom"), ["local", "--dir", dir, "--listen", "127.0.0.1:0"], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  const url = await new Promise((resolve, reject) => {
    const giveUp = setTimeout(() => reject(new Error(`darkroom did not start:\n${log}`)), PATIENCE_MS);
    const hear = (chunk) => {
      log += chunk;
      const address = /ready for uploads: (http:\/\/[^/\s]+)/.exec(log);
      if (address) {
        clearTimeout(giveUp);
        resolve(address[1]);
      }
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("exit", (code) => reject(new Error(`darkroom ended with ${code}:\n${log}`)));
  });
  const stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const code = await ended;
    await rm(dir, { recursive: true, force: true });
    if (code !== 0) throw new Error(`darkroom ended with ${code}:\n${log}`);
  };
  return { url, stop };
}

/** A proxy with network faults: forwards connections to `url`, delays what clients send, cuts connections. */
export async function startGate(url) {
  const { hostname, port } = new URL(url);
  const pairs = new Set();
  let limit = Infinity;
  let isCut = false;
  let tellHeld;
  const gate = { held: new Promise((resolve) => (tellHeld = resolve)) };
  const server = createServer((client) => {
    if (isCut) return client.resetAndDestroy();
    const upstream = connect(Number(port), hostname);
    const pair = [client, upstream];
    pairs.add(pair);
    let sent = 0;
    client.on("data", (chunk) => {
      sent += chunk.length;
      if (sent > limit) {
        client.pause();
        tellHeld();
      } else {
        upstream.write(chunk);
      }
    });
    upstream.pipe(client);
    for (const [socket, other] of [pair, [upstream, client]]) {
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  gate.url = `http://127.0.0.1:${server.address().port}`;
  /** From now on, forwards only this many bytes of a connection. */
  gate.hold = (bytes) => (limit = bytes);
  /** Cuts every connection, including new ones: browsers repeat a request when a used connection breaks. */
  gate.cut = () => {
    isCut = true;
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
  };
  /** From now on, forwards everything. */
  gate.open = () => {
    isCut = false;
    limit = Infinity;
  };
  gate.stop = () => {
    gate.cut();
    return new Promise((resolve) => server.close(resolve));
  };
  return gate;
}
