// The scenarios of Benchmarks/websocket on Node's own WebSocket: client.js PORT SCENARIO COUNT SIZE.
'use strict';
const [port, scenario, countText, sizeText] = process.argv.slice(2);
const count = Number(countText);
const size = Number(sizeText);
const url = `ws://127.0.0.1:${port}`;

// The handlers are there before the first message.
function open(path, onmessage, onclose) {
    return new Promise((resolve, reject) => {
        const socket = new WebSocket(url + path);
        socket.binaryType = 'arraybuffer';
        socket.onmessage = onmessage;
        socket.onclose = onclose;
        socket.onopen = () => resolve(socket);
        socket.onerror = (event) => reject(new Error(`failed: ${event.message || path}`));
    });
}

async function main() {
    if (scenario === 'idle') {
        const before = process.memoryUsage.rss();
        const sockets = [];
        while (sockets.length < count) {
            const many = Math.min(100, count - sockets.length);
            sockets.push(...await Promise.all(Array.from({ length: many }, () => open('/idle'))));
        }
        console.log(`idle ${Math.round((process.memoryUsage.rss() - before) / count)}`);
        process.exit(0);
    }
    const message = new Uint8Array(size);
    let seen = 0;
    let socket;
    let end;
    const ended = new Promise((resolve) => { end = resolve; });
    socket = await open(
        scenario === 'echo' ? '/echo' : `/${scenario}/${count}/${size}`,
        () => {
            seen += 1;
            if (seen === count) end();
            else if (scenario === 'echo') socket.send(message);
        },
        () => end());
    const start = process.hrtime.bigint();
    const usage = process.cpuUsage();
    if (scenario !== 'sink') socket.send(message);
    if (scenario === 'sink') {
        // There is no backpressure but the number of bytes that wait.
        let sent = 0;
        const some = () => {
            while (sent < count && socket.bufferedAmount < 1 << 20) {
                socket.send(message);
                sent += 1;
            }
            if (sent < count) setImmediate(some);
        };
        some();
    }
    await ended;
    const wall = Number(process.hrtime.bigint() - start) / 1e9;
    const spent = process.cpuUsage(usage);
    const cpu = (spent.user + spent.system) / count;
    if (scenario === 'flood' && seen !== count) throw new Error(`${seen} messages`);
    console.log(`${scenario} ${Math.round(count / wall)} ${cpu.toFixed(2)}`);
    process.exit(0);
}

main();
