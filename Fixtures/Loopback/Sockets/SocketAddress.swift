#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// An IPv4 or IPv6 loopback address and port.
struct SocketAddress: Sendable {
    private enum Storage {
        case ipv4(sockaddr_in)
        case ipv6(sockaddr_in6)
    }
    private let storage: Storage

    /// 127.0.0.1 or ::1.
    static func loopback(port: UInt16, ipv6: Bool = false) -> SocketAddress {
        guard ipv6 else {
            return ipv4(in_addr(s_addr: UInt32(0x7f00_0001).bigEndian), port: port)
        }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        address.sin6_addr = in6addr_loopback
        return SocketAddress(storage: .ipv6(address))
    }

    /// Parses a literal or a name of this machine; `nil` for everything else.
    ///
    /// Literals in 127.0.0.0/8 and ::1 are accepted as they are; `localhost` and names that end in
    /// `.localhost`, `.test` or `.example` mean 127.0.0.1. No resolver is ever asked.
    static func resolve(_ host: String, port: UInt16) -> SocketAddress? {
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 {
            guard UInt32(bigEndian: four.s_addr) >> 24 == 127 else { return nil }
            return ipv4(four, port: port)
        }
        if host == "::1" || host == "[::1]" { return loopback(port: port, ipv6: true) }
        var name = host.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        let isLocal =
            name == "localhost"
            || [".localhost", ".test", ".example"].contains { name.hasSuffix($0) }
        return isLocal ? loopback(port: port) : nil
    }

    /// The port a socket is bound to.
    static func localPort(of descriptor: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length)
            }
            // Both families keep the port in the same place.
            return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                UInt16(bigEndian: $0.pointee.sin_port)
            }
        }
    }

    /// A connected socket, or `nil` with `errno` set.
    func connect() -> Int32? {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { return nil }
        // It bounds connecting too: a full backlog must not delay `stop` for minutes.
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard withPointer({ Glibc.connect(descriptor, $0, $1) }) == 0 else {
            let code = errno
            close(descriptor)
            errno = code
            return nil
        }
        var one: Int32 = 1
        setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one,
            socklen_t(MemoryLayout<Int32>.size))
        return descriptor
    }

    var family: Int32 {
        switch storage {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        }
    }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        switch storage {
        case .ipv4(var address):
            let size = socklen_t(MemoryLayout<sockaddr_in>.size)
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
            }
        case .ipv6(var address):
            let size = socklen_t(MemoryLayout<sockaddr_in6>.size)
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
            }
        }
    }

    private static func ipv4(_ host: in_addr, port: UInt16) -> SocketAddress {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr = host
        return SocketAddress(storage: .ipv4(address))
    }
}
