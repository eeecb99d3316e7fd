import HTTPTypes

/// The field names that responses commonly carry, made once, so that reading a head neither
/// allocates nor checks them again.
final class FieldNames: Sendable {
    private struct Entry {
        let name: HTTPField.Name
        let bytes: [UInt8]
        /// The next entry of the same bucket; -1 ends the chain.
        let next: Int
    }

    /// Made once for the process and never changed.
    static let common = FieldNames(FieldNames.names)

    private let entries: [Entry]
    /// The first entry of each bucket, or -1.
    private let buckets: [Int]

    init(_ names: [String]) {
        var entries: [Entry] = []
        var buckets = [Int](repeating: -1, count: 256)
        for text in names {
            guard let name = HTTPField.Name(parsed: text) else { continue }
            let bytes = Array(text.utf8)
            let bucket = bytes.withUnsafeBufferPointer(Self.bucket(of:))
            entries.append(Entry(name: name, bytes: bytes, next: buckets[bucket]))
            buckets[bucket] = entries.count - 1
        }
        self.entries = entries
        self.buckets = buckets
    }

    /// How many names there are.
    var count: Int { entries.count }

    /// The number of the name that the bytes spell, if it is one of these.
    func index(of bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        var index = buckets[Self.bucket(of: bytes)]
        while index >= 0 {
            if Self.isEqual(entries[index].bytes, bytes) { return index }
            index = entries[index].next
        }
        return nil
    }

    /// The name of a number that `index(of:)` gave.
    subscript(index: Int) -> HTTPField.Name { entries[index].name }

    private static func isEqual(_ left: [UInt8], _ right: UnsafeBufferPointer<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        for index in 0..<left.count where left[index] != right[index] { return false }
        return true
    }

    /// Length, first, middle and last byte distinguish the common names well enough.
    private static func bucket(of bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let count = bytes.count
        guard count > 0 else { return 0 }
        let mixed =
            count &* 7 &+ Int(bytes[0]) &* 3 &+ Int(bytes[count / 2]) &* 31
            &+ Int(bytes[count - 1]) &* 17
        return mixed & 255
    }

    private static let names = [
        "accept-ranges", "access-control-allow-credentials", "access-control-allow-headers",
        "access-control-allow-methods", "access-control-allow-origin",
        "access-control-expose-headers", "access-control-max-age", "age", "allow", "alt-svc",
        "anthropic-organization-id", "cache-control", "cf-cache-status", "cf-ray", "connection",
        "content-disposition", "content-encoding", "content-language", "content-length",
        "content-location", "content-range", "content-security-policy", "content-type",
        "cross-origin-opener-policy", "date", "etag", "expires", "grpc-message", "grpc-status",
        "last-modified", "link", "location", "nel", "openai-organization", "openai-processing-ms",
        "openai-version", "permissions-policy", "pragma", "proxy-authenticate", "proxy-status",
        "referrer-policy", "report-to", "request-id", "retry-after", "server", "server-timing",
        "set-cookie", "strict-transport-security", "trailer", "transfer-encoding", "vary", "via",
        "www-authenticate", "x-cache", "x-content-type-options", "x-envoy-upstream-service-time",
        "x-frame-options", "x-powered-by", "x-ratelimit-limit-requests",
        "x-ratelimit-limit-tokens", "x-ratelimit-remaining-requests",
        "x-ratelimit-remaining-tokens", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens",
        "x-request-id", "x-robots-tag", "x-xss-protection",
    ]
}
