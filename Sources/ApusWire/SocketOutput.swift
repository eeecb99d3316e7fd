import ApusCore
import ApusSocket

/// The lower end of what a wire sends: hands bytes to the socket and keeps what it does not take.
///
/// Confined to the socket's loop.
struct SocketOutput {
    private let loop: EventLoop
    /// Bytes for the socket that it has not taken yet, from `unsentStart` on.
    private var unsent: [UInt8] = []
    private var unsentStart = 0
    /// Whether the socket took none of what was offered, without the rest being kept here.
    private var isFull = false
    /// Made for the first write that may fill the peer's window.
    private var windowWatch: WindowWatch?
    /// Bytes that the socket has taken.
    private(set) var sentCount: UInt64 = 0
    /// The first error; nothing is sent after it.
    private(set) var error: WireError? {
        didSet { hasFailed = error != nil }
    }
    /// Whether there is an error: cheaper to ask for than the error.
    private(set) var hasFailed = false

    init(on loop: EventLoop) {
        self.loop = loop
    }

    /// Whether nothing waits for the socket, so that more may be handed over.
    var isWritable: Bool { hasSentAll && !isFull && !hasFailed }
    /// Bytes that are kept here.
    var unsentCount: Int { unsent.count - unsentStart }
    private var hasSentAll: Bool { unsentStart == unsent.count }

    /// Nothing more can be sent.
    mutating func failed(_ error: WireError) {
        self.error = error
    }

    /// The socket takes bytes again: sends what is kept.
    mutating func socketBecameWritable(_ socket: StreamSocket) {
        isFull = false
        if !hasSentAll { sendUnsent(to: socket) }
    }

    /// Sends bytes until the socket is full, and keeps a copy of the rest.
    mutating func send(_ bytes: RawSpan, to socket: StreamSocket) {
        guard hasSentAll else { return unsent.append(copying: bytes) }
        let sent = write(bytes, to: socket)
        guard sent < bytes.byteCount, !hasFailed else { return }
        unsent.append(copying: bytes.extracting(droppingFirst: sent))
    }

    /// The same with pieces, in one system call where the socket takes them all.
    mutating func send(_ bytes: OutgoingBytes, to socket: StreamSocket) {
        guard hasSentAll else { return bytes.copy(to: &unsent) }
        let sent = writeOnce(bytes, to: socket)
        guard sent < bytes.count, !hasFailed else { return }
        bytes.copy(to: &unsent)
        unsentStart = sent
        sendUnsent(to: socket)
    }

    /// Writes once and keeps nothing; how many bytes the socket took.
    mutating func writeOnce(_ bytes: OutgoingBytes, to socket: StreamSocket) -> Int {
        do throws(SystemError) {
            let count = try socket.write(bytes)
            if count == 0 { isFull = true }
            took(count, socket)
            return count
        } catch {
            self.error = .system(error)
            return 0
        }
    }

    /// Keeps what `writeOnce` has left of a short piece.
    mutating func keep(_ bytes: RawSpan, for socket: StreamSocket) {
        guard !hasFailed else { return }
        unsent.append(copying: bytes)
        sendUnsent(to: socket)
    }

    /// Lets go of what is kept: the socket is closed.
    mutating func close() {
        windowWatch?.stop()
        windowWatch = nil
        unsent = []
        unsentStart = 0
    }

    private mutating func sendUnsent(to socket: StreamSocket) {
        let bytes = unsent
        unsentStart += unsafe write(
            bytes.span.bytes.extracting(droppingFirst: unsentStart), to: socket)
        guard hasSentAll || hasFailed else { return }
        unsent = []
        unsentStart = 0
    }

    /// Writes until the socket is full; how many bytes it took.
    private mutating func write(_ bytes: RawSpan, to socket: StreamSocket) -> Int {
        var sent = 0
        while sent < bytes.byteCount {
            do throws(SystemError) {
                let count = try socket.write(bytes.extracting(droppingFirst: sent))
                took(count, socket)
                if count == 0 { return sent }
                sent += count
            } catch {
                self.error = .system(error)
                return sent
            }
        }
        return sent
    }

    private mutating func took(_ count: Int, _ socket: StreamSocket) {
        sentCount += UInt64(count)
        guard WindowWatch.isWanted(after: count) else { return }
        if windowWatch == nil { windowWatch = WindowWatch(socket, on: loop) }
        windowWatch?.start()
    }
}
