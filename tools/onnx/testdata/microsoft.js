// Makes microsoft.json of microsoft.onnx: inputs, and what ONNX Runtime gives for them.
// NODE_PATH is where onnxruntime-node is, tests/peers/node_modules.
const ort = require('onnxruntime-node');
const fs = require('fs');
(async () => {
  const session = await ort.InferenceSession.create(__dirname + '/microsoft.onnx', { intraOpNumThreads: 1 });
  const feeds = {}, ref = { Inputs: {}, Outputs: {} };
  const shapes = { x: [1, 4, 6, 6], s: [1, 6, 8] };
  let seed = 0;
  for (const name of session.inputNames) {
    const n = shapes[name].reduce((a, b) => a * b);
    const data = Float32Array.from({ length: n }, (_, i) => Math.round(1e4 * 2 * Math.sin(1 + seed + i * i * 0.37)) / 1e4);
    feeds[name] = new ort.Tensor('float32', data, shapes[name]);
    ref.Inputs[name] = Array.from(data);
    seed += 5;
  }
  const results = await session.run(feeds);
  for (const name of session.outputNames) ref.Outputs[name] = Array.from(results[name].data, v => Math.fround(v));
  const text = Object.entries(ref).map(([k, v]) => JSON.stringify(k) + ': {\n' +
    Object.entries(v).map(([n, d]) => '  ' + JSON.stringify(n) + ': [' + d.map(x => +x.toPrecision(8)).join(', ') + ']').join(',\n') + '\n}');
  fs.writeFileSync(__dirname + '/microsoft.json', '{' + text.join(', ') + '}\n');
})();
