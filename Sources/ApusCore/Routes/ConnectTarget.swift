/// Where to connect instead of the origin's own address: another address, or a Unix socket.
///
/// Two are equal only when their texts have equal bytes.
public enum ConnectTarget: Sendable, Hashable, CustomStringConvertible {
    /// A literal address and a port.
    case address(String, port: UInt16)
    /// The path of a Unix-domain stream socket.
    case unixSocket(path: String)

    /// The longest path, in bytes: Linux stores 108, including the terminating zero byte.
    package static let maxPathBytes = 107

    /// The address and port, or "unix:" and the path.
    public var description: String {
        switch self {
        case .address(let address, let port): Host.withPort(address, port)
        case .unixSocket(let path): "unix:\(path)"
        }
    }

    /// Whether both are of one kind with texts of equal bytes.
    public static func == (left: ConnectTarget, right: ConnectTarget) -> Bool {
        switch (left, right) {
        case (.address(let address, let port), .address(let other, let otherPort)):
            port == otherPort && ExactText.areEqual(address, other)
        case (.unixSocket(let path), .unixSocket(let other)): ExactText.areEqual(path, other)
        case (.address, .unixSocket), (.unixSocket, .address): false
        }
    }

    /// Hashes the texts and the port.
    public func hash(into hasher: inout Hasher) {
        switch self {
        case .address(let address, let port):
            hasher.combine(address)
            hasher.combine(port)
        case .unixSocket(let path): hasher.combine(path)
        }
    }

    /// Refuses a target that no machine could connect to.
    ///
    /// - Throws: `InvalidRequest` naming `connectTo`, never the text, since errors are logged.
    package func check() throws(InvalidRequest) {
        let reason: String? =
            switch self {
            case .address(let address, let port):
                !ConnectTarget.isAddress(address)
                    ? "is not an address" : port == 0 ? "has port 0" : nil
            case .unixSocket(let path):
                path.utf8.isEmpty || path.utf8.contains(0) || path.utf8.count > Self.maxPathBytes
                    ? "is not a path of 1 to \(Self.maxPathBytes) bytes" : nil
            }
        if let reason { throw InvalidRequest(field: "connectTo", reason: reason) }
    }

    private static func isAddress(_ text: String) -> Bool {
        guard AddressLiteral(text[...]) != nil else { return false }
        let zone = text.utf8.drop { $0 != UInt8(ascii: "%") }
        return zone.isEmpty
            || (zone.count > 1 && zone.allSatisfy { (0x21...0x7E).contains($0) })
    }
}
