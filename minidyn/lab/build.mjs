// Builds lab.js, a single script for pages (also from disk), which minidyn/lab/widget.py turns into a module.

import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const common = { bundle: true, minify: true, charset: "utf8", target: "es2022", format: "iife" };

const worker = await build({ ...common, entryPoints: [here("src/worker.js")], write: false });

// `import text from "worker-source"`: the source of the engine's thread, which the page starts from a Blob.
const workerSource = {
  name: "worker-source",
  setup(building) {
    building.onResolve({ filter: /^worker-source$/ }, ({ path }) => ({ path, namespace: "worker-source" }));
    building.onLoad({ filter: /.*/, namespace: "worker-source" }, () => ({ contents: worker.outputFiles[0].text, loader: "text" }));
  },
};

// Style sheets become minified text.
const styleText = {
  name: "style-text",
  setup(building) {
    building.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const style = await build({ entryPoints: [path], minify: true, write: false });
      return { contents: style.outputFiles[0].text, loader: "text" };
    });
  },
};

await build({
  ...common,
  entryPoints: [here("src/mount.js")],
  outfile: process.argv[2] ?? here("lab.js"),
  globalName: "minidynLab",
  plugins: [workerSource, styleText],
  banner: { js: "// Built by build.mjs from src/; do not edit." },
});
