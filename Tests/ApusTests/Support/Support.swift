import Apus
import ApusSocket
import Glibc
import Loopback
import Testing

/// The four protocol variants of an exchange without a proxy.
enum ProtocolVariant: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case http1, http1OverTLS, http2OverTLS, http2PriorKnowledge

    var testDescription: String { rawValue }
    var isTLS: Bool { self == .http1OverTLS || self == .http2OverTLS }
    var isHTTP2: Bool { self == .http2OverTLS || self == .http2PriorKnowledge }

    var versions: HTTPVersionPolicy {
        isHTTP2 ? .http2Only : .http1Only(alpn: .http1)
    }
}

/// An origin and an engine that trusts it, for one test.
final class Stand: Sendable {
    let variant: ProtocolVariant
    let server: LoopbackServer
    let engine: TransportEngine

    init(
        _ variant: ProtocolVariant, tuning: EngineTuning = .executor,
        configure: (inout LoopbackServer.Options) -> Void = { _ in }
    ) throws {
        self.variant = variant
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(
            tls: variant.isTLS ? FixturePaths.certificate("leaf") : nil)
        options.http2PriorKnowledge = variant == .http2PriorKnowledge
        configure(&options)
        server = try LoopbackServer(options)
        var tuning = tuning
        tuning.relaxBudgets()
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        engine = try TransportEngine(tuning)
    }

    var client: ExecutorClient { ExecutorClient(engine, versions: variant.versions) }

    func url(_ path: String) -> String {
        "\(variant.isTLS ? "https" : "http")://localhost:\(server.port)\(path)"
    }

    func get(_ path: String) async throws -> Response {
        try await client.send(.get(url(path)))
    }

    /// Ends engine and server, and checks that no descriptor of the engine is left, and that its
    /// loop counts no exchange.
    func close() async {
        let loop = engine.taskExecutor as? EventLoop
        await engine.shutdown()
        #expect(loop?.load ?? 0 == 0)
        #expect(descriptors(connectedTo: server.port) == 0)
        server.stop()
    }
}

/// Runs a test's body with a stand and closes it whatever happens.
func withStand(
    _ variant: ProtocolVariant, tuning: EngineTuning = .executor,
    configure: (inout LoopbackServer.Options) -> Void = { _ in },
    _ body: (Stand) async throws -> Void
) async throws {
    let stand = try Stand(variant, tuning: tuning, configure: configure)
    do {
        try await body(stand)
    } catch {
        await stand.close()
        throw error
    }
    await stand.close()
}

/// How many sockets of engines in this process are connected to a port.
///
/// An engine's sockets are recognised by their keepalive: the fixtures set none, so a proxy's way
/// to its origin, which ends a little after the engine's own, does not count, nor does an accepted
/// socket whose peer happens to have that port.
func descriptors(connectedTo port: UInt16) -> Int {
    engineSockets(connectedTo: port).count
}

private func engineSockets(connectedTo port: UInt16) -> [Int32] {
    (3..<getdtablesize()).filter { descriptor in
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getpeername(descriptor, $0, &length)
            }
        }
        guard result == 0, Int32(address.sin_family) == AF_INET,
            UInt16(bigEndian: address.sin_port) == port
        else { return false }
        var keepsAlive: Int32 = 0
        length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &keepsAlive, &length)
        return keepsAlive != 0
    }
}

/// TCP segments with data that the engine's socket to a port has sent, as the system counts them.
func dataSegmentsSent(to port: UInt16) -> Int {
    // The offset of `tcpi_data_segs_out` in Linux's `tcp_info`, which Glibc's own leaves out.
    let offset = 156
    var info = [UInt32](repeating: 0, count: 64)
    var length = socklen_t(info.count * 4)
    for descriptor in engineSockets(connectedTo: port) {
        getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length)
        return Int(info[offset / 4])
    }
    return 0
}

/// Waits until an engine's socket to a port takes nothing more, because its peer reads nothing.
func fillSocket(connectedTo port: UInt16) async throws {
    let descriptor = try #require(engineSockets(connectedTo: port).first)
    // Looked at in a row, since between two looks a busy pool may take a second.
    try await eventually("the socket is full") {
        (0..<50).allSatisfy { _ in
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            return poll(&entry, 1, 1) == 0
        }
    }
}

/// A port that refuses connections for as long as this object lives.
///
/// It is bound and never listened on: a port that was merely given back may be another test's next.
final class RefusingPort: Sendable {
    let port: UInt16
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        try #require(descriptor >= 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isBound)
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit {
        Glibc.close(descriptor)
    }
}

/// Waits until a condition holds; a guard against hanging, not a measure of time.
func eventually(
    _ what: String, within limit: Duration = .seconds(isSanitized ? 300 : 120),
    _ condition: () -> Bool
) async throws {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: limit)
    while !condition() {
        guard clock.now < end else {
            Issue.record("never happened: \(what)")
            return
        }
        try await clock.sleep(for: .milliseconds(2))
    }
}

/// Reads a body piece by piece and compares it with the origin's pattern; how long it was.
func checkPattern(_ body: ResponseBody) async throws -> Int {
    var position = 0
    for try await chunk in body {
        var checked = 0
        while checked < chunk.count {
            // The pattern repeats every 64 KiB, so that one block serves every position.
            let offset = (position + checked) % patternPeriod
            let run = min(chunk.count - checked, patternPeriod - offset)
            let part = chunk.array[checked..<checked + run]
            let matches = part == patternBlock[offset..<offset + run]
            #expect(matches, "the body differs near byte \(position + checked)")
            checked += run
        }
        position += chunk.count
    }
    return position
}

private let patternPeriod = 65_536
private let patternBlock = BodyPattern.bytes(patternPeriod)

/// Whether a sanitizer slows everything down: rounds are then shorter and budgets wider.
let isSanitized = getenv("APUS_SANITIZER") != nil

/// The error that an operation throws; anything else is an issue.
func transportError(_ operation: () async throws -> Void) async -> TransportError? {
    do {
        try await operation()
        Issue.record("no error was thrown")
        return nil
    } catch let error as TransportError {
        return error
    } catch {
        Issue.record("another error was thrown: \(error)")
        return nil
    }
}

extension EngineTuning {
    /// Budgets that a slow or busy machine keeps, for the tests that are not about them.
    mutating func relaxBudgets() {
        pool.acquireTimeout = .seconds(300)
        pool.dialGrace = .seconds(300)
        pool.hedgeDelay = nil
        dial.resolveTimeout = .seconds(300)
        dial.tcpTimeout = .seconds(300)
        dial.tlsTimeout = .seconds(300)
        dial.proxyTimeout = .seconds(300)
        dial.connectTimeout = .seconds(300)
        dial.userTimeout = nil
        http2.suspectAfter = .seconds(300)
        http2.deadAfter = .seconds(300)
        http2.settingsTimeout = nil
        http2.writeTimeout = nil
        if isSanitized { http2.pingAfter = nil }
    }
}

/// An executor's tuning with budgets that a busy machine keeps.
let relaxedTuning: EngineTuning = {
    var tuning = EngineTuning.executor
    tuning.relaxBudgets()
    return tuning
}()
