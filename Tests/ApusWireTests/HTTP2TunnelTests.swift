import ApusCore
import ApusHTTP2
import ApusTunnel
@testable import ApusWire
import Testing

/// A tunnel through an HTTP/2 proxy, from bytes to bytes.
@Suite struct HTTP2TunnelTests {
    /// Takes bytes up; what came out, whether that is the end, and what the proxy is answered.
    private func receive(
        _ bytes: [UInt8], by tunnel: HTTP2Tunnel
    ) throws -> (bytes: [UInt8], hasEnded: Bool, answer: [UInt8]) {
        var (delivered, answer): ([UInt8], [UInt8]) = ([], [])
        let hasEnded = try tunnel.receive(bytes.span.bytes, output: &answer) {
            delivered.append(copying: $0)
        }
        return (delivered, hasEnded, answer)
    }

    private func send(_ bytes: [UInt8], by tunnel: HTTP2Tunnel) throws -> [UInt8] {
        var output: [UInt8] = []
        try tunnel.send(bytes.span.bytes, output: &output)
        return output
    }

    private func fault(_ body: () throws -> Void) -> HTTP2TunnelFault? {
        let error = #expect(throws: WireError.self) { try body() }
        guard case .tunnel(let fault)? = error else { return nil }
        return fault
    }

    @Test("bytes of DATA come out, however they are cut", arguments: [Int.max, 1, 7])
    func receiving(step: Int) throws {
        let tunnel = try makeTunnel()
        var input = Frames.data([1, 2, 3]) + Frames.data([]) + Frames.data([4, 5], ends: true)
        var (delivered, ends): ([UInt8], [Bool]) = ([], [])
        while !input.isEmpty {
            let result = try receive(Array(input.prefix(step)), by: tunnel)
            input.removeFirst(min(step, input.count))
            delivered += result.bytes
            ends.append(result.hasEnded)
        }
        #expect(delivered == [1, 2, 3, 4, 5])
        #expect(ends.last == true)
        #expect(!ends.dropLast().contains(true))
        // After its end the connection may end as well.
        try tunnel.streamEnded()
    }

    @Test func bytesInTheSameReadAsTheAnswerBelongToTheTunnel() throws {
        let tunnel = try makeTunnel(following: Frames.data([1, 2]))
        // They are still in the session when the tunnel takes it over.
        #expect(try receive([], by: tunnel).bytes.isEmpty)
        #expect(tunnel.isHolding)
        #expect(try receive([], by: tunnel).bytes == [1, 2])
    }

    @Test func bytesAreSentAsDATA() throws {
        let tunnel = try makeTunnel()
        let bytes = pattern(40_000)
        let output = try send(bytes, by: tunnel)
        #expect(Frames.payload(of: output) == bytes)
        #expect(tunnel.backlog == 0)
    }

    @Test func whatTheWindowDoesNotLetOutIsKept() throws {
        let tunnel = try makeTunnel()
        let bytes = pattern(100_000)
        let first = Frames.payload(of: try send(bytes, by: tunnel))
        // The window of before the proxy has opened it (RFC 9113, section 6.9.2).
        #expect(first.count == 65_535)
        #expect(tunnel.backlog == 100_000 - 65_535)
        let result = try receive(Frames.moreWindow(100_000), by: tunnel)
        #expect(first + Frames.payload(of: result.answer) == bytes)
        #expect(tunnel.backlog == 0)
    }

    @Test func aPINGIsAnsweredWhetherTheTunnelIsReadOrNot() throws {
        let tunnel = try makeTunnel()
        let answer = try receive(Frames.ping(9), by: tunnel).answer
        #expect(Frames.types(of: answer).contains { $0.type == 6 && $0.payload.last == 9 })
        var ahead: [UInt8] = []
        tunnel.readAhead(Frames.ping(8).span.bytes, output: &ahead)
        #expect(Frames.types(of: ahead).contains { $0.type == 6 && $0.flags == 1 })
    }

    @Test("what is read ahead is held, and credited when it is delivered")
    func readingAhead() throws {
        let tunnel = try makeTunnel()
        #expect(!tunnel.isHolding)
        let bytes = pattern(100_000)
        var ahead: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 16_384) {
            let frame = Frames.data(Array(bytes[start..<min(start + 16_384, bytes.count)]))
            tunnel.readAhead(frame.span.bytes, output: &ahead)
        }
        #expect(tunnel.isHolding)
        #expect(!Frames.types(of: ahead).contains { $0.type == 8 })
        // As much at once as in one read from the socket.
        let first = try receive([], by: tunnel)
        #expect(first.bytes.count == 65_536)
        #expect(tunnel.isHolding)
        let second = try receive([], by: tunnel)
        #expect(first.bytes + second.bytes == bytes)
        #expect(!tunnel.isHolding)
    }

    @Test func anEndThatWasReadAheadIsReportedAfterTheBytes() throws {
        let tunnel = try makeTunnel()
        var ahead: [UInt8] = []
        tunnel.readAhead(Frames.data([1], ends: true).span.bytes, output: &ahead)
        #expect(tunnel.isHolding)
        let result = try receive([], by: tunnel)
        #expect(result.bytes == [1])
        #expect(result.hasEnded)
        #expect(!tunnel.isHolding)
    }

    // MARK: Ends

    @Test func ourEndIsTheStreamsAndReadingGoesOn() throws {
        let tunnel = try makeTunnel()
        var output: [UInt8] = []
        tunnel.endSending(output: &output)
        #expect(Frames.types(of: output).contains { $0.type == 0 && $0.flags == 1 })
        #expect(try receive(Frames.data([7]), by: tunnel).bytes == [7])
    }

    @Test func closingEndsTheStreamAndTheConnection() throws {
        let tunnel = try makeTunnel()
        var output: [UInt8] = []
        tunnel.close(output: &output)
        #expect(Frames.types(of: output).map(\.type) == [0, 7])
    }

    @Test("a fault follows the bytes before it, and nothing is sent after it")
    func aResetStream() throws {
        let tunnel = try makeTunnel()
        var ahead: [UInt8] = []
        tunnel.readAhead((Frames.data([1]) + Frames.reset(8)).span.bytes, output: &ahead)
        var delivered: [UInt8] = []
        let found = fault {
            var output: [UInt8] = []
            _ = try tunnel.receive([UInt8]().span.bytes, output: &output) {
                delivered.append(copying: $0)
            }
        }
        #expect(delivered == [1])
        guard case .stream(.reset(code: 8))? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        guard case .stream? = fault({ _ = try send([2], by: tunnel) }) else {
            Issue.record("it is sent")
            return
        }
    }

    @Test func bytesThatBreakHTTP2EndTheTunnel() throws {
        let tunnel = try makeTunnel()
        let found = fault { _ = try receive(Frames.frame(4, [1]), by: tunnel) }
        guard case .stream(.connectionLost)? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
    }

    @Test func theEndOfTheConnectionBeforeTheTunnelsIsAFault() throws {
        let tunnel = try makeTunnel()
        guard case .connectionEnded? = fault({ try tunnel.streamEnded() }) else {
            Issue.record("it is no fault")
            return
        }
    }
}
