import Apus
import ApusDial
import ApusEngine
import ApusSocket
import Glibc
import Loopback
import Testing

/// A resolver that answers as a test wants it.
struct StubResolver: Resolver {
    let answer:
        @Sendable (_ host: String, _ port: UInt16) async throws(ResolveError) -> [SocketAddress]

    init(
        _ answer: @escaping @Sendable (String, UInt16) async throws(ResolveError) -> [SocketAddress]
    ) {
        self.answer = answer
    }

    /// Every name means these literals.
    init(_ literals: String...) {
        self.init { _, port in literals.compactMap { SocketAddress(literal: $0, port: port) } }
    }

    func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress] {
        try await answer(host, port)
    }
}

/// Runs a test's body with its own engine and checks that no resource remains.
///
/// It trusts the fixtures' authority, unless the tuning has roots of its own. After the shutdown no
/// descriptor of its may be left at one of `ports`.
func withEngine(
    _ tuning: EngineTuning = relaxedTuning, resolver: (any Resolver)? = nil,
    hooks: DialHooks = DialHooks(), ports: [UInt16] = [],
    _ body: (TransportEngine) async throws -> Void
) async throws {
    try FixturePaths.ensureCertificates()
    var tuning = tuning
    if tuning.tls.roots == .system { tuning.tls.roots = .file(FixturePaths.pem("ca")) }
    let engine = TransportEngine(try Engine(tuning, resolver: resolver, hooks: hooks))
    do {
        try await body(engine)
    } catch {
        await engine.shutdown()
        throw error
    }
    await engine.shutdown()
    expectEmpty(engine)
    for port in ports { #expect(descriptors(connectedTo: port) == 0) }
}

/// An origin over TLS.
func secureOrigin(
    _ certificate: String = "leaf",
    _ configure: (inout LoopbackServer.Options) -> Void = { _ in }
) throws -> LoopbackServer {
    try FixturePaths.ensureCertificates()
    var options = LoopbackServer.Options(tls: FixturePaths.certificate(certificate))
    configure(&options)
    return try LoopbackServer(options)
}

extension RequestOptions {
    /// A new connection, which no other request uses afterwards.
    static let once: RequestOptions = {
        var options = RequestOptions()
        options.reuse = .oneShot
        return options
    }()

    /// The pause after a dial that failed is waited for.
    static let patient: RequestOptions = {
        var options = RequestOptions()
        options.waitsOutBackoff = true
        return options
    }()
}

/// Expects that an engine holds nothing and that no request waits.
func expectEmpty(_ engine: TransportEngine) {
    let snapshot = engine.snapshot()
    #expect(snapshot.connections == 0, "\(snapshot)")
    #expect(snapshot.dialling == 0, "\(snapshot)")
    #expect(snapshot.waiting == 0, "\(snapshot)")
    #expect(snapshot.exchanges == 0, "\(snapshot)")
}

/// The error of a dial, which is checked for what all of them have in common.
func dialError(
    _ transport: any HTTPTransport, _ url: String, options: RequestOptions = .init()
) async -> TransportError? {
    let error = await transportError {
        _ = try await transport.send(.get(url), options: options)
    }
    #expect(error?.replay == .notSent)
    #expect(error?.bytesSent == 0)
    #expect(error?.bytesReceived == 0)
    #expect(error?.isReused == false)
    #expect(error?.route != nil)
    return error
}

/// An https proxy that shows this certificate.
func secureProxy(_ certificate: String = "leaf") throws -> LoopbackConnectProxy {
    try FixturePaths.ensureCertificates()
    var options = LoopbackConnectProxy.Options()
    options.tls = FixturePaths.certificate(certificate)
    return try LoopbackConnectProxy(options)
}

/// Gets a page to its end, and its status.
@discardableResult
func fetch(
    _ transport: any HTTPTransport, _ url: String, options: RequestOptions = .init()
) async throws -> Int {
    let response = try await transport.send(.get(url), options: options)
    _ = try await response.body.collect(upTo: 1 << 22)
    return response.status.code
}

/// Gets a page to its end, and expects its status.
func expectStatus(
    _ status: Int, _ transport: any HTTPTransport, _ url: String,
    options: RequestOptions = .init()
) async throws {
    let found = try await fetch(transport, url, options: options)
    #expect(found == status)
}

/// Something that has happened, or has not yet, and those who wait for it.
///
/// Unchecked, because its state is touched only with the lock held.
final class DialGate: @unchecked Sendable {
    private let lock = Lock()
    private var hasOpened = false
    private var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    private var cancelled: Set<Int> = []
    private var lastID = 0

    var isOpen: Bool { lock.withLock { hasOpened } }

    func open() {
        let woken = lock.withLock { () -> [CheckedContinuation<Void, Never>] in
            hasOpened = true
            defer { waiting = [:] }
            return Array(waiting.values)
        }
        for continuation in woken { continuation.resume() }
    }

    /// Waits until it opens, or until the task is cancelled where that is wanted.
    func wait(isCancellable: Bool = true) async {
        let id = lock.withLock {
            lastID += 1
            return lastID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = lock.withLock {
                    if hasOpened || cancelled.contains(id) { return true }
                    waiting[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            guard isCancellable else { return }
            let woken = lock.withLock {
                cancelled.insert(id)
                return waiting.removeValue(forKey: id)
            }
            woken?.resume()
        }
    }
}

/// What several threads note down in one order.
///
/// Unchecked, because `noted` is touched only with the lock held.
final class DialRecorder: @unchecked Sendable {
    private let lock = Lock()
    private var noted: [String] = []

    var list: [String] { lock.withLock { noted } }

    /// Notes something down, and how much was noted before it.
    @discardableResult
    func add(_ text: String) -> Int {
        lock.withLock {
            noted.append(text)
            return noted.count - 1
        }
    }
}

/// A file that is gone with its owner.
final class TemporaryFile {
    let path: String

    /// Writes the contents of other files in order.
    init(joining paths: [String]) throws {
        var template = Array("/tmp/apus-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        for source in paths {
            let file = Glibc.open(source, O_RDONLY | O_CLOEXEC)
            try #require(file >= 0)
            let count = read(file, &buffer, buffer.count)
            close(file)
            try #require(count > 0)
            try #require(write(descriptor, buffer, count) == count)
        }
    }

    deinit {
        unlink(path)
    }
}

/// A pipe in the file system: opening it for reading waits for `release`.
final class TemporaryPipe {
    let path: String
    private var writer: Int32 = -1

    init() throws {
        path = "/tmp/apus-test-pipe-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try #require(mkfifo(path, 0o600) == 0)
    }

    deinit {
        release()
        unlink(path)
    }

    /// Whether it is open for reading, or being opened.
    var hasReader: Bool {
        if writer < 0 { writer = Glibc.open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) }
        return writer >= 0
    }

    /// Lets the reader read an end.
    func release() {
        if hasReader { close(writer) }
        writer = -1
    }
}
