// A server on Node, with the routes of asgi.py: HTTP/1.1 in the clear, HTTP/2 over TLS with eight
// streams a connection. Both end a connection that is idle for half a second.
//
// Usage: nodeserver.js TALLY TLS_PORT PLAIN_PORT CERTIFICATE KEY
'use strict';
const fs = require('fs');
const http = require('http');
const http2 = require('http2');

const [tally, tlsPort, plainPort, certificate, key] = process.argv.slice(2);
const file = fs.openSync(tally, 'a');
const add = (line) => fs.writeSync(file, line + '\n');
const gates = new Map();

// Opens for good once so many requests wait at it together, or shuts when they never do.
function gate(response, name, count) {
  if (!gates.has(name)) {
    gates.set(name, { waiting: new Set(), status: 0 });
    setTimeout(() => decide(gates.get(name), 503), 30000).unref();
  }
  const gate = gates.get(name);
  gate.waiting.add(response);
  response.on('close', () => gate.waiting.delete(response));
  if (gate.status) return decide(gate, gate.status);
  if (gate.waiting.size >= count) decide(gate, 200);
}

function decide(gate, status) {
  gate.status ||= status;
  for (const response of gate.waiting) {
    response.writeHead(gate.status);
    response.end(gate.status === 200 ? 'open' : 'shut');
  }
  gate.waiting.clear();
}

function events(response) {
  response.writeHead(200);
  const timer = setInterval(() => response.write('data: 1\n\n'), 20);
  response.on('close', () => {
    clearInterval(timer);
    add('cancelled /events');
  });
}

function handle(request, response) {
  const parts = request.url.split('/').slice(1);
  if (parts[0] === 'events') return events(response);
  let count = 0;
  request.on('data', (piece) => { count += piece.length; });
  request.on('error', () => {});
  request.on('end', () => {
    if (parts[0] === 'gate') return gate(response, parts[1], Number(parts[2]));
    if (parts[0] === 'post') add('post ' + parts[1]);
    response.end(parts[0] === 'post' ? String(count) : 'hello');
  });
}

const plain = http.createServer({ keepAliveTimeout: 500 }, handle);
const secure = http2.createSecureServer({
  cert: fs.readFileSync(certificate), key: fs.readFileSync(key),
  settings: { maxConcurrentStreams: 8 },
}, handle);
secure.on('session', (session) => session.setTimeout(500, () => {
  // The timer counts frames, not streams: a request that waits is no idle connection.
  if (session.apusStreams > 0) return session.setTimeout(500);
  session.close();
}));
secure.on('session', (session) => {
  session.apusStreams = 0;
  session.on('stream', (stream) => {
    session.apusStreams += 1;
    stream.on('close', () => { session.apusStreams -= 1; });
  });
});
plain.listen(Number(plainPort), '127.0.0.1', 511);
secure.listen(Number(tlsPort), '127.0.0.1', 511);
