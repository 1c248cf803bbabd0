// Builds lab.js, a single script for pages (also from disk), which minidyn/lab/widget.py turns into a module. On the way
// it compiles activation.ts to WebAssembly, as text in a module that Node can import too.
//
// `node build.mjs [FOLDER]`: both files go there, if it is named.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const into = (path) => (process.argv[2] ? `${process.argv[2]}/${path.split("/").at(-1)}` : here(path));

await writeWasm("src/engine/activation.ts", "src/engine/activation-wasm.js", "activationWasm");

async function writeWasm(source, module, name) {
  let wasm;
  const options = ["--optimizeLevel", "3", "--shrinkLevel", "1", "--converge", "--noAssert", "--runtime", "stub", "--enable", "simd", "--disableWarning", "201"];
  const { error, stderr } = await asc.main([source, "--outFile", "out.wasm", ...options], {
    readFile: (path) => (path === source ? readFileSync(here(path), "utf8") : null),
    writeFile: (path, contents) => (wasm = contents),
    listFiles: () => [],
  });
  if (error) throw new Error(`${source}: ${error.message}\n${stderr.toString()}`);
  const text = Buffer.from(wasm).toString("base64");
  writeFileSync(into(module), `// Built by build.mjs from ${source.split("/").at(-1)}; do not edit.\nexport const ${name} =\n  "${text}";\n`);
}

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
  outfile: into("lab.js"),
  globalName: "minidynLab",
  plugins: [workerSource, styleText],
  banner: { js: "// Built by build.mjs from src/; do not edit." },
});
