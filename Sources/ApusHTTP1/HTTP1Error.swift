/// Why a response was refused: what the peer did wrong.
///
/// It holds no byte of the message, which may be secret.
package enum HTTP1Error: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of fault that a peer can commit.
    package enum Reason: Sendable, Hashable {
        /// The bytes break the grammar or contradict each other.
        case malformed
        /// The peer sent more than a limit allows.
        case tooLarge
        /// The stream ended inside a message.
        case truncated
        /// Bytes arrived without a request.
        case unsolicited
    }

    /// The sections of a message that have fields.
    package enum Section: String, Sendable {
        case head = "response head"
        case trailers = "trailer section"
    }

    // MARK: Bytes without a request

    /// Bytes came while no request was open (RFC 9112, section 9.2).
    case bytesWithoutRequest

    // MARK: The end of the connection inside a message

    /// The connection closed before the first byte of a response (RFC 9112, section 8).
    case closedBeforeResponse

    /// The connection closed after an informational response (RFC 9110, section 15.2).
    case closedBeforeFinalResponse

    /// The connection closed within a head (RFC 9112, section 8).
    case closedInHead

    /// The connection closed before a body was complete (RFC 9112, section 8).
    case closedInBody(missing: UInt64)

    /// The connection closed before the last chunk (RFC 9112, section 8).
    case closedInChunks

    // MARK: Limits

    /// A head or trailer section exceeds `limits.headBytes`.
    case sectionBytes(Section, most: Int)

    /// A head or trailer section exceeds `limits.headFields`.
    case sectionFields(Section, most: Int)

    /// Informational responses exceed `limits.informationalResponses`.
    case informationalResponses(most: Int)

    /// The extensions of a chunk exceed `limits.chunkExtensionBytes` (RFC 9112, section 7.1.1).
    case chunkExtensionBytes(most: Int)

    /// A chunked body is mostly extensions (RFC 9112, section 7.1.1).
    case mostlyChunkExtensions

    // MARK: Grammar and framing

    /// A line ends in a bare LF (RFC 9112, section 2.2).
    case bareLineFeed

    /// A CR is not followed by LF (RFC 9112, section 2.2).
    case bareCarriageReturn

    /// A line contains a NUL byte (RFC 9110, section 5.5).
    case nulByte

    /// A line contains a control byte other than a tab (RFC 9110, section 5.5).
    case controlByte

    /// A TLS record came in place of a status line (RFC 9112, section 4).
    case tlsRecord

    /// An HTTP/2 frame came in place of a status line (RFC 9112, section 4).
    case http2Frame

    /// Another protocol, or HTTP/0.9 (RFC 9112, section 4).
    case otherProtocol

    /// Another version of HTTP (RFC 9112, section 2.3).
    case otherVersion

    /// An empty line precedes the status line (RFC 9112, section 4).
    case emptyLineFirst

    /// A status line breaks its grammar (RFC 9112, section 4).
    case statusLine

    /// A status code is below 100 (RFC 9110, section 15).
    case statusBelow100

    /// A field value is folded over lines (RFC 9112, section 5.2).
    case foldedValue

    /// A field that frames the message is folded (RFC 9112, section 5.2).
    case foldedFramingField

    /// A field that frames the message contains a control byte (RFC 9110, section 5.5).
    case controlInFramingField

    /// A field name is empty (RFC 9110, section 5.1).
    case emptyFieldName

    /// A blank precedes the colon of a field (RFC 9112, section 5.1).
    case blankBeforeColon

    /// A field line has no colon (RFC 9112, section 5).
    case fieldWithoutColon

    /// A field name is not a token (RFC 9110, section 5.1).
    case fieldName

    /// Transfer-Encoding and Content-Length are both present (RFC 9112, section 6.3).
    case encodingWithLength

    /// An HTTP/1.0 response has Transfer-Encoding (RFC 9112, section 6.1).
    case encodingInHTTP10

    /// Transfer-Encoding is not exactly one chunked coding (RFC 9112, section 6.1).
    case otherCoding

    /// Content-Length is not a number below 2^63 (RFC 9110, section 8.6).
    case invalidLength

    /// Content-Length has different values (RFC 9112, section 6.3).
    case differingLengths

    /// A trailer section frames the message (RFC 9110, section 6.5.1).
    case framingInTrailers

    /// A 101 was not requested (RFC 9110, section 7.8).
    case upgradeNotRequested

    /// A 101 has no Upgrade field (RFC 9110, section 7.8).
    case upgradeWithoutName

    /// A 101 came before the end of the request (RFC 9110, section 7.8).
    case upgradeBeforeRequestEnd

    /// A 101 names a protocol that was not requested (RFC 9110, section 7.8).
    case otherUpgrade

    /// A chunk size does not begin with a hexadecimal digit (RFC 9112, section 7.1).
    case chunkSize

    /// A chunk size is 2^63 or more, or has more than 16 digits (RFC 9112, section 7.1).
    case chunkSizeTooLarge

    /// A chunk size has no valid end (RFC 9112, section 7.1).
    case chunkSizeEnd

    /// A chunk extension is empty (RFC 9112, section 7.1.1).
    case emptyChunkExtension

    /// A chunk's line does not end in CR LF (RFC 9112, section 7.1).
    case chunkLineEnd

    /// A chunk's line contains a control byte (RFC 9112, section 7.1.1).
    case chunkLineControl

    /// Chunk data is not followed by CR LF (RFC 9112, section 7.1).
    case chunkDataEnd

    // MARK: Words

    /// The kind of fault.
    package var reason: Reason {
        switch self {
        case .bytesWithoutRequest:
            .unsolicited
        case .closedBeforeResponse, .closedBeforeFinalResponse, .closedInHead, .closedInBody,
            .closedInChunks:
            .truncated
        case .sectionBytes, .sectionFields, .informationalResponses, .chunkExtensionBytes,
            .mostlyChunkExtensions:
            .tooLarge
        default: .malformed
        }
    }

    /// What the peer did wrong, as a clause.
    package var message: String {
        switch self {
        case .bytesWithoutRequest: "bytes arrived without a request"
        case .closedBeforeResponse: "the connection closed before a response"
        case .closedBeforeFinalResponse: "the connection closed before the final response"
        case .closedInHead: "the connection closed within the response head"
        case .closedInBody(let missing):
            "the connection closed \(missing) bytes before Content-Length was reached"
        case .closedInChunks: "the connection closed before the last chunk"
        case .sectionBytes(let section, let most): "the \(section.rawValue) exceeds \(most) bytes"
        case .sectionFields(let section, let most): "the \(section.rawValue) exceeds \(most) fields"
        case .informationalResponses(let most):
            "more than \(most) informational responses came first"
        case .chunkExtensionBytes(let most): "the extensions of a chunk exceed \(most) bytes"
        case .mostlyChunkExtensions: "the chunked body is mostly extensions"
        case .bareLineFeed: "a line ends in a bare LF"
        case .bareCarriageReturn: "a CR is not followed by LF"
        case .nulByte: "a line contains a NUL byte"
        case .controlByte: "a line contains a control byte"
        case .tlsRecord: "the response does not begin with HTTP/1.x: it looks like a TLS record"
        case .http2Frame: "the response does not begin with HTTP/1.x: it looks like an HTTP/2 frame"
        case .otherProtocol:
            "the response does not begin with HTTP/1.x: another protocol, or HTTP/0.9"
        case .otherVersion: "the response does not begin with HTTP/1.x: another version of HTTP"
        case .emptyLineFirst: "an empty line precedes the status line"
        case .statusLine:
            "the status line does not match HTTP/1.x, a blank, three digits, and perhaps a reason"
        case .statusBelow100: "the status code is below 100"
        case .foldedValue: "a field value is folded over lines (obs-fold)"
        case .foldedFramingField: "a field that frames the message is folded over lines"
        case .controlInFramingField: "a field that frames the message contains a control byte"
        case .emptyFieldName: "a field name is empty"
        case .blankBeforeColon: "a blank precedes the colon of a field"
        case .fieldWithoutColon: "a field line has no colon"
        case .fieldName: "a field name is not a token"
        case .encodingWithLength: "Transfer-Encoding and Content-Length are both present"
        case .encodingInHTTP10: "an HTTP/1.0 response has Transfer-Encoding"
        case .otherCoding: "Transfer-Encoding is not exactly one chunked coding"
        case .invalidLength: "Content-Length is not a number below 2^63"
        case .differingLengths: "Content-Length has different values"
        case .framingInTrailers: "a trailer is Content-Length or Transfer-Encoding"
        case .upgradeNotRequested: "the 101 was not requested"
        case .upgradeWithoutName: "the 101 has no Upgrade field"
        case .upgradeBeforeRequestEnd: "the 101 came before the end of the request"
        case .otherUpgrade: "the 101 switches to a protocol that was not requested"
        case .chunkSize: "a chunk size does not begin with a hexadecimal digit"
        case .chunkSizeTooLarge: "a chunk size is 2^63 or more, or has more than 16 digits"
        case .chunkSizeEnd: "a chunk size is not followed by a semicolon or CR LF"
        case .emptyChunkExtension: "a chunk extension is empty"
        case .chunkLineEnd: "a chunk's line does not end in CR LF"
        case .chunkLineControl: "a chunk's line contains a control byte"
        case .chunkDataEnd: "chunk data is not followed by CR LF"
        }
    }

    package var description: String { "\(reason): \(message)" }
}
