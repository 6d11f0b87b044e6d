// Renders one file with `darkroom render`.

import { spawn } from "node:child_process";
import { mkdir, realpath, symlink } from "node:fs/promises";
import { basename, join } from "node:path";

/**
 * Renders the file into `directory`, which must not exist. The original gets the name `original` there.
 *
 * Returns `{ original, thumbnails }`, where each thumbnail is `{ size, path }`, or `{ original, thumbnails: [], reason,
 * error }` with the reason of a refusal.
 */
export async function render(path, directory) {
  await mkdir(directory);
  const original = join(directory, "original");
  // darkroom gets a plain name: a name that is not valid UTF-8 cannot be an argument here.
  await symlink(await realpath(path, { encoding: "buffer" }), original);
  const { code, stdout, stderr } = await run(["render", "--json", "--out", directory, original]);
  try {
    const { thumbnails, reason, error } = JSON.parse(stdout);
    if (error) return { original, thumbnails: [], reason, error };
    const made = thumbnails.map(({ size, file }) => ({ size, path: join(directory, basename(file)) }));
    return { original, thumbnails: made };
  } catch {
    return { original, thumbnails: [], error: `darkroom ended with ${code}: ${stderr.trim()}` };
  }
}

function run(args) {
  return new Promise((resolve, reject) => {
    // darkroom warns about variables that it does not know.
    const { DARKROOM_BINARY: binary, ...env } = process.env;
    const child = spawn(binary, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) child[name].on("data", (chunk) => (output[name] += chunk));
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code: code ?? signal, ...output }));
  });
}
