import HTTPTypes

/// What a field means to the codec itself.
enum FieldRole: UInt8 {
    /// No meaning: the field is passed on.
    case plain
    case contentLength
    case transferEncoding
    case connection
    case keepAlive
    case host
    case te
    /// Names another protocol, and belongs to one hop.
    case upgrade
    /// Belongs to one hop and is never sent on the next one (RFC 9110, section 7.6.1).
    case hopByHop

    /// Finds the role by the lower-case name.
    init(canonicalName name: String) {
        switch name.utf8.count {
        case 2: self = name == "te" ? .te : .plain
        case 4: self = name == "host" ? .host : .plain
        case 7: self = name == "upgrade" ? .upgrade : .plain
        case 10:
            self = name == "connection" ? .connection : name == "keep-alive" ? .keepAlive : .plain
        case 14: self = name == "content-length" ? .contentLength : .plain
        case 16: self = name == "proxy-connection" ? .hopByHop : .plain
        case 17: self = name == "transfer-encoding" ? .transferEncoding : .plain
        case 18: self = name == "proxy-authenticate" ? .hopByHop : .plain
        case 19: self = name == "proxy-authorization" ? .hopByHop : .plain
        default: self = .plain
        }
    }
}

/// The names of common response fields, made once, so that a head allocates none of them.
///
/// A hash table over the exact spelling: the lower-case form that proxies send and the usual
/// capitalised one. Other spellings get a new name, so that the received case is kept.
struct FieldNames: Sendable {
    static let common = FieldNames()

    private static let slotCount = 1024

    private struct Entry {
        let name: HTTPField.Name
        let role: FieldRole
        /// The position of the spelling in `spellings`.
        let range: Range<Int>
    }

    /// The length of the longest name, in bytes.
    private(set) var longest = 0
    private var entries: [Entry] = []
    /// All spellings, concatenated.
    private var spellings: [UInt8] = []
    /// Slots by hash: one more than the entry's index; 0 is free.
    ///
    /// When a slot is taken, the next one is tried.
    private var slots = [UInt8](repeating: 0, count: FieldNames.slotCount)

    private init() {
        for capitalised in FieldNames.capitalisedNames {
            add(capitalised)
            add(capitalised.lowercased())
        }
    }

    private mutating func add(_ spelling: String) {
        guard let name = HTTPField.Name(spelling), entries.count < UInt8.max else { return }
        longest = max(longest, spelling.utf8.count)
        let start = spellings.count
        spellings.append(contentsOf: spelling.utf8)
        let range = start..<spellings.count
        var slot = unsafe FieldNames.slot(of: range, in: spellings.span.bytes)
        while slots[slot] != 0 { slot = (slot + 1) % FieldNames.slotCount }
        entries.append(
            Entry(name: name, role: FieldRole(canonicalName: name.canonicalName), range: range))
        slots[slot] = UInt8(entries.count)
    }

    /// Finds the name spelled by a range of bytes.
    @inline(__always)
    func find(
        _ range: Range<Int>, in bytes: RawSpan
    ) -> (name: HTTPField.Name, role: FieldRole)? {
        var slot = FieldNames.slot(of: range, in: bytes)
        while slots[slot] != 0 {
            let index = Int(slots[slot]) - 1
            if isSpelling(entries[index].range, equalTo: range, in: bytes) {
                return (entries[index].name, entries[index].role)
            }
            slot = (slot + 1) % FieldNames.slotCount
        }
        return nil
    }

    /// Length, first, middle and last byte differ between nearly all common names.
    @inline(__always)
    private static func slot(of range: Range<Int>, in bytes: RawSpan) -> Int {
        let first = Int(bytes.byte(range.lowerBound))
        let middle = Int(bytes.byte(range.lowerBound + range.count / 2))
        let last = Int(bytes.byte(range.upperBound - 1))
        return (range.count &* 67 &+ first &* 31 &+ middle &* 7 &+ last &* 131) % slotCount
    }

    @inline(__always)
    private func isSpelling(
        _ spelling: Range<Int>, equalTo range: Range<Int>, in bytes: RawSpan
    ) -> Bool {
        guard spelling.count == range.count else { return false }
        let known = unsafe spellings.span.bytes
        var offset = 0
        while offset + 8 <= range.count {
            guard
                known.word(spelling.lowerBound + offset) == bytes.word(range.lowerBound + offset)
            else { return false }
            offset += 8
        }
        while offset < range.count {
            guard
                known.byte(spelling.lowerBound + offset) == bytes.byte(range.lowerBound + offset)
            else { return false }
            offset += 1
        }
        return true
    }

    private static let capitalisedNames = [
        "Accept-Ranges", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers",
        "Access-Control-Allow-Methods", "Access-Control-Allow-Origin",
        "Access-Control-Expose-Headers", "Access-Control-Max-Age", "Age", "Allow", "Alt-Svc",
        "Cache-Control", "CF-Cache-Status", "CF-RAY", "Connection", "Content-Disposition",
        "Content-Encoding", "Content-Language", "Content-Length", "Content-Location",
        "Content-Range", "Content-Security-Policy", "Content-Type",
        "Cross-Origin-Opener-Policy", "Date", "ETag", "Expires", "Keep-Alive", "Last-Modified",
        "Link", "Location", "NEL", "Permissions-Policy", "Pragma", "Proxy-Authenticate",
        "Proxy-Connection", "Referrer-Policy", "Report-To", "Retry-After", "Server",
        "Server-Timing", "Set-Cookie", "Strict-Transport-Security", "Trailer",
        "Transfer-Encoding", "Upgrade", "Vary", "Via", "WWW-Authenticate", "X-Accel-Buffering",
        "X-Amz-Cf-Id", "X-Amz-Cf-Pop", "X-Amzn-RequestId", "X-Cache", "X-Content-Type-Options",
        "X-Envoy-Upstream-Service-Time", "X-Frame-Options", "X-Powered-By",
        "X-RateLimit-Limit", "X-RateLimit-Limit-Requests", "X-RateLimit-Limit-Tokens",
        "X-RateLimit-Remaining", "X-RateLimit-Remaining-Requests",
        "X-RateLimit-Remaining-Tokens", "X-RateLimit-Reset", "X-RateLimit-Reset-Requests",
        "X-RateLimit-Reset-Tokens", "X-Request-Id", "X-Robots-Tag", "X-XSS-Protection",
        "Anthropic-Organization-Id", "Anthropic-RateLimit-Requests-Limit",
        "Anthropic-RateLimit-Requests-Remaining", "Anthropic-RateLimit-Requests-Reset",
        "Anthropic-RateLimit-Tokens-Limit", "Anthropic-RateLimit-Tokens-Remaining",
        "Anthropic-RateLimit-Tokens-Reset", "OpenAI-Organization", "OpenAI-Processing-Ms",
        "OpenAI-Version", "Request-Id",
    ]
}
