package import ApusCore

/// What ends an HTTP/2 connection, or keeps a request from it: the party at fault, and why.
package struct HTTP2Error: Error, Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// The peer broke the protocol; the code is the one that our GOAWAY carries.
        case protocolViolation(code: UInt32)
        /// The peer floods the connection.
        case abuse(HTTP2Flood)
        /// The request's fields are more than the peer says it takes, or than we send.
        case tooLarge
        /// Every stream number was used; a new connection has fresh ones.
        case streamsExhausted
        /// The connection takes no new streams: a GOAWAY went either way, or it has ended.
        case closing
        /// The request cannot be sent as it is.
        case invalidRequest(InvalidRequest)
        /// The caller ended the connection with this code.
        case ended(code: UInt32)
        /// nghttp2 gave up, most likely for lack of memory.
        case internalFailure(Int32)
    }

    /// What is known beyond the kind.
    enum Detail: Sendable, Hashable {
        /// The peer's first bytes are an HTTP/1 status line.
        case http1
        /// nghttp2's own words for what the peer did; empty when it has none.
        case reported(String)
        /// The size of a request's header or trailer section, and the most that may be sent.
        case size(RequestPart, Int, most: Int)
    }

    /// The parts of a request that have fields.
    enum RequestPart: String, Sendable {
        case fields, trailers
    }

    package let kind: Kind
    private let detail: Detail?

    init(_ kind: Kind, _ detail: Detail? = nil) {
        self.kind = kind
        self.detail = detail
    }

    /// Whether the peer's first bytes are an HTTP/1 status line.
    package var isHTTP1: Bool { detail == .http1 }

    /// The error as a sentence without its full stop; never holds a field's value.
    package var message: String {
        switch (kind, detail) {
        case (_, .http1): "the peer speaks HTTP/1"
        case (_, .size(let part, let size, let most)):
            "the request's \(part.rawValue) are \(size) bytes of \(most)"
        case (_, .reported(let words)) where !words.isEmpty: words
        case (.protocolViolation(code: HTTP2ErrorCode.compressionError), _):
            // nghttp2's decoder reports neither what it met nor where, and how much it has read
            // depends on how the bytes were cut, so the rule and the bound are named together.
            "a field section breaks HPACK (RFC 7541), or has a name or value above 65536 bytes"
        case (.protocolViolation(let code), _): "error \(code)"
        case (.abuse(let flood), _): flood.sentence
        case (.tooLarge, _): "the request's fields are too large"
        case (.streamsExhausted, _): "every stream number was used"
        case (.closing, _): "the connection takes no new streams"
        case (.invalidRequest(let request), _): request.description
        case (.ended, _): "ended by the caller"
        case (.internalFailure(let code), _): Nghttp2.text(code)
        }
    }
}

/// The error codes that the engine sends or understands (RFC 9113, section 7).
package enum HTTP2ErrorCode {
    package static let noError: UInt32 = 0x0
    static let protocolError: UInt32 = 0x1
    static let internalError: UInt32 = 0x2
    static let flowControlError: UInt32 = 0x3
    package static let settingsTimeout: UInt32 = 0x4
    package static let refusedStream: UInt32 = 0x7
    package static let cancel: UInt32 = 0x8
    static let compressionError: UInt32 = 0x9
    package static let enhanceYourCalm: UInt32 = 0xB
    package static let http11Required: UInt32 = 0xD
}
