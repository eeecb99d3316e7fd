import ApusCore
import CApusOpenSSL

/// The BIO of one connection, through which OpenSSL reads and writes, and the results of its
/// callbacks.
///
/// The pointers are set during one call only; between calls the port holds no bytes. It is a
/// separate class, so that callbacks never access the engine during a call of it.
final class CiphertextPort {
    /// The state of the verifier's check.
    enum Verification {
        /// The verifier was not called, or there is none.
        ///
        /// Exits: `.asked`.
        case open
        /// The handshake waits for its verdict.
        ///
        /// Exits: `.given`.
        case asked(PeerVerifier.Peer)
        /// No exits.
        case given(PeerVerifier.Verdict)
    }

    /// Handshake messages that a peer may send per `floodWindow` bytes once the handshake is done.
    ///
    /// OpenSSL 3.0 has no limit on KeyUpdates.
    static let maxLateMessages = 100
    static let floodWindow = 16 * 1024 * 1024
    /// Sessions kept for `nextSession()`; a new one replaces the oldest.
    static let maxSessions = 4

    /// The rest of the current call's input.
    @exclusivity(unchecked) private var input = UnsafeRawBufferPointer(start: nil, count: 0)
    /// The caller's array, during a call.
    @exclusivity(unchecked) private var output: UnsafeMutablePointer<[UInt8]>?

    let context: TLSContext
    /// The name sent as SNI, unless it is an address or SNI is off.
    let serverName: String
    /// The name or address that the certificate must be for.
    let verifiedName: String
    @exclusivity(unchecked) private(set) var refusal: CertificateRefusal?
    /// The verifier's reason.
    var refusalReason: String?
    /// The `errno` when a file of roots could not be opened for lack of descriptors or memory;
    /// otherwise 0.
    @exclusivity(unchecked) var exhaustion: Int32 = 0
    @exclusivity(unchecked) var verification = Verification.open
    /// The connection, whose owner also owns this port; `nil` before it is attached.
    private(set) var connection: OpaquePointer?
    @exclusivity(unchecked) var sessions: [TLSSession] = []
    /// The session that the handshake offers to resume.
    var offered: TLSSession?
    /// The peer's certificates, once its own was accepted: the verified chain, or the chain as sent
    /// where verification was skipped.
    ///
    /// After a resumption they are those of the first handshake.
    private(set) lazy var chain: CertificateChain = {
        guard let connection else { return CertificateChain { [] } }
        defer { offered = nil }
        let first = SSL_session_reused(connection) == 1 ? offered?.chain : nil
        return first ?? CertificateChain(of: connection)
    }()
    /// Whether handshake messages are counted: from the end of the handshake.
    @exclusivity(unchecked) var isHandshakeDone = false
    @exclusivity(unchecked) private(set) var isFlooded = false
    @exclusivity(unchecked) private var lateMessages = 0
    @exclusivity(unchecked) private var windowBytes = 0

    init(context: TLSContext, serverName: String, verifiedName: String) {
        self.context = context
        self.serverName = serverName
        self.verifiedName = verifiedName
    }

    /// Lets OpenSSL use both directions while `body` runs, and returns the input that was not read.
    ///
    /// Calls may nest, since a receiver of plaintext may send at once. Records must be sent in the
    /// order of their making, so the inner call's output starts with that of the outer call so far.
    func lend<Result>(
        _ input: UnsafeRawBufferPointer, _ output: inout [UInt8], to body: () -> Result
    ) -> (result: Result, unread: UnsafeRawBufferPointer) {
        let outer = (input: self.input, output: self.output)
        if let earlier = outer.output, !earlier.pointee.isEmpty {
            output.append(contentsOf: earlier.pointee)
            earlier.pointee.removeAll()
        }
        self.input = input
        defer {
            self.input = outer.input
            self.output = outer.output
        }
        let result = withUnsafeMutablePointer(to: &output) { pointer in
            self.output = pointer
            return body()
        }
        return (result, self.input)
    }

    /// Whether a part of the current input was not read.
    var hasInput: Bool { !input.isEmpty }

    /// Copies bytes of the current input; `nil` when there are none.
    fileprivate func read(into room: UnsafeMutableRawBufferPointer) -> Int? {
        let count = min(room.count, input.count)
        guard count > 0 else { return nil }
        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[..<count]))
        input = UnsafeRawBufferPointer(rebasing: input[count...])
        windowBytes += count
        if windowBytes >= Self.floodWindow {
            windowBytes = 0
            lateMessages = 0
        }
        return count
    }

    /// Appends bytes to the caller's output; `false` outside of a call.
    fileprivate func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let output else { return false }
        output.pointee.append(contentsOf: bytes)
        return true
    }

    /// A whole handshake message has arrived.
    func handshakeMessageReceived() {
        guard isHandshakeDone else { return }
        lateMessages += 1
        if lateMessages > Self.maxLateMessages { isFlooded = true }
    }

    /// Records the first certificate that was refused, and why.
    func refuse(code: Int32, depth: Int32, certificate: OpaquePointer?) {
        refuse(
            CertificateRefusal.Check(code: Int(code)), code: Int(code), depth: Int(depth),
            certificate)
    }

    /// Records that a check of ours refused the peer's own certificate.
    func refuse(check: CertificateRefusal.Check, certificate: OpaquePointer?) {
        refuse(check, code: Int(X509_V_ERR_APPLICATION_VERIFICATION), depth: 0, certificate)
    }

    private func refuse(
        _ check: CertificateRefusal.Check, code: Int, depth: Int, _ certificate: OpaquePointer?
    ) {
        guard refusal == nil else { return }
        refusal = CertificateRefusal(
            check: check, code: code, depth: depth, name: verifiedName,
            certificate: certificate.map(CertificateFacts.init(of:)))
    }

    func sessionReceived(_ session: TLSSession) {
        if sessions.count == Self.maxSessions { sessions.removeFirst() }
        sessions.append(session)
    }
}

// MARK: The BIO

extension CiphertextPort {
    /// OpenSSL's table of our callbacks.
    private struct Method: @unchecked Sendable {
        // Invariant: never changed after its creation; it lives as long as the process.
        let pointer: OpaquePointer?
    }

    private static let method: Method = {
        let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
        guard let method = BIO_meth_new(type, "apus bytes") else { return Method(pointer: nil) }
        BIO_meth_set_read(method, portRead)
        BIO_meth_set_write(method, portWrite)
        BIO_meth_set_ctrl(method, portControl)
        return Method(pointer: method)
    }()

    /// Creates the BIO of `ssl` and the reference from `ssl` to this port.
    ///
    /// Both references are unretained: the owner of `ssl` keeps the port until `ssl` is freed.
    func attach(to ssl: OpaquePointer) -> Bool {
        guard let method = Self.method.pointer, let bio = BIO_new(method) else { return false }
        let this = Unmanaged.passUnretained(self).toOpaque()
        BIO_set_data(bio, this)
        SSL_set_bio(ssl, bio, bio)
        connection = ssl
        return SSL_set_ex_data(ssl, 0, this) == 1
    }

    /// The port of a connection, inside of OpenSSL's callbacks.
    static func of(_ ssl: OpaquePointer?) -> CiphertextPort? {
        guard let ssl, let this = SSL_get_ex_data(ssl, 0) else { return nil }
        return Unmanaged<CiphertextPort>.fromOpaque(this).takeUnretainedValue()
    }

    /// The port of the connection whose certificates are being checked.
    static func of(store: OpaquePointer) -> CiphertextPort? {
        let data = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
        return data.flatMap { of(OpaquePointer($0)) }
    }

    fileprivate static func of(bio: OpaquePointer?) -> CiphertextPort? {
        guard let bio, let this = BIO_get_data(bio) else { return nil }
        return Unmanaged<CiphertextPort>.fromOpaque(this).takeUnretainedValue()
    }
}

// C calls these. They are file-level functions, because a closure made in an isolated context would
// trap.

private func portRead(
    _ bio: OpaquePointer?, _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int32
) -> Int32 {
    BIO_clear_flags(bio, retryFlags)
    // Without a retry flag this is an error: the only way to stop OpenSSL during a flood.
    guard let port = CiphertextPort.of(bio: bio), !port.isFlooded, count > 0 else { return -1 }
    let room = UnsafeMutableRawBufferPointer(start: bytes, count: Int(count))
    guard let taken = port.read(into: room) else {
        BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
        return -1
    }
    return Int32(taken)
}

private func portWrite(
    _ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int32
) -> Int32 {
    BIO_clear_flags(bio, retryFlags)
    guard let port = CiphertextPort.of(bio: bio), let bytes, count > 0,
        port.write(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
    else { return -1 }
    return count
}

private func portControl(
    _ bio: OpaquePointer?, _ command: Int32, _ number: Int, _ pointer: UnsafeMutableRawPointer?
) -> Int {
    // Memory needs no flushing; every other command is unsupported.
    command == BIO_CTRL_FLUSH ? 1 : 0
}

private let retryFlags = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY
