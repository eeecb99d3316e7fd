/// An address that was removed from an interface of this system.
package struct RemovedAddress: Sendable, Hashable {
    /// The address in network order: 4 or 16 bytes.
    package let bytes: [UInt8]
    /// The interface's number.
    package let interface: UInt32

    package init(bytes: [UInt8], interface: UInt32) {
        self.bytes = bytes
        self.interface = interface
    }

    /// Whether it is a socket's local address; a link-local one belongs to one interface (RFC 4291,
    /// section 2.5.6).
    package func isAddress(of local: SocketAddress) -> Bool {
        guard local.hostBytes == bytes else { return false }
        return !isLinkLocal || local.zoneNumber == interface
    }

    var isLinkLocal: Bool { bytes.count == 16 && bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80 }
}

/// The notices of rtnetlink about addresses (rtnetlink(7)); in the byte order of the machine.
package enum AddressNotices {
    private static let deleted: UInt16 = 21  // RTM_DELADDR
    private static let headerSize = 16  // struct nlmsghdr
    private static let bodySize = 8  // struct ifaddrmsg
    private static let addressAttribute: UInt16 = 1  // IFA_ADDRESS: of a point-to-point peer
    private static let localAttribute: UInt16 = 2  // IFA_LOCAL

    /// The addresses whose removal a datagram reports; a message that is cut short reports none.
    package static func removals(in datagram: [UInt8]) -> [RemovedAddress] {
        var removed: [RemovedAddress] = []
        var rest = datagram[...]
        while let (type, body) = next(headerSize, in: &rest, wide: true) {
            guard type == deleted, body.count >= bodySize else { continue }
            let interface = UInt32(in: body.dropFirst(4))
            var attributes = body.dropFirst(bodySize)
            var found: [UInt16: [UInt8]] = [:]
            while let (kind, value) = next(4, in: &attributes, wide: false) {
                found[kind] = Array(value)
            }
            let length = body.first == 2 ? 4 : body.first == 10 ? 16 : 0  // AF_INET, AF_INET6
            guard let bytes = found[localAttribute] ?? found[addressAttribute],
                bytes.count == length
            else { continue }
            removed.append(RemovedAddress(bytes: bytes, interface: interface))
        }
        return removed
    }

    /// Takes the next element off: a message (`wide`: a length of four bytes, then a type of two)
    /// or an attribute (two and two); `nil` at the end, or where the rest is shorter than it says.
    private static func next(
        _ header: Int, in rest: inout ArraySlice<UInt8>, wide: Bool
    ) -> (type: UInt16, body: ArraySlice<UInt8>)? {
        guard rest.count >= header else { return nil }
        let length = wide ? Int(UInt32(in: rest)) : Int(UInt16(in: rest))
        guard length >= header, length <= rest.count else { return nil }
        let type = UInt16(in: rest.dropFirst(wide ? 4 : 2))
        let body = rest.prefix(length).dropFirst(header)
        // Elements are aligned to four bytes.
        rest = rest.dropFirst((length + 3) & ~3)
        return (type, body)
    }
}

extension FixedWidthInteger {
    /// The first bytes as a number in the machine's order; there are enough of them.
    fileprivate init(in bytes: ArraySlice<UInt8>) {
        self = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Self.self) }
    }
}
