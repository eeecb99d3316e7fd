package import ApusCore
import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A non-blocking stream socket, which is closed when it is released.
package final class StreamSocket: Sendable {
    package let descriptor: FileDescriptor
    /// The user timeout that was set on the socket; `nil` is the system's own.
    package let userTimeout: Duration?

    /// The result of one read.
    package enum ReadResult: Sendable, Hashable {
        /// This many bytes were read into the start of the buffer.
        case bytes(Int)
        /// There is nothing to read now; readiness will be reported.
        case wouldBlock
        /// The peer has ended its side.
        case end
    }

    /// Opens a non-blocking, close-on-exec socket for the address, with the options of `tuning`.
    package init(
        for address: SocketAddress, tuning: EngineTuning.Dial
    ) throws(SystemError) {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let number = socket(address.protocolFamily, type, 0)
        guard number >= 0 else { throw SystemError(call: "socket") }
        // A local owner closes the socket when binding fails.
        let opened = FileDescriptor(number)
        if address.family != .unix {
            StreamSocket.setOptions(number, tuning)
            try StreamSocket.bind(number, toInterface: tuning.localInterface)
            try StreamSocket.bind(number, to: tuning.localAddress)
            if let hook = tuning.beforeConnect {
                do {
                    try hook.body(number, address.description)
                } catch {
                    throw SystemError(errno: ECANCELED, call: "dial.beforeConnect (\(error))")
                }
            }
        }
        userTimeout = address.family == .unix ? nil : tuning.userTimeout
        descriptor = opened
    }

    /// The address that the socket is bound to; `nil` when it is unknown.
    package var localAddress: SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard unsafe getsockname(descriptor.number, address, &length) == 0 else {
                    return nil
                }
                return unsafe SocketAddress(UnsafePointer(address), length: length)
            }
        }
    }

    /// Whether the system still has this address, so that a socket can be bound to it.
    package static func isLocal(_ address: SocketAddress) -> Bool {
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        let number = socket(address.protocolFamily, type, 0)
        // Without a descriptor nothing is known, so nothing is ended.
        guard number >= 0 else { return true }
        let probe = FileDescriptor(number)
        return unsafe address.with(port: 0).withPointer {
            unsafe Glibc.bind(probe.number, $0, $1)
        } == 0 || errno != EADDRNOTAVAIL
    }

    /// Starts connecting; `true` when connected at once, `false` when writability will show the
    /// result.
    package func startConnecting(to address: SocketAddress) throws(SystemError) -> Bool {
        let result = unsafe address.withPointer { unsafe connect(descriptor.number, $0, $1) }
        guard result != 0 else { return true }
        switch errno {
        case EINPROGRESS, EINTR: return false
        default: throw SystemError(call: "connect")
        }
    }

    /// Reads the result of connecting, once the socket is writable.
    package func finishConnecting() throws(SystemError) {
        var result: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(descriptor.number, SOL_SOCKET, SO_ERROR, &result, &length) == 0
        else {
            throw SystemError(call: "getsockopt")
        }
        guard result == 0 else { throw SystemError(errno: result, call: "connect") }
    }

    /// Reads once into the start of `buffer`.
    package func read(into buffer: inout [UInt8]) throws(SystemError) -> ReadResult {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(descriptor.number, $0.baseAddress, $0.count, 0)
            }
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            default: throw SystemError(call: "recv")
            }
        }
    }

    /// Writes as much as the socket accepts now, and returns how many bytes; 0 when it is full.
    ///
    /// A closed connection is an error, never a signal.
    package func write(_ bytes: RawSpan) throws(SystemError) -> Int {
        try written("send") {
            unsafe bytes.withUnsafeBytes {
                unsafe send(descriptor.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
        }
    }

    /// Writes pieces in order with one system call; otherwise as `write(_:)`.
    package func write(_ bytes: OutgoingBytes) throws(SystemError) -> Int {
        try written("sendmsg") {
            // The pointers are valid after their closures: `bytes` owns the memory and does not
            // change.
            withExtendedLifetime(bytes) {
                var pieces = unsafe [iovec]()
                bytes.forEachPiece { piece in
                    unsafe piece.withUnsafeBytes { unsafe pieces.append(iovec(reading: $0)) }
                }
                return unsafe sendMessage(of: pieces.prefix(Int(UIO_MAXIOV)))
            }
        }
    }

    /// Repeats a call that a signal interrupted; 0 when the socket is full.
    private func written(_ call: String, _ attempt: () -> Int) throws(SystemError) -> Int {
        while true {
            let count = attempt()
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return 0
            default: throw SystemError(call: call)
            }
        }
    }

    /// Uses `sendmsg` rather than `writev`, which would raise SIGPIPE.
    private func sendMessage(of pieces: ArraySlice<iovec>) -> Int {
        unsafe pieces.withUnsafeBufferPointer { pieces in
            var message = unsafe msghdr()
            unsafe message.msg_iov = UnsafeMutablePointer(mutating: pieces.baseAddress)
            unsafe message.msg_iovlen = pieces.count
            return unsafe sendmsg(descriptor.number, &message, Int32(MSG_NOSIGNAL))
        }
    }

    /// Ends our side: the peer reads an end of stream.
    package func shutdownWriting() {
        shutdown(descriptor.number, Int32(SHUT_WR))
    }

    /// Written bytes that the peer's system has not acknowledged; 0 when that is unknown.
    package var unacknowledgedCount: Int {
        var count: Int32 = 0
        guard unsafe ioctl(descriptor.number, UInt(TIOCOUTQ), &count) == 0 else { return 0 }
        return Int(max(0, count))
    }

    /// Takes the error that the socket has met and that no call has returned; `nil` without one.
    package func takeError() -> SystemError? {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(descriptor.number, SOL_SOCKET, SO_ERROR, &error, &length) == 0
        else { return nil }
        return error == 0 ? nil : SystemError(errno: error, call: "getsockopt(SO_ERROR)")
    }

    /// How long TCP waits for an acknowledgement before it sends again; `nil` when it is unknown.
    package var retransmissionTimeout: Duration? {
        tcpInfo.map { .microseconds(Int64($0.tcpi_rto)) }
    }

    /// The progress of written bytes.
    package enum SendState: Sendable, Hashable {
        /// Everything is acknowledged.
        case empty
        /// Bytes were sent and are not acknowledged yet.
        case underWay
        /// All sent bytes are acknowledged, and the peer's window is closed; the last packet of its
        /// system came so long ago.
        case held(silence: Duration)
    }

    /// How long ago bytes last came and last left; since the connection was made when none have.
    package struct Silence: Sendable, Hashable {
        package let sinceReceived: Duration
        package let sinceSent: Duration
    }

    /// The system's own record of the last bytes, which costs nothing until it is asked for; `nil`
    /// when it is unknown.
    package var silence: Silence? {
        tcpInfo.map { info in
            Silence(
                sinceReceived: .milliseconds(Int64(info.tcpi_last_data_recv)),
                sinceSent: .milliseconds(Int64(info.tcpi_last_data_sent)))
        }
    }

    private var tcpInfo: tcp_info? {
        var info = tcp_info()
        var length = socklen_t(MemoryLayout<tcp_info>.size)
        guard
            unsafe getsockopt(descriptor.number, Int32(IPPROTO_TCP), TCP_INFO, &info, &length) == 0
        else { return nil }
        return info
    }

    /// The progress of written bytes now; `nil` when it is unknown.
    package var sendState: SendState? {
        guard unacknowledgedCount > 0 else { return .empty }
        guard let info = tcpInfo else { return nil }
        guard info.tcpi_unacked == 0 else { return .underWay }
        return .held(silence: .milliseconds(Int64(info.tcpi_last_ack_recv)))
    }

    /// Removes the limit on the age of unacknowledged data, or sets it again.
    package func liftUserTimeout(_ isLifted: Bool) {
        guard let userTimeout else { return }
        let value = isLifted ? 0 : Int32(clamping: userTimeout.milliseconds)
        StreamSocket.setOption(
            descriptor.number, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, value)
    }

    /// Whether the peer has sent bytes or closed, without consuming any byte.
    package func hasPendingInput() -> Bool {
        var byte: UInt8 = 0
        let flags = Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)
        let count = unsafe recv(descriptor.number, &byte, 1, flags)
        return count >= 0 || (errno != EAGAIN && errno != EINTR)
    }

    private static func setOptions(_ number: Int32, _ tuning: EngineTuning.Dial) {
        let tcp = Int32(IPPROTO_TCP)
        setOption(number, tcp, TCP_NODELAY, 1)
        if let keepAlive = tuning.keepAlive {
            // The kernel refuses more than 32767 s and would keep its two hours.
            let seconds = Int32(min(max(1, keepAlive.components.seconds), 32_767))
            setOption(number, SOL_SOCKET, SO_KEEPALIVE, 1)
            setOption(number, tcp, TCP_KEEPIDLE, seconds)
            setOption(number, tcp, TCP_KEEPINTVL, seconds)
            setOption(number, tcp, TCP_KEEPCNT, 3)
        }
        if let userTimeout = tuning.userTimeout {
            setOption(number, tcp, TCP_USER_TIMEOUT, Int32(clamping: userTimeout.milliseconds))
        }
        if let unsentBytes = tuning.unsentBytes {
            setOption(number, tcp, TCP_NOTSENT_LOWAT, Int32(clamping: unsentBytes))
        }
    }

    private static func bind(_ number: Int32, to localAddress: String?) throws(SystemError) {
        guard let localAddress else { return }
        guard let address = SocketAddress(literal: localAddress, port: 0) else {
            throw SystemError(errno: EINVAL, call: "bind")
        }
        // The port is chosen when the peer is known, so that one local port serves many peers.
        setOption(number, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
        let result = unsafe address.withPointer { unsafe Glibc.bind(number, $0, $1) }
        guard result == 0 else { throw SystemError(call: "bind") }
    }

    private static func bind(
        _ number: Int32, toInterface interface: String?
    ) throws(SystemError) {
        guard let interface else { return }
        let name = Array(interface.utf8) + [0]
        let result = unsafe setsockopt(
            number, SOL_SOCKET, SO_BINDTODEVICE, name, socklen_t(name.count))
        guard result == 0 else { throw SystemError(call: "setsockopt(SO_BINDTODEVICE)") }
    }

    /// Sets an integer option; a kernel that does not support it keeps its default, which is
    /// harmless.
    private static func setOption(_ number: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        _ = unsafe setsockopt(number, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}

extension iovec {
    /// The kernel only reads through this pointer, although its type is mutable.
    fileprivate init(reading bytes: UnsafeRawBufferPointer) {
        unsafe self.init(
            iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
    }
}
