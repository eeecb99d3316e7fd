import ApusCore
import ApusSocket
import ApusTLS
import Glibc
import LoopFixtures
import Loopback
import Testing

/// The error of a peer that did not do its part.
struct PeerFailure: Error {}

/// TLS settings that trust the fixtures' authority alone.
func trustingSettings() throws -> EngineTuning.TLS {
    try FixturePaths.ensureCertificates()
    var settings = EngineTuning.TLS()
    settings.roots = .file(FixturePaths.pem("ca"))
    return settings
}

/// A session that a server has given in a handshake under these settings and this context.
func makeSession(
    under context: TLSContext, version: LoopbackTLSVersion = .tls13
) throws -> TLSSession {
    try FixturePaths.ensureCertificates()
    var options = LoopbackServer.Options(tls: FixturePaths.certificate("leaf"))
    options.tlsMaximumVersion = version
    let server = try LoopbackServer(options)
    defer { server.stop() }
    let socket = try connectedSocket(to: server.port)
    let engine = try TLSEngine(context, serverName: "localhost", session: nil)
    var buffer = [UInt8](repeating: 0, count: 16_384)
    var output: [UInt8] = []
    var isDone = try engine.handshake([UInt8]().span.bytes, output: &output) == .complete
    while true {
        try send(output, on: socket)
        output = []
        // Tickets of TLS 1.3 come after the handshake.
        if isDone, let session = engine.nextSession() { return session }
        guard case .bytes(let count) = try nextBytes(of: socket, into: &buffer) else {
            throw PeerFailure()
        }
        let bytes = buffer.span.bytes.extracting(first: count)
        if isDone {
            _ = try engine.receive(bytes, output: &output) { _ in }
        } else {
            isDone = try engine.handshake(bytes, output: &output) == .complete
            if isDone {
                _ = try engine.receive([UInt8]().span.bytes, output: &output) { _ in }
            }
        }
    }
}

private func send(_ bytes: [UInt8], on socket: StreamSocket) throws {
    guard !bytes.isEmpty else { return }
    try #require(try socket.write(bytes.span.bytes) == bytes.count)
}

private func nextBytes(
    of socket: StreamSocket, into buffer: inout [UInt8]
) throws -> StreamSocket.ReadResult {
    try wait(for: POLLIN, on: socket)
    return try socket.read(into: &buffer)
}

/// Waits until the socket is ready: a guard against hanging, not a measure of time.
private func wait(for events: Int32, on socket: StreamSocket) throws {
    var entry = pollfd(fd: socket.descriptor.number, events: Int16(events), revents: 0)
    try #require(poll(&entry, 1, 60_000) == 1)
}

/// Something that has happened, or has not yet.
///
/// Unchecked, because its state is touched only with the lock held.
final class Flag: @unchecked Sendable {
    private let lock = Lock()
    private var hasHappened = false

    var isSet: Bool { lock.withLock { hasHappened } }

    func set() {
        lock.withLock { hasHappened = true }
    }
}
