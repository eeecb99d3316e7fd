import ApusCore
import HTTPTypes
import Testing

@testable import ApusHTTP2

@Suite struct OutgoingBodyTests {
    @Test func bytesLeaveInOrderAcrossSlices() {
        var body = OutgoingBody()
        body.append(Bytes("abc"))
        body.append(Bytes(""))
        body.append(Bytes("defg"))
        #expect(body.count == 7)
        var output = OutgoingBytes()
        body.move(4, to: &output)
        body.move(3, to: &output)
        var bytes: [UInt8] = []
        output.copy(to: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == "abcdefg")
        #expect(body.count == 0)
        #expect(!body.isDone, "more may follow")
        body.finish(trailers: nil)
        #expect(body.isDone)
    }

    @Test func nothingIsAddedAfterTheEnd() {
        var body = OutgoingBody()
        body.append(Bytes("a"))
        body.finish(trailers: [.eTag: "x"])
        body.append(Bytes("b"))
        body.finish(trailers: nil)
        #expect(body.count == 1)
        #expect(body.trailers == [.eTag: "x"])
        #expect(!body.isDone)
    }

    @Test func aDiscardedBodyHasNothingLeft() {
        var body = OutgoingBody()
        body.append(Bytes("abc"))
        body.finish(trailers: [.eTag: "x"])
        body.discard()
        #expect(body.isDone && body.isDiscarded)
        #expect(body.count == 0 && body.trailers == nil)
    }

    @Test func manySlicesLeaveOneByOne() {
        var body = OutgoingBody()
        for _ in 0..<200 { body.append(Bytes("xy")) }
        var output = OutgoingBytes()
        for _ in 0..<400 { body.move(1, to: &output) }
        #expect(output.count == 400)
        #expect(body.count == 0)
    }
}
