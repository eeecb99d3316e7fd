public import Apus

/// Why content could not be decoded or encoded.
public struct ContentError: Error, Sendable, Hashable {
    /// What is wrong.
    public enum Kind: String, Sendable, Hashable {
        /// The content breaks its format, or bytes follow its end.
        case malformed
        /// The content ends before its format does.
        case truncated
        /// The content decodes to more than `ContentLimits` allows, or needs a larger window.
        case tooLarge
        /// The coding is unknown, or not in this build.
        case unavailable
        /// There was no memory for the codec.
        case outOfMemory
    }

    /// What is wrong.
    public let kind: Kind
    /// The name of the coding at fault, as in `Content-Encoding`.
    public let coding: String
    /// What is wrong, in words; never the content.
    public let message: String

    /// Creates an error about a coding.
    public init(_ kind: Kind, coding: String, message: String) {
        self.kind = kind
        self.coding = coding
        self.message = message
    }

    init(_ fault: CodecFault, _ coding: ContentCoding) {
        switch fault {
        case .malformed(let message):
            self.init(.malformed, coding: coding.rawValue, message: message)
        case .tooLarge(let message):
            self.init(.tooLarge, coding: coding.rawValue, message: message)
        case .outOfMemory:
            self.init(.outOfMemory, coding: coding.rawValue, message: "there is no memory for it")
        case .unavailable:
            self.init(
                .unavailable, coding: coding.rawValue, message: "has no codec in this build")
        }
    }

    /// The error of the exchange whose response has this content.
    public var transportError: TransportError {
        let kind: TransportError.Kind =
            switch self.kind {
            case .malformed, .unavailable: .malformed
            case .truncated: .truncated
            case .tooLarge: .tooLarge
            case .outOfMemory: .resource(errno: Self.noMemory)
            }
        return TransportError(
            kind, phase: .body, message: description, replay: .responseStarted)
    }

    /// `ENOMEM`.
    private static let noMemory: Int32 = 12
}

extension ContentError: CustomStringConvertible {
    /// The coding and the message, as in "gzip: incorrect header check".
    public var description: String { "\(coding): \(message)" }
}
