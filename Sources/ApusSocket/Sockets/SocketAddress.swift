import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The address of a socket: IPv4, IPv6 or a Unix path, in the kernel's format.
package struct SocketAddress: Sendable, Hashable {
    package enum Family: Sendable, Hashable { case ipv4, ipv6, unix }

    package let family: Family
    /// The `sockaddr` of the family, as bytes.
    let raw: [UInt8]

    /// Parses an IPv4 or IPv6 literal, with an IPv6 zone (`%eth0` or `%3`).
    ///
    /// - Returns: `nil` when the text is a name, not a literal.
    package init?(literal: String, port: UInt16) {
        // C would end the text at a zero byte.
        guard !literal.utf8.contains(0) else { return nil }
        if let address = SocketAddress.ipv4(literal, port: port) {
            self = address
        } else if let address = SocketAddress.ipv6(literal, port: port) {
            self = address
        } else {
            return nil
        }
    }

    /// The path of a Unix-domain socket; `nil` when it is empty or too long (107 bytes).
    package init?(unixPath path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count < capacity, !bytes.contains(0) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        family = .unix
        raw = withUnsafeBytes(of: &address) { unsafe Array($0) }
    }

    /// Copies an address from the kernel or the resolver; `nil` for other families.
    init?(_ pointer: UnsafePointer<sockaddr>, length: socklen_t) {
        switch unsafe Int32(pointer.pointee.sa_family) {
        case AF_INET: family = .ipv4
        case AF_INET6: family = .ipv6
        case AF_UNIX: family = .unix
        default: return nil
        }
        raw = unsafe Array(UnsafeRawBufferPointer(start: pointer, count: Int(length)))
    }

    /// The same address with another port; a Unix path is returned unchanged.
    package func with(port: UInt16) -> SocketAddress {
        guard family != .unix else { return self }
        var copy = raw
        // sin_port and sin6_port are both at offset 2, in network order.
        copy[2] = UInt8(port >> 8)
        copy[3] = UInt8(truncatingIfNeeded: port)
        return SocketAddress(family: family, raw: copy)
    }

    /// The port; 0 for a Unix path.
    package var port: UInt16 { family == .unix ? 0 : UInt16(raw[2]) << 8 | UInt16(raw[3]) }

    /// The host's address without the port, in network order: 4 or 16 bytes; empty for a Unix path.
    package var hostBytes: [UInt8] {
        switch family {
        case .ipv4: Array(raw[4..<8])
        case .ipv6: Array(raw[8..<24])
        case .unix: []
        }
    }

    private init(family: Family, raw: [UInt8]) {
        self.family = family
        self.raw = raw
    }

    var protocolFamily: Int32 {
        switch family {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    /// Passes the address to a system call.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        unsafe raw.withUnsafeBytes { buffer in
            // Arrays of this size are aligned to 16 bytes, which is enough for any sockaddr.
            guard let base = unsafe buffer.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            else {
                preconditionFailure("an address is never empty")
            }
            return unsafe body(base, socklen_t(buffer.count))
        }
    }

    private static func ipv4(_ text: String, port: UInt16) -> SocketAddress? {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard unsafe inet_pton(AF_INET, text, &address.sin_addr) == 1 else { return nil }
        return SocketAddress(family: .ipv4, raw: withUnsafeBytes(of: &address) { unsafe Array($0) })
    }

    private static func ipv6(_ text: String, port: UInt16) -> SocketAddress? {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard unsafe inet_pton(AF_INET6, String(parts[0]), &address.sin6_addr) == 1 else {
            return nil
        }
        if parts.count == 2 {
            let index = unsafe UInt32(parts[1]) ?? if_nametoindex(String(parts[1]))
            guard index > 0 else { return nil }
            address.sin6_scope_id = index
        }
        return SocketAddress(family: .ipv6, raw: withUnsafeBytes(of: &address) { unsafe Array($0) })
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:80`, `[::1]:80`, `[fe80::1%2]:80`, or the path of a Unix socket.
    package var description: String {
        switch family {
        case .unix: return unixPath
        case .ipv4: return "\(numeric(at: 4, family: AF_INET)):\(port)"
        case .ipv6: return "[\(numeric(at: 8, family: AF_INET6))\(zone)]:\(port)"
        }
    }

    private func numeric(at offset: Int, family: Int32) -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) {
            text in
            unsafe raw.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress, let target = text.baseAddress,
                    unsafe inet_ntop(family, base + offset, target, socklen_t(text.count)) != nil
                else { return "?" }
                return unsafe String(cString: target)
            }
        }
    }

    /// `%` and the interface's number; nothing for an address without a zone.
    private var zone: String { zoneNumber == 0 ? "" : "%\(zoneNumber)" }

    /// The interface's number of an IPv6 address with a zone; 0 for any other.
    var zoneNumber: UInt32 {
        guard family == .ipv6 else { return 0 }
        return unsafe raw[24..<28].withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt32.self) }
    }

    private var unixPath: String {
        let path = raw.dropFirst(MemoryLayout<sa_family_t>.size).prefix { $0 != 0 }
        return "unix:" + String(decoding: path, as: UTF8.self)
    }
}
