import Apus
import ApusContent
import Testing

@Suite struct DecodingStageTests {
    /// A reader that stops has made the decoder do one piece: a bomb is decoded as it is read.
    @Test func aPieceIsDecodedWhenItIsRead() async throws {
        let stub = StubTransport(codings: ["br"], [ContentSamples.brotliZeros])
        let response = try await Decoding(stub).send(.get("https://api.example/"))
        #expect(response.info.decoding?.decodedBytes == 0)
        let iterator = response.body.makeAsyncIterator()
        let first = try await iterator.next()
        #expect(first?.count ?? 0 <= ContentDecoder.maxPiece)
        let facts = response.info.decoding
        #expect(facts?.decodedBytes == UInt64(first?.count ?? -1))
        #expect(facts?.encodedBytes == UInt64(ContentSamples.brotliZeros.count))
    }
}
