import ApusCore
import ApusSocket
import Glibc
import Testing

/// A listening socket made with plain system calls: the code under test is on one side only.
struct Listener: ~Copyable {
    let descriptor: FileDescriptor
    let address: SocketAddress

    /// Listens on a free port of the loopback.
    init(backlog: Int32 = 16) throws {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(number >= 0)
        let owner = FileDescriptor(number)
        var local = sockaddr_in()
        local.sin_family = sa_family_t(AF_INET)
        local.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &local) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(number, generic, length) + listen(number, backlog)
                    + getsockname(number, generic, &length)
            }
        }
        try #require(result == 0)
        let port = UInt16(bigEndian: local.sin_port)
        address = try #require(SocketAddress(literal: "127.0.0.1", port: port))
        descriptor = owner
    }

    /// Listens on the path of a Unix socket.
    init(path: String) throws {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try #require(number >= 0)
        let owner = FileDescriptor(number)
        let address = try #require(SocketAddress(unixPath: path))
        var local = sockaddr_un()
        local.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &local.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &local) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(number, generic, length) + listen(number, 16)
            }
        }
        try #require(result == 0)
        self.address = address
        descriptor = owner
    }

    /// The next connection; it blocks when read.
    func accepted() throws -> Int32 {
        try #require(isReady(descriptor.number, for: POLLIN))
        let number = accept(descriptor.number, nil, nil)
        try #require(number >= 0)
        return number
    }
}

/// Two ends of one connection: ours is the socket under test, theirs a plain descriptor.
struct Connection: ~Copyable {
    let ours: StreamSocket
    let theirs: FileDescriptor

    init(tuning: EngineTuning.Dial = .init()) throws {
        let listener = try Listener()
        let socket = try StreamSocket(for: listener.address, tuning: tuning)
        if try !socket.startConnecting(to: listener.address) {
            try #require(isReady(socket.descriptor.number, for: POLLOUT))
        }
        try socket.finishConnecting()
        let accepted = try listener.accepted()
        ours = socket
        theirs = FileDescriptor(accepted)
    }

    /// Writes until the peer, which reads nothing, has closed its window; how many bytes that took.
    func fill() throws -> Int {
        let piece = [UInt8](repeating: 7, count: 64 * 1024)
        var written = 0
        while written < 64 << 20 {
            let count = try ours.write(piece.span.bytes)
            guard count > 0 else { break }
            written += count
        }
        return written
    }

    /// Writes all of it from their side.
    func send(_ bytes: [UInt8]) {
        #expect(write(theirs.number, bytes, bytes.count) == bytes.count)
    }

    /// Reads once on their side.
    func receive(atMost count: Int = 65_536) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let result = recv(theirs.number, &buffer, count, 0)
        return Array(buffer.prefix(max(0, result)))
    }

    /// Their side ends with a reset rather than with an end of stream.
    consuming func reset() -> StreamSocket {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            theirs.number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        return ours
    }

    /// Their side is closed.
    consuming func close() -> StreamSocket { ours }
}
