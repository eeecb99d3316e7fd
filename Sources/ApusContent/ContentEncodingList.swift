package import Apus

/// What the `Content-Encoding` fields of a head say, in the order in which the codings were
/// applied (RFC 9110, section 8.4).
package struct ContentEncodingList: Sendable, Hashable {
    /// The names in lower case, without `identity`.
    package private(set) var names: [String] = []

    /// Reads all fields: a list may be split over several, and elements may be empty (RFC 9110,
    /// section 5.6.1).
    package init(_ fields: HTTPFields) {
        for value in fields[values: .contentEncoding] {
            for element in value.split(separator: ",") {
                let name = element.trimmingBlanks.lowercased()
                if !name.isEmpty, name != "identity" { names.append(name) }
            }
        }
    }

    /// The codings; `nil` when one is unknown or not in this build.
    package var codings: [ContentCoding]? {
        let known = names.compactMap { ContentCoding(name: $0) }.filter(\.isAvailable)
        return known.count == names.count ? known : nil
    }
}

extension Substring {
    /// Without the blanks and tabs at both ends.
    fileprivate var trimmingBlanks: Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
