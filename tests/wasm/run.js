// Runs a model in Node: node run.js js|wasip1 PROGRAM.wasm WASM_EXEC.js MODEL.teff INPUT, where INPUT holds
// little-endian float32; the output goes to stdout as the same.
"use strict";
const fs = require("fs"), path = require("path");
const [kind, program, exec, model, input] = process.argv.slice(2);

async function js() {
	require(exec); // Go's own, of $(go env GOROOT)/lib/wasm: makes globalThis.Go
	const go = new Go();
	const { instance } = await WebAssembly.instantiate(fs.readFileSync(program), go.importObject);
	go.run(instance); // goes on until the page is left
	const net = teffOpen(fs.readFileSync(model));
	if (net instanceof Error) throw net;
	const b = fs.readFileSync(input);
	const y = net(new Float32Array(b.buffer.slice(b.byteOffset, b.byteOffset + b.length)));
	if (y instanceof Error) throw y;
	if (!(net(new Float32Array(1)) instanceof Error)) throw new Error("an input of another size was taken");
	if (!(teffOpen(new Uint8Array(9)) instanceof Error)) throw new Error("no model was taken for one");
	fs.writeSync(1, Buffer.from(y.buffer));
	process.exit(0);
}

async function wasip1() {
	const { WASI } = require("wasi");
	const wasi = new WASI({
		version: "preview1", stdin: fs.openSync(input), args: ["wasm", "/dir/" + path.basename(model)],
		preopens: { "/dir": path.dirname(model) }, returnOnExit: true,
	});
	const { instance } = await WebAssembly.instantiate(fs.readFileSync(program), wasi.getImportObject());
	process.exit(wasi.start(instance));
}

({ js, wasip1 })[kind]().catch(err => { console.error(err); process.exit(1); });
