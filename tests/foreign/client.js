// Calls the server with grpc-js and prints what came of it, a line of JSON for each call.
// usage: node client.js ADDRESS PROTO
'use strict';

const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [address, proto] = process.argv.slice(2);
const api = grpc.loadPackageDefinition(loader.loadSync(proto, { keepCase: true, longs: String }));
const service = new api.tensorflow.serving.PredictionService(address, grpc.credentials.createInsecure());

const request = (values, name) => ({
  model_spec: { name },
  inputs: { x: { dtype: 1, tensor_shape: { dim: [{ size: values.length }] }, float_val: values } },
});

const call = (message, options) => new Promise((resolve) => {
  service.Predict(message, new grpc.Metadata(), options, (error, answer) => {
    resolve(error ? { code: error.code, details: error.details } : { values: answer.outputs.y.float_val });
  });
});

(async () => {
  const deadline = () => ({ deadline: Date.now() + 30000 });
  console.log(JSON.stringify(await call(request([1, 2, 5], 'half_plus_three'), deadline())));
  const many = await Promise.all(
    Array.from({ length: 200 }, (_, number) => call(request([number], 'half_plus_three'), deadline())),
  );
  console.log(JSON.stringify(many.map((answer) => answer.values[0])));
  const large = await call(request(Array(100000).fill(1), 'half_plus_three'), deadline());
  console.log(JSON.stringify({ length: large.values.length }));
  console.log(JSON.stringify(await call(request([1], 'none'), deadline())));
  service.close();
})();
