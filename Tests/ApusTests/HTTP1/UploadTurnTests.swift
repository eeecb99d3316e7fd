import Apus
import Glibc
import Loopback
import Testing

/// A long upload shares its loop with other work.
@Suite(.timeLimit(.minutes(5))) struct UploadTurnTests {
    /// With room for all of it in the system's queue, nothing but the engine's own bound ends a
    /// turn of sending: `Wire.maxSentInRow` and the one write that goes beyond it.
    @Test(.enabled(if: canForceSendBuffers, "SO_SNDBUFFORCE needs CAP_NET_ADMIN"))
    func aLongUploadLeavesOthersTheirTurn() async throws {
        let size = 16 << 20
        let socket = Shared<Int32>(-1)
        var tuning = relaxedTuning
        tuning.eventLoops = 1
        tuning.dial.unsentBytes = nil
        tuning.dial.beforeConnect = SocketHook { descriptor, _ in
            var room = Int32(2 * size)
            let length = socklen_t(MemoryLayout<Int32>.size)
            setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &room, length)
            socket.change { $0 = descriptor }
        }
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
            // Between two looks the request may begin, which sends twice, and the socket may report
            // that it is writable.
            let bound = 3 * (1 << 20 + 256 << 10)
            #expect(largest <= bound, "\(largest) bytes between two looks")
            upload.cancel()
            _ = await upload.result
        }
    }

    private static let canForceSendBuffers: Bool = {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var room: Int32 = 1 << 20
        let length = socklen_t(MemoryLayout<Int32>.size)
        return setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &room, length) == 0
    }()
}
