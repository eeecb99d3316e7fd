package import Apus

/// What the `Content-Encoding` fields of a head say, in the order in which the codings were
/// applied (RFC 9110, section 8.4).
package struct ContentEncodingList: Sendable, Hashable {
    /// The names in lower case, without `identity`.
    package let names: [String]

    /// Reads all fields: a list may be split over several, and elements may be empty (RFC 9110,
    /// section 5.6.1).
    package init(_ fields: HTTPFields) {
        names = fields.elements(of: .contentEncoding).filter { $0 != "identity" }
    }

    /// The codings; `nil` when one is unknown or not in this build.
    package var codings: [ContentCoding]? {
        let known = names.compactMap { ContentCoding(name: $0) }.filter(\.isAvailable)
        return known.count == names.count ? known : nil
    }
}
