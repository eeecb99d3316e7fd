/// A content coding that this module knows (RFC 9110, section 8.4.1).
public enum ContentCoding: String, Sendable, Hashable, CaseIterable {
    /// The members of RFC 1952; `x-gzip` is the same coding (RFC 9110, section 8.4.1.3).
    case gzip
    /// A zlib stream (RFC 1950), or the raw deflate stream (RFC 1951) that some servers send under
    /// this name (RFC 9110, section 8.4.1.2).
    case deflate
    /// Brotli (RFC 7932).
    case brotli = "br"
    /// Zstandard frames (RFC 8878).
    case zstd

    /// The coding with a name; `nil` for a name that is not known.
    ///
    /// - Parameter name: a token of `Content-Encoding`; case does not matter.
    public init?(name: some StringProtocol) {
        let name = name.lowercased()
        self.init(rawValue: name == "x-gzip" ? "gzip" : name)
    }

    /// Whether this build has the library of the coding.
    ///
    /// The package traits `Gzip`, `Brotli` and `Zstd` decide; all are enabled by default. Without
    /// its trait a coding is as unknown.
    public var isAvailable: Bool {
        switch self {
        case .gzip, .deflate: Codecs.hasGzip
        case .brotli: Codecs.hasBrotli
        case .zstd: Codecs.hasZstd
        }
    }

    /// The codings that this build can decode, in the order of `Accept-Encoding`.
    public static let available = allCases.filter(\.isAvailable)
}
