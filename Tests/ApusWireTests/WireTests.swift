import ApusCore
import ApusSocket
import ApusWire
import Glibc
import Loopback
import Testing

/// The bytes of one connection without layers; those with layers are in the files of the layers.
@Suite(.timeLimit(.minutes(5))) struct WireTests {
    /// More than the buffers of two sockets hold.
    private static let much = 32 << 20

    @Test func bytesGoBothWays() async throws {
        try await withWire([.expectBytes(5), .sendText("hello"), .readUntilEnd]) { stand in
            await stand.onLoop { wire, _ in wire.send(Array("12345".utf8)) }
            #expect(await stand.received(5) == Array("hello".utf8))
            #expect(await stand.onLoop { wire, _ in wire.sentCount } == 5)
            #expect(stand.peer.transcript(0).text == "12345")
        }
    }

    @Test func piecesGoOutInTheirOrder() async throws {
        let pieces = [1, 20_000, 5, 40_000].map { pattern($0) }
        let whole = pieces.flatMap { $0 }
        try await withWire([.expectBytes(whole.count), .signal("all"), .readUntilEnd]) { stand in
            await stand.onLoop { wire, _ in
                var bytes = OutgoingBytes()
                for piece in pieces { bytes.append(Bytes(piece)) }
                wire.send(bytes)
            }
            #expect(await stand.peer.signal("all"))
            #expect(stand.peer.transcript(0).received == whole)
        }
    }

    @Test func whatTheSocketDoesNotTakeIsKeptAndSentLater() async throws {
        let script: [ScriptedPeer.Step] = [
            .waitForSignal("read"), .expectBytes(Self.much), .signal("all"), .readUntilEnd,
        ]
        try await withWire(script) { stand in
            let bytes = pattern(Self.much)
            let (unsent, isWritable, before) = await stand.onLoop { wire, reader in
                wire.send(bytes)
                return (wire.unsentCount, wire.isWritable, reader.writableCalls)
            }
            #expect(unsent > 0)
            #expect(!isWritable)
            stand.peer.release("read")
            await stand.reader.wait(on: stand.loop) { $0.writableCalls > before }
            let left = await stand.onLoop { wire, _ in (wire.unsentCount, wire.sentCount) }
            #expect(left == (0, UInt64(Self.much)))
            #expect(await stand.onLoop { wire, _ in wire.isWritable })
            #expect(await stand.peer.signal("all"))
            let isSame = stand.peer.transcript(0).received == bytes
            #expect(isSame)
        }
    }

    @Test("a body that the socket does not take stays with the caller, and its head does not")
    func headAndBody() async throws {
        try await withWire([.waitForSignal("never")]) { stand in
            let (taken, room) = await stand.onLoop { wire, _ -> (Int, Int) in
                let body = Bytes(pattern(4 << 20))
                var taken = 0
                // Until the peer, which reads nothing, has closed its window.
                while wire.isWritable {
                    taken = wire.send(Array("head".utf8).span.bytes, [body], until: .max / 2)
                    if taken < body.count { break }
                }
                return (taken, wire.unsentCount)
            }
            #expect(taken < 4 << 20)
            #expect(room <= 4)
            let (later, kept) = await stand.onLoop { wire, _ -> (Int, Int) in
                let before = wire.unsentCount
                while wire.isWritable { wire.send([UInt8](repeating: 7, count: 65_536)) }
                let full = wire.unsentCount
                let later = wire.send(
                    Array("head".utf8).span.bytes, [Bytes("body")], until: .max / 2)
                return (later, wire.unsentCount - max(full, before))
            }
            #expect(later == 0)
            #expect(kept == 4)
            stand.peer.release("never")
        }
    }

    @Test("a turn of the body ends at its byte", arguments: [4, 5, 104, 200])
    func endOfATurn(end: UInt64) async throws {
        try await withWire([.readUntilEnd]) { stand in
            let (taken, sent) = await stand.onLoop { wire, _ -> (Int, UInt64) in
                let body = Bytes(pattern(100))
                let taken = wire.send(Array("head".utf8).span.bytes, [body], until: end)
                return (taken, wire.sentCount)
            }
            #expect(taken == min(100, Int(end) - 4))
            #expect(sent == min(104, end))
        }
    }

    @Test func bytesThatWerePutBackAreReadFirst() async throws {
        let script: [ScriptedPeer.Step] = [
            .waitForSignal("put back"), .sendText("def"), .readUntilEnd,
        ]
        try await withWire(script) { stand in
            let first = await stand.onLoop { wire, reader -> [UInt8] in
                reader.isPaused = true
                wire.putBack(Array("ab".utf8))
                wire.putBack(Array("c".utf8))
                reader.readOnce()
                return reader.received
            }
            #expect(first == Array("abc".utf8))
            stand.peer.release("put back")
            await stand.onLoop { _, reader in
                reader.isPaused = false
                reader.readAll()
            }
            #expect(await stand.received(6) == Array("abcdef".utf8))
        }
    }

    @Test func theEndOfThePeerFollowsItsBytes() async throws {
        try await withWire([.sendText("bye"), .halfClose, .readUntilEnd]) { stand in
            guard case .end? = await stand.ending() else {
                Issue.record("reading did not end in order")
                return
            }
            #expect(await stand.received(3) == Array("bye".utf8))
        }
    }

    @Test func aResetIsAnErrorOfReadingAndOfLaterSending() async throws {
        try await withWire([.expectBytes(1), .reset]) { stand in
            await stand.onLoop { wire, _ in wire.send([1]) }
            guard case .failed(.system(let error))? = await stand.ending() else {
                Issue.record("reading did not fail")
                return
            }
            #expect(error.errno == ECONNRESET)
            let (first, sent, isWritable) = await stand.onLoop { wire, _ in
                wire.send([2])
                let first = wire.sendError != nil
                // It is dropped.
                wire.send([3])
                return (first, wire.sentCount, wire.isWritable)
            }
            #expect(first)
            #expect(sent == 1)
            #expect(!isWritable)
        }
    }

    @Test func readingGoesOnAfterTheEndOfSending() async throws {
        try await withWire([.readUntilEnd, .sendText("late"), .close]) { stand in
            await stand.onLoop { wire, _ in
                wire.send([1, 2])
                wire.endSending()
            }
            #expect(await stand.received(4) == Array("late".utf8))
            #expect(stand.peer.transcript(0).received == [1, 2])
            guard case .end? = await stand.ending() else {
                Issue.record("reading did not end in order")
                return
            }
        }
    }

    @Test func aClosedWireTakesAndGivesNothing() async throws {
        try await withWire([.sendText("unread"), .readUntilEnd]) { stand in
            let isSilent = await stand.onLoop { wire, reader -> Bool in
                reader.isPaused = true
                wire.putBack([1])
                wire.close()
                wire.close()
                wire.send([2])
                return !wire.isOpen && !wire.isWritable && !wire.mayHaveInput
                    && wire.unsentCount == 0 && wire.sentCount == 0
            }
            #expect(isSilent)
            #expect(await stand.peer.connection(0) { $0.isClosed })
        }
    }

    /// Readiness is reported once, so that looking finds nothing that was read already.
    @Test func lookingFindsNothingThatWasRead() async throws {
        try await withWire([.sendText("abc"), .signal("sent"), .readUntilEnd]) { stand in
            #expect(await stand.peer.signal("sent"))
            #expect(await stand.received(3) == Array("abc".utf8))
            let found = await stand.onLoop { wire, _ -> [Bool] in
                let before = wire.mayHaveInput
                wire.lookForInput()
                return [before, wire.mayHaveInput]
            }
            #expect(found == [false, false])
        }
    }
}
