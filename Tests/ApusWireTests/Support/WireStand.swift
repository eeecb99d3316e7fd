import ApusCore
import ApusSocket
import ApusWire
import Glibc
import LoopFixtures
import Loopback
import Testing

/// A wire on a loop of its own, connected to a scripted peer, with an owner that reads.
struct WireStand: Sendable {
    let peer: ScriptedPeer
    let loop: EventLoop
    let wire: Wire
    let reader: WireReader

    /// Runs a closure on the loop and waits for its result.
    func onLoop<Result: Sendable>(
        _ body: @escaping @Sendable (Wire, WireReader) -> Result
    ) async -> Result {
        await loop.run { [wire, reader] in body(wire, reader) }
    }

    /// What was received, once it is so many bytes.
    func received(_ count: Int) async -> [UInt8] {
        await reader.wait(on: loop) { $0.received.count >= count || $0.ending != nil }
        return await onLoop { $1.received }
    }

    /// How reading ended.
    func ending() async -> WireReader.Ending? {
        await reader.wait(on: loop) { $0.ending != nil }
        return await onLoop { $1.ending }
    }
}

/// Gives the body a wire to a peer with this script, and closes everything afterwards.
func withWire(
    _ script: [ScriptedPeer.Step], _ body: (WireStand) async throws -> Void
) async throws {
    try FixturePaths.ensureCertificates()
    let peer = try ScriptedPeer(everyConnection: script)
    defer { peer.stop() }
    let loop = try EventLoop(name: "apus-test")
    let wire = try connectedWire(to: peer.port, on: loop)
    let stand = WireStand(peer: peer, loop: loop, wire: wire, reader: WireReader(wire))
    let isRegistered = await stand.onLoop { wire, reader in
        wire.handOver(to: reader)
        return (try? wire.register()) != nil
    }
    do {
        try #require(isRegistered)
        try await body(stand)
    } catch {
        await stand.end()
        throw error
    }
    await stand.end()
}

/// A wire that alone holds its socket, so that its close is the socket's.
private func connectedWire(to port: UInt16, on loop: EventLoop) throws -> Wire {
    let socket = try connectedSocket(to: port)
    return Wire(socket, to: try loopback(port), on: loop)
}

private func loopback(_ port: UInt16) throws -> SocketAddress {
    try #require(SocketAddress(literal: "127.0.0.1", port: port))
}

extension Wire {
    func send(_ bytes: [UInt8]) {
        send(bytes.span.bytes)
    }

    func putBack(_ bytes: [UInt8]) {
        putBack(bytes.span.bytes)
    }
}

extension WireStand {
    fileprivate func end() async {
        await onLoop { wire, _ in wire.close() }
        await EventLoop.stopAndJoin([loop])
    }
}

/// Owns a wire: reads what comes, unless it is paused, and wakes those who wait for that.
///
/// Unchecked, because it is confined to its wire's loop.
final class WireReader: WireOwner, @unchecked Sendable {
    /// How reading ended.
    enum Ending {
        case end
        case failed(WireError)
    }

    private weak let wire: Wire?
    private var waiting: [(condition: (WireReader) -> Bool, resume: () -> Void)] = []
    private(set) var received: [UInt8] = []
    private(set) var ending: Ending?
    private(set) var readableCalls = 0
    private(set) var writableCalls = 0
    var isPaused = false
    /// Whether the test is over.
    private var isCancelled = false

    init(_ wire: Wire) {
        self.wire = wire
    }

    func wireReadable() {
        readableCalls += 1
        if !isPaused { readAll() }
        wake()
    }

    func wireWritable() {
        writableCalls += 1
        wake()
    }

    /// Reads until nothing is left or reading ends.
    func readAll() {
        while let wire, wire.mayHaveInput, ending == nil { readOnce() }
        wake()
    }

    /// Reads once; how many bytes came.
    @discardableResult
    func readOnce() -> Int {
        guard let wire else { return 0 }
        let before = received.count
        do throws(WireError) {
            if case .end = try wire.read({ bytes, _ in received.append(copying: bytes) }) {
                ending = .end
            }
        } catch {
            ending = .failed(error)
        }
        return received.count - before
    }

    /// Waits until something is so, as seen after each call of the wire, or the test is cancelled
    /// at its time limit.
    func wait(on loop: EventLoop, _ condition: @escaping @Sendable (WireReader) -> Bool) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                loop.execute {
                    self.waiting.append((condition, { continuation.resume() }))
                    self.wake()
                }
            }
        } onCancel: {
            loop.execute {
                self.isCancelled = true
                self.wake()
            }
        }
    }

    private func wake() {
        let ready = waiting.filter { isCancelled || $0.condition(self) }
        waiting.removeAll { isCancelled || $0.condition(self) }
        for entry in ready { entry.resume() }
    }
}
