import Apus
import ApusSocket
import ApusWire
import Glibc
import Loopback
import Testing

/// A long upload shares its loop with other work.
@Suite(.timeLimit(.minutes(5))) struct UploadTurnTests {
    /// With room for all of it in the system's queue, nothing but the engine's own bound ends a
    /// turn of sending: `Wire.maxSentInRow`.
    @Test(.enabled(if: canForceSendBuffers, "SO_SNDBUFFORCE needs CAP_NET_ADMIN"))
    func aLongUploadLeavesOthersTheirTurn() async throws {
        let size = 16 << 20
        let socket = Shared<Int32>(-1)
        var tuning = relaxedTuning
        tuning.eventLoops = 1
        tuning.dial.takeAll(of: size) { descriptor in socket.change { $0 = descriptor } }
        try await withFaultStand([[.expectHead, .silence]], tuning: tuning) { stand in
            let hasLooked = Shared(false)
            // Looks at the system's queue, once in each turn of the loop.
            let looks = Task(executorPreference: stand.engine.taskExecutor) {
                var (largest, last) = (0, 0)
                while last < 8 << 20, !Task.isCancelled {
                    var count: Int32 = 0
                    let descriptor = socket.value
                    if descriptor >= 0, ioctl(descriptor, UInt(TIOCOUTQ), &count) == 0 {
                        largest = max(largest, Int(count) - last)
                        last = Int(count)
                    }
                    hasLooked.value = true
                    await Task.yield()
                }
                return largest
            }
            try await eventually("the loop is watched") { hasLooked.value }
            let upload = Task {
                let body = RequestBody.bytes(Bytes([UInt8](repeating: 7, count: size)))
                return try await stand.engine.send(stand.request(.post), body: body)
            }
            let largest = await looks.value
            // Between two looks the request may begin, the socket may report that it is writable,
            // and the next turn may begin.
            let bound = 3 << 20
            #expect(largest <= bound, "\(largest) bytes between two looks")
            upload.cancel()
            _ = await upload.result
        }
    }

    /// A call takes what is left of the turn, to the byte, and leaves the rest to the next turn.
    @Test(.enabled(if: canForceSendBuffers, "SO_SNDBUFFORCE needs CAP_NET_ADMIN"))
    func oneCallTakesNoMoreOfABodyThanIsLeftOfTheTurn() async throws {
        let size = 4 << 20
        let peer = try ScriptedPeer([[.silence]])
        defer { peer.stop() }
        let address = try #require(SocketAddress(literal: "127.0.0.1", port: peer.port))
        var tuning = EngineTuning.Dial()
        tuning.takeAll(of: size)
        let socket = try StreamSocket(for: address, tuning: tuning)
        if try !socket.startConnecting(to: address) {
            var event = pollfd(fd: socket.descriptor.number, events: Int16(POLLOUT), revents: 0)
            #expect(poll(&event, 1, 30_000) == 1)
            try socket.finishConnecting()
        }
        let loop = try EventLoop(name: "apus-test")
        let taken = await withCheckedContinuation { continuation in
            loop.execute {
                let wire = Wire(socket, to: address, on: loop)
                let body = [Bytes([UInt8](repeating: 7, count: size))][...]
                let head = [UInt8](repeating: 1, count: 100)
                var taken = [wire.send(head.span.bytes, body, until: 1000)]
                taken.append(wire.send(RawSpan(), body, until: 1500))
                taken.append(wire.send(RawSpan(), body, until: 1500))
                taken.append(wire.send(head.span.bytes, body, until: 1550))
                taken.append(Int(wire.sentCount))
                taken.append(wire.send(RawSpan(), body, until: .max / 2))
                wire.close()
                continuation.resume(returning: taken)
            }
        }
        loop.stop()
        loop.join()
        #expect(taken == [900, 500, 0, 0, 1600, 1 << 20])
    }

    private static let canForceSendBuffers: Bool = {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var room: Int32 = 1 << 20
        let length = socklen_t(MemoryLayout<Int32>.size)
        return setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &room, length) == 0
    }()
}

extension EngineTuning.Dial {
    /// Has the system take so many bytes at once, whatever the peer reads.
    fileprivate mutating func takeAll(
        of size: Int, _ opened: @escaping @Sendable (Int32) -> Void = { _ in }
    ) {
        unsentBytes = nil
        beforeConnect = SocketHook { descriptor, _ in
            var room = Int32(2 * size)
            let length = socklen_t(MemoryLayout<Int32>.size)
            setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &room, length)
            opened(descriptor)
        }
    }
}
