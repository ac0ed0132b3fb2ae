// Calls the server over gRPC-Web with two clients, and prints a line of JSON for each call.
// usage: node grpc_web.mjs URL DESCRIPTORS
import { readFileSync } from 'node:fs';
import { createFileRegistry, create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createClient, ConnectError } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-node';
import grpcWeb from 'grpc-web';
import xhr2 from 'xhr2';

// A browser's: xhr2 gives its text, which the client of Google's asks for, only without a type of response.
globalThis.XMLHttpRequest = class extends xhr2 {};

const [url, descriptors] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const service = registry.getService('tensorflow.serving.PredictionService');
const { input, output } = service.method.predict;

const predict = (values, name, signatureName = '') => ({
  modelSpec: { name, signatureName },
  inputs: { x: { dtype: 1, tensorShape: { dim: [{ size: BigInt(values.length) }] }, floatVal: values } },
});

const connect = createClient(service, createGrpcWebTransport({ baseUrl: url, httpVersion: '1.1' }));

const callConnect = async (message, options) => {
  try {
    return { values: (await connect.predict(message, options)).outputs.y.floatVal };
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    return { code, details: rawMessage };
  }
};

const callGoogle = (format) => (message, options) => new Promise((resolve) => {
  const method = new grpcWeb.MethodDescriptor(
    '/tensorflow.serving.PredictionService/Predict',
    grpcWeb.MethodType.UNARY,
    Object,
    Object,
    (value) => toBinary(input, create(input, value)),
    (bytes) => fromBinary(output, bytes),
  );
  const deadline = String(Date.now() + options.timeoutMs);
  new grpcWeb.GrpcWebClientBase({ format }).rpcCall(url + method.getName(), message, { deadline }, method,
    (error, answer) => resolve(
      error ? { code: error.code, details: error.message } : { values: answer.outputs.y.floatVal }));
});

const options = { timeoutMs: 30000 };
const clients = { connect: callConnect, binary: callGoogle('binary'), text: callGoogle('text') };
for (const [client, call] of Object.entries(clients)) {
  const many = await Promise.all(
    Array.from({ length: 50 }, (_, number) => call(predict([number], 'half_plus_three'), options)),
  );
  console.log(JSON.stringify({
    client,
    one: await call(predict([1, 2, 5], 'half_plus_three'), options),
    many: many.map((answer) => answer.values[0]),
    large: (await call(predict(Array(300000).fill(1), 'half_plus_three'), options)).values.length,
    refused: await call(predict([1], 'none'), options),
  }));
}
