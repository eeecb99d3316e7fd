import ApusCore
import CApusNghttp2
import HTTPTypes

/// A request's header or trailer section as nghttp2 takes it: names and values in one buffer.
///
/// Names become lower case, and the fields of one HTTP/1 connection are left out (RFC 9113,
/// section 8.2.2).
struct RequestSection {
    private struct Field {
        let nameStart: Int
        let valueStart: Int
        let end: Int
        let flags: UInt8
    }

    private var bytes: [UInt8] = []
    private var fields: [Field] = []

    /// Names, values and 32 bytes for each field, as a peer's MAX_HEADER_LIST_SIZE counts.
    var listSize: Int { bytes.count + fields.count * 32 }

    /// Fills the section with a request's head.
    ///
    /// A `Host` of the caller's own becomes `:authority`, so that the two never differ and the
    /// request means what it would on HTTP/1.1 (RFC 9113, section 8.3.1).
    ///
    /// - Parameter length: the body's length where it is known; it is said, unless there is no
    ///   body that a method expects (RFC 9110, section 8.6).
    /// - Throws: `InvalidRequest` naming the part that cannot be sent.
    mutating func fill(_ request: HTTPRequest, length: UInt64? = nil) throws(InvalidRequest) {
        clear()
        guard let authority = try Self.host(of: request.headerFields) ?? request.authority else {
            throw InvalidRequest(field: "authority", reason: "is missing")
        }
        try Self.check(authority: authority)
        add(":method", request.method.rawValue)
        let tunnelled = request.extendedConnectProtocol
        let isForProxy = request.method == .connect && tunnelled == nil
        if isForProxy {
            // A plain CONNECT has neither scheme nor path (RFC 9113, section 8.5).
            add(":authority", authority)
        } else {
            guard let scheme = request.scheme, !scheme.isEmpty else {
                throw InvalidRequest(field: "scheme", reason: "is missing")
            }
            guard let path = request.path, !path.isEmpty else {
                throw InvalidRequest(field: "path", reason: "is missing")
            }
            try RequestURL.check(target: path)
            if let tunnelled { add(":protocol", tunnelled) }
            add(":scheme", scheme)
            add(":authority", authority)
            add(":path", path)
        }
        addFields(request.headerFields, isForProxy: isForProxy)
        if let length { try add(length: length, of: request) }
    }

    /// Fills the section with trailers.
    mutating func fill(trailers: HTTPFields) {
        clear()
        addFields(trailers, isForProxy: false)
    }

    /// Gives the fields as nghttp2 wants them, for the length of one call.
    func withFields<Result>(_ body: (UnsafePointer<nghttp2_nv>?, Int) -> Result) -> Result {
        bytes.withUnsafeBufferPointer { bytes in
            withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields.count) { list in
                // nghttp2 takes non-const pointers and copies what they show.
                let base = UnsafeMutablePointer(mutating: bytes.baseAddress)
                for (index, field) in fields.enumerated() {
                    let entry = nghttp2_nv(
                        name: base.map { $0 + field.nameStart },
                        value: base.map { $0 + field.valueStart },
                        namelen: field.valueStart - field.nameStart,
                        valuelen: field.end - field.valueStart,
                        flags: field.flags)
                    list.initializeElement(at: index, to: entry)
                }
                return body(UnsafePointer(list.baseAddress), fields.count)
            }
        }
    }

    private mutating func clear() {
        // Room for the usual head is kept from one request to the next, more is not.
        bytes.removeAll(keepingCapacity: bytes.capacity <= 8 * 1024)
        fields.removeAll(keepingCapacity: fields.capacity <= 128)
    }

    private mutating func add(_ name: String, _ value: String) {
        let nameStart = bytes.count
        bytes.append(contentsOf: name.utf8)
        let valueStart = bytes.count
        bytes.append(contentsOf: value.utf8)
        fields.append(
            Field(nameStart: nameStart, valueStart: valueStart, end: bytes.count, flags: 0))
    }

    private mutating func addFields(_ list: HTTPFields, isForProxy: Bool) {
        guard !list.isEmpty else { return }
        let named = Self.namesInConnection(list)
        var hasCookies: Bool?
        for field in list where Self.isKept(field, named: named, isForProxy: isForProxy) {
            guard !Self.hasName("cookie", field) else {
                if field.value.isEmpty {
                    // The peer would join it to the others, as a cookie that was never set.
                    let isOneOfMany = hasCookies ?? Self.hasCookies(list)
                    hasCookies = isOneOfMany
                    if isOneOfMany { continue }
                }
                addCrumbs(field)
                continue
            }
            let nameStart = bytes.count
            bytes.append(contentsOf: field.name.canonicalName.utf8)
            let valueStart = bytes.count
            field.withUnsafeBytesOfValue { bytes.append(contentsOf: $0) }
            fields.append(
                Field(
                    nameStart: nameStart, valueStart: valueStart, end: bytes.count,
                    flags: Self.flags(of: field)))
        }
    }

    /// Whether a `Cookie` field has something in it.
    private static func hasCookies(_ list: HTTPFields) -> Bool {
        list.contains { hasName("cookie", $0) && !$0.value.isEmpty }
    }

    /// Splits cookies, so that those which stay the same are found in the table of the last request
    /// (RFC 9113, section 8.2.3); the peer joins them again, to the same bytes.
    private mutating func addCrumbs(_ field: HTTPField) {
        let flags = Self.flags(of: field)
        field.withUnsafeBytesOfValue { value in
            var start = value.startIndex
            for index in value.indices.dropLast() where index >= start {
                guard value[index] == UInt8(ascii: ";"), value[index + 1] == 0x20 else { continue }
                addCrumb(UnsafeBufferPointer(rebasing: value[start..<index]), flags)
                start = index + 2
            }
            addCrumb(UnsafeBufferPointer(rebasing: value[start...]), flags)
        }
    }

    private mutating func addCrumb(_ crumb: UnsafeBufferPointer<UInt8>, _ flags: UInt8) {
        let nameStart = bytes.count
        bytes.append(contentsOf: "cookie".utf8)
        let valueStart = bytes.count
        bytes.append(contentsOf: crumb)
        fields.append(
            Field(nameStart: nameStart, valueStart: valueStart, end: bytes.count, flags: flags))
    }

    /// Says the body's length, unless the caller has, who must then be right.
    private mutating func add(length: UInt64, of request: HTTPRequest) throws(InvalidRequest) {
        if let said = request.headerFields[.contentLength] {
            guard said == String(length) else {
                throw InvalidRequest(
                    field: "content-length", reason: "differs from the body's length")
            }
            return
        }
        switch request.method {
        case .post, .put, .patch: break
        default: guard length > 0 else { return }
        }
        add("content-length", String(length))
    }

    /// The lengths of the names that `isKept` compares, as a set of bits.
    private static let special = Lengths(2, 4, 7, 10, 16, 17, 18, 19, 25)

    /// Lengths below 64, as a set of bits.
    private struct Lengths {
        private let bits: UInt64

        init(_ lengths: Int...) {
            bits = lengths.reduce(0) { $0 | 1 << UInt64($1) }
        }

        func contains(_ length: Int) -> Bool { length < 64 && bits >> UInt64(length) & 1 == 1 }
    }

    /// Whether a field has a name, given in lower case.
    private static func hasName(_ name: String, _ field: HTTPField) -> Bool {
        let canonical = field.name.canonicalName
        return canonical.utf8.count == name.utf8.count && canonical == name
    }

    /// Whether the field means anything beyond one HTTP/1 connection; fields for a proxy are never
    /// sent to the origin after it.
    private static func isKept(
        _ field: HTTPField, named: [String], isForProxy: Bool
    ) -> Bool {
        let name = field.name.canonicalName
        // Comparing texts is dear; most names have a length that none of these has.
        guard special.contains(name.utf8.count) else {
            return named.isEmpty || !named.contains(name)
        }
        switch name {
        case "proxy-authorization":
            return isForProxy
        case "proxy-authenticate", "proxy-authentication-info":
            return false
        case "connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
            return false
        case "te":
            return field.value.lowercased() == "trailers"
        default:
            return named.isEmpty || !named.contains(name)
        }
    }

    private static func host(of list: HTTPFields) throws(InvalidRequest) -> String? {
        var host: String?
        for field in list where hasName("host", field) {
            guard host == nil else {
                throw InvalidRequest(field: "host", reason: "appears more than once")
            }
            host = field.value
        }
        return host
    }

    /// The names listed in `Connection`, which go with it.
    private static func namesInConnection(_ list: HTTPFields) -> [String] {
        var names: [String] = []
        for field in list where hasName("connection", field) {
            for part in field.value.lowercased().utf8.split(separator: UInt8(ascii: ",")) {
                let name = part.filter { $0 != 0x20 && $0 != 0x09 }
                names.append(String(decoding: name, as: UTF8.self))
            }
        }
        return names
    }

    /// nghttp2 itself keeps `authorization` and short cookies out of every HPACK table.
    private static func flags(of field: HTTPField) -> UInt8 {
        switch field.indexingStrategy {
        case .avoid, .disallow: UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)
        default: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)
        }
    }

    private static func check(authority: String) throws(InvalidRequest) {
        guard !authority.isEmpty else {
            throw InvalidRequest(field: "authority", reason: "is empty")
        }
        for byte in authority.utf8 {
            switch byte {
            case 0...0x20, 0x7F...0xFF, UInt8(ascii: "@"), UInt8(ascii: "/"), UInt8(ascii: "?"),
                UInt8(ascii: "#"), UInt8(ascii: "\\"):
                throw InvalidRequest(
                    field: "authority", reason: "has a byte that no authority has (\(byte))")
            default: break
            }
        }
    }
}
