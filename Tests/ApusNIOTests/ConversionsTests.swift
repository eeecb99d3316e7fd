#if ApusNIO
    import Apus
    import ApusNIO
    import NIOCore
    import Testing

    /// Bytes and buffers are converted in both directions, and neither changes the other.
    @Suite struct ConversionsTests {
        @Test(arguments: [0, 1, 100, 100_000])
        func bytesAndBuffersHaveEqualContent(count: Int) {
            let array = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let buffer = ByteBuffer(Bytes(array))
            #expect(Array(buffer.readableBytesView) == array)
            #expect(Bytes(buffer).array == array)
        }

        @Test func aPartOfBytesAndAReadBufferGiveTheirPart() {
            let part = Bytes("0123456789").slice(2..<7)
            var buffer = ByteBuffer(part)
            #expect(buffer.readableBytes == 5)
            #expect(buffer.readString(length: 2) == "23")
            let rest = Bytes(buffer)
            #expect(rest == Bytes("456"))
            buffer.writeString("later")
            #expect(rest == Bytes("456"), "it is a copy")
        }

        @Test func bodiesAreMadeOfBuffersAndReadAsBuffers() async throws {
            #expect(RequestBody.buffer(ByteBuffer(string: "hello")).length == 5)
            let body = ResponseBody([Bytes("one"), Bytes("two")])
            var read: [String] = []
            for try await buffer in body.buffers { read.append(String(buffer: buffer)) }
            #expect(read == ["one", "two"])
        }
    }
#endif
