package import ApusCore

/// What ends an HTTP/2 connection, or keeps a request from it: the party at fault, and why.
package struct HTTP2Error: Error, Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// The peer broke the protocol; the code is the one that our GOAWAY carries.
        case protocolViolation(code: UInt32)
        /// The peer floods the connection with the named thing.
        case abuse(String)
        /// The request's fields are more than the peer says it takes, or than we send.
        case tooLarge
        /// Every stream number was used; a new connection has fresh ones.
        case streamsExhausted
        /// The connection takes no new streams: a GOAWAY went either way, or it has ended.
        case closing
        /// The request cannot be sent as it stands.
        case invalidRequest(InvalidRequest)
        /// The caller ended the connection with this code.
        case ended(code: UInt32)
        /// nghttp2 gave up, for want of memory most likely.
        case internalFailure(Int32)
    }

    package let kind: Kind
    /// A sentence for people; never holds a field's value.
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    init(_ request: InvalidRequest) {
        self.init(.invalidRequest(request), request.description)
    }
}

/// The error codes that the engine sends or understands (RFC 9113, section 7).
package enum HTTP2ErrorCode {
    package static let noError: UInt32 = 0x0
    static let protocolError: UInt32 = 0x1
    static let internalError: UInt32 = 0x2
    static let flowControlError: UInt32 = 0x3
    package static let settingsTimeout: UInt32 = 0x4
    static let refusedStream: UInt32 = 0x7
    package static let cancel: UInt32 = 0x8
    static let compressionError: UInt32 = 0x9
    package static let enhanceYourCalm: UInt32 = 0xB
    package static let http11Required: UInt32 = 0xD
}
