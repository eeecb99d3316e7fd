import ApusHTTP1
import Testing

/// What a peer did wrong, of each kind; the transcripts in `Fixtures/wire` show the others.
@Suite struct HTTP1ErrorTests {
    private static let errors: [(HTTP1Error, HTTP1Error.Reason, String)] = [
        (.bytesWithoutRequest, .unsolicited, "bytes arrived without a request"),
        (.closedBeforeResponse, .truncated, "the connection closed before a response"),
        (.closedBeforeFinalResponse, .truncated, "the connection closed before the final response"),
        (.closedInHead, .truncated, "the connection closed within the response head"),
        (
            .closedInBody(missing: 500), .truncated,
            "the connection closed 500 bytes before Content-Length was reached"
        ),
        (.closedInChunks, .truncated, "the connection closed before the last chunk"),
        (.sectionBytes(.head, most: 9), .tooLarge, "the response head exceeds 9 bytes"),
        (.sectionFields(.trailers, most: 9), .tooLarge, "the trailer section exceeds 9 fields"),
        (
            .informationalResponses(most: 9), .tooLarge,
            "more than 9 informational responses came first"
        ),
        (.chunkExtensionBytes(most: 9), .tooLarge, "the extensions of a chunk exceed 9 bytes"),
        (.mostlyChunkExtensions, .tooLarge, "the chunked body is mostly extensions"),
        (.bareLineFeed, .malformed, "a line ends in a bare LF"),
        (.chunkDataEnd, .malformed, "chunk data is not followed by CR LF"),
        (.invalidLength, .malformed, "Content-Length is not a number below 2^63"),
        (.upgradeNotRequested, .malformed, "the 101 was not requested"),
    ]

    @Test(arguments: errors.indices)
    func anErrorSaysItsReasonAndTheBreach(_ index: Int) {
        let (error, reason, message) = Self.errors[index]
        #expect(error.reason == reason)
        #expect(error.message == message)
        #expect(error.description == "\(reason): \(message)")
    }
}
